"""`farebox workspace hand-over` as an operator types it."""

from collections.abc import Iterator

import pytest

from farebox.storage.home import Home
from tests.cli.programs import farebox, farebox_json, refused
from tests.database import make_test_home, remove_test_home


@pytest.fixture
def home() -> Iterator[Home]:
    made = make_test_home()
    yield made
    remove_test_home(made)


def test_a_workspace_is_handed_over_by_a_link_that_is_printed_once(home: Home, dsn: str) -> None:
    variables = {"DATABASE_URL": dsn}
    farebox_json(home, "workspace", "create", "acme", **variables)
    view = farebox_json(home, "workspace", "hand-over", "acme", "Anna@Example.com", **variables)
    assert (view["name"], view["email"]) == ("acme", "anna@example.com")
    assert "/invitations/" in view["link"]
    shown = farebox(home, "workspace", "hand-over", "acme", "anna@example.com", PORT="18999", **variables)
    assert "http://localhost:18999/invitations/" in shown.stdout
    assert shown.returncode == 0
    assert "/invitations/" in shown.stdout and view["link"] not in shown.stdout


def test_what_cannot_be_handed_over_is_told_with_its_fix(home: Home, dsn: str) -> None:
    variables = {"DATABASE_URL": dsn}
    farebox_json(home, "workspace", "create", "acme", **variables)
    for words, told in (
        (("acme", "anna"), "write one like anna@example.com"),
        (("nobody's", "anna@example.com"), "farebox workspace list"),
    ):
        done = farebox(home, "workspace", "hand-over", *words, **variables)
        assert told in refused(done)[1]
