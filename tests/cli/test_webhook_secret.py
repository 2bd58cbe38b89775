"""Webhooks that could not be signed stop the start."""

from pathlib import Path

import pytest

from farebox.base.errors import OperatorError
from farebox.storage.home import Home
from farebox.wiring.settings import load_settings, webhook_secret_of
from tests.cli.programs import farebox, refused


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "farebox.toml"
    path.write_text("[webhooks]\nenabled = true\n")
    return path


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("worker",), ("config", "check")])
def test_webhooks_without_a_secret_stop_the_start(home: Home, config: Path, command: tuple[str, ...]) -> None:
    message, fix = refused(farebox(home, *command, "--config", str(config)))
    assert message == "error: webhooks are enabled, but FAREBOX_WEBHOOK_SECRET is not set"
    assert "openssl rand" in fix
    # It was found before anything was started.
    assert not home.path.exists()


def test_a_secret_that_is_short_is_refused_and_not_shown(home: Home, config: Path) -> None:
    done = farebox(home, "serve", "--config", str(config), FAREBOX_WEBHOOK_SECRET="hunter2-hunter2")
    message, _ = refused(done)
    assert "shorter than 32 characters" in message and "hunter2" not in done.stdout + done.stderr


def test_a_secret_that_is_empty_is_refused(home: Home, config: Path) -> None:
    message, _ = refused(farebox(home, "serve", "--config", str(config), FAREBOX_WEBHOOK_SECRET=" "))
    assert message == "error: FAREBOX_WEBHOOK_SECRET is set, but empty"


def test_a_good_secret_is_taken_and_shown_nowhere(config: Path, home: Home) -> None:
    secret = "s" * 32
    settings = load_settings(config, {"FAREBOX_WEBHOOK_SECRET": f"{secret}\n"})
    assert webhook_secret_of(settings) == secret and secret not in repr(settings)
    done = farebox(home, "config", "check", "--config", str(config), FAREBOX_WEBHOOK_SECRET=secret)
    assert (done.returncode, secret in done.stdout + done.stderr) == (0, False)


def test_without_webhooks_no_secret_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "farebox.toml"
    path.write_text("")
    assert webhook_secret_of(load_settings(path, {})) is None
    with pytest.raises(OperatorError, match=r"webhooks\.timeout_seconds"):
        path.write_text("[webhooks]\ntimeout_seconds = 0\n")
        load_settings(path, {})
