"""What a call may cost at most: `max_cost` before its hold, the hold while it is tried, one charge under one name."""

import asyncio
from typing import Any

import pytest

from tests.dataplane.outcomes import Seen, see
from tests.gateway import Customer
from tests.matrix.conftest import Market

BOTH = pytest.mark.parametrize("stream", [False, True])
HEADER = "x-farebox-max-cost-usd"


async def hold_of(customer: Customer, provider: str) -> int:
    """What a call by that route alone is held for."""
    seen = await see(customer.chat(model="trio", provider={"only": [provider]}))
    hold = await customer.hold(seen.call_id)
    assert hold is not None
    return hold.amount_nanos


def usd(nanos: int) -> str:
    return f"{nanos // 10**9}.{nanos % 10**9:09}"


async def rows_of(market: Market, customer: Customer) -> tuple[int, int]:
    """Holds and claims."""
    counts = []
    for table in ("ledger_hold", "ledger_claim"):
        [(count,)] = await market.gateway.rows(
            f"SELECT count(*) FROM {table} WHERE workspace_id = %s", customer.workspace_id
        )
        counts.append(count)
    return counts[0], counts[1]


@BOTH
@pytest.mark.parametrize("form", ["field", "text", "header"])
async def test_a_call_that_could_cost_more_is_refused_before_anything_is_held(
    market: Market, customer: Customer, form: str, stream: bool
) -> None:
    cheapest = await hold_of(customer, "cheap")
    before = await rows_of(market, customer)
    headers = {"idempotency-key": "k"}
    fields: dict[str, Any] = {}
    if form == "header":
        headers[HEADER] = usd(cheapest - 1)
    else:
        fields["max_cost"] = usd(cheapest - 1) if form == "text" else (cheapest - 1) / 10**9
    seen = await see(customer.chat(model="trio", stream=stream, headers=headers, **fields))
    assert (seen.status, seen.error["code"]) == (400, "max_cost_exceeded")
    assert seen.error["excluded"] == {"cost_above_maximum": 3}
    assert await rows_of(market, customer) == before
    assert await market.asked("trio") == {"dear": 0, "middle": 0, "cheap": 1}
    # The name was not used up.
    assert (await see(customer.chat(model="trio", stream=stream, headers={"idempotency-key": "k"}))).status == 200


@BOTH
async def test_cheaper_routes_are_used_where_they_fit_and_the_hold_is_theirs(
    market: Market, customer: Customer, stream: bool
) -> None:
    most = {name: await hold_of(customer, name) for name in ("dear", "middle", "cheap")}
    expected = {"dear": ["=dear"], "middle": ["=middle"], "cheap": ["=cheap"]}
    for name, nanos in most.items():
        receipt = await market.receipt(customer, "trio", stream=stream, max_cost=usd(nanos))
        assert [f"={each.provider}" for each in receipt.attempts] == expected[name]
        assert receipt.call.held_nanos == nanos and receipt.call.charge_nanos <= nanos
    # Both are heeded.
    narrow = {HEADER: usd(most["cheap"])}
    assert await market.path(customer, "trio", max_cost=usd(most["dear"]), headers=narrow) == ["=cheap"]
    wide = {HEADER: usd(most["dear"])}
    assert await market.path(customer, "trio", max_cost=usd(most["cheap"]), headers=wide) == ["=cheap"]


@BOTH
async def test_a_fallback_never_goes_to_a_route_above_the_maximum(
    market: Market, customer: Customer, stream: bool
) -> None:
    most = await hold_of(customer, "middle")
    for provider in ("middle", "cheap"):
        await market.fault("trio", provider, status=500)
    receipt = await market.receipt(customer, "trio", stream=stream, max_cost=usd(most))
    assert [each.provider for each in receipt.attempts] == ["middle", "cheap"]
    assert receipt.routing is not None and receipt.routing.excluded_by_reason == {"cost_above_maximum": 1}
    assert (await market.asked("trio"))["dear"] == 0


@BOTH
async def test_attempts_that_may_have_cost_as_much_as_the_hold_are_the_last(
    market: Market, customer: Customer, stream: bool
) -> None:
    for provider in ("dear", "middle", "cheap"):
        await market.fault("loss", provider, drop_before_headers=True)
    receipt = await market.receipt(customer, "loss", stream=stream, max_tokens=1)
    assert [each.provider for each in receipt.attempts] == ["dear"]
    assert receipt.operator.cost_nanos >= receipt.call.held_nanos > 0 == receipt.call.charge_nanos
    assert await market.asked("loss") == {"dear": 1, "middle": 0, "cheap": 0}


@BOTH
async def test_attempts_that_cost_nothing_go_on(market: Market, customer: Customer, stream: bool) -> None:
    for provider in ("dear", "middle"):
        await market.fault("loss", provider, status=500)
    path = await market.path(customer, "loss", stream=stream, max_tokens=1)
    assert path == ["dear", "middle", "=cheap"]


async def keyed(customer: Customer, stream: bool = False, **fields: Any) -> Seen:
    return await see(customer.chat(model="trio", stream=stream, headers={"idempotency-key": "one"}, **fields))


@BOTH
async def test_a_request_under_one_name_is_charged_once_over_all_fallbacks(
    market: Market, customer: Customer, stream: bool
) -> None:
    await market.fault("trio", "dear", status=500)
    await market.fault("trio", "middle", drop_before_headers=True, delay_seconds=0.2)
    all_seen = await asyncio.gather(*(keyed(customer, stream) for _ in range(12)))
    served = [seen for seen in all_seen if seen.status == 200]
    others = {(seen.status, seen.error["code"]) for seen in all_seen if seen.status != 200}
    assert len(served) == 1 and others == {(409, "idempotency_running")}
    receipt = await customer.receipt(served[0].call_id)
    assert [each.provider for each in receipt.attempts] == ["dear", "middle", "cheap"]
    again = await keyed(customer, stream)
    assert (again.status, again.error["code"], again.error["call_id"]) == (
        409,
        "idempotency_finished",
        served[0].call_id,
    )
    assert await customer.balance_nanos() == 10 * 10**9 - receipt.call.charge_nanos
    assert await market.asked("trio") == {"dear": 1, "middle": 1, "cheap": 1}


@BOTH
async def test_a_name_is_free_again_when_every_route_failed(market: Market, customer: Customer, stream: bool) -> None:
    for provider in ("dear", "middle", "cheap"):
        await market.fault("trio", provider, drop_before_headers=True, times=1)
    failed, served = await keyed(customer, stream), await keyed(customer, stream)
    assert (failed.status, served.status) == (502, 200)
    charge_nanos = (await customer.receipt(served.call_id)).call.charge_nanos
    assert await customer.balance_nanos() == 10 * 10**9 - charge_nanos
