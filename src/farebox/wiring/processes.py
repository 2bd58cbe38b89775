"""The parent process: database, schema, catalog, listening socket, workers; and all of it down again in order."""

import asyncio
import contextlib
import errno
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from farebox.base.errors import OperatorError
from farebox.storage.home import Home
from farebox.storage.migrate import migrate, require_current_schema
from farebox.storage.server import OpenDatabase, Role, open_database
from farebox.wiring.catalogs import apply_first_catalog, refuse_empty_keys
from farebox.wiring.crew import Crew, Plan
from farebox.wiring.orders import APP_FACTORY, LISTEN_BACKLOG
from farebox.wiring.settings import Settings
from farebox.wiring.signals import StopSignals

Report = Callable[[str], None]

WORKER_TICK_SECONDS: Final = 0.5
_METRICS_PREFIX: Final = "metrics-"


def serve(
    settings: Settings,
    *,
    report: Report,
    on_ready: Callable[[str], None],
    factory: str = APP_FACTORY,
) -> None:
    """Serve until a stop signal; `on_ready` gets the address once all workers answer. Raises OperatorError."""
    server = settings.server
    with StopSignals.caught() as signals, contextlib.ExitStack() as resources:
        listener = resources.enter_context(bound(server.host, server.port))
        settings = at_port_of(listener, settings)
        database = resources.enter_context(ready_database(settings, role="supervisor", report=report))
        metrics = resources.enter_context(metrics_folder(settings.home))
        plan = Plan(
            settings=settings,
            dsn=database.dsn,
            workers=server.workers,
            listener=listener,
            metrics=metrics,
            report=report,
            factory=factory,
        )
        run_crew(plan, signals, database, on_ready=lambda: on_ready(address_of(listener)))


def run_crew(plan: Plan, signals: StopSignals, database: OpenDatabase, *, on_ready: Callable[[], None]) -> None:
    """Listen, start the workers, and keep them and the database running until a stop signal."""
    listen(plan.listener)
    plan.report(f"starting {plan.workers} worker{'s' if plan.workers > 1 else ''}")
    Crew(plan, signals).run(chores=database.ensure_running, on_ready=on_ready)


def work(settings: Settings, *, report: Report) -> None:
    """`farebox worker`: the background chores alone, until a stop signal. Raises OperatorError."""
    with StopSignals.caught() as signals, ready_database(settings, role="guest", report=report) as database:
        report("doing the chores")
        signals.only_count()
        asyncio.run(_chores(settings, database, signals))


async def _chores(settings: Settings, database: OpenDatabase, signals: StopSignals) -> None:
    # Heavy: it knows the data plane, which no other command needs.
    from farebox.wiring.chores import run_chores

    chores = asyncio.create_task(run_chores(settings, database.dsn), name="chores")
    while not signals.count and not chores.done():
        database.ensure_running()
        await asyncio.wait([chores], timeout=WORKER_TICK_SECONDS)
    if not chores.done():
        chores.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await chores


def migrate_database(settings: Settings, *, report: Report) -> list[str]:
    """`farebox migrate`: the names of the files that were applied. Raises OperatorError."""
    with open_database(settings.home, settings.database_url, role="guest", report=report) as database:
        return [f"{migration.version:04d} {migration.name}" for migration in migrate(database.dsn, report)]


@contextlib.contextmanager
def ready_database(settings: Settings, *, role: Role, report: Report) -> Iterator[OpenDatabase]:
    """A database with the current schema and, the first time, the catalog beside the configuration.

    The embedded one is migrated here; on an external one an old schema raises OperatorError, which names `migrate`.
    """
    with open_database(settings.home, settings.database_url, role=role, report=report) as database:
        if database.embedded:
            migrate(database.dsn, report)
        else:
            settings.home.create()
            require_current_schema(database.dsn)
        if role == "supervisor":
            asyncio.run(apply_first_catalog(database.dsn, settings, report))
            asyncio.run(refuse_empty_keys(database.dsn))
        yield database


@contextlib.contextmanager
def bound(host: str, port: int) -> Iterator[socket.socket]:
    """A bound TCP socket that does not listen yet: a taken port is told before anything is started.

    Port 0 takes a free one. Raises OperatorError.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise OperatorError(f"cannot listen on {host}: {error.strerror}", "give an address of this machine") from error
    with listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Small writes are the rule in a stream; accepted connections inherit it.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            listener.bind(address)
        except OSError as error:
            raise _cannot_bind(host, port, error) from error
        yield listener


def listen(listener: socket.socket) -> None:
    """Accept connections from here on; they wait in the kernel for the first worker. Raises OperatorError."""
    host, port = listener.getsockname()[:2]
    try:
        listener.listen(LISTEN_BACKLOG)
    except OSError as error:
        raise _cannot_bind(host, port, error) from error
    listener.setblocking(False)


def at_port_of(listener: socket.socket, settings: Settings) -> Settings:
    """The settings with the port that was given where any free one was wanted: letters and passkeys name it."""
    port = listener.getsockname()[1]
    return msgspec.structs.replace(settings, server=msgspec.structs.replace(settings.server, port=port))


def address_of(listener: socket.socket, *, name: str | None = None) -> str:
    """`http://127.0.0.1:8080`; `name` in place of the address it is bound to."""
    host, port = listener.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        host = "127.0.0.1"
    host = name or host
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _cannot_bind(host: str, port: int, error: OSError) -> OperatorError:
    if error.errno == errno.EADDRINUSE:
        return OperatorError(
            f"port {port} on {host} is in use by another program",
            "stop that program, or choose another port with --port or PORT",
        )
    if error.errno == errno.EACCES:
        return OperatorError(f"this user may not listen on port {port}", "choose one above 1023 with --port or PORT")
    return OperatorError(f"cannot listen on {host}:{port}: {error.strerror}", "give an address of this machine")


@contextlib.contextmanager
def metrics_folder(home: Home) -> Iterator[Path]:
    """A folder where the workers of this boot share their metrics; those of dead parents are removed."""
    for old in home.run.glob(f"{_METRICS_PREFIX}*"):
        pid = old.name.removeprefix(_METRICS_PREFIX)
        if not (pid.isdigit() and _is_alive(int(pid))):
            shutil.rmtree(old, ignore_errors=True)
    folder = home.run / f"{_METRICS_PREFIX}{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
