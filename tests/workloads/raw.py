"""An upstream whose every byte is the test's: it keeps what came, and answers as it is told, when it is told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

Script = Callable[["RawExchange"], Awaitable[None]]


class RawExchange:
    """One request under way. `body` grows as it comes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.line = b""
        self.headers: dict[bytes, bytes] = {}
        self.body = bytearray()
        self.ended = asyncio.Event()  # the connection is over
        self.broke = False  # before the request was complete
        self._reader = reader
        self._writer = writer

    async def read_head(self) -> None:
        line, *lines = (await self._reader.readuntil(b"\r\n\r\n")).rstrip().split(b"\r\n")
        self.line = line
        self.headers = {name.lower(): value.strip() for name, _, value in (item.partition(b":") for item in lines)}

    async def read_body(self, most_bytes: int | None = None) -> None:
        """The rest of the body, or so many bytes of it."""
        length = int(self.headers[b"content-length"])
        goal = length if most_bytes is None else min(length, most_bytes)
        while len(self.body) < goal:
            piece = await self._reader.read(min(65_536, goal - len(self.body)))
            if not piece:
                self.broke = True
                raise ConnectionError
            self.body += piece

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def start(self, content_type: str, *, status: int = 200, length: int | None = None) -> None:
        """The head of an answer: chunked, unless there is a length."""
        framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
        await self.send(f"HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\n{framing}\r\n\r\n".encode())

    async def chunk(self, data: bytes) -> None:
        """One chunk; an empty one ends the answer."""
        await self.send(b"%x\r\n%s\r\n" % (len(data), data))

    async def answer(self, content_type: str, body: bytes, *, status: int = 200) -> None:
        await self.start(content_type, status=status, length=len(body))
        await self.send(body)

    async def wait_until_left(self) -> None:
        """Until the other side closes the connection."""
        while await self._reader.read(65_536):
            pass


class RawUpstream:
    """`script` answers every request; `exchanges` holds them, oldest first."""

    def __init__(self) -> None:
        self.base_url = ""
        self.exchanges: list[RawExchange] = []
        self.script: Script | None = None

    def reset(self) -> None:
        self.exchanges.clear()
        self.script = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        exchange = RawExchange(reader, writer)
        try:
            await exchange.read_head()
            self.exchanges.append(exchange)
            assert self.script is not None
            await self.script(exchange)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            exchange.ended.set()
            writer.close()


@contextlib.asynccontextmanager
async def serve_raw_upstream() -> AsyncIterator[RawUpstream]:
    upstream = RawUpstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, limit=65_536)
    upstream.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield upstream
