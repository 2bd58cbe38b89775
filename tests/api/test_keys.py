import asyncio
import json
from typing import Any
from uuid import UUID

import msgspec
import pytest

from farebox.api.key_shapes import NewKeyShape, place_of
from farebox.base.clock import rfc3339
from farebox.base.errors import Problem
from farebox.catalog.policy import Policy, Rule
from farebox.identity.keys import read_secret
from farebox.identity.model import DEFAULT_SCOPES, SCOPES, RateLimit
from farebox.identity.policies import write_rule
from farebox.identity.rates import write_rate
from farebox.identity.store import KeyChange, show_key, show_workspace, update_key
from farebox.records.page import Cursor
from farebox.storage.pool import connected
from tests.api.shop import Customer, Shop
from tests.records.books import DAY, NOW, SECOND

MANAGER = frozenset({"messages", "usage.read", "keys.manage"})


@pytest.fixture
async def manager(shop: Shop) -> Customer:
    """A key that may manage those of its workspace, and do everything else."""
    return await shop.customer(scopes=frozenset(SCOPES))


async def make(manager: Customer, expect: int = 200, **body: Any) -> Any:
    """The answer to `POST /api/keys`."""
    return await manager.send("POST", "/api/keys", {"name": "k", **body}, expect=201 if expect == 200 else expect)


def with_secret(manager: Customer, made: Any) -> Customer:
    """Whoever bears the new key."""
    return Customer(manager.shop, manager.key, made["secret"])


async def test_a_key_made_here_works_and_its_secret_is_never_shown_again(manager: Customer) -> None:
    made = await make(manager, name="sales bot", labels={"department": "sales"}, scopes=["messages", "usage.read"])
    key, secret = made["key"], made["secret"]
    assert made["replaces"] is None
    assert (key["name"], key["status"], key["scopes"]) == ("sales bot", "active", ["messages", "usage.read"])
    assert key["labels"] == {"department": "sales", "project": None, "customer": None}
    assert (key["created_by"], key["rolled_to"], key["last_used_at"]) == (show_key(manager.key.key_id), None, None)
    assert secret.startswith(key["prefix"]) and key["prefix"] != secret
    assert (await with_secret(manager, made).get("/api/limits"))["data"] == []
    shown = json.dumps([await manager.get("/api/keys"), await manager.get(f"/api/keys/{key['key_id']}")])
    assert secret not in shown
    assert read_secret(manager.shop.settings.brand.key_prefix, secret).hex() not in shown
    assert (await manager.get(f"/api/keys/{key['key_id']}")) == key


async def test_answers_with_a_secret_are_stored_by_nobody_and_have_no_repr(manager: Customer) -> None:
    async with manager.shop.client(headers=manager.headers) as client:
        response = await client.post("/api/keys", json={"name": "k"})
        rolled = await client.post(f"/api/keys/{response.json()['key']['key_id']}/roll")
    for answer in (response, rolled):
        assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
        shape = msgspec.convert(answer.json(), NewKeyShape)
        assert answer.json()["secret"] not in repr(shape)


async def test_everything_that_a_key_is_made_with_is_shown(manager: Customer) -> None:
    model = sorted(manager.shop.current.models)[0]
    made = await make(
        manager,
        models=[model],
        ip_allow=["127.0.0.0/8", "2001:db8::1"],
        expires_at="2027-01-01T00:00:00Z",
        limits={"day": {"requests": 5}, "lifetime": {"usd": "2.50"}},
        policy={"regions": ["sg"], "sort": "price"},
    )
    key = made["key"]
    assert (key["models"], key["ip_allow"]) == ([model], ["127.0.0.0/8", "2001:db8::1/128"])
    assert key["expires_at"] == "2027-01-01T00:00:00.000000Z"
    assert [(one["span"], one["unit"], one["limit"]) for one in key["limits"]] == [
        ("day", "requests", 5),
        ("lifetime", "usd", "2.50"),
    ]
    assert (key["policy"]["regions"], key["policy"]["sort"]) == (["sg"], "price")
    own = with_secret(manager, made)
    assert len((await own.get("/api/limits"))["data"]) == 2
    assert (await own.get("/api/policy"))["key"]["regions"] == ["sg"]


async def test_what_is_not_said_of_a_new_key_is_as_of_its_maker_without_power_over_keys(shop: Shop) -> None:
    manager = await shop.customer(scopes=MANAGER)
    async with connected(shop.pool) as connection:
        rate = RateLimit(manager.key.key_id, "", requests_per_minute=7)
        await write_rate(connection, manager.workspace_id, rate)
        change = KeyChange(expires_at=NOW + 9 * DAY, allowed_models=frozenset({"claude-haiku-4-5"}))
        await update_key(connection, manager.workspace_id, manager.key.key_id, change, now_micros=NOW)
        rule = Rule(policy=Policy(max_kept="nothing"))
        await write_rule(connection, manager.workspace_id, manager.key.key_id, rule=rule, now_micros=NOW)
    own = f"/api/keys/{show_key(manager.key.key_id)}"
    await manager.send("PUT", f"{own}/limits", {"month": {"requests": 30}})
    key = (await make(manager))["key"]
    assert key["scopes"] == ["messages", "usage.read"]
    assert (key["models"], key["expires_at"]) == (["claude-haiku-4-5"], rfc3339(NOW + 9 * DAY))
    assert [one["limit"] for one in key["limits"]] == [30]
    assert key["rates"][0]["requests_per_minute"] == 7
    assert key["policy"]["retention"] == "nothing"


async def test_a_key_gives_no_more_than_it_has(shop: Shop) -> None:
    manager = await shop.customer(scopes=MANAGER)
    own = f"/api/keys/{show_key(manager.key.key_id)}"
    await manager.send("PATCH", own, {"ip_allow": ["127.0.0.0/8"], "expires_at": rfc3339(NOW + DAY)})
    await manager.send("PUT", f"{own}/limits", {"day": {"requests": 10}})
    await manager.send("PUT", f"{own}/policy", {"regions": ["sg"]})
    asked: list[tuple[dict[str, Any], str]] = [
        ({"scopes": ["videos"]}, "scopes"),
        ({"ip_allow": None}, "ip_allow"),
        ({"ip_allow": ["0.0.0.0/0"]}, "ip_allow"),
        ({"expires_at": None}, "expires_at"),
        ({"expires_at": rfc3339(NOW + 2 * DAY)}, "expires_at"),
    ]
    before = len((await manager.get("/api/keys"))["data"])
    for body, param in [*asked, ({"limits": {"day": {"requests": 11}}}, "limits.day.requests")]:
        error = (await make(manager, 403, **body))["error"]
        assert (error["code"], error["param"], error["part"]) == ("exceeds_own_key", param, param)
    assert len((await manager.get("/api/keys"))["data"]) == before
    made = (await make(manager))["key"]["key_id"]
    # The managing key's own reach does not grow either.
    for path in (f"/api/keys/{made}", own):
        for body, param in asked:
            error = (await manager.send("PATCH", path, body, expect=403))["error"]
            assert (error["code"], error["param"]) == ("exceeds_own_key", param)
        for limit in ({"day": None}, {"day": {"requests": 11}}, {"day": {"requests": None}}):
            error = (await manager.send("PUT", f"{path}/limits", limit, expect=403))["error"]
            assert error["param"] == "limits.day.requests"
        found = await manager.send("PUT", f"{path}/policy", {"regions": ["sg", "us"]})
        assert found["effective"]["regions"] == ["sg"]
        assert (await manager.send("PUT", f"{path}/policy", {}))["effective"]["regions"] == ["sg"]


async def test_a_key_that_has_more_is_left_alone(shop: Shop) -> None:
    manager = await shop.customer(scopes=MANAGER)
    stronger = await shop.key_of(manager, scopes=MANAGER | {"videos"})
    path = f"/api/keys/{show_key(stronger.key.key_id)}"
    for method, where, body in (
        ("PATCH", path, {"name": "mine"}),
        ("PATCH", path, {"scopes": ["messages"]}),
        ("POST", f"{path}/roll", {}),
        ("PUT", f"{path}/limits", {"day": {"requests": 0}}),
        ("PUT", f"{path}/policy", {"zdr": True}),
        ("DELETE", path, {}),
    ):
        error = (await manager.send(method, where, body, expect=403))["error"]
        assert (error["code"], error["param"], error["part"]) == ("exceeds_own_key", "key_id", "scopes")
    found = await manager.get(path)
    assert (found["status"], found["name"], found["limits"]) == ("active", "other", [])


async def test_a_managing_key_that_was_narrowed_is_judged_by_what_it_is_now(shop: Shop) -> None:
    manager = await shop.customer(scopes=MANAGER)
    assert (await manager.get("/api/keys"))["data"]  # remembered with all of its scopes
    async with connected(shop.pool) as connection:
        change = KeyChange(scopes=frozenset({"keys.manage"}))
        await update_key(connection, manager.workspace_id, manager.key.key_id, change, now_micros=NOW)
    assert (await make(manager, 403, scopes=["messages"]))["error"]["param"] == "scopes"
    async with connected(shop.pool) as connection:
        change = KeyChange(scopes=frozenset({"messages"}))
        await update_key(connection, manager.workspace_id, manager.key.key_id, change, now_micros=NOW)
    assert (await make(manager, 403))["error"]["code"] == "insufficient_scope"


async def test_a_managing_key_that_was_revoked_a_moment_ago_makes_none(manager: Customer) -> None:
    assert (await manager.get("/api/keys"))["data"]
    own = f"/api/keys/{show_key(manager.key.key_id)}"
    assert (await manager.send("DELETE", own, {}))["status"] == "revoked"
    error = (await make(manager, 401))["error"]
    assert (error["code"], error["reason"]) == ("invalid_api_key", "revoked")


async def test_a_change_says_what_shall_be_different_and_the_rest_stays(manager: Customer) -> None:
    made = (await make(manager, labels={"department": "d", "project": "p"}, ip_allow=["127.0.0.1"]))["key"]
    path = f"/api/keys/{made['key_id']}"
    found = await manager.send("PATCH", path, {"name": " two ", "labels": {"project": None, "customer": "acme"}})
    expected = {**made, "name": "two", "labels": {"department": "d", "project": None, "customer": "acme"}}
    assert found == expected == await manager.get(path)
    found = await manager.send("PATCH", path, {"ip_allow": None, "scopes": ["messages"]})
    assert found == {**expected, "ip_allow": None, "scopes": ["messages"]}


async def test_a_rolled_key_works_on_for_the_overlap_and_both_share_limits(manager: Customer) -> None:
    made = await make(manager, name="bot", labels={"project": "p"}, limits={"day": {"requests": 3}})
    path = f"/api/keys/{made['key']['key_id']}"
    rolled = await manager.send("POST", f"{path}/roll", {"overlap_seconds": 60}, expect=201)
    new, former = rolled["key"], rolled["replaces"]
    assert rolled["secret"] != made["secret"] and new["key_id"] != former["key_id"]
    assert (former["status"], former["rolled_to"]) == ("rolled", new["key_id"])
    assert (new["status"], new["expires_at"], new["name"]) == ("active", None, "bot")
    assert (new["labels"], new["limits"], new["scopes"]) == (
        made["key"]["labels"],
        made["key"]["limits"],
        made["key"]["scopes"],
    )
    assert (await with_secret(manager, made).get("/api/limits"))["data"] == new["limits"]
    # A change of what they share is made by the one that stays.
    error = (await manager.send("PUT", f"{path}/limits", {"day": {"requests": 9}}, expect=400))["error"]
    assert new["key_id"] in error["message"] and error["param"] == "key_id"
    found = await manager.send("PUT", f"/api/keys/{new['key_id']}/limits", {"day": {"requests": 9}})
    assert found["data"][0]["limit"] == (await manager.get(path))["limits"][0]["limit"] == 9
    found = await manager.send("PUT", f"/api/keys/{new['key_id']}/policy", {"zdr": True})
    assert found["key_id"] == new["key_id"] and (await manager.get(path))["policy"] == found["key"]
    await manager.send("POST", f"{path}/roll", {}, expect=400)
    manager.shop.books.tick(61 * SECOND)
    assert (await manager.get(path))["status"] == "expired"
    await with_secret(manager, made).get("/api/limits", expect=401)
    assert (await with_secret(manager, rolled).get("/api/limits"))["data"]


async def test_without_an_overlap_that_is_said_the_former_key_has_a_day(manager: Customer) -> None:
    path = f"/api/keys/{(await make(manager))['key']['key_id']}/roll"
    rolled = await manager.send("POST", path, b"", expect=201)
    assert rolled["replaces"]["expires_at"] == rfc3339(manager.shop.books.now + DAY)


@pytest.mark.parametrize("seconds", [-1, 30 * 86_400 + 1, 1.5, "60", True, None, 10**40])
async def test_an_overlap_that_cannot_be_is_refused(manager: Customer, seconds: Any) -> None:
    path = f"/api/keys/{(await make(manager))['key']['key_id']}/roll"
    error = (await manager.send("POST", path, {"overlap_seconds": seconds}, expect=400))["error"]
    assert (error["code"], error["param"]) == ("invalid_request", "overlap_seconds")


async def test_revoking_is_done_once_however_often_it_is_asked(manager: Customer) -> None:
    made = await make(manager)
    path = f"/api/keys/{made['key']['key_id']}"
    first = await manager.send("DELETE", path, b"")
    manager.shop.books.tick()
    assert (first["status"], first["revoked_at"] is None) == ("revoked", False)
    assert await manager.send("DELETE", path, b"") == first == await manager.get(path)
    error = (await with_secret(manager, made).get("/api/balance", expect=401))["error"]
    assert error["reason"] == "revoked"
    for method, where in (("PATCH", path), ("POST", f"{path}/roll"), ("PUT", f"{path}/policy")):
        body = {"name": "x"} if method == "PATCH" else {}
        assert (await manager.send(method, where, body, expect=400))["error"]["param"] == "key_id"


async def test_keys_are_listed_in_pages_newest_first_and_each_once(manager: Customer) -> None:
    made = [(await make(manager, name=f"k{n}"))["key"]["key_id"] for n in range(5)]
    found: list[str] = []
    cursor: dict[str, Any] = {}
    while True:
        page = await manager.get("/api/keys", limit="2", **cursor)
        found += [key["key_id"] for key in page["data"]]
        if not page["has_more"]:
            assert page["next_cursor"] is None
            break
        cursor = {"cursor": page["next_cursor"]}
        manager.shop.books.tick()
        await make(manager, name="made meanwhile")
    assert len(found) == len(set(found)) and set(found) == {*made, show_key(manager.key.key_id)}
    moments = [(await manager.get(f"/api/keys/{key_id}"))["created_at"] for key_id in found]
    assert moments == sorted(moments, reverse=True)


async def test_the_list_is_narrowed_by_status_and_label(manager: Customer) -> None:
    revoked = (await make(manager, labels={"department": "sales"}))["key"]["key_id"]
    await manager.send("DELETE", f"/api/keys/{revoked}", b"")
    rolled = (await make(manager, labels={"department": "sales", "project": "p"}))["key"]["key_id"]
    heir = (await manager.send("POST", f"/api/keys/{rolled}/roll", b"", expect=201))["key"]["key_id"]
    expired = (await make(manager, expires_at=rfc3339(manager.shop.books.now + SECOND)))["key"]["key_id"]
    manager.shop.books.tick(SECOND)

    async def ids(**wanted: Any) -> set[str]:
        found = (await manager.get("/api/keys", **wanted))["data"]
        assert all(key["status"] == wanted.get("status", key["status"]) for key in found)
        return {key["key_id"] for key in found}

    assert await ids(status="revoked") == {revoked}
    assert await ids(status="rolled") == {rolled}
    assert await ids(status="expired") == {expired}
    assert await ids(status="active") == {heir, show_key(manager.key.key_id)}
    assert await ids(department="sales") == {revoked, rolled, heir}
    assert await ids(department="sales", project="p", status="active") == {heir}
    assert await ids(customer="nobody") == set()


async def test_a_policy_that_cannot_be_read_is_said_so_and_hides_no_key(manager: Customer) -> None:
    made = (await make(manager))["key"]["key_id"]
    async with connected(manager.shop.pool) as connection:
        query = "INSERT INTO routing_rule SELECT workspace_id, key_id, %s, 0 FROM api_key WHERE key_id <> %s"
        await connection.execute(query, ['{"planets": []}', manager.key.key_id])
    assert (await manager.get(f"/api/keys/{made}"))["policy"] is None
    assert len((await manager.get("/api/keys"))["data"]) == 2
    found = await manager.send("PUT", f"/api/keys/{made}/policy", {"zdr": True})
    assert found["effective"]["retention"] == "nothing"


BAD: list[tuple[Any, str | None]] = [
    (b"", None),
    (b"[]", None),
    (b'{"name": "\xff"}', "name"),
    (b'{"name": "\\ud800"}', None),
    ({}, "name"),
    ({"name": ""}, "name"),
    ({"name": "a\0b"}, "name"),
    ({"name": "a\nb"}, "name"),
    ({"name": "n" * 201}, "name"),
    ({"name": 5}, "name"),
    ({"name": "k", "secret": "mine"}, "secret"),
    ({"name": "k", "key_id": "key_0000000000001"}, "key_id"),
    ({"name": "k", "workspace_id": 5}, "workspace_id"),
    ({"name": "k", "scopes": []}, "scopes"),
    ({"name": "k", "scopes": ["admin"]}, "scopes"),
    ({"name": "k", "scopes": "messages"}, "scopes"),
    ({"name": "k", "scopes": None}, "scopes"),
    ({"name": "k", "models": []}, "models"),
    ({"name": "k", "models": ["no such model"]}, "models"),
    ({"name": "k", "labels": []}, "labels"),
    ({"name": "k", "labels": {"team": "x"}}, "labels.team"),
    ({"name": "k", "labels": {"project": "x" * 101}}, "labels.project"),
    ({"name": "k", "ip_allow": []}, "ip_allow"),
    ({"name": "k", "ip_allow": ["10.0.0.1/8"]}, "ip_allow"),
    ({"name": "k", "ip_allow": ["localhost"]}, "ip_allow"),
    ({"name": "k", "ip_allow": ["::ffff:10.0.0.1"]}, "ip_allow"),
    ({"name": "k", "expires_at": "tomorrow"}, "expires_at"),
    ({"name": "k", "expires_at": 1}, "expires_at"),
    ({"name": "k", "expires_at": "1999-01-01T00:00:00Z"}, "expires_at"),
    ({"name": "k", "expires_at": "9999-12-31T23:59:59Z"}, "expires_at"),
    ({"name": "k", "limits": {}}, "limits"),
    ({"name": "k", "limits": {"week": None}}, "limits.week"),
    ({"name": "k", "limits": {"day": {"requests": -1}}}, "limits.day.requests"),
    ({"name": "k", "limits": {"day": {"usd": "1e30"}}}, "limits.day.usd"),
    ({"name": "k", "policy": {"planets": []}}, "policy.planets"),
    ({"name": "k", "policy": []}, "policy"),
]


@pytest.mark.parametrize(("body", "param"), BAD, ids=lambda value: str(value)[:40])
async def test_a_key_that_cannot_be_meant_is_refused_by_the_name_of_its_field_and_not_made(
    manager: Customer, body: Any, param: str | None
) -> None:
    error = (await manager.send("POST", "/api/keys", body, expect=400))["error"]
    assert (error["code"], error["param"]) == ("invalid_request", param)
    assert len((await manager.get("/api/keys"))["data"]) == 1


@pytest.mark.parametrize("body", [{}, {"limits": {"day": None}}, {"policy": {}}, {"status": "active"}, {"name": None}])
async def test_a_change_of_nothing_or_of_what_has_another_address_is_refused(manager: Customer, body: Any) -> None:
    path = f"/api/keys/{show_key(manager.key.key_id)}"
    error = (await manager.send("PATCH", path, body, expect=400))["error"]
    assert (error["code"], error["param"]) == ("invalid_request", next(iter(body), "key"))


async def test_a_body_that_no_key_needs_is_not_read_to_its_end(manager: Customer) -> None:
    large = b'{"name": "' + b"n" * 300_000 + b'"}'
    path = f"/api/keys/{show_key(manager.key.key_id)}"
    for method, where in (
        ("POST", "/api/keys"),
        ("PATCH", path),
        ("POST", f"{path}/roll"),
        ("PUT", f"{path}/limits"),
        ("PUT", f"{path}/policy"),
    ):
        error = (await manager.send(method, where, large, expect=413))["error"]
        assert error["code"] == "request_too_large"


async def test_an_idempotency_key_is_refused_rather_than_ignored(manager: Customer) -> None:
    own = f"/api/keys/{show_key(manager.key.key_id)}/roll"
    for path in ("/api/keys", own):
        headers = {"idempotency-key": "once"}
        error = (await manager.send("POST", path, {"name": "k"}, expect=400, headers=headers))["error"]
        assert (error["code"], error["param"]) == ("invalid_request", "Idempotency-Key")
    assert len((await manager.get("/api/keys"))["data"]) == 1


async def test_keys_of_other_workspaces_are_not_found(manager: Customer) -> None:
    stranger = await manager.shop.customer(scopes=frozenset({"messages"}))
    names = (show_key(stranger.key.key_id), show_key(0), show_key(5), show_workspace(manager.key.key_id), "key_!", "0")
    for name in names:
        path = f"/api/keys/{name}"
        asked = (
            ("GET", path, b""),
            ("PATCH", path, {"name": "x"}),
            ("DELETE", path, b""),
            ("POST", f"{path}/roll", b""),
        )
        for method, where, body in asked:
            error = (await manager.send(method, where, body, expect=404))["error"]
            assert (error["code"], error["param"]) == ("not_found", "key_id")
    listed = {key["key_id"] for key in (await manager.get("/api/keys"))["data"]}
    assert listed == {show_key(manager.key.key_id)}
    await stranger.get("/api/balance")


async def test_only_who_manages_keys_sees_or_touches_them(shop: Shop) -> None:
    customer = await shop.customer(scopes=DEFAULT_SCOPES)
    path = f"/api/keys/{show_key(customer.key.key_id)}"
    for method, where in (
        ("GET", "/api/keys"),
        ("GET", path),
        ("POST", "/api/keys"),
        ("PATCH", path),
        ("POST", f"{path}/roll"),
        ("DELETE", path),
    ):
        error = (await customer.send(method, where, {"name": "x"}, expect=403))["error"]
        assert (error["code"], error["required_scope"]) == ("insufficient_scope", "keys.manage")


async def test_a_cursor_of_another_list_is_refused(manager: Customer) -> None:
    await manager.call()
    for wrong in ("x", "AAAA", "____________________8A"):
        error = (await manager.get("/api/keys", cursor=wrong, expect=400))["error"]
        assert error["param"] == "cursor"
    postings = await manager.get("/api/receipts", limit="1")
    error = (await manager.get("/api/keys", cursor=postings["next_cursor"], expect=400))["error"]
    assert error["param"] == "cursor"
    with pytest.raises(Problem):
        place_of(Cursor(UUID("ffffffff-ffff-ffff-0000-000000000001")))


async def test_acts_at_the_same_moment_are_judged_one_after_the_other(shop: Shop) -> None:
    """Two managing keys narrow each other while both make keys: whoever is second is judged by what is left of it."""
    first = await shop.customer(scopes=MANAGER)
    second = await shop.key_of(first, scopes=MANAGER)
    both = (first, second)

    async def narrow(actor: Customer, target: Customer) -> int:
        async with shop.client(headers=actor.headers) as client:
            path = f"/api/keys/{show_key(target.key.key_id)}"
            return (await client.patch(path, json={"scopes": ["keys.manage"]})).status_code

    statuses = await asyncio.gather(*(narrow(a, b) for a in both for b in both if a is not b))
    # The second one to come lacks what the first still has, or may touch its equal: never both at once.
    assert sorted(statuses) == [200, 403]
    scopes = [(await first.get(f"/api/keys/{show_key(one.key.key_id)}"))["scopes"] for one in both]
    assert sorted(map(len, scopes)) == [1, 3]


async def test_openapi_shows_examples_of_errors_and_the_fields_of_bodies(shop: Shop) -> None:
    async with shop.client() as client:
        document = (await client.get("/api/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    made = document["paths"]["/api/keys"]["post"]
    schema = made["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["properties"]) == {
        "name", "labels", "scopes", "models", "ip_allow", "expires_at", "limits", "policy",
    }  # fmt: skip
    assert (schema["additionalProperties"], schema["required"]) == (False, ["name"])
    examples = made["responses"]["403"]["content"]["application/json"]["examples"]
    codes = {example["value"]["error"]["code"] for example in examples.values()}
    of_keys = {"insufficient_scope", "exceeds_own_key", "address_not_allowed"}
    of_members = {"role_not_allowed", "second_factor_required", "step_up_required", "cross_site_request"}
    assert codes == of_keys | of_members
    for path, item in document["paths"].items():
        if path.startswith("/api/keys"):
            for operation in item.values():
                assert {"400", "401", "403", "404", "503"} <= set(operation["responses"])
