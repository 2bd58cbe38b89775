import stat
from pathlib import Path

import pytest

from farebox.base.errors import OperatorError
from farebox.storage.account import unprivileged_account
from farebox.storage.home import Home


def test_the_home_is_what_the_environment_names_or_a_folder_here(tmp_path: Path) -> None:
    assert Home.of({"FAREBOX_HOME": str(tmp_path)}).path == tmp_path
    assert Home.of({}).path == Path.cwd() / ".farebox"
    assert Home.of({"FAREBOX_HOME": ""}).path == Path.cwd() / ".farebox"


def test_a_new_home_is_closed_to_other_users(new_home: Home) -> None:
    new_home.create().create()
    # As root the database's account may pass through to the cluster, and see nothing on its way.
    passable = 0o700 if unprivileged_account() is None else 0o710
    assert stat.S_IMODE(new_home.path.stat().st_mode) == passable
    assert stat.S_IMODE(new_home.database.stat().st_mode) == passable
    assert stat.S_IMODE(new_home.run.stat().st_mode) == 0o700
    assert stat.S_IMODE(new_home.spool.stat().st_mode) == 0o700


def test_an_existing_folder_keeps_its_permissions(new_home: Home) -> None:
    new_home.path.mkdir(mode=0o750)
    new_home.create()
    assert stat.S_IMODE(new_home.path.stat().st_mode) == 0o750


@pytest.mark.parametrize("below", ["", "folder", "folder/deeper"])
def test_a_home_that_cannot_be_made_is_one_line_and_a_fix(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match="cannot keep its data") as refusal:
        Home(tmp_path / "file" / below).create()
    assert "\n" not in refusal.value.message
    assert "FAREBOX_HOME" in refusal.value.fix
