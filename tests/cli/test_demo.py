"""`farebox demo`, and the commands of an operator while it runs."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from farebox.storage.home import Home
from farebox.wiring.settings import default_config_path
from tests.cli.programs import (
    FAREBOX,
    ask,
    chat,
    environment,
    farebox,
    farebox_json,
    free_port,
    refused,
    running,
    wait_for,
    workers_of,
)

# Who tried an SDK in this terminal has a key of the gateway where a provider's is looked for. It counts as none, so
# that the sandbox plays on; every call of this module proves it.
OWN_KEY = {"OPENAI_API_KEY": "fbx_of-an-earlier-demo"}


class Demo:
    """A running demo."""

    def __init__(self, home: Home, port: int, told: dict[str, str]) -> None:
        self.home = home
        self.port = port
        self.told = told
        # It waits some seconds for a short command to end, so it is started first and asked last.
        self.intruder = subprocess.Popen(
            [FAREBOX, "serve", "--port", str(free_port())],
            env=environment(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def json(self, *arguments: str) -> Any:
        return farebox_json(self.home, *arguments, **OWN_KEY)

    def balance(self, workspace: str) -> Decimal:
        views = self.json("workspace", "list")
        return next(
            Decimal(view["available_usd"]) for view in views if workspace in (view["workspace_id"], view["name"])
        )


@pytest.fixture(scope="module")
def demo(shared_home: Home) -> Iterator[Demo]:
    port = free_port()
    with running(shared_home, "demo", "--json", PORT=str(port), **OWN_KEY) as program:
        demo = Demo(shared_home, port, json.loads(program.line()))
        yield demo
        demo.intruder.kill()
        demo.intruder.communicate()
        assert program.interrupt() == 0
        # Nothing but the one line.
        assert program.process.stdout is not None
        assert program.process.stdout.read() == ""


def test_the_line_for_scripts_has_what_a_client_needs(demo: Demo) -> None:
    assert demo.told.keys() == {"base_url", "console_url", "api_key", "workspace_id"}
    assert demo.told["base_url"] == f"http://127.0.0.1:{demo.port}/v1"
    assert demo.told["console_url"] == f"http://localhost:{demo.port}/"
    assert demo.told["api_key"].startswith("fbx_")


def test_a_call_is_answered_charged_and_receipted_with_its_margin(demo: Demo) -> None:
    before = demo.balance(demo.told["workspace_id"])
    status, answer = chat(demo.port, demo.told["api_key"])
    assert status == 200
    assert answer["choices"][0]["message"]["content"] == "hi"
    assert demo.balance(demo.told["workspace_id"]) < before
    _, usage = ask(demo.port, "GET", "/api/usage", key=demo.told["api_key"])
    call_id = next(str(value) for value in _strings(usage) if value.startswith("call_"))
    receipt = demo.json("receipt", call_id)
    assert receipt["workspace_id"] == demo.told["workspace_id"]
    assert (receipt["charge_usd"], receipt["margin_usd"]) != ("0.00", "0.00")
    assert call_id in farebox(demo.home, "receipt", call_id).stdout


def test_authenticator_apps_work_in_a_demo_by_a_key_of_its_own(demo: Demo) -> None:
    _, setup = ask(demo.port, "GET", "/api/setup")
    states = {item["capability"]: item["state"] for item in setup["readiness"]}
    assert states["authenticator_apps"] == "live"
    assert demo.home.demo_secrets_key.stat().st_mode & 0o777 == 0o600


def test_what_fails_is_logged_on_standard_error(demo: Demo) -> None:
    """The fixture looks at standard output in the end: nothing but its one line."""
    turn = {"role": "user", "content": '[[sandbox {"status": 500}]]hello'}
    body = {"model": "claude-haiku-4-5", "messages": [turn], "max_tokens": 8}
    status, answer = ask(demo.port, "POST", "/v1/chat/completions", key=demo.told["api_key"], body=body)
    assert status == 502 and answer["error"]["code"] == "upstream_exception"


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def test_a_credit_says_what_it_did_and_the_same_command_id_acts_once(demo: Demo) -> None:
    demo.json("workspace", "create", "acme")
    command_id = str(uuid4())
    arguments = ("credit", "acme", "5", "--reason", "invoice 7", "--command-id", command_id)
    first = demo.json(*arguments)
    assert (first["credited_usd"], first["available_usd"], first["replayed"]) == ("5.00", "5.00", False)
    second = demo.json(*arguments)
    assert (second["available_usd"], second["replayed"]) == ("5.00", True)
    message, _ = refused(farebox(demo.home, "credit", "acme", "6", "--reason", "invoice 7", "--command-id", command_id))
    assert "something else" in message
    done = farebox(demo.home, "credit", "acme", "-1.5", "--reason", "correction")
    assert "-1.50" in done.stdout and "$3.50 available" in done.stdout
    message, _ = refused(farebox(demo.home, "credit", "acme", "-100", "--reason", "too much"))
    assert "$3.50 are available" in message


def test_a_promotion_is_credited_beside_the_cash(demo: Demo) -> None:
    demo.json("workspace", "create", "beta")
    view = demo.json("credit", "beta", "2", "--reason", "hello", "--promotional", "--expires", "2099-01-01")
    assert (view["promotional"], view["available_usd"]) == (True, "2.00")
    refused(farebox(demo.home, "credit", "beta", "2", "--reason", "hello", "--expires", "2099-01-01"))
    refused(farebox(demo.home, "credit", "beta", "2", "--reason", "x", "--promotional", "--expires", "2001-01-01"))


def test_a_key_obeys_its_limits_its_workspace_and_its_revocation(demo: Demo) -> None:
    demo.json("workspace", "create", "gamma")
    demo.json("credit", "gamma", "5", "--reason", "test")
    limits = ("--limit", "requests:1/day", "--limit", "usd:5/month")
    key = demo.json("key", "create", "gamma", "--name", "robot", *limits)
    assert {(limit["per"], limit["max_requests"], limit["max_usd"]) for limit in key["limits"]} == {
        ("day", 1, None),
        ("month", None, "5.00"),
    }
    secret, key_id = key["api_key"], key["key"]["key_id"]
    assert chat(demo.port, secret)[0] == 200
    assert chat(demo.port, secret)[0] == 429
    lifted = demo.json("workspace", "limit", "set", "gamma", "--key", "robot", "--per", "day", "--requests", "none")
    assert [limit["per"] for limit in lifted] == ["month"]
    assert chat(demo.port, secret)[0] == 200
    demo.json("workspace", "suspend", "gamma")
    assert _status_becomes(demo, secret, 401)
    demo.json("workspace", "activate", "gamma")
    assert _status_becomes(demo, secret, 200)
    assert demo.json("key", "revoke", key_id)["status"] == "revoked"
    assert _status_becomes(demo, secret, 401)
    assert [listed["status"] for listed in demo.json("key", "list", "gamma")] == ["revoked"]
    assert demo.json("workspace", "limit", "list", "gamma")[0]["max_usd"] == "5.00"


def _status_becomes(demo: Demo, secret: str, wanted: int) -> bool:
    """Within the second that a change may take."""
    return wait_for(lambda: ask(demo.port, "GET", "/v1/models", key=secret)[0] == wanted, seconds=3.0)


def test_the_books_are_proved_and_the_doctor_is_content(demo: Demo) -> None:
    assert demo.json("ledger", "verify")["sound"] is True
    examined = demo.json("doctor", "--port", str(demo.port))
    assert examined["sound"] is True
    checks = {finding["check"]: finding for finding in examined["findings"]}
    assert f"Farebox serves on 127.0.0.1:{demo.port}" in checks["port"]["detail"]
    assert "fsync" in checks["database"]["detail"]
    # The sandbox plays it, but a real gateway would lack its key.
    assert checks["provider anthropic"]["verdict"] == "warning"
    assert "ANTHROPIC_API_KEY" in checks["provider anthropic"]["fix"]
    assert checks["provider openai"]["verdict"] == "warning"
    assert "a key of this gateway" in checks["provider openai"]["detail"]


def test_the_same_catalog_again_changes_nothing_and_a_dry_run_only_tells(demo: Demo, tmp_path: Any) -> None:
    path = default_config_path().with_name("catalog.toml")
    assert demo.json("catalog", "apply", str(path))["changes"] == []
    dearer = tmp_path / "catalog.toml"
    dearer.write_text(path.read_text().replace("margin_bps = 1000", "margin_bps = 2000", 1))
    told = farebox(demo.home, "catalog", "apply", str(dearer), "--dry-run")
    assert "nothing was stored" in told.stdout
    assert demo.json("catalog", "apply", str(path))["changes"] == []


def test_a_worker_that_dies_is_replaced(demo: Demo) -> None:
    (worker,) = workers_of(demo.home)
    os.kill(worker, signal.SIGKILL)
    assert wait_for(lambda: [pid for pid in workers_of(demo.home) if pid != worker] != [])
    assert wait_for(lambda: chat(demo.port, demo.told["api_key"])[0] == 200)


def test_a_second_farebox_in_the_same_home_is_refused(demo: Demo) -> None:
    output, errors = demo.intruder.communicate(timeout=40)
    message, fix = refused(subprocess.CompletedProcess([], demo.intruder.returncode, output, errors))
    assert "already runs the database" in message
    assert "FAREBOX_HOME" in fix


def test_a_second_run_keeps_the_money_and_replaces_the_key(home: Home) -> None:
    port = free_port()
    with running(home, "demo", "--json", "--port", str(port)) as program:
        first = json.loads(program.line())
        assert chat(port, first["api_key"])[0] == 200
        assert program.interrupt() == 0
    left = next(view["available_usd"] for view in farebox_json(home, "workspace", "list"))
    assert left.startswith("9.99")
    with running(home, "demo", "--port", str(port)) as program:
        told = program.lines_until("Ctrl-C stops it")
        assert "SANDBOX" in told and f"${left} available" in told
        assert f"http://localhost:{port}/ (sign in with any e-mail address)" in told
        assert f"http://localhost:{port}/demo/mailbox" in told
        assert ask(port, "GET", "/v1/models", key=first["api_key"])[0] == 401
        # The line that was printed, as it was printed.
        curl = told[told.index("curl ") : told.index("\n\nCtrl-C")]
        done = subprocess.run(["sh", "-c", f"{curl} -s"], capture_output=True, text=True, timeout=20, check=True)
        assert json.loads(done.stdout)["choices"][0]["message"]["content"] == "hello from Farebox"
        assert program.interrupt() == 0
