"""The HTTP client of webhooks: it connects to places that customers name, so it trusts none of them.

It is not the providers' client: it has none of their keys, and no receiver can keep a provider waiting. Every address
is checked (`providers/guard.py`), no redirect is followed, and of the answer only the status is read.
"""

import asyncio
import ssl
from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import aiohttp
from yarl import URL

from farebox.base.addresses import is_public
from farebox.providers.guard import GuardedResolver, LookUp, guarded_sockets, look_up_name, was_refused

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
        self._resolver = GuardedResolver(look_up, self._allowed, threads=LOOK_UP_THREADS)
        connector = aiohttp.TCPConnector(
            limit=max_connections,
            force_close=True,
            use_dns_cache=False,
            ssl=True if trust is None else trust,
            resolver=self._resolver,
            socket_factory=guarded_sockets(self._allowed),
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
            raise NotDelivered(Miss.REFUSED_ADDRESS if was_refused(error) else Miss.UNREACHABLE) from error

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()
        await self._resolver.close()
