"""uvicorn set up for the sandbox: our connection class, no signals of its own, and a stop that waits for nobody."""

import asyncio
import contextlib
import socket
from collections.abc import Generator
from typing import Any, cast

import uvicorn

from farebox_sandbox.app import Sandbox
from farebox_sandbox.connection import Connection

LISTEN_BACKLOG = 2048  # benchmarks open 500 connections at once
MAX_CONNECTIONS = 4096  # past it uvicorn answers 503
KEEP_ALIVE_SECONDS = 75  # longer than a client's pool keeps a connection idle


class SandboxServer(uvicorn.Server):
    """Serves one sandbox on one bound socket. `ready` is set when it accepts."""

    def __init__(self, sandbox: Sandbox, *, log_level: str | None = None) -> None:
        config = uvicorn.Config(
            cast(Any, sandbox),
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level=log_level,
            access_log=False,
            server_header=False,
            date_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=1,
        )
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals alone: in a test they belong to the test runner, and `__main__` sets its own."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self.ready.set()

    def stop(self) -> None:
        """Break every open answer and end `serve` within about 0.2 s."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        self.should_exit = True


def bind(host: str, port: int) -> socket.socket:
    """A listening TCP socket; port 0 takes a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP, so that asyncio switches Nagle off: else a body can wait 40 ms for its headers to be acknowledged.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(LISTEN_BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
