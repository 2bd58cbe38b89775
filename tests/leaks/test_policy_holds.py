"""A call reaches no provider that the policy of its workspace or key forbids, whatever it says and however it says it.

The policy allows `second` alone, which is the worse route of every model and fails in half of the attempts: whatever
widened the policy would send the call to the better one.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Final

import pytest

from farebox.identity.store import show_key, show_workspace
from tests.gateway import Customer
from tests.leaks.fort import TOKEN, Fort
from tests.leaks.looking import PICTURE, Call, Sight, every_call, look, make, name_of, text_body
from tests.workloads.forms import CONTENT_TYPE, File, form

ONLY_SECOND: Final = {"only": ["second"]}
MODEL: Final = "openai_chat"
FORBIDDEN: Final = f"{MODEL}-up"
# In the addresses of what is asked about a film that was ordered.
VIDEO_ID: Final = "/video_"
_OTHER: Final = '{"only":["openai_chat"]}'

# Fields as they stand in the JSON of a request, beside the ordinary ones.
FIELDS: Final = (
    f'"provider":{_OTHER}',
    f'"provider":{{}},"provider":{_OTHER}',
    f'"provider":{_OTHER},"provider":{{}}',
    f'"prov\\u0069der":{_OTHER}',
    f'"\\u0070\\u0072\\u006f\\u0076\\u0069\\u0064\\u0065\\u0072":{_OTHER}',
    f'"Provider":{_OTHER}',
    f'"PROVIDER":{_OTHER}',
    f'"provider ":{_OTHER}',
    f'"provider\\u0000":{_OTHER}',
    f'"proｖider":{_OTHER}',
    f'"extra_body":{{"provider":{_OTHER}}}',
    '"metadata":{"provider":"openai_chat"}',
    f'"provider":{{"provider":{_OTHER}}}',
    '"provider":null',
    '"provider":[]',
    '"provider":"openai_chat"',
    '"provider":{}',
    '"provider":{"only":[]}',
    '"provider":{"only":null,"ignore":null,"regions":null}',
    '"provider":{"only":["openai_chat"],"only":["second"]}',
    '"provider":{"only":["second"],"only":["openai_chat"]}',
    '"provider":{"onl\\u0079":["openai_chat"]}',
    '"provider":{"only":["second","openai_chat"]}',
    '"provider":{"order":["openai_chat","second"]}',
    '"provider":{"order":["openai_chat"],"allow_fallbacks":false}',
    '"provider":{"order":["openai_chat"],"only":["openai_chat","second"]}',
    '"provider":{"ignore":["second"]}',
    '"provider":{"ignore":[]}',
    '"provider":{"regions":["global","us","sg","cn"]}',
    '"provider":{"data_collection":"allow","zdr":false,"allow_fallbacks":true,"require_parameters":false}',
    '"provider":{"sort":"price"}',
    '"provider":{"sort":{"by":"price"}}',
    '"provider":{"max_price":{"prompt":1e999}}',
    '"provider":{"max_price":{"prompt":-1}}',
    '"provider":{"max_price":{"prompt":NaN}}',
    '"provider":{"max_price":{"prompt":"Infinity"}}',
    '"provider":{"max_price":{"prompt":0}}',
    '"provider":{"max_price":{"prompt":10000}}',
    '"provider":{"max_price":null}',
    '"provider":{"retention":"any"}',
    '"provider":{"models":["openai_chat"]}',
    '"provider":{"only":[' + ",".join(['"openai_chat"'] * 5_000) + "]}",
    '"provider":' + '{"only":' * 20_000,
    '"models":["openai_chat"],"route":"fallback"',
    '"route":"openai_chat/openai_chat"',
    '"policy":{"only":["openai_chat"]}',
    '"routing":{"only":["openai_chat"]}',
    '"workspace_id":"ws_0","key_id":"key_0"',
    '"session_id":"shared"',
    '"session_id":"\\u0000"',
    '"session_id":7',
    '"max_cost":1e999',
    '"max_cost":NaN',
    '"max_cost":-1',
    '"max_cost":null',
)
_NAME: Final = "x-farebox-provider"
# What the body says beside a header.
_BESIDE: Final[tuple[Mapping[str, Any], ...]] = ({}, {"provider": {}}, {"provider": {"order": ["openai_chat"]}})
HEADERS: Final[tuple[tuple[tuple[str, str], ...], ...]] = (
    ((_NAME, _OTHER),),
    (("X-FAREBOX-PROVIDER", _OTHER),),
    ((_NAME, "{}"), (_NAME, _OTHER)),
    ((_NAME, _OTHER), (_NAME, "{}")),
    ((_NAME, '{"only":["second"]}'), (_NAME, _OTHER)),
    ((_NAME, '{"order":["openai_chat"]}'),),
    ((_NAME, ""),),
    ((_NAME, "null"),),
    ((_NAME, "openai_chat"),),
    ((_NAME, "é\xff"),),
    ((_NAME, '{"only":["' + "x" * 20_000 + '"]}'),),
    (("x_farebox_provider", _OTHER),),
    (("x-farebox-policy", _OTHER),),
    (("x-session-id", "shared"),),
    (("x-session-id", "\xff" * 300),),
    (("x-farebox-max-cost-usd", "1e999"),),
    (("x-farebox-max-cost-usd", "NaN"),),
)


@pytest.fixture
async def bound(fort: Fort, customer: Customer) -> Customer:
    """A customer whose policy allows `second` alone."""
    await set_policy(customer, ONLY_SECOND)
    return customer


async def set_policy(customer: Customer, policy: Mapping[str, Any]) -> None:
    """What the operator does."""
    path = f"/api/operator/workspaces/{show_workspace(customer.workspace_id)}/policy"
    sight = await look(customer, "PUT", path, body=policy, headers={"authorization": f"Bearer {TOKEN}"})
    assert sight.status == 200, sight.text


async def asked(fort: Fort, upstream: str = FORBIDDEN) -> int:
    """How many calls and orders a route got: the forbidden one, or another."""
    calls = await fort.gateway.upstream_calls(upstream)
    return sum(VIDEO_ID not in call["path"] for call in calls)


async def _both(fort: Fort, attempt: Any) -> list[Sight]:
    """The attempt while the allowed route is well and while it fails."""
    sights = [await attempt()]
    await fort.gateway.set_faults(f"{MODEL}-second", {"status": 500})
    sights.append(await attempt())
    await fort.gateway.set_faults(f"{MODEL}-second", {})
    fort.gateway.parts.health.forget()
    return sights


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/responses", "/v1/messages"])
async def test_no_field_widens_a_policy(fort: Fort, bound: Customer, path: str) -> None:
    plain = json.dumps(text_body(path, MODEL))[1:-1]
    served = 0
    for field in FIELDS:
        for body in (f"{{{plain},{field}}}", f"{{{field},{plain}}}"):
            sights = await _both(fort, lambda body=body: look(bound, "POST", path, body=body.encode()))
            assert await asked(fort) == 0, field[:200]
            assert {sight.status for sight in sights} <= {200, 400, 403, 413, 502}, (field[:200], sights[0].text)
            assert not any(sight.status == 200 for sight in sights[1:]), field[:200]
            served += sights[0].status == 200
    assert served > 10  # or nothing was tried


async def test_no_header_widens_a_policy(fort: Fort, bound: Customer) -> None:
    body = json.dumps(text_body("/v1/chat/completions", MODEL)).encode()
    served = 0
    for pairs in HEADERS:
        for more in _BESIDE:
            raw = json.dumps({**json.loads(body), **more}).encode()
            sights = await _both(fort, lambda raw=raw, pairs=pairs: _with_pairs(bound, raw, pairs))
            assert await asked(fort) == 0, pairs
            assert {sight.status for sight in sights} <= {200, 400, 403, 502}, (pairs, sights[0].text)
            served += sights[0].status == 200
    assert served > 10


async def _with_pairs(customer: Customer, body: bytes, pairs: tuple[tuple[str, str], ...]) -> Sight:
    """By hand, because clients mend headers."""
    address = customer.gateway.url.removeprefix("http://")
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = ["POST /v1/chat/completions HTTP/1.1", f"host: {address}", f"content-length: {len(body)}"]
    lines += [f"authorization: Bearer {customer.key.secret}", "connection: close"]
    lines += [f"{name}: {value}" for name, value in pairs]
    writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    head, _, content = answer.partition(b"\r\n\r\n")
    return Sight(int(head.split()[1]), {}, content, answer.decode("latin-1"))


async def test_a_folded_header_is_no_second_way_to_say_it(fort: Fort, bound: Customer) -> None:
    body = json.dumps(text_body("/v1/chat/completions", MODEL)).encode()
    for value in ("{}\r\n " + _OTHER, '{"only":["second"]}\r\n\t' + _OTHER, "\r\n " + _OTHER):
        sight = await _with_pairs(bound, body, ((_NAME, value),))
        assert sight.status in (200, 400, 403) and await asked(fort) == 0, sight.text


@pytest.mark.parametrize("call", every_call(), ids=name_of)
async def test_every_address_heeds_the_policy(fort: Fort, bound: Customer, call: Call) -> None:
    """Of the key's workspace and of the request, as a field and as a header; also when the allowed route fails."""
    wishes = {"order": [call.model if call.model.startswith(("openai", "anth", "gem")) else "openai_chat"]}
    for attempt in range(3):
        if attempt == 2:
            await fort.gateway.set_faults(f"{call.model}-second", {"status": 500})
        headers = {**call.headers, _NAME: json.dumps(wishes)} if attempt else call.headers
        more = {"provider": wishes} if attempt else {}
        sight = await make(bound, call._replace(headers=headers), **more)
        assert sight.status == (502 if attempt == 2 else 200) or "upstream_exception" in sight.text, sight.text
        assert await asked(fort, f"{call.model}-up") == 0
        assert await asked(fort, f"{call.model}-second") == attempt + 1
    forbidding = {**call.headers, _NAME: '{"only":["openai_chat","openai_responses","anthropic_messages","gemini"]}'}
    sight = await make(bound, call._replace(headers=forbidding))
    assert (sight.status, sight.error["code"]) == (403, "policy_no_route")


@pytest.mark.parametrize("name", ["provider", "Provider", "provider[only]", "provider[only][]", "max_cost"])
@pytest.mark.parametrize("path", ["/v1/images/edits", "/v1/audio/transcriptions", "/v1/videos"])
async def test_a_form_that_says_it_in_a_field_is_refused(fort: Fort, bound: Customer, path: str, name: str) -> None:
    model = {"/v1/images/edits": "draw", "/v1/audio/transcriptions": "hear", "/v1/videos": "film"}[path]
    fields = [("model", model), ("prompt", "a"), (name, _OTHER)]
    picture = [File("image", PICTURE, "image/png")] if model == "draw" else []
    sound = [File("file", b"RIFF0000WAVE", "audio/wav")] if model == "hear" else []
    sight = await look(bound, "POST", path, body=form(*fields, *picture, *sound), headers=CONTENT_TYPE)
    assert (sight.status, sight.error["code"]) == (400, "invalid_request"), sight.text
    assert await asked(fort, f"{model}-up") + await asked(fort, f"{model}-second") == 0


async def test_a_prompt_is_not_even_counted_where_it_may_not_go(fort: Fort, bound: Customer) -> None:
    body = text_body("/v1/messages", "anthropic_messages")
    counted = await look(bound, "POST", "/v1/messages/count_tokens", body=body)
    assert counted.status == 200 and counted.headers["x-farebox-estimated"] == "true"
    for more in ({"provider": {"order": ["anthropic_messages"]}}, {"provider": {"only": ["anthropic_messages"]}}):
        sight = await look(bound, "POST", "/v1/messages/count_tokens", body=body | more)
        assert sight.status in (200, 403)
    assert await asked(fort, "anthropic_messages-up") == 0


async def test_a_film_is_not_made_anew_by_another_address(fort: Fort, bound: Customer) -> None:
    ordered = await make(bound, next(call for call in every_call() if call.path == "/v1/videos"))
    video_id = json.loads(ordered.body)["id"]
    for path in (f"/v1/videos/{video_id}/remix", "/v1/videos/edits", "/v1/videos/extensions", "/v1/videos/characters"):
        for _ in range(2):
            sight = await look(bound, "POST", path, body={"model": "film", "prompt": "b", "video": {"id": video_id}})
            assert sight.status in (404, 405), sight.text
    await look(bound, "DELETE", f"/v1/videos/{video_id}")
    assert await asked(fort, "film-up") == 0 and await asked(fort, "film-second") == 1


# ── time, memory, others ──────────────────────────────────────────────────────────────────────────────────────────


async def _converse(customer: Customer, session: str = "shared") -> Sight:
    return await look(
        customer, "POST", "/v1/chat/completions", body=text_body("/v1/chat/completions", MODEL, session_id=session)
    )


async def test_a_conversation_does_not_stay_where_a_new_policy_forbids_it(fort: Fort, customer: Customer) -> None:
    for _ in range(3):
        assert (await _converse(customer)).status == 200
    assert await asked(fort) == 3
    await set_policy(customer, ONLY_SECOND)
    deadline = asyncio.get_running_loop().time() + 5.0
    while not await asked(fort, f"{MODEL}-second"):
        assert asyncio.get_running_loop().time() < deadline
        assert (await _converse(customer)).status == 200
    before = await asked(fort)
    await asyncio.gather(*(_converse(customer) for _ in range(20)))
    assert await asked(fort) == before
    await fort.gateway.restart()
    await _converse(customer)
    assert await asked(fort) == before


async def test_a_conversation_of_another_workspace_is_none_of_mine(fort: Fort, bound: Customer) -> None:
    other = await fort.gateway.new_customer()
    for _ in range(3):
        assert (await _converse(other)).status == 200
    before = await asked(fort)
    assert before == 3
    for _ in range(5):
        assert (await _converse(bound)).status == 200
    assert await asked(fort) == before


async def test_what_is_remembered_for_one_policy_is_not_another_ones(fort: Fort, bound: Customer) -> None:
    """Same model, same preference, same wishes: only the policy differs."""
    free = await fort.gateway.new_customer()
    wishes: tuple[Any, ...] = (
        {},
        {"sort": "price"},
        {"order": ["openai_chat"]},
        {"max_price": {"prompt": 5}},
        {"ignore": ["gemini"]},
    )
    for wish in wishes:
        for _ in range(3):
            for customer in (free, bound):
                await look(
                    customer,
                    "POST",
                    "/v1/chat/completions",
                    body=text_body("/v1/chat/completions", MODEL, provider=wish),
                )
    assert await asked(fort) == 3 * len(wishes) and await asked(fort, f"{MODEL}-second") == 3 * len(wishes)


async def test_a_key_that_manages_keys_never_goes_beyond_its_workspace(fort: Fort, bound: Customer) -> None:
    own = f"/api/keys/{show_key(bound.key.record.key_id)}/policy"
    wide: tuple[Any, ...] = (
        {"only": ["openai_chat"]},
        {"only": ["openai_chat", "second"]},
        {"order": ["openai_chat"]},
        {},
    )
    for policy in wide:
        sight = await look(bound, "PUT", own, body=policy)
        assert sight.status == 200, sight.text
        allowed = set(json.loads(sight.body)["effective"]["only"])
        assert allowed <= {"second"}
        for _ in range(3):
            assert (await _converse(bound)).status in (200, 403)
    assert await asked(fort) == 0


async def test_keys_and_workspaces_of_others_are_not_there(fort: Fort, bound: Customer) -> None:
    other = await fort.gateway.new_customer()
    theirs, mine = show_key(other.key.record.key_id), show_key(bound.key.record.key_id)
    whose = (theirs, theirs.upper(), f"{theirs}%20", f"{mine}/../{theirs}", "key_0", "key_00000000000000", "0", "%00")
    for key_id in whose:
        for what in ("policy", "limits"):
            sight = await look(bound, "PUT", f"/api/keys/{key_id}/{what}", body={"day": {"requests": 0}})
            assert sight.status in (404, 405), (key_id, sight.text)
    few = bound.with_key(await bound.new_key(scopes=frozenset({"chat.completions", "usage.read", "models.read"})))
    for what in ("policy", "limits"):
        sight = await look(few, "PUT", f"/api/keys/{mine}/{what}", body={})
        assert (sight.status, sight.error["code"]) == (403, "insufficient_scope")
    assert json.loads((await look(other, "GET", "/api/policy")).body)["effective"]["only"] is None
    assert json.loads((await look(other, "GET", "/api/limits")).body)["data"] == []


async def test_a_stored_policy_that_nobody_can_read_allows_nothing(fort: Fort) -> None:
    for number, rule in enumerate(
        ('{"planets":[]}', '{"policy":{"only_providers":7}}', '{"policy":{"regions":["mars"]}}')
    ):
        other = await fort.gateway.new_customer(name=f"unreadable {number}")
        async with fort.gateway.connect() as connection:
            await connection.execute("INSERT INTO routing_rule VALUES (%s, 0, %s, 0)", [other.workspace_id, rule])
        sight = await _converse(other)
        assert (sight.status, sight.error["code"]) == (500, "internal_error"), sight.text
        assert "planets" not in sight.text
    assert await asked(fort) + await asked(fort, f"{MODEL}-second") == 0
