"""A policy holds wherever it is said and whatever fails: who is not allowed is never asked. The sandbox counts."""

import json
from typing import Any

import pytest

from tests.dataplane.outcomes import see
from tests.gateway import Customer
from tests.matrix.conftest import Realm
from tests.matrix.realm import CHAT, MAX_PRICES, MESSAGES, STREAMED, SURFACES, WISHES, Surface, see_any

HEADER = "x-farebox-provider"


def spoken() -> list[Any]:
    """Each surface, streamed too where it can be."""
    cases: list[tuple[Surface, dict[str, Any]]] = [(surface, {}) for surface in SURFACES]
    cases += [(surface, {"stream": True}) for surface in STREAMED]
    return [pytest.param(surface, more, id=f"{surface.name}{'-stream' * bool(more)}") for surface, more in cases]


def wishes_at(surface: Surface) -> list[dict[str, Any]]:
    most = MAX_PRICES.get(surface.model)
    return WISHES if most is None else [*WISHES, {"max_price": most}]


def said(wish: dict[str, Any], form: str) -> dict[str, Any]:
    """The wish as a field or as a header."""
    return {"provider": wish} if form == "body" else {"headers": {HEADER: json.dumps(wish)}}


@pytest.mark.parametrize(("surface", "more"), spoken())
async def test_without_a_policy_the_first_route_is_asked_and_the_second_after_its_fault(
    realm: Realm, citizen: Customer, surface: Surface, more: dict[str, Any]
) -> None:
    assert (await surface.send(citizen, **more)).status == 200
    assert await realm.asked(surface.model, "loose", "strict") == [1, 0]
    await realm.fault(surface.model, "loose", status=500)
    assert (await surface.send(citizen, **more)).status == 200
    assert await realm.asked(surface.model, "loose", "strict") == [2, 1]


@pytest.mark.parametrize("form", ["body", "header"])
@pytest.mark.parametrize(("surface", "more"), spoken())
async def test_a_fallback_never_leaves_the_policy(
    realm: Realm, citizen: Customer, surface: Surface, more: dict[str, Any], form: str
) -> None:
    asked = 0
    for wish in wishes_at(surface):
        await realm.fault(surface.model, "strict")
        served = await surface.send(citizen, **more, **said(wish, form))
        assert served.status == 200, (wish, served.body)
        await realm.fault(surface.model, "strict", status=503)
        failed = await surface.send(citizen, **more, **said(wish, form))
        assert failed.status == 502, (wish, failed.body)
        asked += 2
        assert await realm.asked(surface.model, "loose", "strict") == [0, asked], wish


@pytest.mark.parametrize("form", ["body", "header"])
@pytest.mark.parametrize(("surface", "more"), spoken())
async def test_where_nothing_is_allowed_nothing_is_asked_and_nothing_held(
    realm: Realm, citizen: Customer, surface: Surface, more: dict[str, Any], form: str
) -> None:
    for wish in ({"only": ["nobody"]}, {"regions": ["cn"]}, {"zdr": True, "ignore": ["strict"]}):
        refused = await surface.send(citizen, **more, **said(wish, form))
        assert refused.status == 403 and b"No route of" in refused.body, (wish, refused.body)
    assert await realm.asked(surface.model, "loose", "strict") == [0, 0]
    assert await citizen.call_ids() == []


@pytest.mark.parametrize(("surface", "more"), spoken())
async def test_body_and_header_narrow_together(
    realm: Realm, citizen: Customer, surface: Surface, more: dict[str, Any]
) -> None:
    header = {HEADER: '{"ignore": ["loose"]}'}
    refused = await surface.send(citizen, **more, provider={"ignore": ["strict"]}, headers=header)
    assert refused.status == 403
    served = await surface.send(citizen, **more, provider={"ignore": [], "regions": ["global"]}, headers=header)
    assert served.status == 200
    assert await realm.asked(surface.model, "loose", "strict") == [0, 1]


@pytest.mark.parametrize(("surface", "more"), spoken())
async def test_a_wish_that_cannot_be_read_is_refused(
    realm: Realm, citizen: Customer, surface: Surface, more: dict[str, Any]
) -> None:
    unread: list[Any] = [[], "strict", {"zdr": "yes"}, {"only": "strict"}, {"nobody_knows": True}]
    for wish in unread:
        for form in ("body", "header"):
            refused = await surface.send(citizen, **more, **said(wish, form))
            assert refused.status == 400, (wish, refused.body)
    assert await realm.asked(surface.model, "loose", "strict") == [0, 0]


@pytest.mark.parametrize("form", ["body", "header"])
@pytest.mark.parametrize("stream", [False, True])
async def test_who_needs_every_parameter_is_never_served_by_a_route_that_drops_one(
    realm: Realm, citizen: Customer, stream: bool, form: str
) -> None:
    fields: dict[str, Any] = {"stream": stream, "frequency_penalty": 0.5}
    for model in ("picky", "easy"):
        await realm.fault(model, "strict")
        wish = said({"require_parameters": True}, form)
        assert (await see(citizen.chat(model=model, **fields, **wish))).status == 200
        await realm.fault(model, "strict", status=500)
        failed = await see(citizen.chat(model=model, **fields, **wish))
        assert (failed.status, failed.error["code"]) == (502, "upstream_exception")
        assert await realm.asked(model, "drops", "strict") == [0, 2]
        # Without the wish it serves, and what was dropped is named.
        served = await see(citizen.chat(model=model, **fields))
        assert (served.status, served.headers["x-farebox-dropped"]) == (200, "frequency_penalty")
        assert (await realm.asked(model, "drops"))[0] == 1


async def test_tokens_are_never_counted_by_a_provider_that_is_not_allowed(realm: Realm, citizen: Customer) -> None:
    path = "/v1/messages/count_tokens"
    body = {name: value for name, value in MESSAGES.body.items() if name != "max_tokens"}
    await realm.fault("talk", "strict", status=500)
    for form in ("body", "header"):
        for wish in WISHES:
            as_said = said(wish, form)
            headers = as_said.pop("headers", None)
            counted = await see_any(citizen, path, {**body, **as_said}, headers=headers)
            assert counted.status == 200 and counted.headers["x-farebox-estimated"] == "true", wish
        refused = await see_any(citizen, path, body, headers={HEADER: '{"only": ["nobody"]}'})
        assert refused.status == 403
    loose, strict = await realm.asked("talk", "loose", "strict")
    assert (loose, strict) == (0, 2 * len(WISHES))
    await realm.set_policy(citizen, {"zdr": True}, of_key=True)
    assert (await see_any(citizen, path, body)).status == 200
    assert await realm.asked("talk", "loose", "strict") == [0, strict + 1]
    await realm.set_policy(citizen, {}, of_key=True)
    assert "x-farebox-estimated" not in (await see_any(citizen, path, body)).headers
    assert await realm.asked("talk", "loose") == [1]


async def ready(customer: Customer) -> dict[str, bool]:
    found = (await customer.get("/v1/models"))["data"]
    return {model["id"]: model["provider_ready"] for model in found if model["id"] in ("talk", "embed", "draw", "film")}


async def test_models_are_not_ready_for_a_key_whose_policy_allows_nothing(realm: Realm, citizen: Customer) -> None:
    other = citizen.with_key(await citizen.new_key())
    all_ready = dict.fromkeys(("talk", "embed", "draw", "film"), True)
    assert await ready(citizen) == all_ready
    await realm.set_policy(citizen, {"regions": ["cn"]}, of_key=True)
    assert await ready(citizen) == dict.fromkeys(all_ready, False)
    [talk] = [model for model in (await citizen.get("/v1/models"))["data"] if model["id"] == "talk"]
    assert talk["reason"] == "The policy does not allow the region where it runs"
    assert await ready(other) == all_ready
    await realm.set_policy(citizen, {"models": ["talk", "draw"]}, of_key=True)
    assert await ready(citizen) == {"talk": True, "embed": False, "draw": True, "film": False}


@pytest.mark.parametrize(("surface", "more"), spoken())
async def test_a_key_only_narrows_its_workspace_and_a_request_only_its_key(
    realm: Realm, citizen: Customer, surface: Surface, more: dict[str, Any]
) -> None:
    await realm.set_policy(citizen, {"regions": ["sg", "cn"]})
    assert (await surface.send(citizen, **more)).status == 200
    await realm.set_policy(citizen, {"regions": ["us", "sg"]}, of_key=True)
    wide: list[dict[str, Any]] = [{}, {"regions": ["us", "sg", "global"]}, {"zdr": False, "data_collection": "allow"}]
    for wish in wide:
        assert (await surface.send(citizen, **more, provider=wish)).status == 200
    assert (await surface.send(citizen, **more, provider={"only": ["loose"]})).status == 403
    await realm.set_policy(citizen, {"regions": ["us"]}, of_key=True)
    assert (await surface.send(citizen, **more)).status == 403
    assert await realm.asked(surface.model, "loose", "strict") == [0, 1 + len(wide)]


@pytest.mark.parametrize("worker", [0, 1])
async def test_a_change_of_policy_reaches_every_worker(realm: Realm, citizen: Customer, worker: int) -> None:
    for policy, status in (({"ignore": ["loose"]}, 200), ({"only": ["nobody"]}, 403), ({"zdr": True}, 200)):
        await realm.set_policy(citizen, policy)
        for surface in (CHAT, MESSAGES):
            assert (await surface.send(citizen, worker=worker)).status == status
    assert await realm.asked("talk", "loose", "strict") == [0, 4]
    await realm.set_policy(citizen, {})
    # Another conversation: the one before stays where it was.
    assert (await CHAT.send(citizen, worker=worker, session_id="new")).status == 200
    assert await realm.asked("talk", "loose") == [1]
