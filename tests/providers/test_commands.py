"""`farebox provider …` and `farebox pool …` as an operator types them, against the sandbox. No secret in any output."""

import base64
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from farebox.storage.home import Home
from farebox_sandbox.process import RunningSandbox, start_sandbox
from tests.cli.programs import FAREBOX, START_SECONDS, environment, refused
from tests.database import make_test_home, remove_test_home
from tests.providers.conftest import KEY, OTHER_KEY
from tests.terms import TERMS

SANDBOX_KEY = "sk-sandbox-5f0d1c7e"
WRONG_KEY = "sk-wrong-91c2b7aa"
NEW, OLD = (base64.b64encode(key).decode() for key in (OTHER_KEY, KEY))


@dataclass
class Operator:
    """Somebody at a terminal, with a database and a catalog of their own."""

    home: Home
    config: Path
    variables: dict[str, str]

    def types(self, *words: str, secret: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
        """A command to its end; nothing that it says shows a secret."""
        done = subprocess.run(
            [FAREBOX, *words, "--config", str(self.config)],
            env=environment(self.home, **{**self.variables, **more}),
            input=secret,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        for hidden in (SANDBOX_KEY, WRONG_KEY, NEW, OLD):
            assert hidden not in done.stdout + done.stderr
        return done

    def asks(self, *words: str, secret: str = "", **more: str) -> Any:
        """What a command that must succeed answers with --json."""
        done = self.types(*words, "--json", secret=secret, **more)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def credentials(self, **more: str) -> list[Any]:
        """Those of the provider `one`."""
        found = self.asks("provider", "list", **more)
        return next(list(view["credentials"]) for view in found if view["provider_id"] == "one")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    with start_sandbox(api_key=SANDBOX_KEY) as running:
        yield running


@pytest.fixture
def operator(dsn: str, sandbox: RunningSandbox, tmp_path: Path) -> Iterator[Operator]:
    config = tmp_path / "farebox.toml"
    config.write_text("")
    (tmp_path / "catalog.toml").write_text(_catalog(sandbox.base_url))
    home = make_test_home()
    yield Operator(home, config, {"DATABASE_URL": dsn, "FAREBOX_SECRETS_KEY": OLD})
    remove_test_home(home)


def _catalog(base_url: str) -> str:
    return f"""
{TERMS}
[providers.one]
display_name = "One"
base_url     = "{base_url}"
api_key_env  = "ONE_API_KEY"

[providers.mute]
display_name = "Mute"
base_url     = "{base_url}"

[models.plain]
display_name      = "Plain"
context_tokens    = 200_000
max_output_tokens = 1_000

[models.vectors]
display_name   = "Vectors"
workload       = "embedding"
context_tokens = 8_000

[routes."one/plain"]
cost  = {{ input = "0.50", output = "2.50" }}
price = {{ input = "1.00", output = "5.00" }}

[routes."mute/vectors"]
cost  = {{ input = "0.50" }}
price = {{ input = "1.00" }}
"""


@pytest.fixture
def stocked(operator: Operator) -> Operator:
    """The same, with the catalog applied."""
    operator.asks("catalog", "apply", str(operator.config.with_name("catalog.toml")))
    return operator


def test_a_key_is_added_listed_and_used(stocked: Operator) -> None:
    limits = ("--weight", "3", "--max-concurrent", "8", "--requests-per-minute", "60")
    added = stocked.asks("provider", "add", "one", "--name", "main", *limits, secret=f"{SANDBOX_KEY}\n")
    assert added["catalog_row"] is False
    (listed,) = stocked.credentials()
    assert listed == added["credential"] | {"rotated_at": None}
    assert (listed["name"], listed["pool_id"], listed["origin"], listed["status"]) == (
        *("main", "default", "stored", "active"),
    )
    assert (listed["weight"], listed["max_concurrent"], listed["requests_per_minute"]) == (3, 8, 60)
    probe = stocked.asks("provider", "test", "one")
    assert (probe["outcome"], probe["status"], probe["answer"]) == ("answered", 200, "OK")
    assert (probe["credential_id"], probe["route_id"]) == (listed["credential_id"], "one/plain")
    tokens = probe["tokens"]
    nanos = tokens["input_tokens"] * 500 + tokens["output_tokens"] * 2_500
    assert round(float(probe["cost_usd"]) * 1_000_000_000) == nanos > 0
    assert probe["total_milliseconds"] >= probe["first_byte_milliseconds"] >= 0
    for words in (("provider", "list"), ("provider", "test", "one"), ("pool", "list")):
        assert stocked.types(*words).returncode == 0


def test_the_key_of_the_environment_is_listed_and_tested_too(stocked: Operator) -> None:
    (listed,) = stocked.credentials(ONE_API_KEY=SANDBOX_KEY)
    assert (listed["credential_id"], listed["name"], listed["origin"]) == ("env:one", "ONE_API_KEY", "environment")
    probe = stocked.asks("provider", "test", "one", "--model", "plain", ONE_API_KEY=SANDBOX_KEY)
    assert (probe["outcome"], probe["credential_id"]) == ("answered", "env:one")


def test_a_key_that_does_not_work_is_told_with_the_way_out(stocked: Operator) -> None:
    stocked.asks("provider", "add", "one", "--name", "main", secret=WRONG_KEY)
    done = stocked.types("provider", "test", "one", "--json")
    probe = json.loads(done.stdout)
    assert (done.returncode, probe["outcome"], probe["status"]) == (1, "error_status", 401)
    assert probe["fix"].startswith("give it a working key: `farebox provider rotate one cred_")
    assert "Incorrect API key" in stocked.types("provider", "test", "one").stdout
    rotated = stocked.asks("provider", "rotate", "one", "main", secret=SANDBOX_KEY)
    assert rotated["rotated_at"] is not None
    assert stocked.asks("provider", "test", "one", "--credential", "main")["outcome"] == "answered"


def test_a_test_without_anything_to_call_says_what_is_missing(stocked: Operator) -> None:
    message, fix = refused(stocked.types("provider", "test", "one"))
    assert message == "error: there is no key for one" and "set ONE_API_KEY, or" in fix
    message, fix = refused(stocked.types("provider", "test", "mute"))
    assert message.startswith("error: mute has no route to a text model") and "vectors" in fix
    message, fix = refused(stocked.types("provider", "test", "two"))
    assert message == "error: the catalog has no provider 'two'" and fix == "fix: it has mute, one"
    message, fix = refused(stocked.types("provider", "test", "one", "--model", "fancy"))
    assert "text model 'fancy'" in message and fix == "fix: it has plain"


def test_a_provider_that_may_not_be_reached_is_told(stocked: Operator, sandbox: RunningSandbox) -> None:
    stocked.config.write_text("[upstream]\nprivate_hosts = []\n")
    done = stocked.types("provider", "test", "one", "--json", ONE_API_KEY=SANDBOX_KEY)
    probe = json.loads(done.stdout)
    assert (done.returncode, probe["outcome"], probe["status"]) == (1, "refused_address", None)
    assert "'127.0.0.1' to upstream.private_hosts" in probe["fix"]


def test_a_disabled_key_is_not_used_but_can_be_tested(stocked: Operator) -> None:
    added = stocked.asks("provider", "add", "one", secret=SANDBOX_KEY)["credential"]["credential_id"]
    assert stocked.asks("provider", "disable", "one", added)["status"] == "disabled"
    message, _ = refused(stocked.types("provider", "test", "one"))
    assert message == "error: there is no key for one"
    assert stocked.asks("provider", "test", "one", "--credential", added)["outcome"] == "answered"
    assert stocked.asks("provider", "enable", "one", added)["status"] == "active"
    assert stocked.asks("provider", "remove", "one", added)["credential_id"] == added
    assert stocked.credentials() == []


def test_a_provider_is_added_to_the_stored_catalog(operator: Operator) -> None:
    # Nothing was applied before: what is in the file comes first.
    view = operator.asks("provider", "add", "mine", "--base-url", "https://mine.example/v1", secret=WRONG_KEY)
    assert view["catalog_row"] is True
    found = {each["provider_id"]: each for each in operator.asks("provider", "list")}
    assert sorted(found) == ["mine", "mute", "one"]
    assert (found["mine"]["base_url"], found["mine"]["api_key_env"]) == ("https://mine.example/v1", "MINE_API_KEY")
    assert found["mine"]["state"] == "ready"
    operator.asks("provider", "add", "groq", "--profile", "groq", secret=WRONG_KEY)
    diff = operator.types("catalog", "apply", str(operator.config.with_name("catalog.toml")), "--dry-run").stdout
    assert "groq" in diff and "mine" in diff and "plain" not in diff


@pytest.mark.parametrize(
    "words, message",
    [
        (("two",), "the catalog has no provider 'two'"),
        (("one", "--profile", "groq"), "the catalog has one already"),
        (("two", "--profile", "nobody"), "there is no such profile"),
        (("two", "--base-url", "http://two.example"), "is not https"),
        (("a b", "--base-url", "https://two.example"), "is not an id"),
        (("one", "--pool", "fast"), "one has no pool 'fast'"),
    ],
)
def test_what_cannot_be_added_leaves_nothing_behind(stocked: Operator, words: tuple[str, ...], message: str) -> None:
    said, _ = refused(stocked.types("provider", "add", *words, secret=WRONG_KEY))
    assert message in said
    assert [each["provider_id"] for each in stocked.asks("provider", "list")] == ["mute", "one"]
    assert stocked.credentials() == []


def test_without_a_secrets_key_nothing_is_stored_and_everything_else_works(stocked: Operator) -> None:
    stocked.asks("provider", "add", "one", secret=SANDBOX_KEY)
    del stocked.variables["FAREBOX_SECRETS_KEY"]
    for words in (("add", "one"), ("rotate", "one", "x"), ("rotate-secrets",)):
        message, fix = refused(stocked.types("provider", *words, secret=WRONG_KEY))
        assert message.startswith("error: FAREBOX_SECRETS_KEY is not set") and "openssl rand" in fix
    (listed,) = stocked.credentials()
    assert (listed["status"], listed["why"]) == ("closed", "FAREBOX_SECRETS_KEY is not set")
    assert stocked.asks("provider", "test", "one", ONE_API_KEY=SANDBOX_KEY)["credential_id"] == "env:one"


def test_the_secrets_key_is_changed_and_the_old_one_is_done_with(stocked: Operator) -> None:
    for name in ("a", "b"):
        stocked.asks("provider", "add", "one", "--name", name, secret=SANDBOX_KEY)
    new = {"FAREBOX_SECRETS_KEY": NEW}
    done = stocked.types("provider", "rotate-secrets", **new)
    message, fix = refused(done)
    assert "2 cannot be opened" in message and "FAREBOX_OLD_SECRETS_KEY" in fix
    both = new | {"FAREBOX_OLD_SECRETS_KEY": OLD}
    assert stocked.asks("provider", "rotate-secrets", **both) == {"changed": 2, "already_current": 0, "closed": []}
    assert stocked.asks("provider", "rotate-secrets", **both) == {"changed": 0, "already_current": 2, "closed": []}
    assert stocked.asks("provider", "test", "one", "--credential", "b", **new)["outcome"] == "answered"
    assert {each["status"] for each in stocked.credentials()} == {"closed"}


def test_pools_and_lanes_are_made_changed_and_removed(stocked: Operator) -> None:
    acme = stocked.asks("workspace", "create", "acme")["workspace_id"]
    made = stocked.asks(
        *("pool", "create", "fast", "one", "--region", "sg", "--private", "--workspace", "acme"),
        *("--max-concurrent", "20"),
    )
    assert made == {
        "pool": "fast",
        "provider_id": "one",
        "region": "sg",
        "access": "private",
        "workspaces": [acme],
        "max_concurrent": 20,
        "credentials": 0,
        "lanes": [],
    }
    stocked.asks("provider", "add", "one", "--pool", "fast", secret=SANDBOX_KEY)
    lane = stocked.asks("pool", "lane", "set", "fast", "acme", "15", "--no-lend")["lanes"]
    assert lane == [{"workspace_id": acme, "slots": 15, "lends": False}]
    message, _ = refused(stocked.types("pool", "change", "fast", "--max-concurrent", "14"))
    assert "more slots than it has" in message
    changed = stocked.asks("pool", "change", "fast", "--shared", "--region", "any")
    assert (changed["access"], changed["workspaces"], changed["region"], changed["max_concurrent"]) == (
        *("shared", None, None, 20),
    )
    message, _ = refused(stocked.types("pool", "remove", "fast"))
    assert message == "error: pool fast still has credentials"
    assert stocked.asks("pool", "lane", "remove", "fast", acme)["lanes"] == []
    credential = stocked.credentials()[0]["credential_id"]
    stocked.asks("provider", "remove", "one", credential)
    assert stocked.asks("pool", "remove", "fast") == {"removed": "fast"}


def test_the_default_pool_of_the_environments_key_can_have_lanes(stocked: Operator) -> None:
    stocked.asks("workspace", "create", "acme")
    stocked.asks("pool", "change", "one/default", "--max-concurrent", "10")
    stocked.asks("pool", "lane", "set", "one/default", "acme", "4")
    found = stocked.asks("pool", "list", ONE_API_KEY=SANDBOX_KEY)
    (pool,) = [each for each in found if each["pool"] == "one/default"]
    assert (pool["credentials"], pool["max_concurrent"], pool["lanes"][0]["slots"]) == (1, 10, 4)


@pytest.mark.parametrize(
    "words, message",
    [
        (("create", "fast", "two"), "the catalog has no provider 'two'"),
        (("create", "Fast", "one"), "is not the name of a pool"),
        (("create", "fast", "one", "--region", "mars"), "there is no region 'mars'"),
        (("create", "fast", "one", "--private"), "nobody could use pool fast"),
        (("create", "fast", "one", "--max-concurrent", "0"), "is not a number of calls"),
        (("change", "default"), "every provider has a pool `default`"),
        (("change", "two/default"), "the catalog has no provider 'two'"),
        (("remove", "slow"), "there is no pool 'slow'"),
    ],
)
def test_what_cannot_be_a_pool_is_told(stocked: Operator, words: tuple[str, ...], message: str) -> None:
    said, _ = refused(stocked.types("pool", *words))
    assert message in said


def test_the_doctor_tells_of_stored_keys_and_of_those_that_stay_closed(stocked: Operator) -> None:
    added = stocked.asks("provider", "add", "one", secret=SANDBOX_KEY)["credential"]["credential_id"]
    found = {each["check"]: each for each in stocked.asks("doctor", "--port", "0")["findings"]}
    assert (found["provider one"]["verdict"], found["provider one"]["detail"]) == ("ok", "has a stored key")
    done = stocked.types("doctor", "--port", "0", "--json", FAREBOX_SECRETS_KEY=NEW)
    found = {each["check"]: each for each in json.loads(done.stdout)["findings"]}
    closed = found[f"credential {added}"]
    assert (done.returncode, closed["verdict"]) == (1, "error")
    assert "another key than FAREBOX_SECRETS_KEY" in closed["detail"] and f"rotate one {added}" in closed["fix"]


def test_the_doctor_tells_of_an_address_that_nothing_is_sent_to(stocked: Operator) -> None:
    stocked.config.write_text("[upstream]\nprivate_hosts = []\n")
    done = stocked.types("doctor", "--port", "0", "--json", ONE_API_KEY=SANDBOX_KEY)
    details = [each["detail"] for each in json.loads(done.stdout)["findings"] if each["verdict"] == "error"]
    assert details == ["127.0.0.1 is not a public address, so nothing is sent there"] * 2


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("provider", "list"), ("config", "check")])
def test_a_secrets_key_that_is_none_stops_the_start(operator: Operator, command: tuple[str, ...]) -> None:
    message, fix = refused(operator.types(*command, FAREBOX_SECRETS_KEY="hunter2-hunter2"))
    assert message == "error: FAREBOX_SECRETS_KEY is not 32 bytes in base64" and "hunter2" not in fix
