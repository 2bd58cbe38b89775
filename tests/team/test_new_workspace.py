"""A workspace that somebody makes: theirs, with the limits and the welcome of the settings, once."""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

from farebox.access.new_workspace import UNOPENED_AFTER_SECONDS, finish_unopened, open_workspace
from farebox.access.parts import Access
from farebox.access.team import create_workspace
from farebox.base.ids import read_short, show_short
from farebox.identity.people.model import Visit
from farebox.identity.people.sessions import find_session
from farebox.ledger.batcher import LedgerUnavailable
from farebox.ledger.reading import read_accounts
from tests.people.town import Resident, Town

_WELCOME_NANOS = 10_000_000_000  # of a sandbox


def _access(town: Town) -> Access:
    return town.gateway.workers[0].access


async def _made(resident: Resident, name: str = "Acme") -> int:
    made = await resident.browser.post("/api/workspaces", {"name": name}, status=201)
    assert (made["name"], made["role"], made["status"]) == (name, "owner", "active")
    return read_short("ws", made["workspace_id"])


async def _promotions(town: Town, workspace_id: int) -> list[int]:
    async with town.gateway.connect() as connection:
        accounts = await read_accounts(connection, workspace_id)
    return [account.posted_nanos for account in accounts if account.account_id]


async def test_whoever_makes_it_owns_it_with_limits_and_a_welcome(town: Town) -> None:
    anna = await town.person("Anna")
    workspace_id = await _made(anna)
    limits = (await anna.in_workspace(workspace_id, "GET", "/api/limits")).json["data"]
    assert {(limit["unit"], limit["span"], limit["limit"]) for limit in limits} == {
        ("requests", "day", 100),
        ("usd", "month", "5.00"),
    }
    assert await _promotions(town, workspace_id) == [_WELCOME_NANOS]
    assert [each["role"] for each in (await anna.browser.get("/api/workspaces"))["data"]] == ["owner"]
    assert await town.events(workspace_id) == [("workspace.created", anna.shown, {"name": "Acme"})]


async def test_a_name_is_a_short_printable_text(town: Town) -> None:
    anna = await town.person()
    for body in ({"name": ""}, {"name": "   "}, {"name": "x" * 101}, {"name": "a\nb"}, {"name": 5}, {}, {"nome": "x"}):
        answer = await anna.browser.request("POST", "/api/workspaces", body=body)
        assert (answer.status, answer.code) == (400, "invalid_request"), body
    assert (await anna.browser.get("/api/workspaces"))["data"] == []
    assert await _made(anna, "Zoë & Söhne <GmbH>")


async def test_one_person_owns_so_many_and_no_more_even_at_once(town: Town) -> None:
    anna = await town.person()
    answers = await asyncio.gather(
        *(anna.browser.request("POST", "/api/workspaces", body={"name": f"No {number}"}) for number in range(6))
    )
    assert sorted(answer.status for answer in answers) == [201] * 3 + [409] * 3
    assert len((await anna.browser.get("/api/workspaces"))["data"]) == 3
    # Of what was refused nothing stayed behind.
    rows = await town.gateway.rows("SELECT count(*) FROM workspace WHERE name LIKE 'No _'")
    assert rows == [(3,)]


async def test_the_welcome_is_given_once_however_often(town: Town) -> None:
    anna = await town.person()
    workspace_id = await _made(anna)
    await asyncio.gather(*(open_workspace(_access(town), workspace_id) for _ in range(4)))
    assert await _promotions(town, workspace_id) == [_WELCOME_NANOS]


async def test_a_workspace_whose_ledger_was_away_is_made_and_finished_later(town: Town) -> None:
    anna = await town.person()
    access = _access(town)
    async with town.gateway.connect() as connection:
        session = await find_session(
            connection, anna.browser.cookie, times=access.times, now_micros=town.gateway.clock()
        )
    assert session is not None
    for fails_at in range(4):
        broken = dataclasses.replace(access, submit=_failing(access.submit, fails_at), max_owned_workspaces=10)
        made = await create_workspace(broken, session, f"Broken at {fails_at}", visit=Visit())
        assert await town.gateway.rows("SELECT workspace_id FROM unopened_workspace") == [(made.workspace_id,)]
        assert await finish_unopened(access) == 0  # whoever is at it may still be at it
        await town.run(
            "UPDATE unopened_workspace SET created_at = created_at - %s", UNOPENED_AFTER_SECONDS * 1_000_000 + 1
        )
        assert await finish_unopened(access) == 1
        assert await _promotions(town, made.workspace_id) == [_WELCOME_NANOS]
        limits = (await anna.in_workspace(made.workspace_id, "GET", "/api/limits")).json["data"]
        assert len(limits) == 2
        assert await town.gateway.rows("SELECT workspace_id FROM unopened_workspace") == []


def _failing(submit: Callable[..., Awaitable[Any]], fails_at: int) -> Any:
    """The ledger goes away before the command of that number."""
    count = 0

    async def submitted(command: Any, rider: Any = None) -> Any:
        nonlocal count
        count += 1
        if count > fails_at:
            raise LedgerUnavailable("away")
        return await submit(command, rider)

    return submitted


async def test_a_key_cannot_make_one(town: Town) -> None:
    customer = await town.gateway.new_customer()
    async with customer.post("/api/workspaces", {"name": "Mine"}) as response:
        assert response.status == 401
    assert show_short("ws", customer.workspace_id)
