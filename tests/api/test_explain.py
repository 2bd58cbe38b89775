import json
from typing import Any

import pytest

from farebox.catalog.policy import Policy, Rule
from farebox.identity.model import SCOPES
from farebox.identity.policies import write_rule
from farebox.storage.pool import connected
from tests.api.market import INSIDE, market
from tests.api.shop import Customer, Shop


@pytest.fixture
async def customer(shop: Shop) -> Customer:
    shop.current = market()
    return await shop.customer()


async def _explain(customer: Customer, **asked: Any) -> dict[str, Any]:
    if "provider" in asked:
        asked["provider"] = json.dumps(asked["provider"])
    found: dict[str, Any] = await customer.get("/api/route/explain", model="plain", **asked)
    return found


def _ids(found: dict[str, Any]) -> list[str]:
    return [route["route_id"] for route in found["routes"]]


def _reasons(found: dict[str, Any]) -> dict[str, str]:
    return {out["route"]["route_id"]: out["reason"] for out in found["excluded"]}


async def test_the_explanation_names_what_remains_and_what_does_not(customer: Customer) -> None:
    found = await _explain(customer)
    assert found["sentence"] == (
        "of 5 routes 3 remain; excluded by checklist_incomplete (1), provider_not_configured (1)"
    )
    assert (sorted(_ids(found)), found["remaining"], found["total"]) == (["a", "b", "c"], 3, 5)
    assert _reasons(found) == {"d": "provider_not_configured", "e": "checklist_incomplete"}
    assert {out["stage"] for out in found["excluded"]} == {"operator"}
    assert next(out for out in found["excluded"] if out["route"]["route_id"] == "e")["missing"] == ["resale"]
    assert found["scope"] == "chat.completions"


async def test_wishes_of_a_request_are_explained_before_it_is_made(customer: Customer) -> None:
    found = await _explain(customer, provider={"regions": ["sg"]})
    assert _ids(found) == ["a"]
    assert _reasons(found)["b"] == _reasons(found)["c"] == "region_not_allowed"
    found = await _explain(customer, provider={"sort": "price", "max_price": {"prompt": 2}})
    assert _ids(found) == ["b", "c"]
    assert _reasons(found)["a"] == "price_above_maximum"
    assert found["policy"]["max_price"]["prompt"] == "2.00"
    assert _ids(await _explain(customer, provider={"zdr": True})) == ["a"]


async def test_the_header_of_a_client_counts_as_well(customer: Customer) -> None:
    name = customer.shop.settings.brand.header("Provider")
    async with customer.shop.client(headers={**customer.headers, name: '{"ignore": ["local"]}'}) as client:
        response = await client.get("/api/route/explain", params={"model": "plain"})
        assert _ids(response.json()) == ["c"]
        response = await client.get("/api/route/explain", params={"model": "plain", "provider": '{"zdr": true}'})
        assert _ids(response.json()) == []
    async with customer.shop.client(headers={**customer.headers, name: "{"}) as client:
        response = await client.get("/api/route/explain", params={"model": "plain"})
    assert (response.status_code, response.json()["error"]["param"]) == (400, name)


async def test_the_stored_policy_is_part_of_the_explanation_and_no_wish_widens_it(customer: Customer) -> None:
    rule = Rule(policy=Policy(regions=frozenset({"sg", "us"})))
    async with connected(customer.shop.pool) as connection:
        await write_rule(connection, customer.workspace_id, 0, rule=rule, now_micros=1)
    assert sorted(_ids(await _explain(customer))) == ["a", "b"]
    found = await _explain(customer, provider={"regions": ["global"]})
    assert sorted(_ids(found)) == ["a", "b"]
    assert found["policy"]["regions"] == ["sg", "us"]
    assert _ids(await _explain(customer, provider={"only": ["distant"]})) == []


async def test_a_call_by_another_scope_takes_other_routes(customer: Customer) -> None:
    found = await _explain(customer, scope="messages")
    assert _ids(found) == []
    assert {"scope_not_allowed"} < set(_reasons(found).values())


async def test_no_explanation_tells_anything_of_the_inside(customer: Customer) -> None:
    for path in ("/api/route/explain", "/api/routes"):
        response = await customer.raw("GET", path, model="plain")
        assert response.status_code == 200
        assert not [word for word in INSIDE if word in response.text]


@pytest.mark.parametrize(
    ("asked", "status", "code", "param"),
    [
        ({}, 400, "invalid_request", "model"),
        ({"model": "nothing"}, 404, "model_not_found", "model"),
        ({"model": "plain", "provider": '{"zdr": 1}'}, 400, "invalid_request", "provider.zdr"),
        ({"model": "plain", "provider": "sg"}, 400, "invalid_request", "provider"),
        ({"model": "plain", "scope": "all"}, 400, "invalid_request", "scope"),
        ({"model": "plain", "input_tokens": "-1"}, 400, "invalid_request", "input_tokens"),
        ({"model": "plain", "modle": "x"}, 400, "invalid_request", "modle"),
    ],
)
async def test_a_question_that_cannot_be_meant_is_refused(
    customer: Customer, asked: dict[str, str], status: int, code: str, param: str
) -> None:
    found = await customer.get("/api/route/explain", expect=status, **asked)
    assert (found["error"]["code"], found["error"]["param"]) == (code, param)


async def test_a_key_is_told_nothing_of_models_that_it_may_not_know(shop: Shop) -> None:
    shop.current = market()
    customer = await shop.customer(models=frozenset({"painter"}))
    for path in ("/api/route/explain", "/api/routes"):
        found = await customer.get(path, expect=404, model="plain")
        assert found["error"]["code"] == "model_not_found"
    assert await customer.get("/api/routes") == {
        "data": [], "for_sale": 0, "planned": 0, "not_shown": 0, "object": "list",
    }  # fmt: skip
    found = await customer.send("POST", "/api/estimate", {"model": "plain"}, expect=404)
    assert found["error"]["code"] == "model_not_found"


async def test_routes_for_planning_say_what_is_for_sale_and_what_the_others_lack(customer: Customer) -> None:
    found = await customer.get("/api/routes", model="plain")
    assert (found["for_sale"], found["planned"], found["not_shown"]) == (3, 2, 0)
    by_id = {sale["route"]["route_id"]: sale for sale in found["data"]}
    assert {name: sale["state"] for name, sale in by_id.items()} == {
        "a": "for_sale", "b": "for_sale", "c": "for_sale", "d": "planned", "e": "planned",
    }  # fmt: skip
    assert (by_id["d"]["missing"], by_id["e"]["missing"]) == (["provider_key"], ["resale"])
    assert by_id["e"]["meaning"] == "This model's provider is not approved for sale yet"
    assert by_id["a"]["route"]["price"][0]["usd_per_million_tokens"]["input"] == "3.00"


async def test_explanations_ask_for_a_key(shop: Shop) -> None:
    async with shop.client() as client:
        for method, path in (
            ("GET", "/api/route/explain?model=plain"),
            ("GET", "/api/routes"),
            ("GET", "/api/policy"),
            ("GET", "/api/limits"),
            ("POST", "/api/estimate"),
            ("PUT", "/api/keys/key_0000000000001/limits"),
            ("PUT", "/api/keys/key_0000000000001/policy"),
        ):
            response = await client.request(method, path)
            assert (response.status_code, response.json()["error"]["code"]) == (401, "missing_api_key"), path


# ── estimates ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_estimate_asks_with_the_body_and_the_headers_of_the_call(customer: Customer) -> None:
    body = b'{"model":"plain","messages":[{"role":"user","content":"hi"}],"max_cost":0.010000000000000001}'
    found = await customer.send("POST", "/api/estimate", body, headers={"x-session-id": "s1"})
    asked = customer.shop.asked.pop()
    assert (asked.key.key_id, asked.surface, asked.body) == (customer.key.key_id, "chat.completions", body)
    assert (b"x-session-id", b"s1") in asked.headers
    assert (found["hold_usd"], found["surface"], found["explanation"]["remaining"]) == ("0.25", "chat.completions", 3)


async def test_the_surface_is_named_in_the_body_or_the_address_or_follows_from_the_model(customer: Customer) -> None:
    shop = customer.shop
    await customer.send("POST", "/api/estimate", {"model": "plain", "surface": "messages"})
    assert (shop.asked[-1].surface, json.loads(shop.asked[-1].body)) == ("messages", {"model": "plain"})
    await customer.send("POST", "/api/estimate?surface=responses", {"model": "plain"})
    assert shop.asked[-1].surface == "responses"
    await customer.send("POST", "/api/estimate", {"model": "painter", "prompt": "a cat", "surface": None})
    assert shop.asked[-1].surface == "images"


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("", b"", None),
        ("", b"[]", None),
        ("", b'{"model": "plain"', None),
        ("", {}, "model"),
        ("", {"model": 3}, "model"),
        ("", {"model": "plain", "surface": "fax"}, "surface"),
        ("?surface=fax", {"model": "plain"}, "surface"),
        ("?surfaces=fax", {"model": "plain"}, "surfaces"),
    ],
)
async def test_an_estimate_of_what_is_no_call_is_refused(
    customer: Customer, path: str, body: Any, param: str | None
) -> None:
    found = await customer.send("POST", f"/api/estimate{path}", body, expect=400)
    assert (found["error"]["code"], found["error"]["param"]) == ("invalid_request", param)
    assert not customer.shop.asked


async def test_an_estimate_is_asked_for_by_post(customer: Customer) -> None:
    response = await customer.raw("GET", "/api/estimate")
    assert (response.status_code, response.headers["allow"]) == (405, "POST, OPTIONS")
    response = await customer.raw("DELETE", "/api/policy")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, PUT, OPTIONS")


async def test_every_scope_can_be_asked_for(customer: Customer) -> None:
    for scope in SCOPES:
        assert (await _explain(customer, scope=scope))["scope"] == scope


async def test_wishes_in_an_address_may_be_as_long_as_in_a_body_and_nothing_else_may(customer: Customer) -> None:
    many = {"ignore": [f"provider-{number}" for number in range(200)]}
    assert len((await _explain(customer, provider=many))["policy"]["ignore"]) == 200
    found = await customer.get("/api/route/explain", expect=400, model="plain", scope="x" * 201)
    assert found["error"]["param"] == "scope"


async def test_a_body_that_is_too_large_to_estimate_is_refused(customer: Customer) -> None:
    body = b'{"model": "plain", "messages": "' + b"x" * 10_000_001 + b'"}'
    found = await customer.send("POST", "/api/estimate", body, expect=413)
    assert found["error"]["code"] == "request_too_large"
    assert not customer.shop.asked
