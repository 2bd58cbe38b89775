"""The overview says what the JSON API says."""

from typing import Any

from farebox.base.ids import show_short
from farebox.identity.roles import Role
from farebox.identity.store import suspend_workspace
from tests.console_workspace.conftest import Join, path_of
from tests.console_workspace.pages import Person
from tests.gateway import Customer, RunningGateway
from tests.people.clocks import in_one_window


async def api(person: Person, customer: Customer, path: str) -> Any:
    """The JSON of the same person, about the same workspace."""
    headers: dict[str, str | None] = {"x-farebox-workspace": show_short("ws", customer.workspace_id)}
    answer = await person.browser.request("GET", path, headers=headers)
    assert answer.status == 200, answer.text
    return answer.json


async def test_the_numbers_are_those_of_the_api(gateway: RunningGateway, customer: Customer, join: Join) -> None:
    await in_one_window(86_400)
    await customer.set_limit(requests=100, usd="5")
    second = customer.with_key(await customer.new_key())
    for caller in (customer, customer, second):
        async with caller.chat() as response:
            assert response.status == 200
            await response.read()
    await gateway.idle()
    person = await join(customer, Role.VIEWER)
    page, balance = await person.get(path_of(customer)), await api(person, customer, "/api/balance")
    usage = (await api(person, customer, "/api/keys/usage"))["data"]
    assert page.ids["available"] == f"${balance['available_usd']}"
    assert page.ids["held"] == f"${balance['held_usd']}"
    assert page.ids["month-requests"] == str(sum(used["month_requests"] for used in usage)) == "3"
    spent = sum(used["month_nanos"] for used in usage)
    assert spent > 0
    assert page.ids["month-spend"] == f"$0.{spent:09d}".rstrip("0")
    by_unit = {limit["unit"]: limit for limit in balance["limits"]}
    assert page.cells("100 requests per day")[1:4] == [
        f"{by_unit['requests']['used']} requests",
        f"{by_unit['requests']['held']} requests",
        f"{by_unit['requests']['remaining']} requests",
    ]
    assert page.cells("$5.00 per day")[1] == f"${by_unit['usd']['used']}"
    assert page.cells("$5.00 per day")[3] == f"${by_unit['usd']['remaining']}"
    assert by_unit["usd"]["resets_at"] in page.answer.text


async def test_it_says_how_to_call(gateway: RunningGateway, customer: Customer, join: Join) -> None:
    page = await (await join(customer, Role.DEVELOPER)).get(path_of(customer))
    assert page.ids["base-url"] == f"{gateway.site}/v1"
    assert page.ids["curl"].startswith(f"curl {gateway.site}/v1/chat/completions")
    assert "Bearer fbx_…" in page.ids["curl"]
    assert '"model":"plain"' in page.ids["curl"]
    assert "1 working key" in page.text
    assert page.has_link("/keys/new")


async def test_a_low_balance_is_told(gateway: RunningGateway, join: Join) -> None:
    poor = await gateway.new_customer(balance_usd="0.01")
    assert "The balance is low" in (await (await join(poor, Role.BILLING)).get(path_of(poor))).text
    rich = await gateway.new_customer(balance_usd="500")
    assert "The balance is low" not in (await (await join(rich, Role.BILLING)).get(path_of(rich))).text


async def test_a_suspended_workspace_says_so(gateway: RunningGateway, join: Join) -> None:
    customer = await gateway.new_customer()
    person = await join(customer, Role.OWNER)
    assert "suspended" not in (await person.get(path_of(customer))).text
    async with gateway.connect() as connection:
        await suspend_workspace(connection, customer.workspace_id)
    assert "suspended by the operator" in (await person.get(path_of(customer))).text


async def test_nothing_of_a_page_is_kept_anywhere(customer: Customer, join: Join) -> None:
    page = await (await join(customer, Role.OWNER)).get(path_of(customer))
    assert page.answer.headers["cache-control"] == "no-store"
    assert page.answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "<script>" not in page.answer.text
    assert "<style" not in page.answer.text
    assert 'style="' not in page.answer.text
