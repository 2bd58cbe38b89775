"""Money is the same on every surface: prices, refusals, headers, idempotency; no end before the charge is stored."""

import asyncio
from typing import Any

import pytest

from tests.gateway import Customer, RunningGateway
from tests.surfaces.drivers import DRIVERS, Driver, told
from tests.surfaces.shop import UPSTREAMS

PATHS = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
LIMIT = {"chat": "max_completion_tokens", "responses": "max_output_tokens", "messages": "max_tokens"}
END = {"chat": b"data: [DONE]\n\n", "responses": b"response.completed", "messages": b"message_stop"}
SURFACE = pytest.mark.parametrize("surface", PATHS)
MODEL = pytest.mark.parametrize("model", UPSTREAMS)


def body_of(surface: str, model: str, text: str, **fields: Any) -> dict[str, Any]:
    turn = [{"role": "user", "content": text}]
    own: dict[str, Any] = {"input": turn} if surface == "responses" else {"messages": turn}
    return {"model": model, LIMIT[surface]: 2_000, **own, **fields}


async def charged(customer: Customer) -> tuple[int, dict[str, Any]]:
    """What the customer's last call cost, and what it was charged for."""
    call_id = (await customer.call_ids())[-1]
    receipt = await customer.receipt(call_id)
    usage = receipt.call.usage
    assert usage is not None and receipt.call.charge_nanos == receipt.priced_nanos
    return receipt.call.charge_nanos, {name: getattr(usage, name) for name in usage.__struct_fields__}


@MODEL
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    "said",
    ["Reply exactly: Grüße 🌍", told(words=40, cached_tokens=7) + "go on"],
    ids=["plain", "cached"],
)
async def test_the_same_conversation_costs_the_same_on_every_surface(
    gateway: RunningGateway, model: str, stream: bool, said: str
) -> None:
    seen = []
    for kind in DRIVERS:
        customer = await gateway.new_customer()
        async with kind(customer) as driver:
            await driver.say(model, said, stream=stream)
        seen.append(await charged(customer))
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][0] > 0


@MODEL
async def test_thinking_is_charged_once_on_every_surface(gateway: RunningGateway, model: str) -> None:
    for kind in DRIVERS:
        customer = await gateway.new_customer()
        async with kind(customer) as driver:
            await driver.say(model, "Reply exactly: hi", thinking=True)
        charge_nanos, usage = await charged(customer)
        output = usage["output_tokens"] + usage["reasoning_tokens"]
        # `hi` is one token; the rest was thought, and both cost the same here.
        assert output > 1 and charge_nanos == usage["input_tokens"] * 1_000 + output * 5_000, (kind.name, usage)


@SURFACE
@MODEL
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_an_empty_balance_is_402_in_the_surfaces_form(
    gateway: RunningGateway, surface: str, model: str, stream: bool
) -> None:
    customer = await gateway.new_customer(balance_usd="0.001")
    async with customer.post(PATHS[surface], body_of(surface, model, "hello", stream=stream)) as response:
        document = await response.json()
        assert response.status == 402
        assert response.headers["x-should-retry"] == "false"
        assert response.headers["x-farebox-recommended-action"] == "create_deposit"
        assert response.headers["x-farebox-balance-after-usd"] == "0.001"
        assert response.headers["x-request-id"] == response.headers["request-id"]
    error = document["error"]
    assert error["code"] == "insufficient_balance" and error["type"] == "billing_error"
    assert error["available_usd"] == "0.001" and float(error["required_usd"]) > 0.001
    assert error["required_usd"] in error["message"] and "Top up" in error["message"]
    assert (document.get("type") == "error") is (surface == "messages")
    assert await customer.call_ids() == []


async def test_codex_gets_402_like_everybody_else(gateway: RunningGateway) -> None:
    """It tries six times over seven seconds and then shows our words; a 400 would show raw JSON at once."""
    customer = await gateway.new_customer(balance_usd="0.001")
    headers = {"originator": "codex_cli_rs", "accept": "text/event-stream"}
    body = body_of("responses", "openai_responses", "hello", stream=True)
    async with customer.post("/v1/responses", body, headers=headers) as response:
        assert response.status == 402


@SURFACE
@pytest.mark.parametrize("limit", [0, -1, "many", 1.5])
async def test_a_senseless_output_limit_has_its_own_code_everywhere(
    customer: Customer, surface: str, limit: object
) -> None:
    body = body_of(surface, "openai_chat", "hello")
    body[LIMIT[surface]] = limit
    async with customer.post(PATHS[surface], body) as response:
        assert response.status == 400
        assert (await response.json())["error"]["code"] == "invalid_max_tokens"


@SURFACE
async def test_an_output_limit_above_the_models_is_refused_before_anything_is_held(
    customer: Customer, surface: str
) -> None:
    body = body_of(surface, "gemini", "hello")
    body[LIMIT[surface]] = 8_193
    async with customer.post(PATHS[surface], body) as response:
        assert response.status == 400
        assert (await response.json())["error"]["code"] == "request_limit_exceeded"
    assert await customer.call_ids() == []


@SURFACE
@MODEL
async def test_a_named_request_is_charged_once(customer: Customer, surface: str, model: str) -> None:
    body = body_of(surface, model, "Reply exactly: once")
    headers = {"idempotency-key": "the-one"}

    async def send() -> int:
        async with customer.post(PATHS[surface], body, headers=headers) as response:
            await response.read()
            return int(response.status)

    statuses = sorted(await asyncio.gather(*(send() for _ in range(5))))
    assert statuses == [200, 409, 409, 409, 409]
    assert len(await customer.call_ids()) == 1


@SURFACE
@MODEL
async def test_the_end_of_a_stream_comes_after_its_charge_is_stored(
    customer: Customer, surface: str, model: str
) -> None:
    body = body_of(surface, model, "Reply exactly: a b c", stream=True)
    async with customer.post(PATHS[surface], body) as response:
        assert response.status == 200
        assert float(response.headers["x-farebox-held-usd"]) > 0
        seen = b""
        async for chunk in response.content.iter_any():
            seen += chunk
            if END[surface] in seen:
                break
        # Not waited for: it must be there now.
        usage = await customer.get(f"/api/usage/{response.headers['x-request-id']}")
    assert usage["call"]["status"] == "settled" and usage["charge_nanos"] > 0


@SURFACE
@MODEL
async def test_monitor_headers_tell_the_cost_on_every_surface(customer: Customer, surface: str, model: str) -> None:
    async with customer.post(PATHS[surface], body_of(surface, model, "Reply exactly: hi")) as response:
        assert response.status == 200, await response.text()
        cost, after = response.headers["x-farebox-cost-usd"], response.headers["x-farebox-balance-after-usd"]
        assert response.headers["x-farebox-call-id"] == response.headers["request-id"]
    charge_nanos, _ = await charged(customer)
    assert round(float(cost) * 10**9) == charge_nanos
    assert after == await customer.balance()


@SURFACE
async def test_a_key_without_the_surfaces_scope_is_told_which_one_it_needs(
    gateway: RunningGateway, customer: Customer, surface: str
) -> None:
    reader = customer.with_key(await customer.new_key(scopes=frozenset({"usage.read"})))
    async with reader.post(PATHS[surface], body_of(surface, "gemini", "hello")) as response:
        assert response.status == 403
        error = (await response.json())["error"]
    assert error["code"] == "insufficient_scope"
    assert {"chat": "chat.completions", "responses": "responses", "messages": "messages"}[surface] in error["message"]


async def test_a_client_that_leaves_a_translated_stream_pays_for_what_was_made(
    gateway: RunningGateway,
) -> None:
    for kind in DRIVERS:
        customer = await gateway.new_customer()
        body = body_of(kind.name, "gemini", told(words=60, chunk_delay_seconds=0.01) + "go on", stream=True)
        async with customer.post(PATHS[kind.name], body) as response:
            await response.content.readany()
        await gateway.idle()
        charge_nanos, usage = await charged(customer)
        assert usage["output_tokens"] == 60 and charge_nanos > 0, kind.name


def test_every_surface_has_a_driver() -> None:
    assert {kind.name for kind in DRIVERS} == set(PATHS)
    assert all(issubclass(kind, Driver) for kind in DRIVERS)
