"""The load generator: a process of its own, with as little between the socket and the clock as Python allows."""

import asyncio
import time
from collections.abc import Sequence
from typing import cast

import msgspec
import uvloop

from bench.children import give_answer, take_order

CHAT_PATH = "/v1/chat/completions"
_HEAD_END = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_EVENT = b"data: "


class LoadOrder(msgspec.Struct, kw_only=True):
    """`calls` in all over `concurrency` connections, which start spread over `ramp_seconds`, with `keys` in turn.

    The first `warmup_per_connection` calls of each connection are made and counted, but not timed.
    """

    port: int
    keys: list[str]
    body: str
    concurrency: int
    calls: int
    path: str = CHAT_PATH
    stream: bool = False
    ramp_seconds: float = 0.0
    warmup_per_connection: int = 0


class LoadResult(msgspec.Struct):
    """`first_*` is the time to the first event of a stream, or of a whole answer; `chunks` are events."""

    seconds: float
    calls: int
    failed: int
    first_p50_ms: float
    first_p99_ms: float
    chunks: int
    body_bytes: int


class _Connection(asyncio.Protocol):
    """One request at a time; a response with Content-Length, or a chunked stream of events."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._transport: asyncio.Transport | None = None
        self._done: asyncio.Future[bool] | None = None
        self._reset()

    def _reset(self) -> None:
        self._received = bytearray()
        self._end = -1
        self._tail = b""
        self._stream = False
        self.status_ok = False
        self.first_at = 0.0
        self.chunks = 0
        self.body_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name

    async def call(self) -> bool:
        """Whether a whole answer with status 200 came."""
        self._reset()
        assert self._transport is not None
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(self._request)
        return await self._done and self.status_ok

    def data_received(self, data: bytes) -> None:
        if self._stream:
            self._take_events(data)
            return
        self._received += data
        if self._end < 0:
            head = self._received.find(_HEAD_END)
            if head < 0:
                return
            self._read_head(bytes(self._received[:head]), head + len(_HEAD_END))
            if self._stream:
                self._take_events(bytes(self._received[head + len(_HEAD_END) :]))
                return
        if len(self._received) >= self._end:
            self.first_at = time.perf_counter()
            self._finish(True)

    def _read_head(self, head: bytes, body_at: int) -> None:
        self.status_ok = head.startswith(b"HTTP/1.1 200")
        lower = head.lower()
        place = lower.find(b"\r\ncontent-length:")
        self._stream = place < 0
        if place >= 0:
            self.body_bytes = int(lower[place + 17 :].split(b"\r\n", 1)[0])
            self._end = body_at + self.body_bytes

    def _take_events(self, data: bytes) -> None:
        # A mark that two reads share is found in the second one; none fits into what is kept of the first.
        joined = self._tail + data
        self.chunks += joined.count(_EVENT)
        if self.chunks and not self.first_at:
            self.first_at = time.perf_counter()
        self.body_bytes += len(data)
        if joined.endswith(_LAST_CHUNK):
            self._finish(True)
        self._tail = joined[-(len(_EVENT) - 1) :]

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(False)

    def _finish(self, whole: bool) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(whole)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class _Load:
    def __init__(self, order: LoadOrder) -> None:
        self._order = order
        self._left = order.calls
        self.first_seconds: list[float] = []
        self.failed = self.chunks = self.body_bytes = 0

    async def client(self, number: int) -> None:
        order = self._order
        await asyncio.sleep(order.ramp_seconds * number / order.concurrency)
        request = _request(order.keys[number % len(order.keys)], order)
        connection: _Connection | None = None
        made = 0
        while self._left > 0:
            self._left -= 1
            made += 1
            if connection is None:
                connection = await self._connect(request)
            began_at = time.perf_counter()
            if await connection.call():
                self.chunks += connection.chunks
                self.body_bytes = connection.body_bytes
                if made > order.warmup_per_connection:
                    self.first_seconds.append(connection.first_at - began_at)
            else:
                self.failed += 1
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    async def _connect(self, request: bytes) -> _Connection:
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(lambda: _Connection(request), "127.0.0.1", self._order.port)
        return protocol


def _request(key: str, order: LoadOrder) -> bytes:
    encoded = order.body.encode()
    head = (
        f"POST {order.path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(encoded)}\r\n\r\n"
    )
    return head.encode() + encoded


def percentile_ms(seconds: Sequence[float], share: float) -> float:
    """The `share` quantile (0 … 1) in milliseconds; 0 when there is nothing."""
    ordered = sorted(seconds)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] * 1e3 if ordered else 0.0


async def _run(order: LoadOrder) -> LoadResult:
    load = _Load(order)
    began_at = time.perf_counter()
    await asyncio.gather(*(load.client(number) for number in range(order.concurrency)))
    return LoadResult(
        seconds=time.perf_counter() - began_at,
        calls=order.calls,
        failed=load.failed,
        first_p50_ms=percentile_ms(load.first_seconds, 0.5),
        first_p99_ms=percentile_ms(load.first_seconds, 0.99),
        chunks=load.chunks,
        body_bytes=load.body_bytes,
    )


def main() -> None:
    """One order, one result."""
    give_answer(uvloop.run(_run(take_order(LoadOrder))))


if __name__ == "__main__":
    main()
