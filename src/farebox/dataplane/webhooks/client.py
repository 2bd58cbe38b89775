"""The HTTP client of webhooks: it connects to places that customers name, so it trusts none of them.

It is not the providers' client: it has none of their keys, and no receiver can keep a provider waiting. A name is
looked up once, every address that it stands for is checked, and the connection goes to a checked address: there is no
second look-up that could answer otherwise. No redirect is followed, and of the answer only the status is read.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from farebox.base.addresses import is_public

LookUp = Callable[[str, int], list[str]]
"""The addresses of a name, in figures; blocks. Raises OSError."""

# Customers' names are looked up by threads of their own: a name server that never answers blocks only webhooks.
LOOK_UP_THREADS: Final = 4
# Of an answer: the status line and headers, and what is read ahead of a body that nobody wants.
MAX_LINE_BYTES: Final = 8_190
READ_BUFFER_BYTES: Final = 4_096


class Miss(StrEnum):
    """Why there is no status."""

    REFUSED_ADDRESS = "refused_address"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"


class NotDelivered(Exception):
    """No receiver answered."""

    def __init__(self, miss: Miss) -> None:
        super().__init__(miss.value)
        self.miss = miss


class _RefusedAddress(OSError):
    """The place is not on the open internet."""


class GuardedResolver(AbstractResolver):
    """Looks a name up and refuses it unless every address is allowed: one private among them is no accident."""

    def __init__(self, look_up: LookUp, allowed: Callable[[str], bool]) -> None:
        self._look_up = look_up
        self._allowed = allowed
        self._threads = ThreadPoolExecutor(LOOK_UP_THREADS, thread_name_prefix="webhook names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises OSError."""
        found = await asyncio.get_running_loop().run_in_executor(self._threads, self._look_up, host, port)
        if not found:
            raise OSError("the name has no address")
        if not all(self._allowed(address) for address in found):
            raise _RefusedAddress("the name stands for an address that is not public")
        return [_result(host, address, port) for address in found]

    async def close(self) -> None:
        """Look up no more; a look-up that runs ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _result(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)


def look_up_name(host: str, port: int) -> list[str]:
    """What the system's resolver says. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class WebhookClient:
    """Connections to receivers. Each is used for one delivery."""

    def __init__(
        self,
        *,
        max_connections: int,
        timeout_seconds: float,
        allow_private: bool,
        look_up: LookUp = look_up_name,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """`trust` instead of the certificates that the system believes in."""
        self._timeout_seconds = timeout_seconds
        self._allow_private = allow_private
        connector = aiohttp.TCPConnector(
            limit=max_connections,
            force_close=True,
            use_dns_cache=False,
            ssl=True if trust is None else trust,
            resolver=GuardedResolver(look_up, self._allowed),
            # Every connection begins here, also to addresses in figures, which no resolver is asked about.
            socket_factory=self._socket,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            connector_owner=True,
            auto_decompress=False,
            read_bufsize=READ_BUFFER_BYTES,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
        )

    def _allowed(self, address: str) -> bool:
        return self._allow_private or is_public(address)

    def _socket(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        if not self._allowed(str(address[0])):
            raise _RefusedAddress("the address is not public")
        return socket.socket(family=family, type=kind, proto=protocol)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Deliver, and give the status of the answer; its headers and body are thrown away. Raises NotDelivered."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                response = await self._session.post(
                    URL(url, encoded=True), data=body, headers=headers, allow_redirects=False
                )
                response.close()
                return response.status
        except TimeoutError as error:
            raise NotDelivered(Miss.TIMEOUT) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            refused = isinstance(error, _RefusedAddress) or isinstance(error.__cause__, _RefusedAddress)
            raise NotDelivered(Miss.REFUSED_ADDRESS if refused else Miss.UNREACHABLE) from error

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()
