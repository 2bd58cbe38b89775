"""`farebox person …` as an operator types it while the gateway runs, and the change of the key of stored secrets."""

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from farebox.identity.people.totp import bound_to
from farebox.providers.secrets import Safe, safe_of
from farebox.storage.home import Home
from tests.cli.programs import FAREBOX, environment
from tests.database import make_test_home, remove_test_home
from tests.factors.conftest import SECRETS_KEY, Enter
from tests.factors.people import Somebody

NEW_KEY = base64.b64encode(b"another key, also of 32 bytes ..").decode()


class Done(NamedTuple):
    """A command that has ended."""

    status: int
    stdout: str
    stderr: str


class Terminal:
    """Where the operator of a running gateway types."""

    def __init__(self, home: Home, dsn: str) -> None:
        self._home = home
        self._dsn = dsn

    async def types(self, *words: str, typed: str = "", **more: str) -> Done:
        """A command to its end."""
        process = await asyncio.create_subprocess_exec(
            FAREBOX,
            *words,
            env=environment(self._home, DATABASE_URL=self._dsn, **more),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        stdout, stderr = await process.communicate(typed.encode())
        assert process.returncode is not None
        return Done(process.returncode, stdout.decode(), stderr.decode())

    async def asks(self, *words: str, **more: str) -> Any:
        """What a command that must succeed answers with --json."""
        done = await self.types(*words, "--json", **more)
        assert done.status == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def home() -> Iterator[Home]:
    made = make_test_home().create()
    yield made
    remove_test_home(made)


@pytest.fixture
def terminal(home: Home, anna: Somebody) -> Terminal:
    return Terminal(home, anna.gateway.dsn)


async def test_people_are_found_by_a_part_of_their_address(anna: Somebody, terminal: Terminal) -> None:
    await anna.new_passkey()
    name, _, domain = anna.email.partition("@")
    shown = (await terminal.types("person", "list", f"{name}@{domain}")).stdout
    assert (" no " in shown, "False" in shown) == (True, False)
    found = await terminal.asks("person", "list", f"{name.upper()}@{domain[:3]}")
    assert [view["emails"] for view in found] == [[anna.email]]
    assert (found[0]["passkeys"], found[0]["authenticator_app"], found[0]["open_sessions"]) == (1, False, 1)
    assert await terminal.asks("person", "show", anna.email) == found[0]


async def test_a_disabled_person_is_out_at_once_and_stays_out(
    anna: Somebody, enter: Enter, stranger: Somebody, terminal: Terminal
) -> None:
    passkey = await anna.new_passkey()
    assert (await terminal.asks("person", "disable", anna.email))["status"] == "disabled"
    assert (await anna.request("GET", "/api/me")).code == "not_signed_in"
    assert (await stranger.use(passkey)).code == "sign_in_failed"
    assert (await terminal.asks("person", "enable", anna.email))["status"] == "active"
    assert (await anna.request("GET", "/api/me")).code == "not_signed_in", "its sessions do not come back"
    assert (await stranger.use(passkey)).status == 200
    actions = await anna.actions()
    assert [action for action in actions if action.startswith("person.")][-2:] == ["person.disabled", "person.enabled"]


async def test_who_lost_everything_signs_in_by_email_after_a_reset(
    anna: Somebody, enter: Enter, stranger: Somebody, terminal: Terminal
) -> None:
    passkey = await anna.new_passkey()
    _, codes = await anna.new_app()
    pending = await enter(anna.email)
    taken = await terminal.asks("person", "reset-second-factor", anna.email, "--yes")
    assert (taken["authenticator_app"], taken["passkeys"], taken["sessions_ended"]) == (True, 1, 2)
    for browser in (anna, pending):
        assert (await browser.request("GET", "/api/me")).code == "not_signed_in"
    assert (await stranger.use(passkey)).code == "sign_in_failed"
    again = await enter(anna.email)
    assert await again.is_fresh()
    assert (await again.give(codes[0])).code == "conflict", "the recovery codes are gone, too"
    assert "person.reset" in await anna.actions()


async def test_a_reset_asks_first(anna: Somebody, terminal: Terminal) -> None:
    await anna.new_passkey()
    done = await terminal.types("person", "reset-second-factor", anna.email, typed="n\n")
    assert done.status == 1
    assert anna.email in done.stderr
    assert (await terminal.asks("person", "show", anna.email))["passkeys"] == 1
    done = await terminal.types("person", "reset-second-factor", anna.email, typed="y\n")
    assert (done.status, "passkeys taken away: 1; sessions ended: " in done.stdout) == (0, True), done
    assert (await terminal.asks("person", "show", anna.email))["passkeys"] == 0


@pytest.mark.parametrize("command", [("show",), ("disable",), ("enable",), ("reset-second-factor", "--yes")])
async def test_nobody_of_that_name_is_said_plainly(terminal: Terminal, command: tuple[str, ...]) -> None:
    done = await terminal.types("person", *command, "nobody@example.com")
    assert done.status == 1
    assert "nobody signs in with 'nobody@example.com'" in done.stderr
    assert "farebox person list" in done.stderr


async def test_a_new_secrets_key_seals_the_secrets_of_apps_anew(anna: Somebody, terminal: Terminal) -> None:
    secret = (await anna.post("/api/me/totp"))["secret"]
    keys = {"FAREBOX_SECRETS_KEY": NEW_KEY, "FAREBOX_OLD_SECRETS_KEY": SECRETS_KEY}
    done = await terminal.types("provider", "rotate-secrets", "--json", **keys)
    assert json.loads(done.stdout)["changed"] >= 1
    safe = safe_of(NEW_KEY, None)
    assert safe is not None
    assert await _opened(anna, safe) == secret
    again = json.loads((await terminal.types("provider", "rotate-secrets", "--json", **keys)).stdout)
    assert (again["changed"], again["already_current"] >= 1) == (0, True)
    # Back, for whoever comes after: the gateway of this folder knows the first key alone.
    back = {"FAREBOX_SECRETS_KEY": SECRETS_KEY, "FAREBOX_OLD_SECRETS_KEY": NEW_KEY}
    await terminal.types("provider", "rotate-secrets", **back)
    safe = safe_of(SECRETS_KEY, None)
    assert safe is not None
    assert await _opened(anna, safe) == secret


async def test_a_secret_of_an_unknown_key_is_told_by_its_person(anna: Somebody, terminal: Terminal) -> None:
    shown = (await anna.get("/api/me"))["person_id"]
    await anna.post("/api/me/totp")
    await anna.change("UPDATE totp_secret SET sealed = decode(repeat('00', 60), 'hex') WHERE person_id = %s")
    done = await terminal.types("provider", "rotate-secrets", FAREBOX_SECRETS_KEY=SECRETS_KEY)
    assert done.status == 1
    assert shown in done.stderr
    assert "FAREBOX_OLD_SECRETS_KEY" in done.stderr
    await anna.change("DELETE FROM totp_secret WHERE person_id = %s")


async def _opened(person: Somebody, safe: Safe) -> str:
    ((sealed,),) = await person.gateway.rows("SELECT sealed FROM totp_secret WHERE person_id = %s", person.person_id)
    return safe.open_for(sealed, bound_to(person.person_id))
