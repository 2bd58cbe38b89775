"""Rate limits through the whole gateway: two workers, real HTTP, limits changed while it serves."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from farebox.identity.model import RateLimit
from farebox.identity.rates import write_rate
from tests.database import TestCluster
from tests.gateway import Customer, RunningGateway, serve_gateway

# Beyond what a test sends in a minute, so that no window ends in the middle of one.
_MANY = 1_000_000


@pytest.fixture
async def gateway(cluster: TestCluster) -> AsyncIterator[RunningGateway]:
    async with serve_gateway(cluster, workers=2) as running:
        yield running


async def _limit(customer: Customer, limit: RateLimit) -> None:
    async with customer.gateway.connect() as connection:
        await write_rate(connection, customer.workspace_id, limit)


async def _status(customer: Customer, worker: int, **fields: Any) -> int:
    async with customer.chat(worker=worker, **fields) as response:
        await response.read()
        status: int = response.status
        return status


async def _until(customer: Customer, header: str, value: str | None) -> None:
    """Until every worker says so on its answers."""
    async with asyncio.timeout(5):
        for worker in (0, 1):
            while True:
                async with customer.chat(worker=worker) as response:
                    if response.headers.get(header) == value:
                        break
                await asyncio.sleep(0.02)


async def test_a_limit_is_heard_of_told_changed_and_lifted_without_a_restart(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    assert await _status(customer, 0) == 200
    for most in (_MANY, 2 * _MANY):
        await _limit(customer, RateLimit(0, "", most, most, most))
        await _until(customer, "x-ratelimit-limit-requests", str(most))
    async with customer.chat(stream=True) as response:
        await response.read()
        told = {name: value for name, value in response.headers.items() if name.startswith("x-ratelimit")}
    assert set(told) == {
        f"x-ratelimit-{what}-{unit}" for what in ("limit", "remaining", "reset") for unit in ("requests", "tokens")
    } | {"x-ratelimit-limit-concurrent", "x-ratelimit-remaining-concurrent"}
    await _limit(customer, RateLimit(0, ""))
    await _until(customer, "x-ratelimit-limit-requests", None)


async def test_calls_under_way_are_counted_over_both_workers_and_the_refusal_says_so(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    await _limit(customer, RateLimit(0, "", concurrent_calls=3))
    await _until(customer, "x-ratelimit-limit-concurrent", "3")
    answers = Counter(
        await asyncio.gather(*(_status(customer, n % 2, sandbox={"delay_seconds": 2}) for n in range(10)))
    )
    assert answers == {200: 3, 429: 7}
    # All slots came back.
    async with asyncio.timeout(5):
        while await _status(customer, 1) != 200:
            await asyncio.sleep(0.02)


async def test_the_refusal_has_the_code_the_facts_and_the_headers_of_its_surface(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    await _limit(customer, RateLimit(0, "plain", tokens_per_minute=1))
    body = {"model": "plain", "max_tokens": 10, "messages": [{"role": "user", "content": "more than one token"}]}
    async with asyncio.timeout(5):
        while True:
            async with customer.post("/v1/messages", body, worker=1) as response:
                refusal, headers = await response.json(), response.headers
                if response.status == 429:
                    break
    assert refusal["error"]["type"] == "rate_limit_error"
    assert headers["anthropic-ratelimit-tokens-limit"] == "1"
    assert headers["anthropic-ratelimit-tokens-remaining"] in ("0", "1")
    assert headers["anthropic-ratelimit-tokens-reset"].endswith(":00Z")
    # Waiting does not make the request smaller.
    assert headers["x-should-retry"] == "false"
    assert "retry-after" not in headers
