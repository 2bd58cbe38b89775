"""One request and its answer on the wire: reading the body, and writing with the faults that are a matter of bytes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, MutableMapping
from typing import Any, NamedTuple

import msgspec

from farebox_sandbox.calls import Call
from farebox_sandbox.connection import EXTENSION, ClientGone, Connection
from farebox_sandbox.errors import ErrorBody, ErrorEvent, UpstreamError, error_body, error_event
from farebox_sandbox.faults import NO_DIRECTIVES, Directives

MAX_BODY_BYTES = 64 * 2**20  # images in a request are base64 of up to 20 MB each

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


class Stream(NamedTuple):
    """Server-sent events. `opening` goes out first, `chunks` are paced and counted, `closing` ends the stream.
    `failure` is what `error_mid_stream` sends instead of the rest; None: the exchange's error event."""

    opening: bytes
    chunks: Iterator[bytes]
    closing: Callable[[], bytes]
    failure: Callable[[], bytes] | None = None


class Exchange:
    """`directives` are set once the body is read; until then none hold. `parameters` are the named parts of the path.
    `stem` is what all ids of the call are made from. `request_id_header` says the call's id a second time.
    `error_body` and `error_event` say errors in the route's own form; OpenAI's, unless its handler sets another."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, call: Call, stem: str) -> None:
        self.stem = stem
        self.scope = scope
        self.call = call
        self.directives = NO_DIRECTIVES
        self.parameters: dict[str, str] = {}
        self.request_id_header: bytes | None = None
        self.error_body: ErrorBody = error_body
        self.error_event: ErrorEvent = error_event
        self.connection: Connection = scope["extensions"][EXTENSION]
        self._receive = receive
        self._send = send

    async def read_body(self, pause_seconds: float = 0.0) -> bytes:
        """The request body, pausing before each read. Raises ClientGone, UpstreamError 413."""
        parts: list[bytes] = []
        async for part in self.body_parts(pause_seconds):
            parts.append(part)
            if self.call.bytes_received > MAX_BODY_BYTES:
                raise UpstreamError(413, f"The request body is larger than {MAX_BODY_BYTES} bytes.")
        return b"".join(parts)

    async def body_parts(self, pause_seconds: float = 0.0) -> AsyncIterator[bytes]:
        """The request body as it arrives, of any size, pausing before each read. Raises ClientGone."""
        more = True
        while more:
            if pause_seconds:
                await self.connection.pause(pause_seconds)
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part = message.get("body", b"")
            self.call.bytes_received += len(part)
            more = message.get("more_body", False)
            yield part

    async def answer(self, status: int, body: bytes, headers: Headers | None = None) -> None:
        """A whole answer with its Content-Length. Raises ClientGone, HungUp."""
        await self._start(status, "application/json", [*(headers or []), (b"content-length", b"%d" % len(body))])
        await self._finish(body)

    async def answer_json(self, value: Any) -> None:
        """A value as JSON, with status 200. Raises ClientGone, HungUp."""
        await self.answer(200, msgspec.json.encode(value))

    async def transfer(
        self, content_type: str, pieces: Iterable[bytes], *, status: int = 200, headers: Headers | None = None
    ) -> None:
        """Bytes that are no JSON and no events. The pieces are paced as chunks are; `error_mid_stream` closes the
        connection. Chunked, unless the headers have a Content-Length. Raises ClientGone, HungUp."""
        await self._start(status, content_type, headers or [])
        write = self._write_disturbed if self.directives.disturbs_bytes else self._write_plain
        for sent, piece in enumerate(pieces):
            if sent == self.directives.error_mid_stream:
                await self.connection.hang_up()
            await self._pace(sent)
            await write(piece)
            self.call.chunks_sent += 1
        await self._finish(b"")

    async def stream(self, stream: Stream) -> None:
        """Server-sent events, paced as the directives say. Raises ClientGone, HungUp."""
        directives = self.directives
        await self._start(200, "text/event-stream; charset=utf-8", [(b"cache-control", b"no-cache")])
        if not directives.disturbs_bytes and not directives.paces_chunks:
            return await self._burst(stream)
        write = self._write_disturbed if directives.disturbs_bytes else self._write_plain
        await write(stream.opening)
        for sent, chunk in enumerate(stream.chunks):
            if sent == directives.error_mid_stream:
                return await self._finish(stream.failure() if stream.failure else self.error_event(directives))
            await self._pace(sent)
            await write(chunk)
            self.call.chunks_sent += 1
        return await self._finish(stream.closing())

    async def _pace(self, sent: int) -> None:
        directives = self.directives
        if sent == directives.idle_after_chunks and directives.idle_seconds:
            await self.connection.pause(directives.idle_seconds)
        elif sent and directives.chunk_delay_seconds:
            await self.connection.pause(directives.chunk_delay_seconds)

    async def _burst(self, stream: Stream) -> None:
        chunks = list(stream.chunks)
        await self._finish(b"".join((stream.opening, *chunks, stream.closing())))
        self.call.chunks_sent = len(chunks)

    async def _start(self, status: int, content_type: str, headers: Headers) -> None:
        directives = self.directives
        if directives.delay_seconds:
            await self.connection.pause(directives.delay_seconds)
        self.call.status = status
        shown_type = directives.wrong_content_type or content_type
        all_headers = [(b"content-type", shown_type.encode()), (b"x-request-id", self.call.id.encode()), *headers]
        if self.request_id_header:
            all_headers.append((self.request_id_header, self.call.id.encode()))
        all_headers += [(name.lower().encode(), value.encode()) for name, value in directives.extra_headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": all_headers})
        if directives.first_byte_delay_seconds:
            await self.connection.pause(directives.first_byte_delay_seconds)

    async def _write_plain(self, data: bytes, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": more})
        if self.connection.lost:
            raise ClientGone
        self.call.bytes_sent += len(data)

    async def _write_disturbed(self, data: bytes) -> None:
        directives: Directives = self.directives
        if directives.crlf and self.call.stream:
            data = data.replace(b"\n", b"\r\n")
        cut = directives.cut_at_byte
        left = len(data) if cut is None else max(0, cut - self.call.bytes_sent)
        size = directives.split_bytes or len(data) or 1
        for start in range(0, min(left, len(data)), size):
            await self._write_plain(data[start : min(start + size, left)])
            if directives.split_bytes:
                await asyncio.sleep(0)  # the event loop joins what is written in one turn
        if cut is not None and self.call.bytes_sent >= cut:
            await self.connection.hang_up()

    async def _finish(self, data: bytes) -> None:
        if self.directives.disturbs_bytes:
            await self._write_disturbed(data)
            data = b""
        await self._write_plain(data, False)
        self.call.completed = True
