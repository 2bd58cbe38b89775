"""FAREBOX_HOME: the one folder that holds what this installation must remember."""

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from farebox.base.errors import OperatorError
from farebox.storage.account import Account, unprivileged_account

_PRIVATE = 0o700
# As root the database's account must be able to pass through (not list) the folders above its cluster.
_PASSABLE_BY_GROUP = 0o710


@dataclass(frozen=True)
class Home:
    """The folder and its parts. Making the object touches nothing; `create` makes the folders."""

    path: Path

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> "Home":
        """The home that FAREBOX_HOME names, or `.farebox/` in the current folder."""
        return cls(Path(environment.get("FAREBOX_HOME") or ".farebox").expanduser().absolute())

    @property
    def run(self) -> Path:
        """Locks and logs; nothing in it outlives its use."""
        return self.path / "run"

    @property
    def spool(self) -> Path:
        """Evidence of calls that could not be settled yet."""
        return self.path / "spool"

    @property
    def database(self) -> Path:
        """The embedded PostgreSQL, or a note that says where it lives."""
        return self.path / "database"

    @property
    def demo_secrets_key(self) -> Path:
        """What a demo without FAREBOX_SECRETS_KEY encrypts secrets with; nothing else reads it."""
        return self.path / "demo-secrets-key"

    def create(self) -> "Home":
        """Make the folders that are missing, for us alone; folders that exist keep their permissions.

        Raises OperatorError when the folder cannot be made or written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            _make_private(self.path, passable=True)
            _make_private(self.run)
            _make_private(self.spool)
            _make_private(self.database, passable=True)
        except OSError as error:
            raise self._unusable(error.strerror or str(error)) from error
        for folder in (self.path, self.run, self.spool, self.database):
            if not os.access(folder, os.W_OK | os.X_OK):
                raise self._unusable(f"{folder} is not writable by this user")
        return self

    def _unusable(self, why: str) -> OperatorError:
        return OperatorError(
            f"Farebox cannot keep its data in {self.path}: {why}",
            "set FAREBOX_HOME to a folder that this user can write",
        )


def _make_private(folder: Path, *, passable: bool = False) -> None:
    try:
        folder.mkdir(mode=_PRIVATE)
    except FileExistsError:
        if not folder.is_dir():
            raise
        return
    if passable:
        # Where this is not possible the folder stays private, and the cluster will be placed elsewhere.
        with suppress(OSError, OperatorError):
            _let_pass(folder, unprivileged_account())


def _let_pass(folder: Path, account: Account | None) -> None:
    if account is not None:
        os.chown(folder, -1, account.gid)
        folder.chmod(_PASSABLE_BY_GROUP)
