"""A route that fails again and again is left alone, tried again by one call, and never hidden where it is the last."""

import asyncio

import pytest

from farebox.routing.health import MAX_OPEN_SECONDS, OPEN_SECONDS
from tests.dataplane.outcomes import see
from tests.gateway import Customer
from tests.matrix.conftest import Market

# An open breaker's time is spread by a quarter to either side.
SURELY_DUE_SECONDS = OPEN_SECONDS * 1.3
SURELY_DUE_AGAIN_SECONDS = 2 * SURELY_DUE_SECONDS


async def trip(market: Market, customer: Customer, model: str = "pair", provider: str = "dear") -> None:
    """Three calls at once that meet a fault: three in a row."""
    await market.fault(model, provider, status=500)
    await asyncio.gather(*(market.path(customer, model) for _ in range(3)))
    assert market.gateway.parts.health.seen(f"{provider}/{model}").broken


@pytest.mark.parametrize("stream", [False, True])
async def test_after_three_faults_the_next_call_goes_to_the_other_route_at_once(
    market: Market, customer: Customer, stream: bool
) -> None:
    await market.fault("pair", "dear", status=500)
    paths = await asyncio.gather(*(market.path(customer, "pair", stream=stream) for _ in range(3)))
    assert paths == [["dear", "=middle"]] * 3
    assert [await market.path(customer, "pair", stream=stream) for _ in range(3)] == [["=middle"]] * 3
    assert await market.asked("pair") == {"dear": 3, "middle": 6}


async def test_one_call_alone_finds_out_whether_a_route_is_back(market: Market, customer: Customer) -> None:
    await trip(market, customer)
    # It is back, and slow, so that the others come while the probe is under way.
    await market.fault("pair", "dear", delay_seconds=0.5)
    market.pass_seconds(SURELY_DUE_SECONDS)
    paths = await asyncio.gather(*(market.path(customer, "pair") for _ in range(6)))
    assert sorted(paths) == [["=dear"], *[["=middle"]] * 5]
    # It answered, so now all may go there at once.
    assert await asyncio.gather(*(market.path(customer, "pair") for _ in range(4))) == [["=dear"]] * 4


async def test_a_probe_that_fails_costs_its_caller_nothing_but_time_and_the_next_one_comes_later(
    market: Market, customer: Customer
) -> None:
    await trip(market, customer)
    market.pass_seconds(SURELY_DUE_SECONDS)
    assert await market.path(customer, "pair") == ["dear", "=middle"]
    assert await market.path(customer, "pair") == ["=middle"]
    # The first time again would not be enough: it is twice as long now.
    market.pass_seconds(OPEN_SECONDS * 1.2)
    assert await market.path(customer, "pair") == ["=middle"]
    await market.fault("pair", "dear")
    market.pass_seconds(SURELY_DUE_AGAIN_SECONDS)
    assert [await market.path(customer, "pair") for _ in range(2)] == [["=dear"]] * 2


async def test_a_probe_whose_request_is_rejected_says_nothing_and_the_next_call_probes(
    market: Market, customer: Customer
) -> None:
    await trip(market, customer)
    await market.fault("pair", "dear", status=400, times=1)
    market.pass_seconds(SURELY_DUE_SECONDS)
    assert await market.path(customer, "pair") == ["dear"]
    assert await market.path(customer, "pair") == ["=dear"]


async def test_the_last_route_is_never_hidden(market: Market, customer: Customer) -> None:
    await trip(market, customer, "solo")
    for _ in range(3):
        assert await market.path(customer, "solo") == ["dear"]
    await market.fault("solo", "dear")
    assert await market.path(customer, "solo") == ["=dear"]


async def test_where_all_routes_are_broken_all_are_tried(market: Market, customer: Customer) -> None:
    for provider in ("dear", "middle"):
        await market.fault("pair", provider, status=500)
    await asyncio.gather(*(market.path(customer, "pair") for _ in range(3)))
    explained = await customer.get("/api/route/explain?model=pair")
    assert (explained["remaining"], explained["excluded"]) == (2, [])
    assert sorted(await market.path(customer, "pair")) == ["dear", "middle"]
    await market.fault("pair", "middle")
    assert (await market.path(customer, "pair"))[-1] == "=middle"


async def test_a_policy_that_leaves_only_the_broken_route_still_gets_it(market: Market, customer: Customer) -> None:
    await trip(market, customer)
    await market.fault("pair", "dear")
    assert await market.path(customer, "pair", provider={"only": ["dear"]}) == ["=dear"]


async def test_rejections_and_rate_limits_never_open_a_breaker(market: Market, customer: Customer) -> None:
    for status in (400, 404, 413, 422):
        await market.fault("solo", "dear", status=status)
        for _ in range(4):
            assert (await see(customer.chat(model="solo"))).status == status
    await market.fault("solo", "dear", status=429, retry_after_seconds=1)
    for _ in range(4):
        await market.path(customer, "solo")
        market.pass_seconds(2)
    seen = market.gateway.parts.health.seen("dear/solo")
    assert (seen.broken, seen.fault_permille) == (False, 0)


async def test_a_key_that_is_refused_is_no_fault_of_the_route(market: Market, customer: Customer) -> None:
    for status in (401, 402, 403):
        await market.fault("pair", "dear", status=status)
        assert await market.path(customer, "pair") == ["dear", "=middle"]
        market.pass_seconds(MAX_OPEN_SECONDS + 1)
    await market.fault("pair", "dear")
    assert await market.path(customer, "pair") == ["=dear"]
