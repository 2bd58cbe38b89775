from typing import Any

import pytest

from farebox.base.ids import show_short
from farebox.identity.model import SCOPES
from farebox.identity.store import show_key, show_workspace
from farebox.storage.pool import connected
from tests.api.market import market
from tests.api.shop import OPERATOR_TOKEN, Customer, Shop

EVERYTHING: dict[str, Any] = {
    "regions": None,
    "retention": "any",
    "only": None,
    "ignore": [],
    "resale_approved": False,
    "max_price": {"prompt": None, "completion": None, "request": None, "image": None},
    "workloads": None,
    "models": None,
    "allow_fallbacks": True,
    "require_parameters": False,
    "sort": None,
    "order": [],
}
NARROW = {
    "regions": ["sg"],
    "retention": "no_training",
    "only": ["distant", "local"],
    "ignore": ["keyless"],
    "resale_approved": True,
    "max_price": {"prompt": "3.50", "completion": "20.00", "request": None, "image": None},
    "workloads": ["text"],
    "models": ["plain"],
    "allow_fallbacks": False,
    "require_parameters": True,
    "sort": "price",
    "order": ["local"],
}


@pytest.fixture
async def manager(shop: Shop) -> Customer:
    """A key that may manage those of its workspace."""
    shop.current = market()
    return await shop.customer(scopes=frozenset(SCOPES))


@pytest.fixture
async def worker(manager: Customer) -> Customer:
    """Another key of the same workspace, which the manager manages."""
    return await manager.shop.key_of(manager)


def _own(customer: Customer, what: str = "policy") -> str:
    return f"/api/keys/{show_key(customer.key.key_id)}/{what}"


def _of(customer: Customer, what: str = "policy") -> str:
    return f"/api/operator/workspaces/{show_workspace(customer.workspace_id)}/{what}"


async def test_a_key_without_a_policy_may_do_everything(shop: Shop) -> None:
    customer = await shop.customer()
    found = await customer.get("/api/policy")
    assert (found["effective"], found["workspace"], found["key"]) == (EVERYTHING, EVERYTHING, EVERYTHING)
    assert found["workspace_id"] == show_workspace(customer.workspace_id)


async def test_a_policy_is_shown_as_it_was_set_and_what_is_shown_can_be_set_again(
    manager: Customer, worker: Customer
) -> None:
    for _ in range(2):
        found = await manager.send("PUT", _own(worker), NARROW)
        assert (found["key"], found["effective"], found["workspace"]) == (NARROW, NARROW, EVERYTHING)
    assert await worker.get("/api/policy") == found
    assert (await manager.send("PUT", _own(worker), {}))["effective"] == EVERYTHING


async def test_a_key_is_never_allowed_what_its_workspace_is_not(manager: Customer, worker: Customer) -> None:
    await manager.shop.operator("PUT", _of(manager), json={"regions": ["sg", "us"], "max_price": {"prompt": 2}})
    found = await manager.send("PUT", _own(worker), {"regions": ["us", "cn"], "max_price": {"prompt": "5"}})
    assert (found["effective"]["regions"], found["effective"]["max_price"]["prompt"]) == (["us"], "2.00")
    explained = await worker.get("/api/route/explain", model="plain")
    assert [route["route_id"] for route in explained["routes"]] == ["b"]
    found = await manager.send("PUT", _own(worker), {})
    assert found["effective"]["regions"] == ["sg", "us"]


async def test_the_operator_sets_the_policy_of_a_workspace_or_of_a_key(manager: Customer) -> None:
    shop = manager.shop
    found = await shop.operator("PUT", _of(manager), json={"zdr": True})
    assert (found["key_id"], found["key"], found["workspace"]["retention"]) == (None, None, "nothing")
    key_id = show_key(manager.key.key_id)
    found = await shop.operator("PUT", _of(manager) + f"?key={key_id}", json={"sort": "latency"})
    assert (found["key_id"], found["key"]["sort"], found["effective"]["retention"]) == (key_id, "latency", "nothing")
    assert await shop.operator("GET", _of(manager) + f"?key={key_id}") == found
    assert await manager.get("/api/policy") == found


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"zdr": 1}, "policy.zdr"),
        ({"planets": ["mars"]}, "policy.planets"),
        ({"regions": ["mars"]}, "policy.regions"),
        ({"workloads": ["poems"]}, "policy.workloads"),
        ({"models": []}, "policy.models"),
        ({"only": ["a\0b"]}, "policy.only"),
        ({"retention": "none"}, "policy.retention"),
        ({"max_price": {"prompt": "cheap"}}, "policy.max_price.prompt"),
        (b"", "policy"),
        (b"[]", "policy"),
    ],
)
async def test_a_policy_that_cannot_be_meant_is_refused_and_changes_nothing(
    manager: Customer, worker: Customer, body: Any, param: str
) -> None:
    before = await manager.send("PUT", _own(worker), NARROW)
    found = await manager.send("PUT", _own(worker), body, expect=400)
    assert (found["error"]["code"], found["error"]["param"]) == ("invalid_request", param)
    assert await worker.get("/api/policy") == before


async def test_a_policy_that_this_version_cannot_read_is_said_so_and_can_be_set_again(manager: Customer) -> None:
    async with connected(manager.shop.pool) as connection:
        await connection.execute(
            "INSERT INTO routing_rule VALUES (%s, 0, '{\"planets\": []}', 0)", [manager.workspace_id]
        )
    manager.shop.cache.clear()
    assert (await manager.get("/api/policy", expect=500))["error"]["code"] == "internal_error"
    assert (await manager.shop.operator("GET", _of(manager), expect=500))["error"]["code"] == "internal_error"
    await manager.shop.operator("PUT", _of(manager), json={})
    assert (await manager.get("/api/policy"))["effective"] == EVERYTHING


@pytest.mark.parametrize("what", ["policy", "limits"])
async def test_keys_of_other_workspaces_are_not_found(manager: Customer, what: str) -> None:
    stranger = await manager.shop.customer(scopes=frozenset(SCOPES))
    body = {"day": {"requests": 1}} if what == "limits" else {"zdr": True}
    for name in (
        show_key(stranger.key.key_id),
        show_key(0),
        show_key(5),
        show_workspace(manager.key.key_id),
        "key_!",
        "0",
        "laptop",
    ):
        found = await manager.send("PUT", f"/api/keys/{name}/{what}", body, expect=404)
        assert (found["error"]["code"], found["error"]["param"]) == ("not_found", "key_id")
        found = await manager.shop.operator("PUT", _of(manager, what) + f"?key={name}", expect=404, json=body)
        assert found["error"]["code"] == "not_found"
        found = await manager.shop.operator("GET", _of(manager, what) + f"?key={name}", expect=404)
        assert found["error"]["code"] == "not_found"
    assert (await stranger.get("/api/limits"))["data"] == []
    assert (await stranger.get("/api/policy"))["effective"] == EVERYTHING
    assert (await manager.get("/api/limits"))["data"] == []


@pytest.mark.parametrize("what", ["policy", "limits"])
async def test_workspaces_that_do_not_exist_are_not_found(manager: Customer, what: str) -> None:
    for name in (show_short("ws", 7), show_short("key", manager.workspace_id), "ws_!", "acme"):
        for method in ("GET", "PUT"):
            body = {"day": None} if what == "limits" else {}
            found = await manager.shop.operator(
                method, f"/api/operator/workspaces/{name}/{what}", expect=404, json=body
            )
            assert (found["error"]["code"], found["error"]["param"]) == ("not_found", "workspace_id")


@pytest.mark.parametrize("what", ["policy", "limits"])
async def test_only_who_manages_keys_changes_them(shop: Shop, what: str) -> None:
    customer = await shop.customer()
    found = await customer.send("PUT", _own(customer, what), {"day": None}, expect=403)
    assert (found["error"]["code"], found["error"]["required_scope"]) == ("insufficient_scope", "keys.manage")
    reader = await shop.customer(scopes=frozenset({"chat.completions"}))
    found = await reader.get(f"/api/{what}", expect=403)
    assert found["error"]["required_scope"] == "usage.read"


OPERATED = [
    *(
        (method, f"/api/operator/workspaces/ws_0000000000001/{what}")
        for method in ("GET", "PUT")
        for what in ("limits", "policy")
    ),
    ("GET", "/api/operator/routes"),
]


@pytest.mark.parametrize(("method", "path"), OPERATED)
async def test_the_operators_side_opens_to_the_token_alone(shop: Shop, method: str, path: str) -> None:
    customer = await shop.customer(scopes=frozenset(SCOPES))
    key = customer.headers["authorization"]
    wrong = [
        key,
        f"Bearer {OPERATOR_TOKEN}x",
        f"Bearer {OPERATOR_TOKEN[:-1]}",
        "Bearer",
        f"Basic {OPERATOR_TOKEN}",
        "Bearer é",
    ]
    async with shop.client() as client:
        missing = await client.request(method, path)
        assert (missing.status_code, missing.json()["error"]["code"]) == (401, "missing_api_key")
        for sent in wrong:
            response = await client.request(method, path, headers=[(b"authorization", sent.encode())])
            assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key"), sent
            assert OPERATOR_TOKEN not in response.text


@pytest.mark.parametrize(("method", "path"), OPERATED)
async def test_without_a_token_there_is_no_operators_side(shop: Shop, method: str, path: str) -> None:
    shop.without_operator()
    for sent in (f"Bearer {OPERATOR_TOKEN}", "Bearer ", "Bearer None", ""):
        async with shop.client(headers={"authorization": sent}) as client:
            response = await client.request(method, path)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "not_found")


async def test_the_operator_sees_the_whole_checklist_and_what_to_do(manager: Customer) -> None:
    found = await manager.shop.operator("GET", "/api/operator/routes?model=plain")
    by_id = {entry["sale"]["route"]["route_id"]: entry for entry in found["data"]}
    assert by_id["e"]["fixes"] == [
        'complete resale in catalog.toml, at [routes."e"] or [providers.distant.terms], and apply it'
    ]
    assert by_id["d"]["fixes"] == [
        "set the environment variable KEY_OF_KEYLESS, or store a key with `farebox provider add keyless`"
    ]
    assert (by_id["a"]["fixes"], by_id["a"]["upstream_model"], by_id["a"]["notes"]) == (
        [],
        "upstream-name",
        "a private note",
    )
    assert by_id["a"]["checklist"]["key_scopes"] == ["chat.completions"]
    found = await manager.shop.operator("GET", "/api/operator/routes?model=none", expect=404)
    assert found["error"]["code"] == "model_not_found"
