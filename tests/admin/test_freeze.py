"""Freezing stops calls in every worker within a second, and nothing else."""

import asyncio
import time

import pytest

from farebox.identity.roles import Role
from tests.admin.office import Office, ws
from tests.gateway import Customer, RunningGateway
from tests.people.town import Resident, Town

# A change reaches every process within a second; the rest is for a busy machine, and is looked at, not measured.
PATIENCE_SECONDS = 5.0


@pytest.fixture
async def acme(gateway: RunningGateway) -> Customer:
    return await gateway.new_customer(balance_usd="10", name="Frosty")


async def _call(customer: Customer, worker: int) -> tuple[int, str]:
    async with customer.chat(worker=worker) as response:
        return response.status, await response.text()


async def _until(customer: Customer, worker: int, status: int) -> str:
    """Ask until the answer has that status; the answer."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        found, text = await _call(customer, worker)
        if found == status:
            return text
        assert time.monotonic() < deadline, (found, text)
        await asyncio.sleep(0.05)


async def test_freezing_stops_calls_on_both_workers_and_unfreezing_lets_them_through(
    gateway: RunningGateway, office: Office, boss: Resident, acme: Customer
) -> None:
    for worker in (0, 1):
        assert (await _call(acme, worker))[0] == 200
    path = f"/admin/workspaces/{ws(acme)}"
    answer = await office.form(boss, f"{path}/freeze", reason="Chargeback of the last payment")
    assert (answer.status, answer.location) == (303, f"{path}?done=frozen")
    for worker in (0, 1):
        told = await _until(acme, worker, 401)
        assert "suspended" in told
    await boss.browser.request("POST", f"{path}/unfreeze", form={"reason": "The payment came after all"})
    for worker in (0, 1):
        await _until(acme, worker, 200)
    await gateway.idle()
    told_of = [(action, detail["reason"]) for action, _, detail in await office.events(acme.workspace_id)]
    assert told_of == [
        ("workspace.frozen", "Chargeback of the last payment"),
        ("workspace.unfrozen", "The payment came after all"),
    ]


async def test_members_of_a_frozen_workspace_still_read(
    town: Town, office: Office, boss: Resident, acme: Customer
) -> None:
    anna = await town.person("Anna")
    await town.join(acme.workspace_id, anna, Role.OWNER)
    await office.api(boss, "POST", f"/workspaces/{ws(acme)}/freeze", {"reason": "Looked into"})
    assert (await anna.in_workspace(acme.workspace_id, "GET", "/api/balance")).status == 200
    page = await anna.browser.request("GET", f"/console/{ws(acme)}")
    assert page.status == 200 and "suspended" in page.text
    events = (await anna.in_workspace(acme.workspace_id, "GET", "/api/events")).json["data"]
    assert [(event["action"], event["detail"]["reason"]) for event in events] == [("workspace.frozen", "Looked into")]
    # Where the operator works is the operators' to know.
    assert events[0]["address"] == "" and boss.browser.address not in page.text
    seen = (await office.api(boss, "GET", f"/events?workspace={ws(acme)}")).json["data"]
    assert seen[0]["address"] == boss.browser.address


async def test_a_frozen_workspace_writes_to_nobody(town: Town, office: Office, boss: Resident, acme: Customer) -> None:
    anna, guest = await town.person("Anna"), {"email": "guest-of-the-frozen@example.com", "role": "viewer"}
    await town.join(acme.workspace_id, anna, Role.OWNER)
    sent = await anna.in_workspace(acme.workspace_id, "POST", "/api/invitations", guest)
    letter = await anna.browser.letter(guest["email"])
    await office.api(boss, "POST", f"/workspaces/{ws(acme)}/freeze", {"reason": "Looked into"})
    again = f"/api/invitations/{sent.json['invitation_id']}/resend"
    for path, body in ((again, None), ("/api/invitations", {**guest, "email": "other@example.com"})):
        refused = await anna.in_workspace(acme.workspace_id, "POST", path, body)
        assert (refused.status, refused.code) == (409, "conflict") and "suspended" in refused.text
    await office.api(boss, "POST", f"/workspaces/{ws(acme)}/unfreeze", {"reason": "All is well"})
    assert (await anna.in_workspace(acme.workspace_id, "POST", again)).status == 200
    await anna.browser.letter(guest["email"], after=letter.letter_id)
    assert await anna.browser.letters("other@example.com") == []


async def test_freezing_twice_is_recorded_once(office: Office, boss: Resident, acme: Customer) -> None:
    for _ in range(2):
        answer = await office.api(boss, "POST", f"/workspaces/{ws(acme)}/freeze", {"reason": "Twice"})
        assert (answer.status, answer.json["status"]) == (200, "suspended")
    assert len(await office.events(acme.workspace_id)) == 1
    for _ in range(2):
        answer = await office.api(boss, "POST", f"/workspaces/{ws(acme)}/unfreeze", {"reason": "Twice"})
        assert (answer.status, answer.json["status"]) == (200, "active")
    assert len(await office.events(acme.workspace_id)) == 2


async def test_a_frozen_workspace_can_be_credited(office: Office, boss: Resident, acme: Customer) -> None:
    await office.api(boss, "POST", f"/workspaces/{ws(acme)}/freeze", {"reason": "Looked into"})
    answer = await office.form(boss, f"/admin/workspaces/{ws(acme)}/credit", amount_usd="1", reason="All the same")
    assert answer.status == 303 and await acme.balance() == "11.00"


async def test_no_reason_no_freezing(office: Office, boss: Resident, acme: Customer) -> None:
    answer = await office.form(boss, f"/admin/workspaces/{ws(acme)}/freeze", reason=" ")
    assert answer.status == 400 and "Say why" in answer.text
    assert (await _call(acme, 0))[0] == 200
