"""Who PostgreSQL runs as: ourselves, or, because it refuses to run as root, an unprivileged account."""

import os
import pwd
import stat
from pathlib import Path
from typing import NamedTuple

from farebox.base.errors import OperatorError

# In order of preference; `nobody` exists on every Linux and in nearly every container image.
_CANDIDATES = ("farebox", "postgres", "nobody")


class Account(NamedTuple):
    """A system account, by numbers. No supplementary groups are ever given to it."""

    name: str
    uid: int
    gid: int


def running_as_root() -> bool:
    """Whether PostgreSQL must be given another account than ours."""
    return os.geteuid() == 0


def unprivileged_account() -> Account | None:
    """The account for PostgreSQL when we are root; None when we are not and it runs as ourselves.

    Raises OperatorError when we are root and the system has none of the accounts.
    """
    if not running_as_root():
        return None
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise OperatorError(
        f"PostgreSQL refuses to run as root, and this system has no account {', '.join(_CANDIDATES)}",
        "add one with `useradd --system farebox`, or run Farebox as another user than root",
    )


def owner_account(path: Path) -> Account:
    """The account that owns a file, named by its number where the system has no name for it."""
    status = path.stat()
    try:
        name = pwd.getpwuid(status.st_uid).pw_name
    except KeyError:
        name = str(status.st_uid)
    return Account(name, status.st_uid, status.st_gid)


def may(account: Account, path: Path, wanted: int) -> bool:
    """Whether the permission bits give the account `wanted` (of os.R_OK, W_OK, X_OK) on that one path."""
    status = path.stat()
    if status.st_uid == account.uid:
        granted = stat.S_IMODE(status.st_mode) >> 6
    elif status.st_gid == account.gid:
        granted = stat.S_IMODE(status.st_mode) >> 3
    else:
        granted = stat.S_IMODE(status.st_mode)
    return granted & wanted == wanted


def may_reach(account: Account, folder: Path) -> bool:
    """Whether the account can pass through the folder and every folder above it, along symbolic links too."""
    named, actual = folder.absolute(), folder.resolve()
    return all(may(account, step, os.X_OK) for step in {named, *named.parents, actual, *actual.parents})
