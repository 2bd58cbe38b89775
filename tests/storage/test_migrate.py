from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from farebox.base.errors import OperatorError
from farebox.storage.migrate import load_migrations, migrate, require_current_schema
from tests.database import TestCluster


@pytest.fixture
def empty(cluster: TestCluster) -> Iterator[str]:
    address = cluster.fresh_database(migrated=False)
    yield address
    cluster.drop_database(address)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_apples.sql").write_text("CREATE TABLE apple (a int);\nCREATE TABLE apple_core (a int);\n")
    (tmp_path / "0002_pears.sql").write_text("CREATE TABLE pear (a int);\n")
    return tmp_path


def applied(dsn: str, folder: Path) -> list[str]:
    return [migration.name for migration in migrate(dsn, lambda line: None, folder=folder)]


def test_an_empty_database_gets_every_file_once(empty: str, folder: Path) -> None:
    reports: list[str] = []
    assert [migration.name for migration in migrate(empty, reports.append, folder=folder)] == ["apples", "pears"]
    assert reports == ["applied 0001 apples", "applied 0002 pears"]
    require_current_schema(empty, folder=folder)
    assert applied(empty, folder) == []


def test_an_empty_database_is_sent_to_migrate(empty: str, folder: Path) -> None:
    with pytest.raises(OperatorError, match="no Farebox schema yet") as refusal:
        require_current_schema(empty, folder=folder)
    assert refusal.value.fix == "run `farebox migrate`"


def test_an_old_schema_is_sent_to_migrate(empty: str, folder: Path) -> None:
    applied(empty, folder)
    (folder / "0003_plums.sql").write_text("CREATE TABLE plum (a int);")
    with pytest.raises(OperatorError, match="lacks 0003 plums") as refusal:
        require_current_schema(empty, folder=folder)
    assert refusal.value.fix == "run `farebox migrate`"
    assert applied(empty, folder) == ["plums"]
    require_current_schema(empty, folder=folder)


def test_a_newer_schema_is_refused_and_left_alone(empty: str, folder: Path) -> None:
    applied(empty, folder)
    (folder / "0002_pears.sql").unlink()
    with pytest.raises(OperatorError, match="newer than this Farebox"):
        applied(empty, folder)
    with pytest.raises(OperatorError, match="newer than this Farebox"):
        require_current_schema(empty, folder=folder)


def test_a_file_changed_after_it_was_applied_is_refused(empty: str, folder: Path) -> None:
    applied(empty, folder)
    (folder / "0001_apples.sql").write_text("CREATE TABLE apple (a bigint);")
    with pytest.raises(OperatorError, match=r"0001_apples\.sql was changed"):
        applied(empty, folder)
    with pytest.raises(OperatorError, match=r"0001_apples\.sql was changed"):
        require_current_schema(empty, folder=folder)


def test_line_ends_of_a_checkout_do_not_count_as_a_change(empty: str, folder: Path) -> None:
    applied(empty, folder)
    file = folder / "0001_apples.sql"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    require_current_schema(empty, folder=folder)


def test_a_failing_file_changes_nothing_and_keeps_those_before_it(empty: str, folder: Path) -> None:
    (folder / "0002_pears.sql").write_text("CREATE TABLE pear (a int); SELECT 1 / 0;")
    with pytest.raises(psycopg.errors.DivisionByZero):
        applied(empty, folder)
    with psycopg.connect(empty) as connection:
        assert connection.execute("SELECT to_regclass('pear'), to_regclass('apple')::text").fetchone() == (
            None,
            "apple",
        )
        assert connection.execute("SELECT version FROM farebox_schema").fetchall() == [(1,)]


def test_a_schema_that_may_not_be_changed_is_one_line_and_a_fix(cluster: TestCluster, empty: str, folder: Path) -> None:
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("CREATE USER reader")
    with pytest.raises(OperatorError, match="may not change the schema"):
        applied(psycopg.conninfo.make_conninfo(empty, user="reader"), folder)


def test_a_database_that_is_gone_is_one_line_and_a_fix(cluster: TestCluster, folder: Path) -> None:
    with pytest.raises(OperatorError, match="cannot be reached"):
        require_current_schema(cluster.dsn_of("gone"), folder=folder)


def test_files_are_named_and_numbered_strictly(folder: Path) -> None:
    (folder / "0002_plums.sql").write_text("")
    with pytest.raises(ValueError, match="same number"):
        load_migrations(folder)
    (folder / "plums.sql").write_text("")
    with pytest.raises(ValueError, match="not named like"):
        load_migrations(folder)


def test_the_shipped_migrations_are_current_after_one_run(dsn: str) -> None:
    require_current_schema(dsn)
    assert migrate(dsn, lambda line: None) == []
