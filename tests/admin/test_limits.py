"""Limits of a workspace by the form and by the API: one use case, one record."""

import pytest

from tests.admin.office import Office, hidden, ws
from tests.gateway import Customer, RunningGateway
from tests.people.clocks import in_one_window
from tests.people.town import Resident


@pytest.fixture
async def acme(gateway: RunningGateway) -> Customer:
    return await gateway.new_customer(balance_usd="10", name="Limited")


def _form(customer: Customer) -> str:
    return f"/admin/workspaces/{ws(customer)}/limits"


EMPTY = {f"{span}_{unit}": "" for span in ("day", "month", "lifetime") for unit in ("requests", "usd")}


async def test_what_the_form_says_holds_for_the_next_call(office: Office, boss: Resident, acme: Customer) -> None:
    await in_one_window(86_400)
    answer = await office.form(boss, _form(acme), **{**EMPTY, "day_requests": "1", "month_usd": "20.50"})
    assert (answer.status, answer.location) == (303, f"/admin/workspaces/{ws(acme)}?done=limits")
    async with acme.chat() as response:
        assert response.status == 200
    async with acme.chat(worker=1) as response:
        assert response.status == 429
    told = [(action, actor, detail) for action, actor, detail in await office.events(acme.workspace_id)]
    assert told == [
        ("workspace.limits", boss.shown, {"per": "day", "requests": 1, "usd": None}),
        ("workspace.limits", boss.shown, {"per": "month", "requests": None, "usd": "20.50"}),
    ]
    page = await boss.browser.request("GET", _form(acme))
    assert 'value="20.50"' in page.text


async def test_only_what_is_different_is_set(office: Office, boss: Resident, acme: Customer) -> None:
    fields = {**EMPTY, "day_requests": "5", "day_usd": "1"}
    await office.form(boss, _form(acme), **fields)
    answer = await office.form(boss, _form(acme), **fields)
    assert answer.location.endswith("?done=unchanged")
    await office.form(boss, _form(acme), **{**fields, "day_usd": ""})
    details = [detail for _, _, detail in await office.events(acme.workspace_id)]
    assert details == [{"per": "day", "requests": 5, "usd": "1.00"}, {"per": "day", "requests": 5, "usd": None}]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("day_requests", "many"),
        ("day_requests", "-1"),
        ("day_requests", "1.5"),
        ("day_requests", "9" * 14),
        ("month_usd", "-1"),
        ("month_usd", "1,000"),
        ("lifetime_usd", "lots"),
        ("lifetime_usd", "1e999999999"),
    ],
)
async def test_a_limit_that_cannot_be_meant_stands_on_the_form(
    office: Office, boss: Resident, acme: Customer, name: str, value: str
) -> None:
    answer = await office.form(boss, _form(acme), **{**EMPTY, name: value})
    assert answer.status == 400 and f'value="{value}"' in answer.text and f'href="#field-{name}"' in answer.text
    assert await office.events(acme.workspace_id) == []


async def test_a_form_that_lay_about_lifts_nothing_that_was_set_meanwhile(
    office: Office, boss: Resident, acme: Customer
) -> None:
    old = await boss.browser.request("GET", _form(acme))
    await office.form(boss, _form(acme), **{**EMPTY, "month_usd": "20"})
    sent = {**EMPTY, **hidden(old.text), "day_requests": "5"}
    assert (await boss.browser.request("POST", _form(acme), form=sent)).status == 303
    details = [detail for _, _, detail in await office.events(acme.workspace_id)]
    assert details == [
        {"per": "month", "requests": None, "usd": "20.00"},
        {"per": "day", "requests": 5, "usd": None},
    ]


async def test_the_api_leaves_the_same_record(office: Office, boss: Resident, acme: Customer) -> None:
    path = f"/workspaces/{ws(acme)}/limits"
    answer = await office.api(boss, "PUT", path, {"day": {"requests": 3}})
    assert [item["limit"] for item in answer.json["data"]] == [3]
    status, _ = await office.by_token("PUT", path, {"day": {"usd": "2"}})
    assert status == 200
    told = [(actor, detail) for _, actor, detail in await office.events(acme.workspace_id)]
    assert told == [
        (boss.shown, {"per": "day", "requests": 3, "usd": None}),
        ("operator", {"per": "day", "requests": 3, "usd": "2.00"}),
    ]


async def test_a_policy_that_an_operator_sets_is_recorded(office: Office, boss: Resident, acme: Customer) -> None:
    answer = await office.api(boss, "PUT", f"/workspaces/{ws(acme)}/policy", {"regions": ["sg"]})
    assert answer.status == 200, answer.text
    assert [event[:2] for event in await office.events(acme.workspace_id)] == [("workspace.policy", boss.shown)]
