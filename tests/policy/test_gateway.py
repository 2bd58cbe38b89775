"""Policies, explanations, estimates and limits through a whole gateway: two workers, real HTTP, nothing restarted."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from farebox.identity.model import SCOPES
from farebox.identity.store import show_key, show_workspace
from tests.database import TestCluster
from tests.gateway import Customer, RunningGateway, serve_gateway

# Nobody's: made up for the tests.
TOKEN = "operator-" + "o" * 32
_PROVIDER = """
[providers.{name}]
display_name = "{name}"
base_url     = "https://{name}.example/v1"
api_key_env  = "FAREBOX_TEST_NO_SUCH_KEY"
terms        = {{ region = "{region}", retention = "{retention}", resale = "approved" }}

[routes."{name}/plain"]
provider = "{name}"
model    = "plain"
priority = {priority}
cost     = {{ input = "0.50", output = "2.50" }}
price    = {{ input = "{price}", output = "5.00" }}
"""
CATALOG = (
    """
[terms]
contract_review = "approved"
logging         = "metadata_only"
sla             = "none"
support_owner   = "operator"
key_scopes      = ["chat.completions"]
budget_cap      = "none"

[models.plain]
display_name      = "Plain"
context_tokens    = 200_000
max_output_tokens = 1_000
"""
    + _PROVIDER.format(name="atsea", region="global", retention="trains", priority=1, price="1.00")
    + _PROVIDER.format(name="inus", region="us", retention="limited", priority=2, price="3.00")
    + _PROVIDER.format(name="insg", region="sg", retention="none", priority=3, price="2.00")
)


@pytest.fixture(scope="module")
async def gateway(cluster: TestCluster) -> AsyncIterator[RunningGateway]:
    async with serve_gateway(cluster, workers=2, catalog=CATALOG, operator_token=TOKEN) as running:
        yield running


@pytest.fixture
async def customer(gateway: RunningGateway) -> Customer:
    """Without an order of price, so that the catalog's own holds."""
    found = await gateway.new_customer()
    return found.with_key(await found.new_key(scopes=frozenset(SCOPES)))


async def _put(customer: Customer, path: str, body: Any, *, operator: bool = True, worker: int = 0) -> Any:
    headers = {"authorization": f"Bearer {TOKEN}"} if operator else customer.headers
    url = customer.gateway.workers[worker].url + path
    async with customer.gateway.session.put(url, json=body, headers=headers) as response:
        assert response.status == 200, await response.text()
        return await response.json()


def _of(customer: Customer, what: str) -> str:
    return f"/api/operator/workspaces/{show_workspace(customer.workspace_id)}/{what}"


async def _route(customer: Customer, *, worker: int = 0, headers: dict[str, str] | None = None, **fields: Any) -> str:
    """The route that a call took, or the code of its refusal."""
    async with customer.chat(worker=worker, headers=headers, max_tokens=5, **fields) as response:
        body = await response.json()
        if response.status != 200:
            return str(body["error"]["code"])
        call_id = response.headers["x-request-id"]
    return (await customer.receipt(call_id)).operator.route_id


async def _explained(customer: Customer, *, worker: int = 0, **asked: str) -> Any:
    query = "&".join(f"{name}={value}" for name, value in {"model": "plain", **asked}.items())
    return await customer.get(f"/api/route/explain?{query}", worker=worker)


async def _until_explained(customer: Customer, remaining: int) -> None:
    """Until both workers have heard of a policy."""
    async with asyncio.timeout(5):
        for worker in (0, 1):
            while (await _explained(customer, worker=worker))["remaining"] != remaining:
                await asyncio.sleep(0.02)


async def test_a_policy_set_by_api_holds_in_every_worker_without_a_restart(customer: Customer) -> None:
    assert await _route(customer) == "atsea/plain"
    await _put(customer, _of(customer, "policy"), {"regions": ["sg", "us"]})
    await _until_explained(customer, 2)
    assert [await _route(customer, worker=worker) for worker in (0, 1)] == ["inus/plain"] * 2
    await _put(customer, f"/api/keys/{show_key(customer.key.record.key_id)}/policy", {"zdr": True}, operator=False)
    await _until_explained(customer, 1)
    assert [await _route(customer, worker=worker) for worker in (0, 1)] == ["insg/plain"] * 2
    await _put(customer, _of(customer, "policy"), {"regions": ["cn"]})
    await _until_explained(customer, 0)
    assert [await _route(customer, worker=worker) for worker in (0, 1)] == ["policy_no_route"] * 2


async def test_the_refusal_has_the_reasons_of_the_explanation(customer: Customer) -> None:
    wish = {"regions": ["sg"], "only": ["inus", "insg"], "data_collection": "deny", "max_price": {"prompt": "1.50"}}
    told = await _explained(customer, provider=json.dumps(wish))
    async with customer.chat(provider=wish) as response:
        error = (await response.json())["error"]
    assert (response.status, error["code"]) == (403, "policy_no_route")
    assert told["sentence"] in error["message"]
    counts: dict[str, int] = {}
    for out in told["excluded"]:
        counts[out["reason"]] = counts.get(out["reason"], 0) + 1
    assert error["excluded"] == counts


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"ignore": ["atsea"]},
        {"sort": "price"},
        {"order": ["insg", "inus"]},
        {"order": ["inus"], "allow_fallbacks": False},
        {"regions": ["us", "cn"]},
        {"zdr": True},
        {"max_price": {"prompt": 2}},
        {"only": ["nobody"]},
    ],
    ids=json.dumps,
)
async def test_a_call_goes_where_the_explanation_said(customer: Customer, wish: dict[str, Any]) -> None:
    told = await _explained(customer, provider=json.dumps(wish))
    expected = told["routes"][0]["route_id"] if told["routes"] else "policy_no_route"
    assert await _route(customer, provider=wish) == expected
    header = {"x-farebox-provider": json.dumps(wish)}
    assert await _route(customer, headers=header) == expected


async def test_an_estimate_says_what_the_call_then_holds_and_holds_nothing_itself(customer: Customer) -> None:
    body = {"model": "plain", "messages": [{"role": "user", "content": "Reply exactly: hi"}], "max_tokens": 700}
    before = await customer.balance_nanos()
    async with customer.post("/api/estimate", body) as response:
        told = await response.json()
        assert response.status == 200, told
    assert (await customer.balance_nanos(), await customer.call_ids()) == (before, [])
    assert [route["route"]["route_id"] for route in told["routes"]] == ["atsea/plain", "inus/plain", "insg/plain"]
    assert all(route["likely_nanos"] <= route["ceiling_nanos"] <= told["hold_nanos"] for route in told["routes"])
    async with customer.post("/v1/chat/completions", body) as response:
        await response.read()
    hold = await customer.hold(response.headers["x-request-id"])
    assert hold is not None and hold.amount_nanos == told["hold_nanos"]


async def test_an_estimate_refuses_what_the_call_would_be_refused_for(customer: Customer) -> None:
    body = {"model": "plain", "messages": [{"role": "user", "content": "hi"}], "max_cost": 0.000001}
    async with customer.post("/api/estimate", body) as response:
        told = await response.json()
    assert (response.status, told["routes"], told["explanation"]["remaining"]) == (200, [], 0)
    assert {out["reason"] for out in told["explanation"]["excluded"]} == {"cost_above_maximum"}
    async with customer.post("/v1/chat/completions", body) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (400, "max_cost_exceeded")
    async with customer.post("/api/estimate", {**body, "max_tokens": 1_001}) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (400, "request_limit_exceeded")


async def test_a_limit_changed_while_calls_run_holds_at_once_in_every_worker(customer: Customer) -> None:
    await _put(customer, _of(customer, "limits"), {"day": {"requests": 100}})
    slow = [asyncio.ensure_future(_route(customer, sandbox={"delay_seconds": 1.0})) for _ in range(3)]
    async with asyncio.timeout(5):
        while len(await customer.call_ids()) < 3:
            await asyncio.sleep(0.01)
    found = await _put(customer, _of(customer, "limits"), {"day": {"requests": 4}})
    limit = found["data"][0]
    assert (limit["limit"], limit["used"] + limit["held"], limit["remaining"]) == (4, 3, 1)
    assert [await _route(customer, worker=worker) for worker in (0, 1)] == ["atsea/plain", "quota_exhausted"]
    await _put(customer, _of(customer, "limits"), {"day": {"requests": 5}}, worker=1)
    assert [await _route(customer, worker=worker) for worker in (1, 0)] == ["atsea/plain", "quota_exhausted"]
    assert await asyncio.gather(*slow) == ["atsea/plain"] * 3
    use = await customer.limit_use()
    assert (use.used_requests, use.held_requests) == (5, 0)
    await _put(customer, _of(customer, "limits"), {"day": None})
    assert await _route(customer) == "atsea/plain"


async def test_a_call_under_way_ends_under_a_limit_that_it_is_above_by_then(customer: Customer) -> None:
    running = asyncio.ensure_future(_route(customer, sandbox={"delay_seconds": 0.5}))
    async with asyncio.timeout(5):
        while not await customer.call_ids():
            await asyncio.sleep(0.01)
    await _put(
        customer, f"/api/keys/{show_key(customer.key.record.key_id)}/limits", {"day": {"usd": 0}}, operator=False
    )
    assert await _route(customer) == "budget_exhausted"
    assert await running == "atsea/plain"
