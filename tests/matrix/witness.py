"""An upstream that remembers what it was sent, byte for byte, and rejects it, so that nothing is owed or pending."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

_BODY = b'{"error": {"message": "No.", "type": "invalid_request_error", "param": null, "code": null}}'
_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
)


class Witness:
    """`requests` holds what came, heads and bodies, oldest first."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.base_url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            names = [line.partition(b":") for line in head.lower().split(b"\r\n")]
            [size] = [int(value) for name, _, value in names if name == b"content-length"] or [0]
            self.requests.append(head + await reader.readexactly(size))
            writer.write(_ANSWER % len(_BODY) + _BODY)
            await writer.drain()
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def serve_witness() -> AsyncIterator[Witness]:
    """Until the block ends."""
    witness = Witness()
    server = await asyncio.start_server(witness.answer, "127.0.0.1", 0)
    witness.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield witness
