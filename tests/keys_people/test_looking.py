"""What members see of money, use and rules: the workspace's own, not one key's."""

import pytest

from farebox.base.ids import show_short
from farebox.identity.roles import Role, Verb, may
from tests.gateway import Customer, RunningGateway
from tests.people.clocks import in_one_window
from tests.people.town import Resident, Town


async def member_of(town: Town, customer: Customer, role: Role) -> Resident:
    somebody = await town.person("Anna")
    await town.join(customer.workspace_id, somebody, role)
    return somebody


@pytest.mark.parametrize("role", list(Role))
async def test_every_member_sees_use_by_key_and_by_label(town: Town, gateway: RunningGateway, role: Role) -> None:
    await in_one_window(86_400)
    customer = await gateway.new_customer(balance_usd="1")
    async with customer.chat() as response:
        assert response.status == 200
    anna = await member_of(town, customer, role)
    [line] = (await anna.browser.get("/api/keys/usage"))["data"]
    assert (line["today_requests"], line["month_requests"], line["all_time_requests"]) == (1, 1, 1)
    assert line["all_time_nanos"] > 0
    [label] = (await anna.browser.get("/api/keys/usage?by=department"))["data"]
    assert (label["name"], label["keys"], label["today_requests"]) == ("", 1, 1)
    assert (await anna.browser.get("/api/usage"))["data"][0]["status"] == "settled"


async def test_a_members_balance_is_of_no_key(town: Town, gateway: RunningGateway) -> None:
    customer = await gateway.new_customer(balance_usd="3")
    anna = await member_of(town, customer, Role.VIEWER)
    found = await anna.browser.get("/api/balance")
    assert (found["workspace_id"], found["key_id"]) == (show_short("ws", customer.workspace_id), None)
    assert found["available_nanos"] == 3_000_000_000
    await customer.set_limit(requests=5)
    assert [one["on"] for one in (await anna.browser.get("/api/limits"))["data"]] == ["workspace"]


async def test_every_member_may_ask_what_a_call_would_cost(town: Town, gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    anna = await member_of(town, customer, Role.VIEWER)
    body = {"model": "plain", "messages": [{"role": "user", "content": "hi"}]}
    found = await anna.browser.post("/api/estimate", body, status=200)
    assert found["model"] == "plain" and found["hold_nanos"] > 0
    assert (await anna.browser.get("/api/route/explain?model=plain"))["model"] == "plain"


@pytest.mark.parametrize("role", list(Role))
async def test_the_policy_of_a_workspace_is_set_by_those_who_may(
    town: Town, gateway: RunningGateway, role: Role
) -> None:
    customer = await gateway.new_customer()
    anna = await member_of(town, customer, role)
    answer = await anna.browser.request("PUT", "/api/policy", body={"regions": ["sg"]})
    shown = await anna.browser.get("/api/policy")
    actions = await town.actions(customer.workspace_id)
    if may(role, Verb.POLICY_CHANGE):
        assert answer.status == 200 and answer.json == shown
        assert shown["workspace"]["regions"] == ["sg"] and shown["key_id"] is None
        assert (await customer.get("/api/policy"))["effective"]["regions"] == ["sg"]
        assert actions == ["workspace.policy"]
    else:
        assert (answer.status, answer.code) == (403, "role_not_allowed")
        assert shown["workspace"]["regions"] is None
        assert actions == []


async def test_no_key_sets_the_policy_of_its_workspace(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    url = f"{gateway.url}/api/policy"
    async with gateway.session.put(url, json={"regions": ["sg"]}, headers=customer.headers) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (403, "insufficient_scope")
