"""What Anthropic's own clients depend on: versions, betas, errors in the provider's words, counted tokens."""

import asyncio
from typing import Any

import msgspec
import pytest

from farebox.identity.model import RateLimit
from farebox.identity.rates import write_rate
from tests.gateway import Customer
from tests.surfaces.drivers import told
from tests.surfaces.shop import UPSTREAMS

ASK = {"role": "user", "content": "hello"}
FOREIGN = [name for name in UPSTREAMS if name != "anthropic_messages"]
VERSIONS = ("2023-06-01", "2026-10-21")


def body(model: str, text: str = "hello", **fields: Any) -> dict[str, Any]:
    return {"model": model, "max_tokens": 3_000, "messages": [{"role": "user", "content": text}], **fields}


async def send(customer: Customer, request: dict[str, Any], path: str = "/v1/messages", **headers: str) -> Any:
    async with customer.post(path, request, headers=headers) as response:
        return response.status, {k.lower(): v for k, v in response.headers.items()}, await response.json()


@pytest.mark.parametrize("version", VERSIONS)
async def test_version_and_betas_reach_the_provider_byte_for_byte(customer: Customer, version: str) -> None:
    betas = "context-management-2025-06-27, interleaved-thinking-2025-05-14,weird_one"
    request = body("anthropic_messages", told(echo=True))
    headers = {"anthropic-version": version, "anthropic-beta": betas}
    status, _, answer = await send(customer, request, "/v1/messages?beta=true", **headers)
    assert status == 200, answer
    envelope = msgspec.json.decode(answer["content"][0]["text"])["envelope"]
    assert envelope["headers"]["anthropic-version"] == version
    assert envelope["headers"]["anthropic-beta"] == betas


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("model", FOREIGN)
async def test_what_the_newer_version_refuses_is_refused_in_translation_too(
    customer: Customer, model: str, version: str
) -> None:
    status, _, answer = await send(customer, body(model, temperature=0.5), **{"anthropic-version": version})
    assert status == (200 if version == VERSIONS[0] else 400), answer
    if status == 400:
        assert answer["error"]["param"] == "temperature" and version in answer["error"]["message"]


@pytest.mark.parametrize("model", FOREIGN)
async def test_an_unknown_version_is_refused_with_the_known_ones(customer: Customer, model: str) -> None:
    status, _, answer = await send(customer, body(model), **{"anthropic-version": "2031-01-01"})
    assert status == 400
    assert all(version in answer["error"]["message"] for version in VERSIONS)


async def test_errors_of_anthropic_pass_unwrapped(customer: Customer) -> None:
    """Claude Code recovers by the provider's own words, so not one of them may be changed."""
    text = told(status=400, error_message="prompt is too long: 212345 tokens > 200000 maximum") + "hello"
    status, headers, answer = await send(customer, body("anthropic_messages", text))
    assert status == 400
    assert answer == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "prompt is too long: 212345 tokens > 200000 maximum"},
        "request_id": "req_sandbox",
    }
    assert headers["x-should-retry"] == "false" and headers["x-farebox-cost-usd"] == "0.00"


async def test_tokens_are_counted_by_the_provider_that_speaks_messages(customer: Customer) -> None:
    status, headers, answer = await send(
        customer, {"model": "anthropic_messages", "messages": [ASK]}, "/v1/messages/count_tokens"
    )
    assert status == 200 and answer["input_tokens"] > 0
    assert "x-farebox-estimated" not in headers
    async with customer.post("/v1/messages", body("anthropic_messages")) as response:
        usage = (await response.json())["usage"]
    assert usage["input_tokens"] == answer["input_tokens"]


@pytest.mark.parametrize("model", FOREIGN)
async def test_tokens_are_estimated_elsewhere_and_said_to_be(customer: Customer, model: str) -> None:
    request = {"model": model, "messages": [{"role": "user", "content": "x" * 400}]}
    status, headers, answer = await send(customer, request, "/v1/messages/count_tokens")
    assert (status, answer) == (200, {"input_tokens": 100})
    assert headers["x-farebox-estimated"] == "true"


async def test_counting_costs_nothing(customer: Customer) -> None:
    await send(customer, {"model": "anthropic_messages", "messages": [ASK]}, "/v1/messages/count_tokens")
    assert await customer.balance() == "10.00" and await customer.call_ids() == []


async def test_who_is_at_a_rate_limit_gets_an_estimate_and_no_provider_is_asked(customer: Customer) -> None:
    async with customer.gateway.connect() as connection:
        await write_rate(connection, customer.workspace_id, RateLimit(0, "", requests_per_minute=1))
    request = {"model": "anthropic_messages", "messages": [ASK]}
    async with asyncio.timeout(20):
        while True:  # until the limit is known, and then used up
            status, headers, _ = await send(customer, request, "/v1/messages/count_tokens")
            assert status == 200
            if "x-farebox-estimated" in headers:
                break


@pytest.mark.parametrize("model", UPSTREAMS)
async def test_a_request_like_claude_codes_is_served_by_every_provider(customer: Customer, model: str) -> None:
    await customer.credit("1000")
    marked = {"type": "ephemeral"}
    tools = [
        {"name": f"Tool{number}", "description": "Does it.", "input_schema": {"type": "object", "properties": {}}}
        for number in range(25)
    ]
    request = {
        "model": model,
        "max_tokens": 8_192,
        "stream": True,
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.197; cc_entrypoint=cli"},
            {"type": "text", "text": "You are a coding agent.", "cache_control": marked},
            {"type": "text", "text": "Environment: tests.", "cache_control": marked},
        ],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hello", "cache_control": marked}]},
            {"role": "assistant", "content": "Hi."},
            {"role": "system", "content": "The user opened a file."},
            {"role": "user", "content": [{"type": "text", "text": "Reply exactly: ready"}]},
        ],
        "tools": tools,
        "thinking": {"type": "adaptive"},
        "context_management": {"edits": []},
        "output_config": {"effort": "medium"},
        "metadata": {"user_id": '{"device_id":"d","session_id":"s"}'},
    }
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "context-management-2025-06-27"}
    async with customer.post("/v1/messages?beta=true", request, headers=headers) as response:
        text = await response.text()
        assert response.status == 200, text
    assert text.rstrip().endswith('data: {"type":"message_stop"}')
    assert "ready" in "".join(
        msgspec.json.decode(line[6:])["delta"].get("text", "")
        for line in text.splitlines()
        if line.startswith('data: {"type":"content_block_delta"')
    )
