"""Members manage the keys of their workspace by their session, as far as their role lets them."""

import asyncio
from typing import Any

import msgspec
import pytest

from farebox.identity.model import DEFAULT_SCOPES, SCOPES
from farebox.identity.roles import Role, Verb, may
from farebox.identity.store import show_key
from tests.gateway import PATIENCE_SECONDS, RunningGateway
from tests.people.browser import Answer
from tests.people.clocks import in_one_window
from tests.people.town import Resident, Town

MANAGERS = [role for role in Role if may(role, Verb.KEYS_MANAGE)]
OTHERS = [role for role in Role if not may(role, Verb.KEYS_MANAGE)]


async def house(town: Town, role: Role) -> tuple[Resident, int]:
    """A workspace with money, and a member of that role."""
    somebody = await town.person("Anna")
    workspace_id = await town.workspace("Acme", **{role.value: somebody})
    return somebody, workspace_id


async def made(somebody: Resident, **body: Any) -> Any:
    """A new key by a member."""
    return await somebody.browser.post("/api/keys", {"name": "sales bot", **body}, status=201)


def refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.code


@pytest.mark.parametrize("role", MANAGERS)
async def test_a_member_makes_changes_rolls_and_revokes_a_key(town: Town, role: Role) -> None:
    anna, workspace_id = await house(town, role)
    new = await made(anna, labels={"department": "sales"})
    key_id = new["key"]["key_id"]
    assert new["key"]["created_by"] == anna.shown
    assert set(new["key"]["scopes"]) == DEFAULT_SCOPES
    changed = await anna.browser.patch(f"/api/keys/{key_id}", {"name": "sales bot 2"}, status=200)
    assert (changed["name"], changed["labels"]["department"]) == ("sales bot 2", "sales")
    rolled = await anna.browser.post(f"/api/keys/{key_id}/roll", status=201)
    assert rolled["key"]["created_by"] == anna.shown and rolled["replaces"]["status"] == "rolled"
    revoked = await anna.browser.delete(f"/api/keys/{key_id}", status=200)
    assert revoked["status"] == "revoked"
    assert await town.actions(workspace_id) == ["key.created", "key.changed", "key.rolled", "key.revoked"]


@pytest.mark.parametrize("role", OTHERS)
async def test_who_may_only_look_sees_keys_and_changes_none(town: Town, gateway: RunningGateway, role: Role) -> None:
    owner, ben = await town.person("Anna"), await town.person("Ben")
    workspace_id = await town.workspace("Acme", owner=owner, **{role.value: ben})
    key_id = (await made(owner))["key"]["key_id"]
    [listed] = (await ben.browser.get("/api/keys"))["data"]
    assert listed == await ben.browser.get(f"/api/keys/{key_id}")
    tried = [
        ("POST", "/api/keys", {"name": "mine"}),
        ("PATCH", f"/api/keys/{key_id}", {"name": "mine"}),
        ("POST", f"/api/keys/{key_id}/roll", None),
        ("DELETE", f"/api/keys/{key_id}", None),
        ("PUT", f"/api/keys/{key_id}/limits", {"day": None}),
        ("PUT", f"/api/keys/{key_id}/policy", {}),
    ]
    for method, path, body in tried:
        answer = await ben.browser.request(method, path, body=body)
        assert refusal(answer) == (403, "role_not_allowed"), (method, path)
        assert role in answer.json["error"]["message"] and "scope" not in answer.json["error"]["message"]
    assert await town.actions(workspace_id) == ["key.created"]
    assert (await ben.browser.get(f"/api/keys/{key_id}")) == listed


async def test_a_key_made_by_a_member_pays_for_a_call_at_once(town: Town, gateway: RunningGateway) -> None:
    customer = await gateway.new_customer(balance_usd="1")
    anna = await town.person("Anna")
    await town.join(customer.workspace_id, anna, Role.DEVELOPER)
    secret = (await made(anna))["secret"]
    async with customer.chat(headers={"authorization": f"Bearer {secret}"}) as response:
        assert response.status == 200


async def test_a_key_revoked_by_a_member_pays_for_nothing_within_a_second(town: Town, gateway: RunningGateway) -> None:
    customer = await gateway.new_customer(balance_usd="1")
    anna = await town.person("Anna")
    await town.join(customer.workspace_id, anna, Role.OWNER)
    new = await made(anna)
    headers = {"authorization": f"Bearer {new['secret']}"}
    async with customer.chat(headers=headers) as response:
        assert response.status == 200
    await anna.browser.delete(f"/api/keys/{new['key']['key_id']}", status=200)
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            async with customer.chat(headers=headers) as response:
                if response.status != 200:
                    break
    assert response.status == 401


async def test_a_rolled_key_works_beside_its_successor(town: Town, gateway: RunningGateway) -> None:
    await in_one_window(86_400)
    customer = await gateway.new_customer(balance_usd="1")
    anna = await town.person("Anna")
    await town.join(customer.workspace_id, anna, Role.ADMIN)
    first = await made(anna, limits={"day": {"requests": 2}})
    second = await anna.browser.post(f"/api/keys/{first['key']['key_id']}/roll", {"overlap_seconds": 3_600}, status=201)
    statuses = []
    for secret in (first["secret"], second["secret"], first["secret"]):
        async with customer.chat(headers={"authorization": f"Bearer {secret}"}) as response:
            statuses.append(response.status)
    # Both use the one limit of two requests.
    assert statuses == [200, 200, 429]


async def test_a_member_is_bound_by_no_reach_of_their_own(town: Town) -> None:
    anna, _ = await house(town, Role.DEVELOPER)
    new = await made(
        anna,
        scopes=list(SCOPES),
        models=["plain"],
        ip_allow=["192.0.2.0/24"],
        expires_at="2099-01-01T00:00:00Z",
        limits={"month": {"usd": "5.00"}},
        policy={"regions": ["sg"]},
    )
    key = new["key"]
    assert (key["scopes"], key["models"], key["ip_allow"]) == (list(SCOPES), ["plain"], ["192.0.2.0/24"])
    wider = {"models": None, "ip_allow": None, "expires_at": None}
    changed = await anna.browser.patch(f"/api/keys/{key['key_id']}", wider)
    assert (changed["models"], changed["ip_allow"], changed["expires_at"]) == (None, None, None)
    policy = {"regions": ["eu", "sg"]}
    shown = (await anna.browser.request("PUT", f"/api/keys/{key['key_id']}/policy", body=policy)).json
    assert shown["key"]["regions"] == ["eu", "sg"]
    limits = await anna.browser.request("PUT", f"/api/keys/{key['key_id']}/limits", body={"month": None})
    assert (limits.status, limits.json["data"]) == (200, [])


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"name": ""}, "name"),
        ({"name": "x", "models": ["no-such-model"]}, "models"),
        ({"name": "x", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": ["everything"]}, "scopes"),
        ({"name": "x", "ip_allow": ["nowhere"]}, "ip_allow"),
    ],
)
async def test_a_member_is_told_what_no_key_can_be(town: Town, body: dict[str, Any], param: str) -> None:
    anna, workspace_id = await house(town, Role.OWNER)
    answer = await anna.browser.request("POST", "/api/keys", body=body)
    assert (*refusal(answer), answer.json["error"]["param"]) == (400, "invalid_request", param)
    assert await town.actions(workspace_id) == []


async def test_keys_of_a_foreign_workspace_are_there_for_nobody_else(town: Town) -> None:
    anna, _ = await house(town, Role.OWNER)
    eve, _ = await house(town, Role.OWNER)
    key_id = (await made(anna))["key"]["key_id"]
    nowhere = show_key(7)
    for method, end, body in [
        ("GET", "", None),
        ("PATCH", "", {"name": "mine"}),
        ("DELETE", "", None),
        ("POST", "/roll", {}),
        ("PUT", "/limits", {"day": {"requests": 1}}),
        ("PUT", "/policy", {"zdr": True}),
    ]:
        found = await eve.browser.request(method, f"/api/keys/{key_id}{end}", body=body)
        nobodys = await eve.browser.request(method, f"/api/keys/{nowhere}{end}", body=body)
        assert refusal(found) == (404, "not_found")
        told = [{**one.json["error"], "request_id": ""} for one in (found, nobodys)]
        assert told[0] == told[1]
    assert (await eve.browser.get("/api/keys"))["data"] == []
    assert (await anna.browser.get(f"/api/keys/{key_id}"))["status"] == "active"


async def test_a_member_of_several_workspaces_says_which_is_meant(town: Town) -> None:
    anna, first = await house(town, Role.OWNER)
    second = await town.workspace("Other", viewer=anna)
    answer = await anna.browser.request("POST", "/api/keys", body={"name": "x"})
    assert refusal(answer) == (400, "workspace_required")
    assert (await anna.in_workspace(first, "POST", "/api/keys", {"name": "x"})).status == 201
    assert refusal(await anna.in_workspace(second, "POST", "/api/keys", {"name": "x"})) == (403, "role_not_allowed")
    assert (await anna.in_workspace(second, "GET", "/api/keys")).json["data"] == []


async def test_an_old_sign_in_looks_but_changes_nothing(town: Town) -> None:
    anna, _ = await house(town, Role.OWNER)
    key_id = (await made(anna))["key"]["key_id"]
    await town.grow_stale(anna)
    assert (await anna.browser.get(f"/api/keys/{key_id}"))["status"] == "active"
    assert refusal(await anna.browser.request("DELETE", f"/api/keys/{key_id}")) == (403, "step_up_required")


async def test_a_page_of_another_site_makes_no_key(town: Town) -> None:
    anna, workspace_id = await house(town, Role.OWNER)
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example", "sec-fetch-site": None}):
        answer = await anna.browser.request("POST", "/api/keys", body={"name": "x"}, headers=dict(headers))
        assert refusal(answer) == (403, "cross_site_request")
    assert await town.actions(workspace_id) == []


async def test_somebody_who_is_no_member_any_more_manages_nothing(town: Town) -> None:
    _, workspace_id = await house(town, Role.OWNER)
    ben = await town.person("Ben")
    await town.join(workspace_id, ben, Role.DEVELOPER)
    assert (await ben.in_workspace(workspace_id, "POST", "/api/keys", {"name": "x"})).status == 201
    await town.run("DELETE FROM member WHERE person_id = %s", ben.person_id)
    assert refusal(await ben.in_workspace(workspace_id, "POST", "/api/keys", {"name": "x"})) == (404, "not_found")


async def test_every_act_stands_in_the_record_whoever_does_it(town: Town, gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    anna = await town.person("Anna")
    await town.join(customer.workspace_id, anna, Role.OWNER)
    new = await made(anna, limits={"day": {"requests": 5}})
    key_id = new["key"]["key_id"]
    await anna.browser.request("PUT", f"/api/keys/{key_id}/limits", body={"day": {"requests": 7}})
    await anna.browser.request("PUT", f"/api/keys/{key_id}/policy", body={"zdr": True})
    async with customer.post("/api/keys", {"name": "child"}) as response:
        child = (await response.json())["key"]["key_id"]
    for _ in range(2):  # The second changes nothing.
        url = f"{gateway.url}/api/keys/{child}"
        async with gateway.session.delete(url, headers=customer.headers) as response:
            assert response.status == 200
    found = await gateway.rows(
        "SELECT actor, action, subject FROM audit_event WHERE workspace_id = %s ORDER BY event_id",
        customer.workspace_id,
    )
    own = show_key(customer.key.record.key_id)
    assert found == [
        (anna.shown, "key.created", key_id),
        (anna.shown, "workspace.limits", key_id),
        (anna.shown, "workspace.policy", key_id),
        (own, "key.created", child),
        (own, "key.revoked", child),
    ]
    details = await gateway.rows("SELECT detail::text FROM audit_event WHERE subject = %s", key_id)
    assert not any(new["secret"] in text for (text,) in details)


async def test_a_refused_change_leaves_no_record(town: Town) -> None:
    anna, workspace_id = await house(town, Role.OWNER)
    key_id = (await made(anna))["key"]["key_id"]
    for method, path, body in [
        ("PATCH", f"/api/keys/{key_id}", {"models": ["no-such-model"]}),
        ("PUT", f"/api/keys/{key_id}/limits", {"century": {"requests": 1}}),
        ("PUT", f"/api/keys/{key_id}/policy", {"regions": 7}),
        ("POST", f"/api/keys/{key_id}/roll", {"overlap_seconds": -1}),
    ]:
        assert refusal(await anna.browser.request(method, path, body=body)) == (400, "invalid_request")
    assert await town.actions(workspace_id) == ["key.created"]


async def test_the_table_begins_with_what_one_looks_for(town: Town) -> None:
    anna, ben = await town.person("Anna"), await town.person("Ben")
    await town.workspace("Acme", viewer=anna, developer=ben)
    await made(ben)
    raw = (await anna.browser.request("GET", "/api/keys")).body
    [key] = msgspec.json.decode(raw)["data"]
    assert [name for name in key if name != "key_id"][:5] == ["name", "prefix", "scopes", "status", "created_at"]
    assert {"last_used_at", "created_by"} <= set(key)
