"""A request's life: made by a workspace, decided once by an operator, read by whoever asked."""

import asyncio
from typing import Any

import msgspec
import pytest
from psycopg.types.json import Jsonb

from farebox.base.ids import random_id, show_short
from farebox.identity.roles import PlatformRole, Role
from tests.admin.office import Office, ws
from tests.gateway import Customer, RunningGateway
from tests.people.browser import Answer
from tests.people.town import Resident, Town

WISH = {"models": ["plain"], "note": "About 40 million tokens a month.\nFrom May on."}


class Asking(msgspec.Struct, frozen=True):
    """A workspace and somebody who may ask for it."""

    customer: Customer
    anna: Resident

    async def send(self, method: str, path: str = "", body: Any = None) -> Answer:
        return await self.anna.in_workspace(self.customer.workspace_id, method, f"/api/requests{path}", body)

    async def ask(self) -> str:
        """A new request's id."""
        answer = await self.send("POST", "", WISH)
        assert answer.status == 201, answer.text
        return str(answer.json["request_id"])


@pytest.fixture
async def asking(gateway: RunningGateway, town: Town) -> Asking:
    customer = await gateway.new_customer(name="Wishful")
    anna = await town.person("Anna")
    await town.join(customer.workspace_id, anna, Role.BILLING)
    return Asking(customer, anna)


async def test_a_request_waits_is_accepted_and_read(office: Office, asking: Asking, boss: Resident) -> None:
    request_id = await asking.ask()
    listed = (await office.api(boss, "GET", "/requests?limit=500")).json["data"]
    (found,) = [item for item in listed if item["request_id"] == request_id]
    assert (found["workspace_name"], found["models"], found["note"]) == ("Wishful", WISH["models"], WISH["note"])
    page = await boss.browser.request("GET", "/admin/requests")
    assert "Purchase of plain" in page.text and "40 million" in page.text
    answer = await office.form(boss, f"/admin/requests/{request_id}", decision="accept", reason="Agreed by phone")
    assert (answer.status, answer.location) == (303, "/admin/requests?done=accepted")
    (read,) = (await asking.send("GET")).json["data"]
    assert (read["status"], read["reason"], read["decided_by"]) == ("accepted", "Agreed by phone", "operator")
    decided = (await boss.browser.request("GET", "/admin/requests?status=accepted")).text
    assert "Agreed by phone" in decided
    assert [event[:2] for event in await office.events(asking.customer.workspace_id)] == [
        ("request.made", asking.anna.shown),
        ("request.decided", boss.shown),
    ]


async def test_a_request_is_decided_once(office: Office, asking: Asking, boss: Resident) -> None:
    request_id = await asking.ask()

    async def decide(accept: bool) -> int:
        body = {"accept": accept, "reason": "At once"}
        return (await office.api(boss, "POST", f"/requests/{request_id}/decide", body)).status

    statuses = await asyncio.gather(*(decide(number % 2 == 0) for number in range(6)))
    assert sorted(statuses) == [200, 409, 409, 409, 409, 409]
    assert (await office.town.actions(asking.customer.workspace_id)).count("request.decided") == 1
    again = await office.form(boss, f"/admin/requests/{request_id}")
    assert again.status in (400, 409)


async def test_a_decision_without_a_reason_stands_on_the_form(office: Office, asking: Asking, boss: Resident) -> None:
    request_id = await asking.ask()
    answer = await office.form(boss, f"/admin/requests/{request_id}", decision="decline", reason="")
    assert answer.status == 400 and "Say why" in answer.text
    no_decision = await office.form(boss, f"/admin/requests/{request_id}", reason="Kept as it was typed")
    assert no_decision.status == 400 and "Kept as it was typed" in no_decision.text
    assert (await asking.send("GET")).json["data"][0]["status"] == "waiting"


async def test_what_is_withdrawn_waits_no_more(office: Office, asking: Asking, boss: Resident) -> None:
    request_id = await asking.ask()
    assert (await asking.send("DELETE", f"/{request_id}")).json["status"] == "withdrawn"
    assert (await asking.send("DELETE", f"/{request_id}")).code == "conflict"
    body = {"accept": True, "reason": "Too late"}
    assert (await office.api(boss, "POST", f"/requests/{request_id}/decide", body)).code == "conflict"
    assert await office.town.actions(asking.customer.workspace_id) == ["request.made", "request.withdrawn"]


async def test_no_more_than_twenty_wait(asking: Asking) -> None:
    statuses = [(await asking.send("POST", "", WISH)).status for _ in range(20)]
    assert set(statuses) == {201}
    assert (await asking.send("POST", "", WISH)).code == "conflict"
    oldest = (await asking.send("GET", "?limit=500")).json["data"][-1]["request_id"]
    await asking.send("DELETE", f"/{oldest}")
    assert (await asking.send("POST", "", WISH)).status == 201


async def test_another_workspaces_request_is_not_there(gateway: RunningGateway, town: Town, asking: Asking) -> None:
    request_id = await asking.ask()
    other = await gateway.new_customer(name="Other")
    ben = await town.person("Ben")
    await town.join(other.workspace_id, ben, Role.OWNER)
    answer = await ben.in_workspace(other.workspace_id, "DELETE", f"/api/requests/{request_id}")
    assert answer.status == 404
    assert (await ben.in_workspace(other.workspace_id, "GET", "/api/requests")).json["data"] == []


@pytest.mark.parametrize(
    ("role", "may_ask"),
    [(Role.OWNER, True), (Role.ADMIN, True), (Role.BILLING, True), (Role.DEVELOPER, False), (Role.VIEWER, False)],
)
async def test_who_manages_billing_may_ask(town: Town, asking: Asking, role: Role, may_ask: bool) -> None:
    somebody = await town.person()
    await town.join(asking.customer.workspace_id, somebody, role)
    answer = await somebody.in_workspace(asking.customer.workspace_id, "POST", "/api/requests", WISH)
    assert answer.status == (201 if may_ask else 403)


async def test_no_key_asks(asking: Asking) -> None:
    async with asking.customer.post("/api/requests", WISH) as response:
        assert response.status == 403


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"models": []},
        {"models": ["no-such-model"]},
        {"models": "plain"},
        {"models": ["plain"], "note": 5},
        {"models": ["plain"], "note": "x" * 2_001},
        {"models": ["plain"], "note": "a\u0000b"},
        {"models": ["plain"], "extra": 1},
    ],
)
async def test_a_wish_that_cannot_be_meant_is_refused(asking: Asking, body: Any) -> None:
    answer = await asking.send("POST", "", body)
    assert (answer.status, answer.code) == (400, "invalid_request")


async def test_a_deposit_is_not_decided_here_yet(
    gateway: RunningGateway, office: Office, asking: Asking, boss: Resident
) -> None:
    number = random_id()
    await office.town.run(
        "INSERT INTO review_request (request_id, workspace_id, kind, title, detail, created_at, created_by)"
        " VALUES (%s, %s, 'deposit', 'Deposit of 11 USDT', %s, %s, 'farebox')",
        number,
        asking.customer.workspace_id,
        Jsonb({}),
        gateway.clock(),
    )
    request_id = show_short("review", number)
    listed = (await office.api(boss, "GET", "/requests?kind=deposit&limit=500")).json["data"]
    assert request_id in [item["request_id"] for item in listed]
    body = {"accept": True, "reason": "Looks fine"}
    assert (await office.api(boss, "POST", f"/requests/{request_id}/decide", body)).code == "conflict"
    assert await asking.customer.balance() == "10.00"


async def test_the_sheet_shows_what_waits_and_who_reads_only_is_offered_no_decision(
    office: Office, asking: Asking, boss: Resident
) -> None:
    request_id = await asking.ask()
    link = f"/admin/requests/{request_id}"
    sheet = f"/admin/workspaces/{ws(asking.customer)}"
    assert link in (await boss.browser.request("GET", sheet)).text
    reader = await office.operator(PlatformRole.SUPPORT)
    for path in (sheet, "/admin/requests"):
        page = await reader.browser.request("GET", path)
        assert "Purchase of plain" in page.text and link not in page.text


async def test_who_has_waited_longest_comes_first(office: Office, asking: Asking, boss: Resident) -> None:
    asked = [await asking.ask() for _ in range(3)]
    listed = [item["request_id"] for item in (await office.api(boss, "GET", "/requests?limit=500")).json["data"]]
    assert [request_id for request_id in listed if request_id in asked] == asked
    own = [item["request_id"] for item in (await asking.send("GET", "?limit=2")).json["data"]]
    assert own == asked[:0:-1]
