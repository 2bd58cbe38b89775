"""A credit by hand: booked once, never below zero, with a reason that stays."""

import asyncio
from uuid import uuid4

import pytest

from tests.admin.office import Office, hidden, ws
from tests.gateway import Customer, RunningGateway
from tests.people.town import Resident


@pytest.fixture
async def acme(gateway: RunningGateway) -> Customer:
    return await gateway.new_customer(balance_usd="10", name="Acme")


def _form(customer: Customer) -> str:
    return f"/admin/workspaces/{ws(customer)}/credit"


async def test_a_credit_of_the_form_is_booked_and_stands_in_the_record(
    gateway: RunningGateway, office: Office, boss: Resident, acme: Customer
) -> None:
    answer = await office.form(boss, _form(acme), amount_usd="25.50", reason="Goodwill for the outage")
    assert (answer.status, answer.location) == (303, f"/admin/workspaces/{ws(acme)}?done=credited")
    assert await acme.balance() == "35.50"
    (event,) = await office.events(acme.workspace_id)
    assert event[:2] == ("workspace.credited", boss.shown)
    assert event[2] == {"amount_usd": "25.50", "reason": "Goodwill for the outage"}
    rows = await gateway.rows(
        "SELECT reason, actor FROM ledger_command WHERE workspace_id = %s AND reason LIKE 'Goodwill%%'",
        acme.workspace_id,
    )
    assert rows == [("Goodwill for the outage", boss.shown)]
    page = await boss.browser.request("GET", answer.location)
    assert "Booked." in page.text and "$35.50" in page.text and "Goodwill for the outage" in page.text
    await gateway.verify()


async def test_a_form_that_is_sent_twice_books_once(office: Office, boss: Resident, acme: Customer) -> None:
    page = await boss.browser.request("GET", _form(acme))
    fields = {**hidden(page.text), "amount_usd": "5", "reason": "Sent twice"}
    for _ in range(3):
        assert (await boss.browser.request("POST", _form(acme), form=fields)).status == 303
    assert await acme.balance() == "15.00"
    assert len(await office.events(acme.workspace_id)) == 1


async def test_a_form_that_is_sent_at_once_by_two_workers_books_once(
    gateway: RunningGateway, office: Office, boss: Resident, acme: Customer
) -> None:
    page = await boss.browser.request("GET", _form(acme))
    fields = {**hidden(page.text), "amount_usd": "5", "reason": "Double click"}

    async def send(worker: int) -> int:
        url = gateway.workers[worker].url + _form(acme)
        headers = {
            "cookie": f"__Host-session={boss.browser.cookie}",
            "origin": gateway.site,
            "sec-fetch-site": "same-origin",
        }
        async with gateway.session.post(url, data=fields, headers=headers, allow_redirects=False) as response:
            return response.status

    assert set(await asyncio.gather(*(send(number % 2) for number in range(8)))) == {303}
    assert await acme.balance() == "15.00"
    assert len(await office.events(acme.workspace_id)) == 1
    await gateway.verify()


async def test_the_same_form_with_another_amount_books_nothing_more_and_says_so(boss: Resident, acme: Customer) -> None:
    page = await boss.browser.request("GET", _form(acme))
    fields = {**hidden(page.text), "amount_usd": "5", "reason": "First"}
    assert (await boss.browser.request("POST", _form(acme), form=fields)).status == 303
    again = await boss.browser.request("POST", _form(acme), form={**fields, "amount_usd": "6"})
    assert again.status == 409 and "was sent before" in again.text
    assert await acme.balance() == "15.00"


@pytest.mark.parametrize(
    ("amount", "reason", "told"),
    [
        ("", "No amount", "Write an amount of dollars"),
        ("25,50", "A comma", "Write an amount of dollars"),
        ("1,000", "A comma", "Write an amount of dollars"),
        ("0", "Nothing", "An amount is not zero"),
        ("1000000.01", "Too much", "at most 1,000,000 dollars"),
        ("0.0000000001", "Too fine", "Write an amount of dollars"),
        ("-10.01", "Below zero", "$10.00 can be taken back at most"),
        ("5", "", "Say why"),
        ("5", "x" * 501, "Say why"),
    ],
)
async def test_a_refusal_stands_on_the_form_with_what_was_typed(
    office: Office, boss: Resident, acme: Customer, amount: str, reason: str, told: str
) -> None:
    answer = await office.form(boss, _form(acme), amount_usd=amount, reason=reason)
    assert answer.status in (400, 409) and told in answer.text
    assert f'value="{amount}"' in answer.text and f'value="{reason}"' in answer.text
    assert await acme.balance() == "10.00" and await office.events(acme.workspace_id) == []


async def test_a_form_that_was_refused_is_mended_and_sent_again(boss: Resident, acme: Customer) -> None:
    page = await boss.browser.request("GET", _form(acme))
    carried = hidden(page.text)
    refused = await boss.browser.request("POST", _form(acme), form={**carried, "amount_usd": "5", "reason": ""})
    assert refused.status == 400 and hidden(refused.text) == carried
    fields = {**hidden(refused.text), "amount_usd": "5", "reason": "With a reason now"}
    assert (await boss.browser.request("POST", _form(acme), form=fields)).status == 303
    assert await acme.balance() == "15.00"


async def test_a_correction_takes_back_at_most_what_is_available(
    gateway: RunningGateway, office: Office, boss: Resident, acme: Customer
) -> None:
    answer = await office.form(boss, _form(acme), amount_usd="-10", reason="Credited by mistake")
    assert answer.status == 303 and await acme.balance() == "0.00"
    answer = await office.api(boss, "POST", f"/workspaces/{ws(acme)}/credit", {"amount_usd": "-1", "reason": "More"})
    assert (answer.status, answer.code) == (409, "conflict")
    await gateway.verify()


async def test_an_id_credits_once_by_the_api(office: Office, boss: Resident, acme: Customer) -> None:
    path, body = f"/workspaces/{ws(acme)}/credit", {"amount_usd": "2.50", "reason": "By script"}
    named = {**body, "command_id": str(uuid4())}
    first = (await office.api(boss, "POST", path, named)).json
    assert (first["credited_usd"], first["available_usd"], first["replayed"]) == ("2.50", "12.50", False)
    again = (await office.api(boss, "POST", path, named)).json
    assert again == {**first, "replayed": True}
    other = await office.api(boss, "POST", path, {**named, "amount_usd": "3"})
    assert (other.status, other.code) == (409, "idempotency_conflict")
    for replayed in (False, True):
        answer = await office.api(boss, "POST", path, body, idempotency_key="invoice 7")
        assert answer.json["replayed"] is replayed
    both = await office.api(boss, "POST", path, named, idempotency_key="invoice 7")
    assert both.status == 400
    assert await acme.balance() == "15.00"


async def test_the_operators_token_credits_too_and_is_named(office: Office, acme: Customer) -> None:
    status, done = await office.by_token("POST", f"/workspaces/{ws(acme)}/credit", {"amount_usd": 1, "reason": "Token"})
    assert (status, done["credited_usd"]) == (200, "1.00")
    assert [event[:2] for event in await office.events(acme.workspace_id)] == [("workspace.credited", "operator")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"amount_usd": "1"}',
        b'{"reason": "why"}',
        b'{"amount_usd": null, "reason": "why"}',
        b'{"amount_usd": true, "reason": "why"}',
        b'{"amount_usd": {"usd": 1}, "reason": "why"}',
        b'{"amount_usd": 1e400, "reason": "why"}',
        b'{"amount_usd": 1e999999999, "reason": "why"}',
        b'{"amount_usd": "1.00000000000000000000000000000000000001", "reason": "why"}',
        b'{"amount_usd": "1e-999999999", "reason": "why"}',
        b'{"amount_usd": "0e999999999", "reason": "why"}',
        b'{"amount_usd": "NaN", "reason": "why"}',
        b'{"amount_usd": "1_000", "reason": "why"}',
        '{"amount_usd": "１０", "reason": "why"}'.encode(),
        b'{"amount_usd": 1, "reason": 5}',
        b'{"amount_usd": 1, "reason": "why", "command_id": "no uuid"}',
        b'{"amount_usd": 1, "reason": "why", "extra": 1}',
    ],
)
async def test_a_body_that_cannot_be_meant_is_refused(
    office: Office, boss: Resident, acme: Customer, body: bytes
) -> None:
    answer = await office.api(boss, "POST", f"/workspaces/{ws(acme)}/credit", body)
    assert (answer.status, answer.code) == (400, "invalid_request")
    assert await acme.balance() == "10.00"


async def test_a_workspace_that_is_none_is_said_to_be_none(office: Office, boss: Resident) -> None:
    for name in ("ws_0000000000001", "ws_nonsense", "key_0000000000001"):
        answer = await office.api(boss, "POST", f"/workspaces/{name}/credit", {"amount_usd": "1", "reason": "Nobody"})
        assert answer.status == 404, name
