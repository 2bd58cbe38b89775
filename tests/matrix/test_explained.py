"""What `GET /api/route/explain` says is what then happens: the same routes, in the same order, and the same reasons."""

import json
from typing import Any

import pytest

from tests.gateway import Customer
from tests.matrix.conftest import Market

SETUPS: list[dict[str, Any]] = [
    {},
    {"sort": "price"},
    {"order": ["cheap"]},
    {"order": ["cheap", "middle"]},
    {"order": ["middle"], "sort": "price"},
    {"ignore": ["dear"]},
    {"only": ["cheap", "dear"]},
    {"max_price": {"prompt": 2}},
    {"max_price": {"completion": 5}},
    {"allow_fallbacks": False},
    {"allow_fallbacks": False, "sort": "price"},
    {"allow_fallbacks": False, "order": ["middle", "cheap"]},
    {"regions": ["global"], "sort": "price"},
]
DIRECTIVES: list[dict[str, Any]] = [{"status": 500}, {"status": 429}, {"status": 401}, {"cut_at_byte": 0}]


async def explain(customer: Customer, wish: dict[str, Any]) -> Any:
    return await customer.get(f"/api/route/explain?model=trio&provider={json.dumps(wish)}")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wish", SETUPS, ids=json.dumps)
async def test_when_each_route_fails_in_turn_they_are_tried_as_explained(
    market: Market, customer: Customer, wish: dict[str, Any], stream: bool
) -> None:
    for place, name in enumerate(("dear", "middle", "cheap")):
        await market.fault("trio", name, **DIRECTIVES[place])
    told = await explain(customer, wish)
    receipt = await market.receipt(customer, "trio", stream=stream, provider=wish)
    routes = [route["route_id"] for route in told["routes"]]
    assert [each.route for each in receipt.attempts] == routes[: told["tried_at_most"]]
    audit = receipt.routing
    assert audit is not None and list(audit.routes) == routes[: told["tried_at_most"]]
    assert dict(audit.excluded) == {out["route"]["route_id"]: out["reason"] for out in told["excluded"]}


async def test_what_a_call_has_learnt_is_explained_and_heeded_by_the_next(market: Market, customer: Customer) -> None:
    await market.fault("trio", "dear", status=429, retry_after_seconds=30)
    await market.fault("trio", "middle", status=401)
    assert await market.path(customer, "trio") == ["dear", "middle", "=cheap"]
    told = await explain(customer, {})
    assert {out["route"]["route_id"]: out["reason"] for out in told["excluded"]} == {
        "dear/trio": "cooling_down",
        "middle/trio": "provider_resting",
    }
    assert [route["route_id"] for route in told["routes"]] == ["cheap/trio"]
    receipt = await market.receipt(customer, "trio")
    assert [each.route for each in receipt.attempts] == ["cheap/trio"]
    assert receipt.routing is not None
    assert receipt.routing.excluded_by_reason == {"cooling_down": 1, "provider_resting": 1}
