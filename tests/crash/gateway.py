"""A gateway as an operator runs it: `farebox serve` as a process of its own, and everything below it to be killed.

It ends with the test run, however that ends: the kernel kills the parent, and what that started ends by itself.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import psycopg

import farebox.storage.launch
from farebox.storage.home import Home
from farebox.storage.placement import connection_string
from farebox.storage.processes import postgres_processes
from farebox_sandbox.process import RunningSandbox
from tests.crash.client import Client, Lost
from tests.database import make_test_home, remove_test_home
from tests.terms import TERMS

WORKERS: Final = 2
# A loaded machine takes long to start four Python processes and a PostgreSQL.
PATIENCE_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.01
KEY_VARIABLE: Final = "FAREBOX_CRASH_TEST_KEY"

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

CONFIG: Final = """
[server]
graceful_shutdown_seconds = 3

[recovery]
sweep_seconds           = 0.5
write_off_after_seconds = 5
"""

CATALOG: Final = (
    TERMS
    + """
[providers.one]
display_name = "One"
base_url     = "{base_url}"
api_key_env  = "{key_variable}"

[models.plain]
display_name      = "Plain"
context_tokens    = 200_000
max_output_tokens = 1_000

[routes."one/plain"]
cost  = {{ input = "0.50", output = "2.50" }}
price = {{ input = "1.00", output = "5.00" }}

[providers.other]
display_name = "Another dialect"
base_url     = "{base_url}"
api_key_env  = "{key_variable}"
dialects     = ["anthropic_messages"]

[models.translated]
display_name      = "Translated"
context_tokens    = 200_000
max_output_tokens = 1_000

[routes."other/translated"]
cost  = {{ input = "0.50", output = "2.50" }}
price = {{ input = "1.00", output = "5.00" }}
"""
)


class GatewayProcess:
    """`farebox serve` in a home and on a port of its own; `start` it again after each kill."""

    def __init__(self, home: Home, sandbox: RunningSandbox) -> None:
        self.home = home
        self.port = _free_port()
        self._folder = home.path.parent
        self._environment = {**os.environ, "FAREBOX_HOME": str(home.path), KEY_VARIABLE: sandbox.api_key}
        for name in ("DATABASE_URL", "FAREBOX_CONFIG", "PORT"):
            self._environment.pop(name, None)
        (self._folder / "farebox.toml").write_text(CONFIG)
        catalog = CATALOG.format(base_url=sandbox.base_url, key_variable=KEY_VARIABLE)
        (self._folder / "catalog.toml").write_text(catalog)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = self._folder / "serve.log"
        self._log_offset = 0
        self.starts = 0

    # ── looking ───────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def dsn(self) -> str:
        """The libpq address of the embedded database."""
        return connection_string(self.home)

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        """The parent."""
        assert self._process is not None
        return self._process

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        location = self.home.database / "location"
        cluster = Path(location.read_text().strip()) if location.exists() else self.home.database / "cluster"
        return cluster / "data"

    def workers(self) -> list[int]:
        """The pids of the living workers of the living parent."""
        parent = self.process.pid
        return [pid for pid in _processes_of(self.home) if _is_worker(pid) and _parent_of(pid) == parent]

    def postmaster(self) -> int | None:
        """The main process of PostgreSQL, if it lives."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
            if pid in postgres_processes(self.data):
                return pid
        return None

    def log_tail(self) -> str:
        """The last of what the gateway printed."""
        with contextlib.suppress(FileNotFoundError):
            return self._log.read_text(errors="replace")[-3_000:]
        return ""

    def served_by(self) -> dict[int, int]:
        """Which worker holds the connection of which client port."""
        clients = _accepted_connections(self.port)
        found = {}
        for pid in self.workers():
            for inode in _socket_inodes(pid):
                if inode in clients:
                    found[clients[inode]] = pid
        return found

    # ── starting ──────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Start it; does not wait. Main thread only: the kernel ends it with the thread that started it."""
        farebox_program = str(Path(sys.executable).with_name("farebox"))
        launcher = [sys.executable, "-I", "-S", str(farebox.storage.launch.__file__), str(os.getpid()), "-"]
        serve = [farebox_program, "serve", "--config", str(self._folder / "farebox.toml")]
        serve += ["--port", str(self.port), "--workers", str(WORKERS)]
        self.starts += 1
        with self._log.open("ab") as log:
            self._log_offset = log.tell()
            self._process = subprocess.Popen(
                [*launcher, str(int(signal.SIGKILL)), *serve],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,
            )

    async def started(self) -> None:
        """Start it unless it runs, again while workers of a killed parent have the port, and wait until it is ready."""
        if self._process is None or self._process.poll() is not None:
            self.start()
        async with self.patience("the gateway to be ready"):
            while not await self.ready():
                if self.process.poll() is not None:
                    assert "in use" in self.log_tail(), f"the gateway did not start:\n{self.log_tail()}"
                    self.start()
                await asyncio.sleep(5 * POLL_SECONDS)

    async def ready(self) -> bool:
        """Whether the parent said that all workers are ready, and /readyz says so now."""
        with self._log.open("rb") as log:
            log.seek(self._log_offset)
            told = b" is ready at " in log.read()
        return told and len(self.workers()) == WORKERS and await self.get("/readyz") == 200

    async def get(self, path: str) -> int:
        """The status of a GET; 0 without an answer."""
        client = Client(self.port, "")
        try:
            return (await client.request("GET", path)).status
        except Lost:
            return 0
        finally:
            client.close()

    @contextlib.asynccontextmanager
    async def patience(self, what: str, seconds: float = PATIENCE_SECONDS) -> AsyncIterator[None]:
        """A deadline that says what did not happen, with the gateway's last words."""
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise AssertionError(f"waited {seconds:g} s for {what}\n{self.log_tail()}") from None

    async def connect(self) -> Connection:
        """A connection of the test's own, as soon as the database answers."""
        async with self.patience("the database to answer"):
            while True:
                try:
                    return await psycopg.AsyncConnection.connect(self.dsn, autocommit=True)
                except psycopg.OperationalError:
                    await asyncio.sleep(POLL_SECONDS)

    # ── killing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def kill_all(self, *, postgres: bool) -> None:
        """kill -9 the parent and every worker at once; PostgreSQL too, or the kernel tells it to stop."""
        pids = [self.process.pid, *(pid for pid in _processes_of(self.home) if _is_worker(pid))]
        kill(pids + (postgres_processes(self.data) if postgres else []))
        self.process.wait()

    def kill_parent(self) -> None:
        """kill -9 the parent alone."""
        kill([self.process.pid])
        self.process.wait()

    def remove(self) -> None:
        """Leave nothing behind: no process and no file."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while remaining := [*_processes_of(self.home), *postgres_processes(self.data)]:
            kill(remaining)
            if self._process is not None:
                self._process.poll()
            assert time.monotonic() < deadline, f"processes {remaining} do not end"
            time.sleep(POLL_SECONDS)
        if self._process is not None:
            self._process.wait()
        remove_test_home(self.home)


def kill(pids: Iterable[int]) -> None:
    """kill -9 each; one that has gone meanwhile is fine."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@contextlib.contextmanager
def gateway_in_new_home(sandbox: RunningSandbox) -> Iterator[GatewayProcess]:
    """A gateway that was never started, in a home that is removed in the end."""
    gateway = GatewayProcess(make_test_home(), sandbox)
    try:
        yield gateway
    finally:
        gateway.remove()


# ── /proc ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _processes_of(home: Home) -> list[int]:
    """Every living process that was given this FAREBOX_HOME: the parent, its workers, also those it left behind."""
    wanted = f"FAREBOX_HOME={home.path}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return found


def _is_worker(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return b"farebox.wiring.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def _parent_of(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def _accepted_connections(port: int) -> dict[int, int]:
    """Client port by the inode of the server's end, for established connections to a local port."""
    found = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == "01":
            found[int(fields[9])] = int(fields[2].rpartition(":")[2], 16)
    return found


def _socket_inodes(pid: int) -> list[int]:
    found = []
    with contextlib.suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = str(link.readlink())
                if target.startswith("socket:["):
                    found.append(int(target[8:-1]))
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
