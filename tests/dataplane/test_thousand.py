"""A thousand clients at once on one workspace, two workers: exactly as many calls succeed as money or limits allow.

The upstream reports exactly the tokens that were held for, so that a settled call gives nothing back: what is allowed
is a number, whatever the order.
"""

import asyncio
from typing import Any

import pytest

from farebox.base.money import format_usd
from farebox_sandbox.process import RunningSandbox, start_sandbox
from tests.database import TestCluster
from tests.dataplane.outcomes import see
from tests.gateway import Customer, RunningGateway, serve_gateway

CLIENTS = 1_000
ALLOWED = 37


async def held_nanos(gateway: RunningGateway) -> int:
    """What a call of this file holds."""
    customer = await gateway.new_customer()
    seen = await see(chat(customer, 0))
    return (await customer.receipt(seen.call_id)).call.held_nanos


def chat(customer: Customer, number: int) -> Any:
    # 17 bytes of prompt, 4 of role, 64 and 16 tokens of overhead: the ceiling of the input.
    ceiling = {"prompt_tokens": 101, "completion_tokens": 10, "total_tokens": 111}
    faults = {"usage": ceiling, "delay_seconds": 0.02}
    return customer.chat(max_tokens=10, stream=number % 3 == 0, worker=number % 2, sandbox=faults)


@pytest.fixture(scope="module")
def other_sandbox() -> Any:
    """In a process of its own: a thousand calls are work for two cores."""
    with start_sandbox() as running:
        yield running


@pytest.mark.parametrize(
    ("bound", "refusal"),
    [
        ("money", (402, "insufficient_balance")),
        ("requests", (429, "quota_exhausted")),
        ("dollars", (402, "budget_exhausted")),
    ],
)
async def test_exactly_as_many_calls_succeed_as_are_allowed(
    cluster: TestCluster, other_sandbox: RunningSandbox, bound: str, refusal: tuple[int, str]
) -> None:
    async with serve_gateway(cluster, sandbox=other_sandbox, workers=2) as gateway:
        one_nanos = await held_nanos(gateway)
        money_nanos = one_nanos * ALLOWED + one_nanos // 2
        customer = await gateway.new_customer(balance_usd=format_usd(money_nanos) if bound == "money" else "10")
        await customer.set_limit(requests=ALLOWED if bound == "requests" else 5_000)
        limit_usd = format_usd(money_nanos) if bound == "dollars" else "9"
        await customer.set_limit(usd=limit_usd, key=customer.key)
        lowest = await customer.balance_nanos()

        async def watch() -> None:
            nonlocal lowest
            while True:
                lowest = min(
                    lowest, *(account.posted_nanos - account.held_nanos for account in await customer.accounts())
                )
                await asyncio.sleep(0.01)

        watching = asyncio.create_task(watch())
        everybody = await asyncio.gather(*(see(chat(customer, number)) for number in range(CLIENTS)))
        watching.cancel()
        await gateway.idle()

        served = [seen for seen in everybody if seen.status == 200]
        assert len(served) == ALLOWED and all(not seen.error for seen in served)
        refusals = {(seen.status, seen.error["code"]) for seen in everybody if seen.status != 200}
        # While calls run, the money that they hold is worth waiting for.
        assert refusals - {(402, "balance_held")} <= {refusal} and len(refusals) >= 1
        assert bound == "money" or refusals == {refusal}
        assert lowest >= 0
        before = money_nanos if bound == "money" else 10 * 10**9
        assert await customer.balance_nanos() == before - ALLOWED * one_nanos
        assert await customer.held_nanos() == 0
        for use in (await customer.limit_use(), await customer.limit_use(customer.key)):
            assert (use.used_requests, use.held_requests) == (ALLOWED, 0)
            assert (use.used_nanos, use.held_nanos) == (ALLOWED * one_nanos, 0)
        assert len(await customer.call_ids()) == ALLOWED
        again = await see(chat(customer, 0))
        assert (again.status, again.error["code"]) == refusal
