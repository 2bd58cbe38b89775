from collections.abc import Iterator
from datetime import UTC, date, datetime

import psycopg
import pytest

from farebox.base.ids import uuid7, uuid7_floor
from farebox.storage.partitions import ensure_partitions, partition_name
from tests.database import TestCluster

NOVEMBER_MICROS = int(datetime(2031, 11, 20, 20, 0, tzinfo=UTC).timestamp()) * 1_000_000
DECEMBER_MILLISECONDS = int(datetime(2031, 12, 1, tzinfo=UTC).timestamp()) * 1_000


@pytest.fixture
def connection(cluster: TestCluster) -> Iterator[psycopg.Connection]:
    address = cluster.fresh_database(migrated=False)
    with psycopg.connect(address, autocommit=True) as opened:
        opened.execute(
            """
            CREATE TABLE call (call_id uuid PRIMARY KEY, note text CHECK (note <> '')) PARTITION BY RANGE (call_id);
            CREATE TABLE call_default PARTITION OF call DEFAULT WITH (fillfactor = 70);
            CREATE INDEX call_note ON call (note);
            """
        )
        yield opened
    cluster.drop_database(address)


def place_of(connection: psycopg.Connection, identifier: object) -> str:
    connection.execute("INSERT INTO call VALUES (%s, 'x')", [identifier])
    row = connection.execute("SELECT tableoid::regclass::text FROM call WHERE call_id = %s", [identifier]).fetchone()
    assert row is not None
    return str(row[0])


def test_this_month_and_the_next_three_are_made_once(connection: psycopg.Connection) -> None:
    made = ensure_partitions(connection, NOVEMBER_MICROS)
    assert made == ["call_y2031m11", "call_y2031m12", "call_y2032m01", "call_y2032m02"]
    assert ensure_partitions(connection, NOVEMBER_MICROS) == []
    assert ensure_partitions(connection, NOVEMBER_MICROS, months_ahead=4) == ["call_y2032m03"]


def test_an_id_lies_in_the_month_it_was_made_in(connection: psycopg.Connection) -> None:
    ensure_partitions(connection, NOVEMBER_MICROS)
    assert place_of(connection, uuid7(NOVEMBER_MICROS)) == "call_y2031m11"
    assert place_of(connection, uuid7(DECEMBER_MILLISECONDS * 1_000 - 1)) == "call_y2031m11"
    assert place_of(connection, uuid7_floor(DECEMBER_MILLISECONDS)) == "call_y2031m12"
    assert place_of(connection, uuid7(0)) == "call_default"


def test_a_partition_has_the_tables_checks_indexes_and_storage(connection: psycopg.Connection) -> None:
    ensure_partitions(connection, NOVEMBER_MICROS)
    with pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("INSERT INTO call_y2031m11 VALUES (%s, '')", [uuid7(NOVEMBER_MICROS)])
    row = connection.execute(
        "SELECT (SELECT count(*) FROM pg_index JOIN pg_inherits ON inhrelid = indexrelid WHERE indrelid = c.oid),"
        " c.reloptions FROM pg_class c WHERE c.relname = 'call_y2031m11'"
    ).fetchone()
    assert row == (2, ["fillfactor=70"])


def test_rows_in_the_default_partition_hold_up_their_month_only(connection: psycopg.Connection) -> None:
    late = uuid7(NOVEMBER_MICROS)
    assert place_of(connection, late) == "call_default"
    made = ensure_partitions(connection, NOVEMBER_MICROS)
    assert made == ["call_y2031m12", "call_y2032m01", "call_y2032m02"]
    connection.execute("DELETE FROM call")
    assert ensure_partitions(connection, NOVEMBER_MICROS) == ["call_y2031m11"]


def test_a_busy_table_is_left_for_the_next_time(cluster: TestCluster, connection: psycopg.Connection) -> None:
    with psycopg.connect(cluster.dsn_of(connection.info.dbname)) as other:
        other.execute("LOCK TABLE call_default IN ACCESS SHARE MODE")
        assert ensure_partitions(connection, NOVEMBER_MICROS, months_ahead=0) == []
    assert ensure_partitions(connection, NOVEMBER_MICROS, months_ahead=0) == ["call_y2031m11"]


def test_names_sort_by_time() -> None:
    assert partition_name("ledger_hold", date(2026, 1, 1)) == "ledger_hold_y2026m01"
