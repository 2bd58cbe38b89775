"""The floor: the server and the client that the gateway uses, and nothing between them. No policy, no money."""

import asyncio
import socket
from typing import Any

import aiohttp
import msgspec
import uvicorn
import uvloop

from bench.children import Listening, give_answer, take_order
from farebox.dataplane.parts import Receive, Scope, Send
from farebox.providers.client import KEEP_ALIVE_SECONDS, READ_BUFFER_BYTES

MAX_CONNECTIONS = 4_096
LISTEN_BACKLOG = 2_048
_PATH = "/chat/completions"


class RelayOrder(msgspec.Struct):
    """Where to relay to."""

    upstream_url: str
    upstream_key: str


class BareRelay:
    """Passes a request on, and its answer back."""

    def __init__(self, order: RelayOrder) -> None:
        self._url = order.upstream_url + _PATH
        self._headers = {
            "content-type": "application/json",
            "accept-encoding": "identity",
            "authorization": f"Bearer {order.upstream_key}",
        }
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        body = await _body(receive)
        assert self._session is not None
        async with self._session.post(self._url, data=body, headers=self._headers) as response:
            if response.content_type == "text/event-stream":
                await _relay_stream(response, send)
            else:
                await _relay_whole(response, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=MAX_CONNECTIONS, keepalive_timeout=KEEP_ALIVE_SECONDS),
            auto_decompress=False,
            read_bufsize=READ_BUFFER_BYTES,
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._session.close()
        await send({"type": "lifespan.shutdown.complete"})


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)


async def _relay_whole(response: aiohttp.ClientResponse, send: Send) -> None:
    parts: list[bytes] = []
    while chunk := await response.content.readany():
        parts.append(chunk)
    body = b"".join(parts)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _relay_stream(response: aiohttp.ClientResponse, send: Send) -> None:
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    while chunk := await response.content.readany():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _serve(app: Any) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=LISTEN_BACKLOG)
    listener.setblocking(False)
    config = uvicorn.Config(
        app,
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        # A run that is stopped breaks answers off; that is no news.
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    give_answer(Listening(listener.getsockname()[1]))
    await serving


def main() -> None:
    """Serve until SIGTERM."""
    uvloop.run(_serve(BareRelay(take_order(RelayOrder))))


if __name__ == "__main__":
    main()
