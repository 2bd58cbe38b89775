"""Our own small supervisor around the PostgreSQL programs of the wheel.

One EmbeddedPostgres owns one cluster; `lock.FileLock` (held by `server.open_database`) makes sure there is only one.
Everything that starts a process must be called from the main thread: Linux ties PostgreSQL's life to the *thread*
that started it, and that tie is what stops PostgreSQL when this process is killed with -9.

A main process that outlived its supervisor is stopped and started afresh, never adopted: an adopted one is not our
child, so it would outlive us too, its end could not be waited for, and it may run with an older version's settings.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg
from psycopg import sql

from farebox.base.errors import OperatorError
from farebox.storage import placement as places
from farebox.storage.binaries import MAJOR_VERSION, SYSTEM_FOLDER, Binaries, find_binaries
from farebox.storage.home import Home
from farebox.storage.placement import Placement
from farebox.storage.processes import postgres_processes, send, wait_until_gone

# A fast shutdown writes a checkpoint of at most shared_buffers; a slow disk needs some seconds for it.
FAST_SHUTDOWN_SECONDS = 60.0
# An immediate shutdown writes nothing; PostgreSQL itself kills children that hesitate for 5 s.
IMMEDIATE_SHUTDOWN_SECONDS = 10.0
# Children notice within milliseconds that their main process is gone, unless a long computation keeps them.
ORPHAN_GRACE_SECONDS = 2.0
# Leftovers are cleared before each try, so a second try is already unusual.
START_ATTEMPTS = 3
# After an unexpected end: at once first, then ever slower, so that a broken disk does not fill the log.
RESTART_DELAYS_SECONDS = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
# A server that stayed up this long is healthy: its next end counts as the first.
HEALTHY_AFTER_SECONDS = 60.0
RECOVERY_REPORT_SECONDS = 3.0
LOG_LIMIT_BYTES = 20_000_000
_LOG_LINES_SHOWN = 5
_LOG_TAIL_BYTES = 8_192
_POLL_SECONDS = 0.01

_LEFTOVER_MESSAGE = "pre-existing shared memory block"

# The version of the code decides, so they are given at every start and not written into the cluster.
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "128MB",
    # Durability: an answered call is on the disk.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # "Ready" must mean that it takes writes, also while an operator's restore from an archive still runs.
    "hot_standby": "off",
    # Enough for base backups and archiving; room for half an hour of heavy traffic between checkpoints.
    "wal_level": "replica",
    "min_wal_size": "256MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    # Short statements only: compiling them costs more than running them.
    "jit": "off",
    # A report must not take the cores of the paid calls; containers also have too little shared memory for it.
    "max_parallel_workers_per_gather": "0",
    # Statements and row values stay out of the log: they can hold what belongs to customers.
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


class _LeftoversInTheWay(Exception):
    """PostgreSQL refused to start because children of a killed main process still run."""


class EmbeddedPostgres:
    """`start`, call `ensure_running` about once a second, `stop`; all from the main thread.

    `report` receives progress lines for the operator. `settings` override single entries of SETTINGS; as root,
    `system_folder` takes the cluster or the programs where PostgreSQL's account cannot reach ours.
    """

    def __init__(
        self,
        home: Home,
        report: Callable[[str], None],
        *,
        settings: Mapping[str, str] | None = None,
        system_folder: Path = SYSTEM_FOLDER,
    ) -> None:
        self._home = home
        self._report = report
        self._settings = {**SETTINGS, **(settings or {})}
        self._system_folder = system_folder
        self._place: Placement | None = None
        self._binaries: Binaries | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._log_offset = 0
        self._spawned_at = 0.0
        self._reported_at = 0.0
        self._ready = False
        self._failures = 0
        self._restart_at = 0.0

    @property
    def dsn(self) -> str:
        """The libpq address, through the private unix socket."""
        return places.connection_string(self._home)

    @property
    def pid(self) -> int | None:
        """The main process of PostgreSQL, if we started one that still lives."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def is_running(self) -> bool:
        """Whether the main process lives; it may still be recovering."""
        return self.pid is not None

    def start(self) -> str:
        """Create the cluster if there is none, start it, wait until it answers; returns the DSN.

        Waits for recovery as long as it takes. Raises OperatorError if PostgreSQL ends instead.
        """
        self._prepare()
        self._report("starting PostgreSQL")
        for attempt in range(1, START_ATTEMPTS + 1):
            self._clear_leftovers()
            self._spawn()
            try:
                self._wait_until_ready()
                break
            except _LeftoversInTheWay:
                if attempt == START_ATTEMPTS:
                    raise self._start_failure() from None
        if not self._placed.marker.exists():
            self._create_database()
            places.mark_created(self._placed)
        return self.dsn

    def ensure_running(self) -> None:
        """Start PostgreSQL again if it ended unexpectedly. Does not wait for its recovery and raises nothing."""
        process = self._process
        if process is None:
            return
        self._bound_log()
        code = process.poll()
        if code is None:
            self._follow(process)
            return
        if self._restart_at == 0.0:
            self._schedule_restart(_how_ended(code))
        if time.monotonic() >= self._restart_at:
            self._restart()

    def stop(self) -> None:
        """Fast shutdown, and an immediate one if that takes too long. Safe to call twice."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        steps = (
            (signal.SIGINT, FAST_SHUTDOWN_SECONDS),
            (signal.SIGQUIT, IMMEDIATE_SHUTDOWN_SECONDS),
            (signal.SIGKILL, IMMEDIATE_SHUTDOWN_SECONDS),
        )
        for number, patience_seconds in steps:
            process.send_signal(number)
            try:
                process.wait(patience_seconds)
                return
            except subprocess.TimeoutExpired:
                self._report(f"PostgreSQL did not stop within {patience_seconds:.0f} s of {number.name}")

    @property
    def _placed(self) -> Placement:
        assert self._place is not None, "start() decides the place"
        return self._place

    def _prepare(self) -> None:
        self._home.create()
        self._place = places.place(self._home, self._report, system_folder=self._system_folder)
        self._place.make_folders()
        self._binaries = find_binaries(self._place.account, copies=self._system_folder)
        if not self._place.data.exists():
            self._initialize()
        version = (self._place.data / "PG_VERSION").read_text().strip()
        if version != str(MAJOR_VERSION):
            raise OperatorError(
                f"the database in {self._place.data} was made by PostgreSQL {version}, this is {MAJOR_VERSION}",
                "dump it with the earlier version of Farebox's PostgreSQL and restore it here",
            )

    def _initialize(self) -> None:
        """Make the cluster beside its place and move it there when complete: a killed first start leaves nothing."""
        self._report("creating the database (first start)")
        places.remove_unfinished(self._placed)
        unfinished = self._placed.cluster / f"initializing-{secrets.token_hex(4)}"
        command = [self._program("initdb"), "-D", str(unfinished), "-U", places.SUPERUSER, "--data-checksums"]
        command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        command += ["--auth-local=trust", "--auth-host=reject"]
        self._mark_log()
        if self._launch(command, signal.SIGTERM).wait() != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise self._start_failure("the database could not be created")
        unfinished.rename(self._placed.data)
        places.sync_folder(self._placed.cluster)

    def _create_database(self) -> None:
        maintenance = places.connection_string(self._home, database="postgres")
        with psycopg.connect(maintenance, autocommit=True) as connection:
            found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [places.DATABASE]).fetchone()
            if found is None:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(places.DATABASE)))

    def _program(self, name: str) -> str:
        assert self._binaries is not None, "_prepare() finds the programs"
        return self._binaries.program(name)

    def _spawn(self) -> None:
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command = [self._program("postgres"), "-D", str(self._placed.data), "-p", str(places.PORT)]
        command += ["-k", str(self._placed.socket_folder), *settings]
        self._mark_log()
        # SIGINT is PostgreSQL's fast shutdown, so a killed parent ends it as orderly as `stop` does.
        self._process = self._launch(command, signal.SIGINT)
        self._spawned_at = self._reported_at = time.monotonic()
        self._restart_at = 0.0
        self._ready = False

    def _launch(self, command: list[str], death_signal: signal.Signals) -> subprocess.Popen[bytes]:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(
                "PostgreSQL must be started from the main thread: it ends with the thread that starts it"
            )
        account = self._placed.account
        launcher = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py")), str(os.getpid())]
        launcher += ["-" if account is None else f"{account.uid}:{account.gid}", str(int(death_signal))]
        descriptor = os.open(self._placed.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            # A session of its own: Ctrl-C reaches the whole foreground group, and PostgreSQL has to outlast the
            # workers, which still settle calls then.
            return subprocess.Popen(  # noqa: S603 - no shell; programs and arguments are our own
                [*launcher, *command],
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                cwd="/",
                env={"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath},
                umask=0o077,
                start_new_session=True,
            )
        finally:
            os.close(descriptor)

    def _wait_until_ready(self) -> None:
        process = self._process
        assert process is not None
        while not self._is_ready(process):
            if process.poll() is not None:
                if _LEFTOVER_MESSAGE in self._log_since_spawn():
                    raise _LeftoversInTheWay
                raise self._start_failure()
            self._report_recovery()
            time.sleep(_POLL_SECONDS)
        self._ready = True

    def _is_ready(self, process: subprocess.Popen[bytes]) -> bool:
        """What PostgreSQL says of itself in its pid file: needs no connection, so a full server is ready too."""
        lines = _pid_file_lines(self._placed.data)
        return len(lines) >= 8 and lines[0].strip() == str(process.pid) and lines[7].strip() == "ready"

    def _report_recovery(self) -> None:
        now = time.monotonic()
        if now - self._reported_at >= RECOVERY_REPORT_SECONDS:
            self._reported_at = now
            self._report(f"PostgreSQL is recovering … {now - self._spawned_at:.0f} s")

    def _follow(self, process: subprocess.Popen[bytes]) -> None:
        if self._ready:
            if time.monotonic() - self._spawned_at > HEALTHY_AFTER_SECONDS:
                self._failures = 0
        elif self._is_ready(process):
            self._ready = True
            self._report("PostgreSQL answers again")
        else:
            self._report_recovery()

    def _schedule_restart(self, why: str) -> None:
        delay_seconds = RESTART_DELAYS_SECONDS[min(self._failures, len(RESTART_DELAYS_SECONDS) - 1)]
        self._failures += 1
        self._restart_at = time.monotonic() + delay_seconds
        last_line = self._log_since_spawn().strip().rpartition("\n")[2]
        self._report(f"PostgreSQL {why}; starting it again in {delay_seconds:.0f} s (its last words: {last_line})")

    def _restart(self) -> None:
        try:
            self._clear_leftovers()
            self._spawn()
        except (OperatorError, OSError) as error:
            self._schedule_restart(f"cannot be started: {error}")

    def _clear_leftovers(self) -> None:
        """End every process of an earlier start and remove its pid files. We hold the lock: none of them is wanted."""
        data = self._placed.data
        main_pid = next(iter(_pid_file_lines(data)), "").strip()

        def orphans() -> list[int]:
            return postgres_processes(data)

        def main_process() -> list[int]:
            return [pid for pid in orphans() if str(pid) == main_pid]

        if main_process():
            self._report(f"stopping PostgreSQL left by an earlier start (process {main_pid})")
            send(main_process(), signal.SIGINT)
            wait_until_gone(main_process, FAST_SHUTDOWN_SECONDS)
        gone = wait_until_gone(orphans, ORPHAN_GRACE_SECONDS)
        for number in (signal.SIGQUIT, signal.SIGKILL):
            if not gone:
                send(orphans(), number)
                gone = wait_until_gone(orphans, IMMEDIATE_SHUTDOWN_SECONDS)
        if not gone:
            raise OperatorError(
                f"processes of an earlier PostgreSQL do not end: {', '.join(map(str, orphans()))}",
                "they wait for the disk; when they have ended, or after a reboot, start again",
            )
        # PostgreSQL itself refuses to start when the number in such a file belongs to any live process.
        (data / "postmaster.pid").unlink(missing_ok=True)
        (self._placed.socket_folder / f".s.PGSQL.{places.PORT}.lock").unlink(missing_ok=True)

    def _mark_log(self) -> None:
        log = self._placed.log
        self._log_offset = log.stat().st_size if log.exists() else 0

    def _bound_log(self) -> None:
        """PostgreSQL appends to the file we opened, so it can be emptied under its hands; one former part is kept."""
        log = self._placed.log
        if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
            shutil.copyfile(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)
            self._log_offset = 0

    def _log_since_spawn(self) -> str:
        try:
            with self._placed.log.open("rb") as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(self._log_offset, end - _LOG_TAIL_BYTES))
                return file.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def _start_failure(self, what: str = "PostgreSQL did not start") -> OperatorError:
        lines = self._log_since_spawn().strip().splitlines()[-_LOG_LINES_SHOWN:]
        return OperatorError(
            f"{what}: {' | '.join(lines) or 'it logged nothing'}",
            f"mend what the lines name; the whole log is {self._placed.log}",
        )


def _pid_file_lines(data: Path) -> list[str]:
    try:
        return (data / "postmaster.pid").read_text().splitlines()
    except OSError:
        return []


def _how_ended(code: int) -> str:
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
