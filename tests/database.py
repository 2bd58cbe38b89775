"""A real PostgreSQL for tests: one embedded server for the session, a fresh migrated database for each test.

The server ends with the process that started it, however that process ends.
"""

import shutil
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from farebox.storage.embedded import EmbeddedPostgres
from farebox.storage.home import Home
from farebox.storage.lock import FileLock
from farebox.storage.migrate import migrate

_PREFIX = "farebox-test-"
_TEMPLATE = "farebox_template"
# A memory file system makes a thousand small files fifteen times faster; a run needs a few hundred megabytes of it.
_MEMORY, _DISK = Path("/dev/shm"), Path("/tmp")
_MEMORY_NEEDED_BYTES = 2_000_000_000
# A killed test run leaves its folder behind; nobody is still on the way to locking one that is older than this.
_STALE_AFTER_SECONDS = 600


def make_test_home() -> Home:
    """A home in a short folder that the account of PostgreSQL can reach even when the tests run as root."""
    roomy = _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _MEMORY_NEEDED_BYTES
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_MEMORY if roomy else _DISK))
    folder.chmod(0o711)
    return Home(folder / "home")


def remove_test_home(home: Home) -> None:
    """Delete what `make_test_home` made."""
    shutil.rmtree(home.path.parent, ignore_errors=True)


class TestCluster:
    """Use as a context manager, from the main thread."""

    __test__ = False

    def __init__(self) -> None:
        _remove_stale_homes()
        self.home = make_test_home().create()
        self._lock = FileLock(self.home.run / "database.lock")
        self._postgres = EmbeddedPostgres(self.home, lambda line: None)
        self._databases = 0

    def __enter__(self) -> "TestCluster":
        assert self._lock.try_acquire()
        try:
            self._postgres.start()
            self._execute(f"CREATE DATABASE {_TEMPLATE}")
            migrate(self.dsn_of(_TEMPLATE), lambda line: None)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._postgres.stop()
        self._lock.release()
        remove_test_home(self.home)

    def fresh_database(self, *, migrated: bool = True) -> str:
        """The DSN of a new database that no other test uses, with the current schema unless told otherwise."""
        self._databases += 1
        name = f"test_{self._databases}"
        self._execute(f"CREATE DATABASE {name}" + (f" TEMPLATE {_TEMPLATE}" if migrated else ""))
        return self.dsn_of(name)

    def dsn_of(self, database: str) -> str:
        """The DSN of one database of this server."""
        return make_conninfo(self._postgres.dsn, dbname=database)

    def drop_database(self, dsn: str) -> None:
        """Drop a database, ending whatever is still connected to it."""
        name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._postgres.dsn, autocommit=True) as connection:
            connection.execute(statement)


def _remove_stale_homes() -> None:
    for folder in (*_MEMORY.glob(f"{_PREFIX}*"), *_DISK.glob(f"{_PREFIX}*")):
        try:
            if time.time() - folder.stat().st_mtime < _STALE_AFTER_SECONDS:
                continue
            lock = FileLock(folder / "home" / "run" / "database.lock")
            if lock.try_acquire():
                shutil.rmtree(folder, ignore_errors=True)
                lock.release()
        except OSError:
            continue
