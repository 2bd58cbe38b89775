"""An upstream that remembers what it was sent, byte for byte, and answers with headers that must not come back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import NamedTuple

ANSWER = (
    b'{"id":"r","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":'
    b'{"role":"assistant","content":"ok"},"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":7,"completion_tokens":1,"total_tokens":8}}'
)
STREAM = (
    b'data: {"id":"r","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"ok"}}]}\n\n'
    b'data: {"id":"r","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b'data: {"id":"r","choices":[],"usage":{"prompt_tokens":7,"completion_tokens":1,"total_tokens":8}}\n\n'
    b"data: [DONE]\n\n"
)
_EXTRA = (
    b"set-cookie: secret=1\r\nopenai-organization: org-1\r\nx-request-id: upstream-1\r\n"
    b"x-ratelimit-remaining-requests: 3\r\nserver: upstream\r\n"
)


class Recorded(NamedTuple):
    """One request as it came."""

    line: bytes
    headers: dict[bytes, bytes]
    body: bytes


class Recorder:
    """`requests` holds what came, oldest first."""

    def __init__(self) -> None:
        self.requests: list[Recorded] = []
        self.base_url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            line, *lines = head.rstrip().split(b"\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (item.partition(b":") for item in lines)}
            body = await reader.readexactly(int(headers[b"content-length"]))
            self.requests.append(Recorded(line, headers, body))
            streamed = b'"stream":true' in body
            kind, answer = (b"text/event-stream", STREAM) if streamed else (b"application/json", ANSWER)
            head = b"HTTP/1.1 200 OK\r\ncontent-type: %s\r\ncontent-length: %d\r\n" % (kind, len(answer))
            writer.write(head + _EXTRA + b"connection: close\r\n\r\n" + answer)
            await writer.drain()
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def serve_recorder() -> AsyncIterator[Recorder]:
    recorder = Recorder()
    server = await asyncio.start_server(recorder.answer, "127.0.0.1", 0)
    recorder.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server:
        yield recorder
