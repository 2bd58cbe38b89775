"""The request limits of a deployment: Tokeo's 4096 output tokens and 120,000 characters, refused before any hold."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from farebox.wiring.settings import load_settings
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.dataplane.outcomes import Seen, see
from tests.gateway import Customer, RunningGateway, serve_gateway

TOKEO = Path(__file__).parents[2] / "deployments" / "tokeo" / "farebox.toml"


@pytest.fixture(scope="module")
async def tokeo(cluster: TestCluster, sandbox: RunningSandbox) -> AsyncIterator[RunningGateway]:
    settings = load_settings(TOKEO, {})
    catalog = settings.catalog_path.read_text()
    sections: dict[str, Any] = {"brand": settings.brand, "limits": settings.limits}
    async with serve_gateway(cluster, sandbox=sandbox, catalog=catalog, **sections) as running:
        yield running


async def ask(customer: Customer, message: str = "Reply exactly: OK", **fields: Any) -> Seen:
    return await see(customer.chat(message, **{"model": "claude-haiku-4-5", **fields}))


async def test_the_quickstart_of_the_page_works(tokeo: RunningGateway) -> None:
    customer = await tokeo.new_customer()
    assert customer.key.secret.startswith("tokeo_")
    seen = await ask(customer, max_tokens=64)
    assert seen.status == 200 and seen.document["choices"][0]["message"]["content"] == "OK"
    monitor = ("cost-usd", "balance-after-usd", "low-balance", "recommended-action")
    assert all(f"x-tokeo-{name}" in seen.headers for name in monitor)


@pytest.mark.parametrize(
    ("fields", "code", "limit"),
    [
        ({"max_tokens": 4_097}, "request_limit_exceeded", 4_096),
        ({"max_completion_tokens": 4_097}, "request_limit_exceeded", 4_096),
        ({"max_tokens": 1, "max_completion_tokens": 4_097}, "request_limit_exceeded", 4_096),
        ({"message": "x" * 119_997}, "request_limit_exceeded", 120_000),
        ({"message": "é" * 119_997}, "request_limit_exceeded", 120_000),
        ({"tools": [{"type": "function", "function": {"name": "x" * 120_000}}]}, "request_limit_exceeded", 120_000),
        ({"n": 9}, "request_limit_exceeded", 8),
        ({"max_tokens": 0}, "invalid_max_tokens", None),
        ({"max_tokens": -1}, "invalid_max_tokens", None),
        ({"max_tokens": 1.5}, "invalid_max_tokens", None),
        ({"max_tokens": "64"}, "invalid_max_tokens", None),
        ({"max_completion_tokens": True}, "invalid_max_tokens", None),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_an_oversized_request_is_refused_before_any_hold_and_any_upstream_call(
    tokeo: RunningGateway, fields: dict[str, Any], code: str, limit: int | None, stream: bool
) -> None:
    customer = await tokeo.new_customer()
    before = len(await tokeo.upstream_calls("claude-haiku-4-5"))
    seen = await ask(customer, stream=stream, **fields)
    assert (seen.status, seen.error["code"]) == (400, code)
    assert seen.error.get("request_limit") == limit
    assert seen.headers["x-should-retry"] == "false"
    assert await customer.call_ids() == [] and await customer.balance() == "10.00"
    assert len(await tokeo.upstream_calls("claude-haiku-4-5")) == before


async def test_requests_at_the_limit_are_served(tokeo: RunningGateway) -> None:
    customer = await tokeo.new_customer()
    assert (await ask(customer, max_tokens=4_096)).status == 200
    assert (await ask(customer, "x" * (120_000 - len("user")), max_tokens=1)).status == 200


async def test_without_a_wish_of_the_client_the_limit_is_held_and_sent(tokeo: RunningGateway) -> None:
    customer = await tokeo.new_customer()
    silent, loud = await ask(customer), await ask(customer, max_tokens=4_096)
    calls = await tokeo.upstream_calls("claude-haiku-4-5")
    assert [call["max_tokens"] for call in calls[-2:]] == [4_096, 4_096]
    held = [(await customer.receipt(seen.call_id)).call.held_nanos for seen in (silent, loud)]
    assert held[0] == held[1]


async def test_low_balance_tells_the_reservation_and_the_monitor_headers(tokeo: RunningGateway) -> None:
    customer = await tokeo.new_customer(balance_usd="0.001")
    seen = await ask(customer)
    assert (seen.status, seen.error["code"]) == (402, "insufficient_balance")
    assert float(seen.error["required_usd"]) > 0.02
    assert seen.headers["x-tokeo-balance-after-usd"] == "0.001"
    assert seen.headers["x-tokeo-low-balance"] == "true"
    assert seen.headers["x-tokeo-recommended-action"] == "create_deposit"


async def test_a_provider_that_is_switched_off_is_503(tokeo: RunningGateway) -> None:
    seen = await ask(await tokeo.new_customer(), model="gpt-4.1")
    assert (seen.status, seen.error["code"]) == (503, "provider_not_configured")
    assert seen.headers["x-should-retry"] == "false"
