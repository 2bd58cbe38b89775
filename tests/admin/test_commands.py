"""`farebox admin` and what other commands leave in the record, as people run them."""

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from farebox.storage.home import Home
from farebox.wiring.processes import ready_database
from farebox.wiring.settings import load_settings
from tests.cli.programs import farebox, farebox_json, refused
from tests.database import make_test_home, remove_test_home


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    made = make_test_home()
    yield made
    remove_test_home(made)


def _rows(home: Home, statement: str) -> list[tuple[Any, ...]]:
    settings = load_settings(environment={"FAREBOX_HOME": str(home.path)})
    with (
        ready_database(settings, role="guest", report=lambda _: None) as database,
        psycopg.connect(database.dsn) as connection,
    ):
        return connection.execute(statement.encode()).fetchall()


def test_the_first_superadmin_is_made_and_told_where_to_go_and_what_is_missing(home: Home) -> None:
    listed = farebox(home, "admin", "list")
    assert "farebox admin create EMAIL" in listed.stdout
    doctor = farebox(home, "doctor", PORT="0")
    assert "warning operators" in doctor.stdout and "farebox admin create EMAIL" in doctor.stdout
    done = farebox(home, "admin", "create", "You@Example.com", "--port", "18080")
    assert done.returncode == 0
    assert "you@example.com is superadmin now, with a new account" in done.stdout
    assert "http://localhost:18080/sign-in?next=/admin" in done.stdout
    assert "second factor" in done.stdout
    # Nobody could get a code, or use an authenticator app, in this installation.
    assert "no mail server is set" in done.stderr and "FAREBOX_SECRETS_KEY" in done.stderr
    again = farebox(home, "admin", "create", "you@example.com")
    assert "was superadmin already" in again.stdout
    assert _rows(home, "SELECT count(*) FROM person") == [(1,)]
    assert _rows(home, "SELECT action FROM audit_event ORDER BY action") == [
        ("email.linked",),
        ("person.created",),
        ("platform_role.granted",),
    ]
    assert "ok operators" in farebox(home, "doctor", PORT="0").stdout


def test_nothing_is_warned_of_where_everything_is_set(home: Home, tmp_path_factory: pytest.TempPathFactory) -> None:
    config = tmp_path_factory.mktemp("config") / "farebox.toml"
    config.write_text(
        '[server]\npublic_url = "https://ai.example.com"\n[mail]\nhost = "mail.example.com"\n'
        'sender = "Farebox <no-reply@example.com>"\n'
    )
    key = "dGhpcnR5LXR3byBieXRlcyBvZiBhIHRlc3QncyBrZXk="
    view = farebox_json(
        home,
        "admin",
        "create",
        "set@example.com",
        "--role",
        "auditor",
        "--config",
        str(config),
        FAREBOX_SECRETS_KEY=key,
    )
    assert view["hints"] == [] and view["sign_in_url"] == "https://ai.example.com/sign-in?next=/admin"
    assert (view["was_new"], view["admin"]["role"], view["admin"]["second_factor"]) == (True, "auditor", "no")
    farebox_json(home, "admin", "remove", "set@example.com")


def test_without_a_public_address_it_says_that_nobody_can_sign_in(
    home: Home, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = tmp_path_factory.mktemp("config") / "farebox.toml"
    config.write_text('[server]\nhost = "0.0.0.0"\n')
    done = farebox(home, "admin", "create", "far@example.com", "--role", "auditor", "--config", str(config))
    assert done.returncode == 0 and "Sign in with" not in done.stdout
    assert "public_url" in done.stderr
    farebox_json(home, "admin", "remove", "far@example.com")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("create", "nobody"), "no e-mail address"),
        (("create", "a@example.com", "--role", "boss"), "there is no role 'boss'"),
        (("create", "you@example.com", "--role", "finance"), "this is the last superadmin"),
        (("remove", "stranger@example.com"), "has no role here"),
    ],
)
def test_what_cannot_be_done_is_said_with_its_fix(home: Home, arguments: tuple[str, ...], told: str) -> None:
    farebox(home, "admin", "create", "you@example.com")
    message, fix = refused(farebox(home, "admin", *arguments))
    assert told in message and len(fix) > 10


def test_roles_are_listed_and_taken_the_last_one_with_a_warning(home: Home) -> None:
    farebox(home, "admin", "create", "you@example.com")
    farebox_json(home, "admin", "create", "fin@example.com", "--role", "finance")
    roles = {view["email"]: view["role"] for view in farebox_json(home, "admin", "list")}
    assert roles == {"you@example.com": "superadmin", "fin@example.com": "finance"}
    done = farebox(home, "admin", "remove", "fin@example.com")
    assert done.returncode == 0 and "finance no more" in done.stdout and done.stderr == ""
    last = farebox(home, "admin", "remove", "you@example.com", "--json")
    assert json.loads(last.stdout)["was_last_superadmin"] is True
    assert "last superadmin" in last.stderr and "farebox admin create EMAIL" in last.stderr
    assert farebox_json(home, "admin", "list") == []


# A dozen processes, each of which starts the database and stops it: a minute on a busy machine.
@pytest.mark.timeout(600)
def test_what_is_done_to_a_workspace_from_the_terminal_is_recorded_once(home: Home) -> None:
    workspace = farebox_json(home, "workspace", "create", "acme")["workspace_id"]
    command_id = "0190c3f0-0000-7000-8000-000000000001"
    for _ in range(2):
        farebox_json(home, "credit", "acme", "5", "--reason", "Start", "--command-id", command_id)
        farebox_json(home, "workspace", "suspend", "acme")
    farebox_json(home, "workspace", "activate", "acme")
    farebox_json(home, "workspace", "limit", "set", "acme", "--per", "day", "--requests", "9")
    farebox_json(home, "workspace", "policy", "set", "acme", "--region", "sg")
    farebox_json(home, "workspace", "policy", "clear", "acme")
    rows = _rows(
        home,
        "SELECT action, actor, detail FROM audit_event WHERE workspace_id IS NOT NULL AND action <> 'workspace.created'"
        " ORDER BY event_id",
    )
    assert rows == [
        ("workspace.credited", "operator", {"amount_usd": "5.00", "reason": "Start"}),
        ("workspace.frozen", "operator", {}),
        ("workspace.unfrozen", "operator", {}),
        ("workspace.limits", "operator", {"per": "day", "requests": 9, "usd": None}),
        ("workspace.policy", "operator", {}),
        ("workspace.policy", "operator", {}),
    ]
    assert workspace.startswith("ws_")
