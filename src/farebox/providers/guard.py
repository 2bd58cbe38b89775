"""Connections that may go to the open internet only: every address is checked after its name was looked up.

A name is looked up once, every address that it stands for is checked, and the connection goes to a checked address:
there is no second look-up that could answer otherwise. Addresses in figures, which nobody looks up, are checked where
their socket is made.
"""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

LookUp = Callable[[str, int], list[str]]
"""The addresses of a name, in figures; blocks. Raises OSError."""


class RefusedAddress(OSError):
    """The place is not on the open internet."""


def was_refused(error: BaseException) -> bool:
    """Whether that is why a connection failed."""
    return isinstance(error, RefusedAddress) or isinstance(error.__cause__, RefusedAddress)


class GuardedResolver(AbstractResolver):
    """Looks a name up and refuses it unless every address is allowed: one private among them is no accident.

    Names are looked up by threads of its own, so that a name server that never answers blocks nobody else."""

    def __init__(self, look_up: LookUp, allowed: Callable[[str], bool], *, threads: int = 4) -> None:
        self._look_up = look_up
        self._allowed = allowed
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="guarded names")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises OSError."""
        found = await asyncio.get_running_loop().run_in_executor(self._threads, self._look_up, host, port)
        if not found:
            raise OSError("the name has no address")
        if not all(self._allowed(address) for address in found):
            raise RefusedAddress("the name stands for an address that is not public")
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


def guarded_sockets(allowed: Callable[[str], bool]) -> Callable[[tuple[Any, ...]], socket.socket]:
    """What makes the socket of every connection, also of those to addresses in figures. It raises RefusedAddress."""

    def make(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, address = info
        if not allowed(str(address[0])):
            raise RefusedAddress("the address is not public")
        return socket.socket(family=family, type=kind, proto=protocol)

    return make
