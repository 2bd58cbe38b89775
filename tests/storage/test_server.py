import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from farebox.base.errors import OperatorError
from farebox.storage.home import Home
from farebox.storage.processes import postgres_processes
from farebox.storage.server import open_database
from tests.database import TestCluster

SECRET = "correct-horse"

# A signal that comes just before a read that blocks for ever would not be seen, hence the short waits.
# Who runs these tests in the background of a shell has SIGINT ignored, and we would inherit that.
SUPERVISOR = """
import select, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from farebox.storage.home import Home
from farebox.storage.server import open_database
with open_database(Home(Path(sys.argv[1])), None, role="supervisor", report=lambda line: None):
    print("started", flush=True)
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        pass
"""


@contextmanager
def supervising_process(home: Home) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", SUPERVISOR, str(home.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        yield process
        process.kill()


def answers(dsn: str) -> bool:
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def running(home: Home) -> list[int]:
    return postgres_processes(home.database / "cluster" / "data")


def test_a_guest_alone_runs_the_database_and_stops_it_in_the_end(home: Home, reports: list[str]) -> None:
    with open_database(home, None, role="guest", report=reports.append) as database:
        assert database.embedded
        assert answers(database.dsn)
        database.ensure_running()
    assert running(home) == []


def test_a_guest_of_a_supervisor_uses_its_database_and_leaves_it_running(home: Home, reports: list[str]) -> None:
    with open_database(home, None, role="supervisor", report=reports.append) as supervised:
        with open_database(home, None, role="guest", report=reports.append) as database:
            assert database.dsn == supervised.dsn
            assert answers(database.dsn)
            database.ensure_running()
        assert answers(supervised.dsn)
    assert running(home) == []


def test_a_second_supervisor_is_told_who_is_first(home: Home, reports: list[str]) -> None:
    with supervising_process(home) as first:
        with (
            pytest.raises(OperatorError, match=f"process {first.pid} already runs the database") as refusal,
            open_database(home, None, role="supervisor", report=reports.append, lock_seconds=0.1),
        ):
            pass
        assert "FAREBOX_HOME" in refusal.value.fix


def test_a_supervisor_waits_for_a_short_command_to_end(home: Home, reports: list[str]) -> None:
    with supervising_process(home) as first:
        timer = threading.Timer(0.3, first.terminate)
        timer.start()
        with open_database(home, None, role="supervisor", report=reports.append) as database:
            assert answers(database.dsn)
        timer.join()


def test_a_worker_takes_over_when_the_supervisor_is_killed(home: Home, reports: list[str]) -> None:
    with supervising_process(home) as first, open_database(home, None, role="guest", report=reports.append) as database:
        database.ensure_running()
        assert reports == []
        first.kill()
        first.wait()
        database.ensure_running()
        assert answers(database.dsn)
        assert "the process that ran the database has ended; running it from here" in reports
    assert running(home) == []


def test_a_failing_command_stops_the_database_too(home: Home, reports: list[str]) -> None:
    with pytest.raises(KeyboardInterrupt), open_database(home, None, role="supervisor", report=reports.append):
        raise KeyboardInterrupt
    assert running(home) == []


def test_the_terminals_interrupt_does_not_reach_postgresql(home: Home) -> None:
    with supervising_process(home):
        assert all(os.getpgid(pid) != os.getpgid(0) for pid in running(home))


def test_an_external_database_is_used_as_it_is(cluster: TestCluster, new_home: Home, reports: list[str]) -> None:
    dsn = cluster.fresh_database(migrated=False)
    with open_database(new_home, dsn, role="supervisor", report=reports.append) as database:
        assert database.dsn == dsn
        assert not database.embedded
        database.ensure_running()
    assert not new_home.path.exists()


def refusal_of(database_url: str, new_home: Home) -> OperatorError:
    with (
        pytest.raises(OperatorError) as refusal,
        open_database(new_home, database_url, role="guest", report=lambda line: None),
    ):
        pass
    said = f"{refusal.value.message} {refusal.value.fix}"
    assert SECRET not in said
    assert "\n" not in said
    assert refusal.value.__cause__ is None
    assert refusal.value.__context__ is None or refusal.value.__suppress_context__, "a traceback would tell"
    return refusal.value


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize(
    "database_url",
    [
        f"postgresql://user:{SECRET}@host:not-a-port/name",
        f"postgresql://user:{SECRET}@host:{SECRET}/name",
        f"postgresql://user:{SECRET}@[host/name",
        f"mysql://user:{SECRET}@host/name",
        f"password={SECRET} nonsense",
        f"postgresql://user:{SECRET}%zz@host/name",
        f"postgresql://user:begin@{SECRET}@host/name",
        f"postgresql://user:12/{SECRET}@host/name",
        f"postgresql://user:be/{SECRET}@host/name",
        f"postgresql://user:begin?{SECRET}@host/name",
        f"dbname=postgresql://user:{SECRET}@host/name",
    ],
)
def test_a_malformed_address_is_refused_without_repeating_it(database_url: str, new_home: Home) -> None:
    refusal_of(database_url, new_home)


def test_a_refused_connection_names_host_and_port(new_home: Home) -> None:
    port = free_port()
    refusal = refusal_of(f"postgresql://user:{SECRET}@127.0.0.1:{port}/name", new_home)
    assert refusal.message == f"the database at user@127.0.0.1:{port}/name is not answering: connection refused"


def test_an_unknown_host_is_named(new_home: Home) -> None:
    refusal = refusal_of(f"postgresql://user:{SECRET}@no-such-host.invalid/name", new_home)
    assert "does not resolve" in refusal.message


def test_a_missing_database_is_named(cluster: TestCluster, new_home: Home) -> None:
    refusal = refusal_of(make_conninfo(cluster.dsn_of("nowhere"), password=SECRET), new_home)
    assert "does not exist" in refusal.message
    assert "nowhere" in refusal.message


def test_a_missing_user_is_named(cluster: TestCluster, new_home: Home) -> None:
    refusal = refusal_of(make_conninfo(cluster.dsn_of("farebox"), user="nobody_here", password=SECRET), new_home)
    assert "user named in DATABASE_URL does not exist" in refusal.message


def test_a_wrong_password_is_told_but_not_shown(cluster: TestCluster, new_home: Home) -> None:
    rules = cluster.home.database / "cluster" / "data" / "pg_hba.conf"
    rules.write_text("local all guarded scram-sha-256\n" + rules.read_text())
    with psycopg.connect(cluster.dsn_of("farebox"), autocommit=True) as connection:
        connection.execute("CREATE USER guarded PASSWORD 'another'")
        connection.execute("SELECT pg_reload_conf()")
        # The main process reads the rules when it gets the signal; a new connection may be quicker.
        connection.execute("SELECT pg_sleep(0.1)")
    for password in (SECRET, ""):
        refusal = refusal_of(make_conninfo(cluster.dsn_of("farebox"), user="guarded", password=password), new_home)
        assert "password" in refusal.message
        assert "guarded@" in refusal.message


def test_an_old_server_is_refused_by_its_version(new_home: Home) -> None:
    with old_server("14.9") as port:
        refusal = refusal_of(f"postgresql://user:{SECRET}@127.0.0.1:{port}/name?sslmode=disable", new_home)
    assert refusal.message.endswith("is PostgreSQL 14; Farebox needs 15 or newer")


@contextmanager
def old_server(version: str) -> Iterator[int]:
    """A server that admits one connection and says its version, in PostgreSQL's own protocol."""

    def message(kind: bytes, body: bytes) -> bytes:
        return kind + struct.pack("!i", len(body) + 4) + body

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            hello = message(b"R", struct.pack("!i", 0)) + message(b"S", b"server_version\0" + version.encode() + b"\0")
            connection.sendall(hello + message(b"Z", b"I"))
            connection.recv(4096)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield int(listener.getsockname()[1])
        thread.join()


def test_a_terminated_supervisor_leaves_nothing_running(home: Home) -> None:
    with supervising_process(home) as process:
        process.send_signal(signal.SIGINT)
        process.wait()
        assert running(home) == []
