"""The upstream HTTP client: one port, on aiohttp. Foreign exceptions become `UpstreamFailure` here and nowhere else.

Nothing of the client's headers goes upstream and nothing of the provider's headers comes back but what this file reads.
Connections go to public addresses, and to others only for hosts that the operator named.
"""

import asyncio
import contextlib
import io
from collections.abc import AsyncIterator, Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from farebox.base.addresses import is_public
from farebox.base.limits import Timeouts
from farebox.catalog.model import Provider
from farebox.dialects.port import Target
from farebox.providers.accounts import Endpoint
from farebox.providers.guard import GuardedResolver, LookUp, guarded_sockets, look_up_name, was_refused

USER_AGENT = "farebox"
# What aiohttp may read ahead of us per stream before it stops reading from the socket.
READ_BUFFER_BYTES = 65_536
# An idle connection is given up before common servers do, so that a call seldom meets a closed one.
KEEP_ALIVE_SECONDS = 4.0
# The body of an error answer; what is longer is not an error message.
MAX_ERROR_BODY_BYTES = 65_536


# Above it, aiohttp warns of bodies that are sent in one piece.
LARGE_BODY_BYTES = 1_000_000
# Providers times paths in use at once; a catalog that changes them this often starts anew.
MAX_TARGETS = 256
# Checked addresses of a name are used for so long before it is looked up again.
DNS_CACHE_SECONDS = 30
# aiohttp looks each name up once at a time, so these are the providers whose name servers may hang at once.
LOOK_UP_THREADS = 8

_HEADERS = {
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
    "accept-encoding": "identity",
    "user-agent": USER_AGENT,
}


class FailureKind(StrEnum):
    """How an attempt failed on the way. Values appear as attempt outcomes on receipts."""

    CONNECT = "connect_failed"
    CONNECT_TIMEOUT = "connect_timeout"
    FIRST_BYTE_TIMEOUT = "first_byte_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    TOTAL_TIMEOUT = "total_timeout"
    CUT = "connection_cut"
    TOO_LARGE = "answer_too_large"
    REFUSED_ADDRESS = "refused_address"  # by ourselves: the provider's address is not a public one

    @property
    def timed_out(self) -> bool:
        """Whether it was a timeout."""
        return self in _TIMEOUTS

    @property
    def may_have_cost(self) -> bool:
        """Whether the provider had the request and may bill for it."""
        return self not in _FREE


_FREE = frozenset({FailureKind.CONNECT, FailureKind.CONNECT_TIMEOUT, FailureKind.REFUSED_ADDRESS})
# More seconds than anybody believes; a longer number is cut off, and is still too long.
_MAX_RETRY_DIGITS = 9
_TIMEOUTS = frozenset(
    {
        FailureKind.CONNECT_TIMEOUT,
        FailureKind.FIRST_BYTE_TIMEOUT,
        FailureKind.IDLE_TIMEOUT,
        FailureKind.TOTAL_TIMEOUT,
    }
)


class UpstreamFailure(Exception):
    """An attempt ended without a whole answer."""

    def __init__(self, kind: FailureKind) -> None:
        super().__init__(kind.value)
        self.kind = kind


class Waits(NamedTuple):
    """The timeouts of one attempt, in seconds."""

    connect: float
    first_byte: float
    idle: float
    total: float


def waits_for(provider: Provider, defaults: Timeouts) -> Waits:
    """The provider's own timeouts where the catalog has them."""
    return Waits(
        connect=provider.connect_timeout_seconds or defaults.connect_timeout_seconds,
        first_byte=provider.first_byte_timeout_seconds or defaults.first_byte_timeout_seconds,
        idle=provider.idle_timeout_seconds or defaults.idle_timeout_seconds,
        total=provider.total_timeout_seconds or defaults.total_timeout_seconds,
    )


class Upload(Protocol):
    """A body that is sent while it comes. `length` in bytes, None where it is not known; `failure` is why it ended
    early, which then ends the attempt, too: whoever made it knows what to do."""

    content_type: str
    length: int | None
    failure: BaseException | None

    def chunks(self) -> AsyncIterator[bytes]:
        """The body. What it raises breaks the request off."""


Body = bytes | Upload


class UpstreamResponse:
    """An answer whose headers have come. Close it whatever happens; closing early cancels it upstream."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._content = response.content
        self.status = response.status
        self.content_type = response.content_type

    def header(self, name: str) -> str | None:
        """A header of the answer; for callers that pass on what they know by name."""
        return self._response.headers.get(name)

    @property
    def retry_after_seconds(self) -> int | None:
        """The provider's Retry-After, where it is a number of seconds; as long as it likes, so callers bound it."""
        value = self._response.headers.get("retry-after", "")
        return int(value[:_MAX_RETRY_DIGITS]) if value.isascii() and value.isdigit() else None

    async def body(self, max_bytes: int) -> bytes:
        """The whole body. Raises UpstreamFailure when it is cut short or too large."""
        parts, size = [], 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size > max_bytes:
                raise UpstreamFailure(FailureKind.TOO_LARGE)
            parts.append(chunk)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises UpstreamFailure when the transfer is cut."""
        while chunk := await self.read():
            yield chunk

    async def read(self) -> bytes:
        """What has come of the body, at least a byte; empty at its end. Raises UpstreamFailure when it is cut."""
        try:
            return await self._content.readany()
        except (aiohttp.ClientError, ConnectionError, asyncio.IncompleteReadError) as error:
            raise UpstreamFailure(FailureKind.CUT) from error

    def close(self) -> None:
        """Give the connection back if the body was read, else close it, which ends the answer upstream."""
        self._response.release() if self._response.content.at_eof() else self._response.close()


_FOREIGN = (aiohttp.ClientError, OSError, ValueError)  # TimeoutError is an OSError


def failure_of(error: Exception) -> UpstreamFailure:
    """What a foreign exception means, raised before an answer came."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return UpstreamFailure(FailureKind.CONNECT_TIMEOUT)
    if isinstance(error, TimeoutError):
        return UpstreamFailure(FailureKind.FIRST_BYTE_TIMEOUT)
    if was_refused(error):
        return UpstreamFailure(FailureKind.REFUSED_ADDRESS)
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.InvalidURL):
        return UpstreamFailure(FailureKind.CONNECT)
    return UpstreamFailure(FailureKind.CUT)


def host_of(base_url: str) -> str:
    """The host of an address as this client compares it: in small letters, IPv6 without brackets."""
    return (URL(base_url, encoded=True).host or "").lower()


class UpstreamClient:
    """Connections to all providers.

    Hosts that may be private have a session of their own, so that no connection of theirs can serve another host, and
    every connection of the other session goes to an address that was checked."""

    def __init__(
        self, *, max_connections: int, allowed_private: frozenset[str] = frozenset(), look_up: LookUp = look_up_name
    ) -> None:
        """`allowed_private`: hosts, as `host_of` gives them, that may stand for addresses that are not public."""
        self._allowed_private = allowed_private
        self._resolvers = (
            GuardedResolver(look_up, is_public, threads=LOOK_UP_THREADS),
            GuardedResolver(look_up, lambda _: True, threads=LOOK_UP_THREADS),
        )
        self._public, self._private = (
            _session(
                aiohttp.TCPConnector(
                    limit=max_connections,
                    keepalive_timeout=KEEP_ALIVE_SECONDS,
                    ttl_dns_cache=DNS_CACHE_SECONDS,
                    resolver=resolver,
                    socket_factory=sockets,
                )
            )
            for resolver, sockets in zip(self._resolvers, (guarded_sockets(is_public), None), strict=True)
        )
        self._targets: dict[tuple[Endpoint, Target], _Prepared] = {}

    async def post(self, endpoint: Endpoint, target: Target, body: Body, waits: Waits) -> UpstreamResponse:
        """Send and wait for the headers of the answer, whatever its status. Raises UpstreamFailure."""
        session, url, headers = self._target(endpoint, target)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=waits.connect)
        try:
            async with asyncio.timeout(waits.first_byte) as guard:
                data: bytes | io.BytesIO | AsyncIterator[bytes]
                if isinstance(body, bytes):
                    # What is large goes out piece by piece, so that other calls come between.
                    data = body if len(body) < LARGE_BODY_BYTES else io.BytesIO(body)
                else:
                    headers, data = _upload_headers(headers, body), _watched(body, guard, waits.first_byte)
                response = await session.post(url, data=data, headers=headers, timeout=timeout, allow_redirects=False)
        except _FOREIGN as error:
            raise failure_of(error) from error
        return UpstreamResponse(response)

    async def request(self, method: str, endpoint: Endpoint, target: Target, waits: Waits) -> UpstreamResponse:
        """Ask without a body: GET, DELETE. Otherwise as `post`. Raises UpstreamFailure."""
        headers = dict(target.headers)
        if endpoint.api_key is not None:
            headers.update([endpoint.credential])
        return await self.fetch(method, endpoint.base_url.rstrip("/") + target.path, headers, waits)

    async def fetch(self, method: str, url: str, headers: Mapping[str, str], waits: Waits) -> UpstreamResponse:
        """Ask at an absolute address, with these headers and no key but what they carry. Raises UpstreamFailure."""
        sent = {"accept": "*/*", "accept-encoding": "identity", "user-agent": USER_AGENT, **headers}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=waits.connect)
        try:
            address = URL(url, encoded=True)
            async with asyncio.timeout(waits.first_byte):
                response = await self._session_for(address).request(
                    method, address, headers=sent, timeout=timeout, allow_redirects=False
                )
        except _FOREIGN as error:
            raise failure_of(error) from error
        return UpstreamResponse(response)

    def _session_for(self, url: URL) -> aiohttp.ClientSession:
        return self._private if (url.host or "").lower() in self._allowed_private else self._public

    def _target(self, endpoint: Endpoint, target: Target) -> "_Prepared":
        """The address and headers of calls to an endpoint, made once: they are the same for most calls."""
        found = self._targets.get((endpoint, target))
        if found is None:
            headers = CIMultiDict(_HEADERS)
            headers.update(target.headers)
            if endpoint.api_key is not None:
                headers.update([endpoint.credential])
            if len(self._targets) >= MAX_TARGETS:
                self._targets.clear()
            url = URL(endpoint.base_url.rstrip("/") + target.path, encoded=True)
            found = self._targets[endpoint, target] = self._session_for(url), url, headers
        return found

    async def close(self) -> None:
        """Close every connection."""
        await self._public.close()
        await self._private.close()
        for resolver in self._resolvers:
            await resolver.close()


_Prepared = tuple[aiohttp.ClientSession, URL, "CIMultiDict[str]"]


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
        auto_decompress=False,
        read_bufsize=READ_BUFFER_BYTES,
        timeout=aiohttp.ClientTimeout(total=None),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )


def _upload_headers(headers: "CIMultiDict[str]", body: Upload) -> "CIMultiDict[str]":
    changed = CIMultiDict(headers)
    changed["content-type"] = body.content_type
    if body.length is not None:
        changed["content-length"] = str(body.length)
    return changed


async def _watched(body: Upload, guard: asyncio.Timeout, first_byte_seconds: float) -> AsyncIterator[bytes]:
    """The body; the provider's time begins anew with each piece that it takes, so that no upload is too long for it."""
    loop = asyncio.get_running_loop()
    async for chunk in body.chunks():
        yield chunk
        with contextlib.suppress(RuntimeError):  # the answer began while the body was still on its way
            guard.reschedule(loop.time() + first_byte_seconds)
