"""A customer with every scope asks for everything that there is, well and badly: nothing of pools, lanes and keys of
providers is in any status line, header or body."""

import asyncio
import re
from typing import Any, Final

import pytest

from farebox.identity.store import show_key, show_workspace
from tests.gateway import Customer
from tests.leaks.fort import MARKER, METRICS_TOKEN, TOKEN, Fort
from tests.leaks.looking import Sight, every_call, look, make, name_of, text_body

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
NO_ID: Final = "key_zzzzzzzzzzzzz"
BODIES: Final[tuple[Any, ...]] = (None, b"{}", b'{"model":', b"\xff\xfe", {"model": "no such"}, b"7" * 300_000)
_CHAT = text_body("/v1/chat/completions", "openai_chat")
# What is refused or explained for another reason each.
ASKED: Final[tuple[tuple[str, str, Any], ...]] = (
    ("POST", "/v1/chat/completions", _CHAT | {"provider": {"only": ["nobody"]}}),
    ("POST", "/v1/chat/completions", _CHAT | {"provider": {"regions": ["cn"]}}),
    ("POST", "/v1/chat/completions", _CHAT | {"provider": {"max_price": {"prompt": 0}}}),
    ("POST", "/v1/chat/completions", _CHAT | {"provider": {"slot": "x"}}),
    ("POST", "/v1/chat/completions", _CHAT | {"max_cost": "0.0000001"}),
    ("POST", "/v1/chat/completions", _CHAT | {"model": "bare"}),
    ("POST", "/v1/chat/completions", _CHAT | {"service_tier": "priority"}),
    ("POST", "/v1/chat/completions", _CHAT | {"max_tokens": 10**9}),
    ("POST", "/v1/messages/count_tokens", text_body("/v1/messages", "anthropic_messages")),
    ("POST", "/v1/messages/count_tokens", text_body("/v1/messages", "openai_chat")),
    ("GET", "/api/route/explain?model=openai_chat", None),
    ("GET", "/api/route/explain?model=narrow", None),
    ("GET", "/api/route/explain?model=bare", None),
    ("GET", "/api/route/explain?model=film&provider=%7B%22only%22:%5B%22nobody%22%5D%7D", None),
    ("POST", "/api/estimate", _CHAT),
    ("POST", "/api/estimate", _CHAT | {"model": "narrow"}),
    ("POST", "/api/estimate", {"model": "film", "prompt": "a", "seconds": "4"}),
    ("GET", "/v1/models", None),
    ("GET", "/v1/models?client_version=1", None),
    ("GET", "/v1/models/narrow", None),
    ("GET", "/v1/videos", None),
    ("GET", "/api/usage?format=csv", None),
    ("GET", "/api/usage?format=jsonl", None),
    ("GET", "/api/usage?slot=x", None),
    ("GET", "/api/routes?model=narrow", None),
)


async def _paths(customer: Customer) -> list[str]:
    """Every address of the API's own description and of the data plane, with ids where they want some."""
    document = await customer.get("/api/openapi.json")
    names = {
        "call_id": (await customer.call_ids() or ["call_0"])[0],
        "key_id": show_key(customer.key.record.key_id),
        "workspace_id": show_workspace(customer.workspace_id),
    }
    # Of what belongs to people an id that is nobody's.
    described = [
        re.sub(r"{(\w+)}", lambda found: names.get(found[1], "x_0000000000001"), path) for path in document["paths"]
    ]
    plain = [
        "/",
        "/healthz",
        "/readyz",
        "/metrics",
        "/api/openapi.json",
        "/api",
        "/v1",
        "/v1/models",
        "/v1/models/film",
    ]
    served = [*{call.path: None for call in every_call()}, "/v1/messages/count_tokens", "/v1/videos/video_0/content"]
    hidden = ["/api/pools", "/api/providers", "/api/operator/pools", "/sandbox/accounts", f"/v1/models/{MARKER}x"]
    # What a customer has sent itself may come back.
    return [path for path in (*described, *plain, *served, *hidden) if MARKER not in path]


async def test_no_address_shows_anything(fort: Fort, customer: Customer) -> None:
    await make(customer, every_call()[0])
    paths = await _paths(customer)
    assert len(paths) > 40 and "/api/route/explain" in paths and "/api/operator/routes" in paths
    for path in paths:
        asked = [(method, body) for method in METHODS for body in (BODIES if method in ("POST", "PUT") else (None,))]
        # From this machine alone the operator's numbers are open: a customer is behind a proxy.
        proxied = {"x-forwarded-for": "203.0.113.9"}
        sights = await asyncio.gather(
            *(look(customer, method, path, body=body, headers=proxied) for method, body in asked)
        )
        for (method, body), sight in zip(asked, sights, strict=True):
            assert not sight.hidden, (method, path, body, sight.text)
            assert sight.status != 500, (method, path, body, sight.text)


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: f"{asked[1]}")
async def test_no_answer_and_no_refusal_shows_anything(
    fort: Fort, customer: Customer, asked: tuple[str, str, Any]
) -> None:
    method, path, body = asked
    for each in (customer, fort.favoured):
        sight = await look(each, method, path, body=body)
        assert not sight.hidden, sight.text
        assert sight.status != 500, sight.text


@pytest.mark.parametrize("call", every_call(), ids=name_of)
async def test_who_has_a_lane_and_a_pool_is_told_nothing_of_them_either(fort: Fort, call: Any) -> None:
    sight = await make(fort.favoured, call)
    assert sight.status == 200 and not sight.hidden, sight.text
    receipt = await look(fort.favoured, "GET", f"/api/usage/{sight.headers['x-request-id']}")
    assert receipt.status == 200 and not receipt.hidden, receipt.text


async def test_a_slot_that_is_reserved_for_another_is_no_capacity_and_nothing_more(
    fort: Fort, customer: Customer
) -> None:
    body = text_body("/v1/chat/completions", "narrow")
    refused = await look(customer, "POST", "/v1/chat/completions", body=body)
    assert (refused.status, refused.error["code"]) == (503, "capacity_exhausted")
    assert refused.headers["retry-after"] == "1" and not refused.hidden, refused.text
    served = await look(fort.favoured, "POST", "/v1/chat/completions", body=body)
    assert served.status == 200 and not served.hidden, served.text


async def test_a_lane_that_is_full_tells_its_own_workspace_no_number(fort: Fort) -> None:
    await fort.gateway.set_faults("narrow-up", {"first_byte_delay_seconds": 2.0})
    body = text_body("/v1/chat/completions", "narrow")
    sights = await asyncio.gather(*(look(fort.favoured, "POST", "/v1/chat/completions", body=body) for _ in range(3)))
    assert sorted(sight.status for sight in sights) == [200, 503, 503]
    assert not any(sight.hidden for sight in sights)
    full = [sight for sight in sights if sight.status == 503]
    assert {sight.error["code"] for sight in full} == {"capacity_exhausted"}


async def test_a_provider_that_is_too_late_is_not_named_by_its_key(fort: Fort, customer: Customer) -> None:
    await fort.gateway.set_faults("hasty-up", {"first_byte_delay_seconds": 2.0})
    for stream in (False, True):
        body = text_body("/v1/chat/completions", "hasty", stream=stream)
        sight = await look(customer, "POST", "/v1/chat/completions", body=body)
        assert "upstream_timeout" in sight.text and not sight.hidden, sight.text


async def test_all_keys_of_a_provider_may_rest_and_nobody_learns_how_many(fort: Fort, customer: Customer) -> None:
    await fort.gateway.set_faults("hasty-up", {"status": 401})
    body = text_body("/v1/chat/completions", "hasty")
    first = await look(customer, "POST", "/v1/chat/completions", body=body)
    second = await look(customer, "POST", "/v1/chat/completions", body=body)
    assert (first.status, second.status) == (502, 503)
    more = [
        await look(customer, "GET", path)
        for path in ("/readyz", "/api/setup", "/v1/models", "/api/routes", "/api/route/explain?model=hasty")
    ]
    assert not any(sight.hidden for sight in (first, second, *more))
    assert '"provider_resting"' in more[-1].text


async def test_numbers_of_the_operator_want_its_token_and_name_no_key(fort: Fort, customer: Customer) -> None:
    await make(customer, every_call()[0])
    behind_a_proxy = {"x-forwarded-for": "203.0.113.9"}
    tokens = (customer.key.secret, TOKEN, METRICS_TOKEN[:-1], METRICS_TOKEN + "x", METRICS_TOKEN.upper(), "", "é")
    for token in tokens:
        sight = await look(customer, "GET", "/metrics", headers=behind_a_proxy | {"authorization": f"Bearer {token}"})
        assert sight.status == 404 and not sight.hidden, (token, sight.text)
    sight = await look(
        customer, "GET", "/metrics", headers=behind_a_proxy | {"authorization": f"Bearer {METRICS_TOKEN}"}
    )
    assert sight.status == 200 and "farebox_" in sight.text
    # The operator has other ways to look at keys; these numbers often go to a service of somebody else's.
    assert not sight.hidden, sight.text


async def test_limits_of_one_workspace_say_nothing_of_anothers_traffic(fort: Fort, customer: Customer) -> None:
    """What the headers of a quiet customer say does not change while another one is busy."""
    await customer.set_limit(requests=50)

    async def told() -> dict[str, str]:
        sight = await make(customer, every_call()[0])
        assert sight.status == 200
        changing = ("date", "x-request-id", "request-id", "x-farebox-call-id", "x-farebox-balance-after-usd")
        return {name.lower(): value for name, value in sight.headers.items() if name.lower() not in changing}

    before = await told()
    busy: list[Sight] = list(await asyncio.gather(*(make(fort.favoured, every_call()[0]) for _ in range(10))))
    assert all(sight.status == 200 for sight in busy)
    assert await told() == before
