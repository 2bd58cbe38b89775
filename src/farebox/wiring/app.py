"""One worker's ASGI application: a dispatcher by prefix in front of the data plane and the API."""

import asyncio
import contextlib
from contextlib import AsyncExitStack
from typing import Any

import structlog
from prometheus_client import CollectorRegistry

from farebox.access.parts import Access
from farebox.admin.app import build_admin
from farebox.api.app import build_api
from farebox.base.clock import Clock, monotone_clock
from farebox.base.errors import OperatorError, Problem
from farebox.base.ids import uuid7
from farebox.console.app import build_console
from farebox.dataplane.app import Dataplane, serves
from farebox.dataplane.asgi import send_problem
from farebox.dataplane.parts import Receive, Scope, Send
from farebox.wiring.chores import chores_of
from farebox.wiring.running import running, wait_for_calls
from farebox.wiring.settings import Boot, Settings
from farebox.wiring.upstream import upstream_client

# What answers in JSON (or text), whatever is asked there; people's pages are everywhere else.
API_PATHS = ("/api", "/healthz", "/readyz", "/metrics")

_log = structlog.get_logger(__name__)


class Gateway:
    """`/v1/…` to the data plane, `/api` and its like to the API, the rest to pages. Its lifespan makes the parts."""

    def __init__(self, settings: Settings, dsn: str, boot: Boot, *, clock: Clock | None = None) -> None:
        """`clock` None: the machine's."""
        self._settings = settings
        self._dsn = dsn
        self._boot = boot
        self._clock = clock
        self._dataplane: Any = None
        self._api: Any = None
        self._console: Any = None
        self._admin: Any = None
        self.access: Access | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the lifespan or one request."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] != "http":
            return
        elif self._dataplane is None:
            problem = Problem("database_unavailable", "The gateway is starting.", retry_after_seconds=1)
            await send_problem(send, problem, [], uuid7(monotone_clock()()))
        elif serves(scope["path"]):
            await self._dataplane(scope, receive, send)
        elif _is_of(scope["path"], API_PATHS):
            await self._api(scope, receive, send)
        elif _is_of(scope["path"], ("/admin",)):
            await self._admin(scope, receive, send)
        else:
            await self._console(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        async with AsyncExitStack() as stack:
            try:
                await self._start(stack)
            except OperatorError:
                raise
            except Exception as error:
                _log.error("cannot start", why=type(error).__name__, message=str(error))
                await send({"type": "lifespan.startup.failed", "message": str(error)})
                return
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self, stack: AsyncExitStack) -> None:
        registry = CollectorRegistry()
        opened = running(self._settings, self._dsn, self._boot, registry, clock=self._clock)
        parts = await stack.enter_async_context(opened)
        bounds = self._settings.bounds
        client = upstream_client(
            self._settings,
            max_connections=bounds.max_concurrent_calls + bounds.max_concurrent_drains,
            sandbox_base_url=self._boot.sandbox_base_url,
        )
        stack.push_async_callback(client.close)
        dataplane = parts.dataplane_parts(client)
        stack.push_async_callback(wait_for_calls, dataplane.calls)
        chores = asyncio.create_task(chores_of(parts, self._dsn, client).run(), name="chores")
        stack.push_async_callback(_cancel, chores)
        access = self.access = parts.access()
        self._api = build_api(parts.api_parts(dataplane, access))
        self._console = build_console(access)
        self._admin = build_admin(access)
        self._dataplane = Dataplane(dataplane)


def _is_of(path: str, places: tuple[str, ...]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def build_app(settings: Settings, dsn: str, boot: Boot, *, clock: Clock | None = None) -> Gateway:
    """What a worker process serves."""
    return Gateway(settings, dsn, boot, clock=clock)
