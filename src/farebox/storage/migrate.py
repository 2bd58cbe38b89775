"""Brings a database's schema up to date: numbered files, each applied once, each in one transaction.

Files never change after they were applied anywhere; their checksum is kept and compared.
"""

import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg

from farebox.base.errors import OperatorError
from farebox.storage.partitions import ensure_partitions

MIGRATIONS = Path(__file__).with_name("migrations")
# Another process may be migrating; its longest step is an index on a large table.
QUEUE_SECONDS = 300
# A change of a table waits for running transactions, and everything later waits for it: give up rather than block.
LOCK_SECONDS = 10
_ADVISORY_LOCK = 0x6661_7265_626F_7801  # "farebox" and a 1: the schema
_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_MIGRATE = "run `farebox migrate`"

_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS farebox_schema (
    version    int PRIMARY KEY,
    name       text NOT NULL,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class Migration(NamedTuple):
    """One file; `checksum` is the SHA-256 of its text with Unix line ends."""

    version: int
    name: str
    sql: str
    checksum: str


def load_migrations(folder: Path = MIGRATIONS) -> list[Migration]:
    """The folder's files in order. Raises ValueError for a name of another shape or a number used twice."""
    found = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise ValueError(f"{path.name} is not named like 0001_what_it_does.sql")
        text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
        found.append(Migration(int(match[1]), match[2], text, hashlib.sha256(text.encode()).hexdigest()))
    if len({migration.version for migration in found}) < len(found):
        raise ValueError(f"two files in {folder} have the same number")
    return found


def migrate(dsn: str, report: Callable[[str], None], *, folder: Path = MIGRATIONS) -> list[Migration]:
    """Apply what is missing and make the coming months' partitions; returns what was applied.

    Safe to call from several processes at once. Raises OperatorError for a schema newer than this code, for a file
    that changed after it was applied, when locks cannot be had, and when the user may not create tables.
    """
    migrations = load_migrations(folder)
    applied = []
    with _connected(dsn) as connection:
        with _exclusive(connection):
            connection.execute(_CREATE_TABLE)
        _refuse_strange(migrations, _applied(connection))
        for migration in migrations:
            if _apply(connection, migration):
                report(f"applied {migration.version:04d} {migration.name}")
                applied.append(migration)
        ensure_partitions(connection, time.time_ns() // 1_000)
    return applied


def require_current_schema(dsn: str, *, folder: Path = MIGRATIONS) -> None:
    """Raises OperatorError unless every file, and no other, has been applied unchanged."""
    migrations = load_migrations(folder)
    with _connected(dsn) as connection:
        row = connection.execute("SELECT to_regclass('farebox_schema') IS NOT NULL").fetchone()
        if row is None or not row[0]:
            raise OperatorError("the database has no Farebox schema yet", _MIGRATE)
        applied = _applied(connection)
    _refuse_strange(migrations, applied)
    missing = [migration for migration in migrations if migration.version not in applied]
    if missing:
        names = ", ".join(f"{migration.version:04d} {migration.name}" for migration in missing)
        raise OperatorError(f"the database's schema is older than this Farebox; it lacks {names}", _MIGRATE)


def _apply(connection: psycopg.Connection, migration: Migration) -> bool:
    """False if another process was first."""
    with _exclusive(connection):
        if migration.version in _applied(connection):
            return False
        # Bytes without parameters go as one simple query, so a file may hold many statements.
        connection.execute(migration.sql.encode())
        connection.execute(
            "INSERT INTO farebox_schema (version, name, checksum) VALUES (%s, %s, %s)",
            [migration.version, migration.name, migration.checksum],
        )
    return True


@contextmanager
def _exclusive(connection: psycopg.Connection) -> Iterator[None]:
    """A transaction that only one process can be in. The lock ends with it, so poolers between us are harmless."""
    with connection.transaction():
        connection.execute(f"SET LOCAL lock_timeout = '{QUEUE_SECONDS}s'")
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [_ADVISORY_LOCK])
        connection.execute(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")
        yield


@contextmanager
def _connected(dsn: str) -> Iterator[psycopg.Connection]:
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            yield connection
    except psycopg.errors.LockNotAvailable as error:
        raise OperatorError(
            "another session holds locks that the change of the schema needs",
            "end long transactions on the database and try again",
        ) from error
    except psycopg.errors.InsufficientPrivilege as error:
        raise OperatorError(
            f"the database's user may not change the schema: {error.diag.message_primary}",
            "make it the owner of the database, or run `farebox migrate` as a user that is",
        ) from error
    except psycopg.OperationalError as error:
        raise OperatorError(
            "the database went away or cannot be reached", "check that it runs, then try again"
        ) from error


def _applied(connection: psycopg.Connection) -> Mapping[int, str]:
    rows = connection.execute("SELECT version, checksum FROM farebox_schema").fetchall()
    return {int(version): str(checksum) for version, checksum in rows}


def _refuse_strange(migrations: list[Migration], applied: Mapping[int, str]) -> None:
    unknown = sorted(applied.keys() - {migration.version for migration in migrations})
    if unknown:
        raise OperatorError(
            f"the database's schema is newer than this Farebox, which does not know version {unknown[-1]:04d}",
            "use the version of Farebox that made it, or a newer one",
        )
    for migration in migrations:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise OperatorError(
                f"the file {migration.version:04d}_{migration.name}.sql was changed after the database applied it",
                "use an unmodified Farebox; if this is a database for development, delete it",
            )
