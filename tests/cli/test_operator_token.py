"""An operator's token that could be guessed stops the start."""

import pytest

from farebox.storage.home import Home
from farebox.wiring.settings import load_settings, operator_token_of
from tests.cli.programs import farebox, refused


@pytest.mark.parametrize(
    "command", [("serve", "--port", "0"), ("worker",), ("demo", "--port", "0"), ("config", "check")]
)
def test_a_token_that_is_short_stops_the_start_and_is_not_shown(home: Home, command: tuple[str, ...]) -> None:
    done = farebox(home, *command, FAREBOX_OPERATOR_TOKEN="hunter2-hunter2")
    message, fix = refused(done)
    assert message == "error: FAREBOX_OPERATOR_TOKEN is shorter than 32 characters"
    assert "openssl rand" in fix and "hunter2" not in done.stdout + done.stderr
    # It was found before anything was started.
    assert not home.path.exists()


def test_a_token_that_is_empty_is_refused(home: Home) -> None:
    message, _ = refused(farebox(home, "serve", "--port", "0", FAREBOX_OPERATOR_TOKEN=" "))
    assert message == "error: FAREBOX_OPERATOR_TOKEN is set, but empty"


def test_a_good_token_is_taken_without_the_line_end_that_files_have() -> None:
    token = "t" * 32
    settings = load_settings(environment={"FAREBOX_OPERATOR_TOKEN": f"{token}\n"})
    assert operator_token_of(settings) == token and token not in repr(settings)
    assert operator_token_of(load_settings(environment={})) is None
