"""`farebox key …` as an operator types it."""

import json
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from farebox.storage.home import Home
from tests.cli.programs import farebox, farebox_json, refused
from tests.database import make_test_home, remove_test_home

_HEADINGS = (
    "name",
    "prefix",
    "scopes",
    "status",
    "created",
    "department",
    "project",
    "customer",
    "last used",
    "expires",
)


@pytest.fixture
def home() -> Iterator[Home]:
    made = make_test_home()
    yield made
    remove_test_home(made)


@pytest.fixture
def database(dsn: str, home: Home) -> dict[str, str]:
    """The environment of commands on a database with the workspace acme."""
    variables = {"DATABASE_URL": dsn}
    farebox_json(home, "workspace", "create", "acme", **variables)
    return variables


def test_a_key_is_made_changed_rolled_listed_and_revoked(home: Home, database: dict[str, str]) -> None:
    def asks(*words: str) -> Any:
        return farebox_json(home, "key", *words, **database)

    made = asks(
        *("create", "acme", "--name", "ci", "--department", "Research", "--project", "Atlas", "--customer", "Öl KG"),
        *("--allow-ip", "192.0.2.0/24", "--allow-ip", "2001:db8::7", "--limit", "requests:5/day", "--usage-only"),
    )
    key = made["key"]
    assert (key["scopes"], key["status"], key["created_by"]) == (["usage.read"], "active", "operator")
    assert [key[label] for label in ("department", "project", "customer")] == ["Research", "Atlas", "Öl KG"]
    assert key["ip_allow"] == ["192.0.2.0/24", "2001:db8::7/128"]
    changed = asks("update", key["key_id"], "--project", "", "--any-ip", "--scope", "images", "--expires", "2999-01-01")
    assert (changed["project"], changed["ip_allow"], changed["scopes"]) == ("", None, ["images"])
    assert changed["expires_at"].startswith("2999-01-01")
    assert changed["department"] == "Research"
    changed = asks("update", made["api_key"], "--expires", "none", "--model", "plain", "--allow-ip", "192.0.2.9")
    assert (changed["expires_at"], changed["models"], changed["ip_allow"]) == (None, ["plain"], ["192.0.2.9/32"])
    rolled = asks("roll", key["prefix"], "--overlap", "7d")
    assert rolled["api_key"] != made["api_key"]
    assert (rolled["former"]["status"], rolled["former"]["rolled_to"]) == ("rolled", rolled["key"]["key_id"])
    assert (rolled["key"]["models"], rolled["key"]["name"]) == (["plain"], "ci")
    listed = asks("list", "acme")
    assert [(each["key_id"], each["status"]) for each in listed] == [
        (rolled["key"]["key_id"], "active"),
        (key["key_id"], "rolled"),
    ]
    assert not {made["api_key"], rolled["api_key"]} & set(re.findall(r"\w+", json.dumps(listed)))
    assert asks("revoke", key["key_id"])["status"] == "revoked"
    limits = farebox_json(home, "workspace", "limit", "list", "acme", **database)
    assert [(limit["per"], limit["max_requests"]) for limit in limits] == [("day", 5)]


def test_the_table_begins_with_what_people_look_for(home: Home, database: dict[str, str]) -> None:
    farebox_json(home, "key", "create", "acme", "--name", "ci", "--project", "Atlas", **database)
    heading, row = farebox(home, "key", "list", "acme", **database).stdout.splitlines()
    places = [heading.index(name) for name in _HEADINGS]
    assert places == sorted(places)
    assert row.split()[0] == "ci"
    assert row[heading.index("project") :].startswith("Atlas")


def test_what_was_typed_for_a_person_ends_with_what_to_do(home: Home, database: dict[str, str]) -> None:
    made = farebox(home, "key", "create", "acme", **database).stdout.splitlines()[0]
    rolled = farebox(home, "key", "roll", made, "--overlap", "0", **database)
    secret, successor, former = rolled.stdout.splitlines()
    assert secret.startswith(made[:4])
    assert "takes over; keep the secret now" in successor
    assert "works until" in former
    assert made not in rolled.stdout + rolled.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("create", "acme", "--allow-ip", "office"), "'office' is no network"),
        (("create", "acme", "--allow-ip", "192.0.2.1/24"), "has bits beyond its prefix"),
        (("create", "acme", "--usage-only", "--scope", "images"), "--usage-only is a scope of its own"),
        (("create", "acme", "--project", "x" * 101), "project is text of at most 100"),
        (("create", "acme", "--scope", "everything"), "there is no scope 'everything'"),
        (("update", "key_0000000000001", "--name", "x"), "there is no such key"),
        (("update", "key_0000000000001"), "there is nothing to change"),
        (("update", "key_0000000000001", "--any-ip", "--allow-ip", "192.0.2.1"), "some and all"),
        (("update", "key_0000000000001", "--expires", "2001-01-01"), "has passed"),
        (("roll", "key_0000000000001"), "there is no such key"),
        (("roll", "key_0000000000001", "--overlap", "soon"), "'soon' is not a span of time"),
        (("roll", "key_0000000000001", "--overlap", "5"), "'5' is not a span of time"),
    ],
)
def test_what_cannot_be_is_said_in_two_lines(
    home: Home, database: dict[str, str], words: tuple[str, ...], message: str
) -> None:
    assert message in refused(farebox(home, "key", *words, **database))[0]


def test_an_overlap_beyond_its_bounds_is_refused(home: Home, database: dict[str, str]) -> None:
    made = farebox_json(home, "key", "create", "acme", **database)["key"]["key_id"]
    assert "0 to 30 days" in refused(farebox(home, "key", "roll", made, "--overlap", "31d", **database))[0]


def test_each_act_stands_in_the_record(home: Home, database: dict[str, str]) -> None:
    def asks(*words: str) -> Any:
        return farebox_json(home, "key", *words, **database)

    first = asks("create", "acme", "--name", "ci")
    key_id = first["key"]["key_id"]
    asks("update", key_id, "--name", "ci 2", "--project", "Atlas")
    second = asks("roll", key_id)["key"]["key_id"]
    asks("revoke", second)
    asks("revoke", second)  # changes nothing
    with psycopg.connect(database["DATABASE_URL"]) as connection:
        rows = connection.execute(
            "SELECT actor, action, subject, detail FROM audit_event WHERE action LIKE 'key.%' ORDER BY event_id"
        ).fetchall()
    assert [row[:3] for row in rows] == [
        ("operator", "key.created", key_id),
        ("operator", "key.changed", key_id),
        ("operator", "key.rolled", key_id),
        ("operator", "key.revoked", second),
    ]
    assert rows[1][3] == {"changed": "name, project"} and rows[2][3]["successor"] == second
    assert first["api_key"] not in str(rows)
