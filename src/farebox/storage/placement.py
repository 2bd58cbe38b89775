"""Decides where the embedded cluster, its socket and its log live, and who owns them.

The cluster is `FAREBOX_HOME/database/cluster`. As root PostgreSQL runs as another account, and where that account
cannot pass through to FAREBOX_HOME the cluster is put under /var/lib/farebox and `database/location` records where:
no permission of a folder that we did not make is ever changed.
"""

import hashlib
import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo

from farebox.base.errors import OperatorError
from farebox.storage.account import Account, may_reach, owner_account, running_as_root, unprivileged_account
from farebox.storage.binaries import SYSTEM_FOLDER
from farebox.storage.home import Home

DATABASE = "farebox"
SUPERUSER = "farebox"
PORT = 5432  # only part of the socket's file name; nothing listens on the network
_LOCATION = "location"
_CREATED = "created"
# sun_path holds 108 bytes with its closing zero on Linux, 104 on macOS; the smaller one serves both.
_MAX_SOCKET_PATH_BYTES = 103
# How many former clusters of the same home may lie under /var/lib/farebox before somebody has to look.
_MAX_FORMER_CLUSTERS = 100


@dataclass(frozen=True)
class Placement:
    """`cluster` is owned by `account` (None: ourselves) and private to it; `data` is PostgreSQL's data folder."""

    home: Home
    cluster: Path
    account: Account | None

    @property
    def data(self) -> Path:
        return self.cluster / "data"

    @property
    def log(self) -> Path:
        """Opened by us and handed to PostgreSQL, so it can stay in the home wherever the cluster is."""
        return self.home.run / "postgresql.log"

    @property
    def socket_folder(self) -> Path:
        return _socket_folder(self.cluster)

    @property
    def marker(self) -> Path:
        """Exists once the cluster is complete: from then on a missing cluster is a loss, not a first start."""
        return self.home.database / _CREATED

    def make_folders(self) -> None:
        """Make the cluster's and the socket's folder, private to the account. Raises OperatorError."""
        try:
            self.cluster.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            self._make_private(self.cluster)
            self._make_private(self.socket_folder)
        except OSError as error:
            raise OperatorError(
                f"the database's folder {error.filename or self.cluster} cannot be made: {error.strerror}",
                "set FAREBOX_HOME to a folder that this user can write, or set DATABASE_URL",
            ) from error
        self._refuse_strangers(self.socket_folder)

    def _make_private(self, folder: Path) -> None:
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            return
        if self.account is not None:
            os.chown(folder, self.account.uid, self.account.gid)

    def _refuse_strangers(self, folder: Path) -> None:
        """A short socket path lies in /tmp, where anybody could have made the folder before us."""
        status = folder.lstat()
        owner = self.account.uid if self.account is not None else os.geteuid()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != owner or status.st_mode & 0o077:
            raise OperatorError(
                f"{folder} is not a private folder of the account that runs PostgreSQL",
                "remove it, or set FAREBOX_HOME to a shorter path",
            )


def connection_string(home: Home, *, database: str = DATABASE) -> str:
    """The libpq address of the home's embedded database, whether it runs or not."""
    folder = _socket_folder(_recorded_cluster(home) or _local_cluster(home))
    return make_conninfo(host=str(folder), port=PORT, user=SUPERUSER, dbname=database)


def place(home: Home, report: Callable[[str], None], *, system_folder: Path = SYSTEM_FOLDER) -> Placement:
    """Where the home's cluster is, or shall be made (in `system_folder` if the account cannot reach the home).

    Raises OperatorError, above all when a known cluster is gone.
    """
    cluster = _recorded_cluster(home) or _local_cluster(home)
    if (cluster / "data").exists():
        return Placement(home, cluster, _account_of_existing(cluster / "data"))
    if (home.database / _CREATED).exists():
        raise OperatorError(
            f"the database of {home.path} is missing from {cluster}",
            f"restore that folder from a backup; to give up its data, delete {home.database} and start again",
        )
    account = unprivileged_account()
    if account is not None and _recorded_cluster(home) is None and not may_reach(account, home.database):
        cluster = _elsewhere(home, report, system_folder)
        _write_durably(home.database / _LOCATION, f"{cluster}\n")
    return Placement(home, cluster, account)


def mark_created(placement: Placement) -> None:
    """Record that the cluster is complete."""
    if not placement.marker.exists():
        _write_durably(placement.marker, f"{placement.cluster}\n")


def remove_unfinished(placement: Placement) -> None:
    """Clear what an interrupted first start left behind."""
    for folder in placement.cluster.glob("initializing-*"):
        shutil.rmtree(folder, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Make a rename in the folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _local_cluster(home: Home) -> Path:
    return home.database.absolute() / "cluster"


def _recorded_cluster(home: Home) -> Path | None:
    try:
        return Path((home.database / _LOCATION).read_text().strip())
    except FileNotFoundError:
        return None


def _account_of_existing(data: Path) -> Account | None:
    owner = owner_account(data)
    if running_as_root():
        return owner if owner.uid != 0 else unprivileged_account()
    if owner.uid != os.geteuid():
        raise OperatorError(
            f"the database in {data} belongs to the account {owner.name}",
            f"run Farebox as {owner.name} or as root, or set FAREBOX_HOME to a folder of your own",
        )
    return None


def _elsewhere(home: Home, report: Callable[[str], None], system_folder: Path) -> Path:
    """A new folder name; never a former home's cluster, whose secrets and schema this home does not know."""
    name = _digest(home.path.absolute())
    for number in range(_MAX_FORMER_CLUSTERS):
        cluster = system_folder / (f"{name}-{number}" if number else name)
        if not cluster.exists():
            report(f"the database will live in {cluster}: the account that runs it cannot reach {home.path}")
            return cluster
        report(f"leaving alone {cluster}, the database of an earlier {home.path}")
    raise OperatorError(
        f"{_MAX_FORMER_CLUSTERS} databases of deleted homes lie in {system_folder}",
        f"delete those named {name}-… that nobody needs",
    )


def _socket_folder(cluster: Path) -> Path:
    folder = cluster / "socket"
    if len(os.fsencode(folder / f".s.PGSQL.{PORT}")) <= _MAX_SOCKET_PATH_BYTES:
        return folder
    # Not the temporary folder of the environment: every process of the home must come to the same answer.
    return Path("/tmp") / f"farebox-{_digest(cluster)}"  # noqa: S108 - made private, or refused


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:16]


def _write_durably(path: Path, text: str) -> None:
    unfinished = path.with_suffix(".new")
    with unfinished.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    sync_folder(path.parent)
