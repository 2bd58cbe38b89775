"""One way to a database for every command: the operator's own, the embedded one, or the one another process runs.

Supervisors (`serve`, `demo`) run the embedded PostgreSQL and keep it running. Guests (every other command, and
`farebox worker`) use the one that runs; if none does they run it while they need it. Two locks in FAREBOX_HOME/run
order this: whoever holds `database.lock` is the supervisor, whoever shares `guests.lock` uses somebody else's.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal

import psycopg

from farebox.base.errors import OperatorError
from farebox.storage import placement as places
from farebox.storage.embedded import EmbeddedPostgres
from farebox.storage.external import check_external
from farebox.storage.home import Home
from farebox.storage.lock import FileLock

Role = Literal["supervisor", "guest"]
Report = Callable[[str], None]

# A short command may be running PostgreSQL for itself; longer than that it is not short.
SUPERVISOR_LOCK_SECONDS = 10.0
# A guest that ran PostgreSQL lets others that came meanwhile finish; below the time that a supervisor waits for it.
FAREWELL_SECONDS = 8.0
# From the supervisor's first sign of life to an answer; recovery of a large database is not counted in.
GUEST_PATIENCE_SECONDS = 60.0
CONNECT_TIMEOUT_SECONDS = 5
_RECOVERY_SIGNS = ("starting up", "not yet accepting connections")
_REPORT_SECONDS = 3.0
_POLL_SECONDS = 0.05


class OpenDatabase:
    """An open database: `dsn` is its libpq address. Long-lived processes call `ensure_running` once a second."""

    def __init__(self, dsn: str, *, embedded: bool) -> None:
        self.dsn = dsn
        self.embedded = embedded

    def ensure_running(self) -> None:
        """Keep the database alive, as far as that is our business. Main thread only; raises nothing."""


class _Supervised(OpenDatabase):
    """We run PostgreSQL."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        super().__init__(postgres.dsn, embedded=True)
        self._postgres = postgres

    def ensure_running(self) -> None:
        self._postgres.ensure_running()


class _Visited(OpenDatabase):
    """Another process runs PostgreSQL; if that process ends, we take over."""

    def __init__(self, home: Home, report: Report) -> None:
        super().__init__(places.connection_string(home), embedded=True)
        self._lock = _supervisor_lock(home)
        self._postgres = EmbeddedPostgres(home, report)
        self._report = report

    def ensure_running(self) -> None:
        if self._lock.held:
            self._postgres.ensure_running()
        elif self._lock.try_acquire():
            self._take_over()

    def close(self) -> None:
        """Stop what we took over, if anything."""
        self._postgres.stop()
        self._lock.release()

    def _take_over(self) -> None:
        self._report("the process that ran the database has ended; running it from here")
        try:
            self._postgres.start()
        except OperatorError as error:
            self._lock.release()
            self._report(f"{error.message}. Fix: {error.fix}")


@contextmanager
def open_database(
    home: Home,
    database_url: str | None,
    *,
    role: Role,
    report: Report,
    lock_seconds: float = SUPERVISOR_LOCK_SECONDS,
) -> Iterator[OpenDatabase]:
    """Yield a database that answers, and give it back in the end. Call it from the main thread.

    With a `database_url` that one is checked and used. A supervisor waits `lock_seconds` for another one to end.
    Raises OperatorError, which never tells the password.
    """
    if database_url:
        check_external(database_url)
        yield OpenDatabase(database_url, embedded=False)
        return
    home.create()
    with ExitStack() as resources:
        if role == "guest":
            yield _visit(home, report, resources)
            return
        lock = _supervisor_lock(home)
        if not lock.acquire_within(lock_seconds):
            raise OperatorError(
                f"{lock.holder()} already runs the database of {home.path}",
                "stop it first, or give this one another FAREBOX_HOME",
            )
        resources.callback(lock.release)
        yield _run(home, report, resources)


def _visit(home: Home, report: Report, resources: ExitStack) -> OpenDatabase:
    lock = _supervisor_lock(home)
    guests = FileLock(home.run / "guests.lock")
    resources.callback(guests.release)
    wait = _Wait(home, lock, report)
    while not lock.try_acquire():
        # Shared before the first connection: from then on whoever runs PostgreSQL for a while waits for us.
        if guests.try_acquire(shared=True) and wait.database_answers():
            visited = _Visited(home, report)
            resources.callback(visited.close)
            return visited
        wait.a_little()
    guests.release()
    resources.callback(lock.release)
    database = _run(home, report, resources)
    resources.callback(_let_guests_finish, guests, report)
    return database


def _run(home: Home, report: Report, resources: ExitStack) -> OpenDatabase:
    postgres = EmbeddedPostgres(home, report)
    resources.callback(postgres.stop)
    postgres.start()
    return _Supervised(postgres)


def _supervisor_lock(home: Home) -> FileLock:
    return FileLock(home.run / "database.lock")


def _let_guests_finish(guests: FileLock, report: Report) -> None:
    if guests.try_acquire():
        return
    report("waiting for another farebox command that uses the database")
    if not guests.acquire_within(FAREWELL_SECONDS):
        report("it is still running; the database stops now, and a worker will start it again")


class _Wait:
    """The patience of a guest with a process that holds the lock but whose PostgreSQL does not answer yet."""

    def __init__(self, home: Home, lock: FileLock, report: Report) -> None:
        self._home = home
        self._lock = lock
        self._report = report
        self._deadline = time.monotonic() + GUEST_PATIENCE_SECONDS
        self._report_at = time.monotonic() + _REPORT_SECONDS

    def database_answers(self) -> bool:
        try:
            psycopg.connect(places.connection_string(self._home), connect_timeout=CONNECT_TIMEOUT_SECONDS).close()
        except psycopg.OperationalError as error:
            if any(sign in str(error) for sign in _RECOVERY_SIGNS):
                self._deadline = time.monotonic() + GUEST_PATIENCE_SECONDS
            return False
        return True

    def a_little(self) -> None:
        """Sleep one moment. Raises OperatorError when patience is at its end."""
        now = time.monotonic()
        if now > self._deadline:
            raise OperatorError(
                f"{self._lock.holder()} runs the database of {self._home.path}, but it does not answer",
                f"read {self._home.run / 'postgresql.log'}, or stop that process and try again",
            )
        if now > self._report_at:
            self._report_at = now + _REPORT_SECONDS
            self._report(f"waiting for the database that {self._lock.holder()} runs")
        time.sleep(_POLL_SECONDS)
