"""Monthly partitions, made ahead of time, so that old months can be dropped instead of deleted row by row.

A row whose month has no partition goes to the table's default one: nothing fails when this was not run for a while.
"""

from datetime import UTC, date, datetime, timedelta

import psycopg
import structlog
from psycopg import sql

from farebox.base.clock import MICROS_PER_SECOND
from farebox.base.ids import uuid7_floor

PARTITIONED_TABLES = ("ledger_hold", "ledger_entry", "call")
# Attaching waits for whoever uses the default partition, and calls wait for it: rather try again the next time.
LOCK_TIMEOUT_SECONDS = 2

_log = structlog.get_logger(__name__)


def ensure_partitions(connection: psycopg.Connection, now_micros: int, months_ahead: int = 3) -> list[str]:
    """Make the partitions of this month and the next ones that are missing; returns the names of those made.

    Wants a connection in autocommit mode, so that each partition is a transaction of its own. Tables that do not
    exist are passed over; a partition that cannot be made now is logged and left for the next call.
    """
    first = datetime.fromtimestamp(now_micros // MICROS_PER_SECOND, UTC).date().replace(day=1)
    made = []
    for table in PARTITIONED_TABLES:
        month = first
        for _ in range(months_ahead + 1):
            if _is_missing(connection, table, month) and _try_make(connection, table, month):
                made.append(partition_name(table, month))
            month = _next(month)
    return made


def partition_name(table: str, month: date) -> str:
    """`ledger_hold_y2026m11`"""
    return f"{table}_y{month:%Y}m{month:%m}"


def _is_missing(connection: psycopg.Connection, table: str, month: date) -> bool:
    row = connection.execute(
        "SELECT to_regclass(quote_ident(%s)) IS NOT NULL AND to_regclass(quote_ident(%s)) IS NULL",
        [table, partition_name(table, month)],
    ).fetchone()
    return row is not None and bool(row[0])


def _try_make(connection: psycopg.Connection, table: str, month: date) -> bool:
    name = partition_name(table, month)
    try:
        _make(connection, table, month)
    except psycopg.errors.CheckViolation:
        _log.error("partition skipped: rows of its month lie in the default partition", partition=name)
    except psycopg.errors.LockNotAvailable:
        _log.warning("partition skipped: the table is busy", partition=name)
    except psycopg.errors.DuplicateTable:
        _log.info("partition made by another process", partition=name)
    else:
        return True
    return False


def _make(connection: psycopg.Connection, table: str, month: date) -> None:
    """Made beside the table and then attached: that takes no lock that stops reads and writes of other months."""
    parent, child = sql.Identifier(table), sql.Identifier(partition_name(table, month))
    options = _storage_options(connection, table)
    low, high = (sql.Literal(str(uuid7_floor(_milliseconds(edge)))) for edge in (month, _next(month)))
    with connection.transaction():
        connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_SECONDS}s'")
        connection.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL){}").format(child, parent, options))
        connection.execute(
            sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})").format(parent, child, low, high)
        )


def _storage_options(connection: psycopg.Connection, table: str) -> sql.Composable:
    """The default partition's `WITH (fillfactor …)`: a partitioned table itself cannot hold it."""
    row = connection.execute(
        "SELECT array_to_string(c.reloptions, ', ') FROM pg_partitioned_table p JOIN pg_class c ON c.oid = p.partdefid"
        " WHERE p.partrelid = to_regclass(quote_ident(%s))",
        [table],
    ).fetchone()
    return sql.SQL(" WITH ({})").format(sql.SQL(row[0])) if row is not None and row[0] else sql.SQL("")


def _milliseconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000


def _next(month: date) -> date:
    return (month + timedelta(days=32)).replace(day=1)
