"""Servers of chains that are of no use. Each has a key in its address that nobody is to read."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

SECRET: Final = "sk-of-the-rpc-server"
_OK: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n"


@dataclass(frozen=True)
class BadServers:
    """Addresses: nobody there, no answer, no JSON, fifty megabytes before the answer, an answer that is neither yes nor
    no, an error."""

    down: str
    hangs: str
    garbage: str
    huge: str
    odd: str
    refuses: str


@contextlib.asynccontextmanager
async def serve_badly() -> AsyncIterator[BadServers]:
    """Run them all."""
    async with contextlib.AsyncExitStack() as stack:

        async def serve(*pieces: bytes) -> str:
            url = await stack.enter_async_context(_server(pieces))
            return f"{url}/{SECRET}"

        # What these say would do for the number of chain 1, and the last but one for a yes.
        padding = b" " * 1_000_000
        yield BadServers(
            down=f"http://127.0.0.1:{_unused_port()}/{SECRET}",
            hangs=await serve(),
            garbage=await serve(_OK, b"<html>busy</html>"),
            huge=await serve(_OK, *[padding] * 50, b'{"jsonrpc":"2.0","id":1,"result":"0x01"}'),
            odd=await serve(_OK, b'{"jsonrpc":"2.0","id":1,"result":"0x1"}'),
            refuses=await serve(_OK, b'{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"quota"}}'),
        )


@contextlib.asynccontextmanager
async def redirecting_to(url: str) -> AsyncIterator[str]:
    """A server that sends everybody on."""
    moved = f"HTTP/1.1 307 Moved\r\nlocation: {url}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    async with _server((moved.encode(),)) as running:
        yield f"{running}/{SECRET}"


@contextlib.asynccontextmanager
async def _server(pieces: tuple[bytes, ...]) -> AsyncIterator[str]:
    """Reads a request and writes the pieces; without any it keeps the client waiting."""
    running: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            if not pieces:
                await reader.read()  # until the client gives up
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
        writer.close()

    def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(answer(reader, writer))
        running.add(task)
        task.add_done_callback(running.discard)

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _unused_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
