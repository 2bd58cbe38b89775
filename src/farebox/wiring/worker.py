"""`python -m farebox.wiring.worker`: one process that serves requests. Started by `crew.py`, never by hand.

Standard input carries one line, the `Order`, and then stays open and silent: its end means that the parent is gone,
however it died. `status_fd` goes the other way: one `Status` line when the worker answers /readyz, or why it cannot.
"""

import asyncio
import contextlib
import ctypes
import gc
import importlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Generator, Mapping, MutableMapping
from typing import Any, Final

import msgspec
import uvicorn

from farebox.base.errors import OperatorError
from farebox.wiring.connection import guarded
from farebox.wiring.logs import log_to_stderr
from farebox.wiring.orders import LISTEN_BACKLOG, Order, Status
from farebox.wiring.settings import Boot, Settings

# The blob is a few kilobytes; a pipe delivers it whole or in parts.
MAX_ORDER_BYTES: Final = 4_000_000
READ_BLOCK_BYTES: Final = 65_536
# Time to settle what runs when the parent died; its database may be gone with it.
ORPHANED_SHUTDOWN_SECONDS: Final = 10.0
# Container objects made since the last collection: a few hundred calls' worth, well under a megabyte.
COLLECT_AFTER_ALLOCATIONS: Final = 10_000
READINESS_POLL_SECONDS: Final = 0.05
EXIT_CANNOT_START: Final = 3
_PR_SET_PDEATHSIG: Final = 1

_READYZ: Final[Mapping[str, object]] = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "method": "GET",
    "scheme": "http",
    "root_path": "",
    "path": "/readyz",
    "raw_path": b"/readyz",
    "query_string": b"",
    "client": ("127.0.0.1", 0),
    "server": ("127.0.0.1", 0),
}

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]
Factory = Callable[[Settings, str, Boot], App]


class _Worker(uvicorn.Server):
    """Serves until SIGTERM; reports readiness once the application says 200 to /readyz."""

    def __init__(self, app: App, order: Order) -> None:
        self._app = app
        self._status_fd = order.status_fd
        self._reporting: asyncio.Task[None] | None = None
        logging.getLogger("uvicorn.error").addFilter(_tells_more_than_the_parent)
        # Each try to reach a database that is away would be a line with the socket path; /readyz tells of it.
        logging.getLogger("psycopg.pool").setLevel(logging.ERROR)
        super().__init__(_config(self._answer, order.settings))

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """SIGTERM ends us; SIGINT is the terminal's, and for the parent."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.handle_exit, signal.SIGTERM, None)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        _calm_collector()
        self._reporting = asyncio.create_task(self._report_when_ready())

    async def _answer(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except OperatorError as error:
            if scope["type"] != "lifespan":
                raise
            report(self._status_fd, Status(ready=False, message=error.message, fix=error.fix))
            await send({"type": "lifespan.startup.failed"})

    async def _report_when_ready(self) -> None:
        while await _readiness_status(self._app) != 200:  # noqa: ASYNC110 - it has nothing to wait on
            await asyncio.sleep(READINESS_POLL_SECONDS)
        report(self._status_fd, Status(ready=True))


def _calm_collector() -> None:
    """What was loaded to start with stays for good, and a call leaves few cycles: collecting as often as Python does by
    default would walk the same modules again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_ALLOCATIONS, 20, 20)


def _tells_more_than_the_parent(record: logging.LogRecord) -> bool:
    """The parent prints why a worker cannot start; that it did not is no news then."""
    return not str(record.msg).startswith("Application startup failed")


def _config(app: App, settings: Settings) -> uvicorn.Config:
    server = settings.server
    return uvicorn.Config(
        app,
        http=guarded(header_timeout_seconds=server.header_timeout_seconds, max_header_bytes=server.max_header_bytes),
        interface="asgi3",
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        date_header=True,
        # Whose forwarded headers are believed is decided where a key is: see base/addresses.py.
        proxy_headers=False,
        backlog=LISTEN_BACKLOG,
        limit_concurrency=server.max_connections,
        timeout_keep_alive=int(server.idle_connection_seconds),
        timeout_graceful_shutdown=max(1, round(server.graceful_shutdown_seconds)),
    )


async def _readiness_status(app: App) -> int:
    """What the application answers to GET /readyz, asked without the network."""
    status = 0

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    await app({**_READYZ, "headers": [(b"host", b"127.0.0.1")], "state": {}}, receive, send)
    return status


def report(status_fd: int, status: Status) -> None:
    """Tell the parent. A parent that is gone is noticed elsewhere."""
    with contextlib.suppress(BrokenPipeError):
        os.write(status_fd, msgspec.json.encode(status) + b"\n")


def read_order(descriptor: int) -> Order:
    """The one line on standard input. Raises EOFError when the parent is gone before it was complete."""
    received = b""
    while not received.endswith(b"\n"):
        block = os.read(descriptor, READ_BLOCK_BYTES)
        if not block or len(received) > MAX_ORDER_BYTES:
            raise EOFError("no order")
        received += block
    return msgspec.json.decode(received, type=Order)


def load_factory(path: str) -> Factory:
    """`package.module:function`."""
    module, _, name = path.partition(":")
    factory: Factory = getattr(importlib.import_module(module), name)
    return factory


def _end_with_parent(settings: Settings) -> None:
    """Runs in a thread, so that a stuck event loop cannot keep an orphan alive."""
    while os.read(0, READ_BLOCK_BYTES):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    seconds = min(ORPHANED_SHUTDOWN_SECONDS, settings.server.graceful_shutdown_seconds)
    threading.Event().wait(seconds)
    os._exit(1)


def _ask_for_death_signal() -> None:
    """A second string: the kernel's SIGTERM when the parent dies. The pipe works everywhere, this on Linux only."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


def main() -> None:
    """Serve until told to stop. Exit status 0, or EXIT_CANNOT_START after a Status that says why."""
    _ask_for_death_signal()
    log_to_stderr()
    try:
        order = read_order(0)
    except EOFError:
        sys.exit(EXIT_CANNOT_START)
    threading.Thread(target=_end_with_parent, args=[order.settings], daemon=True).start()
    try:
        app = load_factory(order.factory)(order.settings, order.dsn, order.boot)
        listener = socket.socket(fileno=order.listen_fd)
        _Worker(app, order).run(sockets=[listener])
    except OperatorError as error:
        report(order.status_fd, Status(ready=False, message=error.message, fix=error.fix))
        sys.exit(EXIT_CANNOT_START)


if __name__ == "__main__":
    main()
