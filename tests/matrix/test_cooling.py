"""Retry-After of a provider is respected: nobody goes there before, and who has nowhere else to go is told how long."""

from typing import Any

import pytest

from farebox.routing.health import MAX_COOL_SECONDS
from tests.dataplane.outcomes import see
from tests.gateway import Customer
from tests.matrix.conftest import Market

BOTH = pytest.mark.parametrize("stream", [False, True])


def limited(seconds: int) -> dict[str, Any]:
    return {"status": 429, "retry_after_seconds": seconds}


@BOTH
async def test_no_call_goes_to_a_route_before_its_retry_after_is_over(
    market: Market, customer: Customer, stream: bool
) -> None:
    await market.fault("pair", "dear", **limited(30), times=1)
    assert await market.path(customer, "pair", stream=stream) == ["dear", "=middle"]
    for _ in range(4):
        receipt = await market.receipt(customer, "pair", stream=stream)
        assert [each.provider for each in receipt.attempts] == ["middle"]
        assert receipt.routing is not None
        assert receipt.routing.excluded == (("dear/pair", "cooling_down"),)
        assert receipt.routing.excluded_by_reason == {"cooling_down": 1}
    market.pass_seconds(25)
    assert await market.path(customer, "pair", stream=stream) == ["=middle"]
    assert (await market.asked("pair"))["dear"] == 1
    market.pass_seconds(6)
    assert await market.path(customer, "pair", stream=stream) == ["=dear"]


@BOTH
async def test_where_nothing_else_is_left_the_client_is_told_the_seconds_and_nothing_is_held(
    market: Market, customer: Customer, stream: bool
) -> None:
    await market.fault("solo", "dear", **limited(30))
    first = await see(customer.chat(model="solo", stream=stream))
    assert (first.status, first.error["code"], first.headers["retry-after"]) == (429, "rate_limit_exceeded", "30")
    holds = await customer.call_ids()
    market.pass_seconds(10)
    again = await see(customer.chat(model="solo", stream=stream))
    assert (again.status, again.error["code"]) == (429, "rate_limit_exceeded")
    assert 1 <= int(again.headers["retry-after"]) <= 20
    assert again.error["excluded"] == {"cooling_down": 1}
    assert await customer.call_ids() == holds and await market.asked("solo") == {"dear": 1}
    market.pass_seconds(20)
    await market.fault("solo", "dear")
    assert (await see(customer.chat(model="solo", stream=stream))).status == 200


async def test_of_several_that_cool_down_the_one_that_is_back_first_is_told(market: Market, customer: Customer) -> None:
    await market.fault("pair", "dear", **limited(40))
    await market.fault("pair", "middle", **limited(20))
    assert await market.path(customer, "pair") == ["dear", "middle"]
    told = await see(customer.chat(model="pair"))
    assert told.status == 429 and 1 <= int(told.headers["retry-after"]) <= 20
    assert await market.asked("pair") == {"dear": 1, "middle": 1}


async def test_a_limit_of_one_model_is_not_that_of_the_providers_others(market: Market, customer: Customer) -> None:
    await market.fault("pair", "dear", **limited(30), times=1)
    await market.path(customer, "pair")
    assert await market.path(customer, "solo") == ["=dear"]


async def test_no_provider_is_left_alone_for_longer_than_the_bound(market: Market, customer: Customer) -> None:
    await market.fault("pair", "dear", **limited(3_600), times=1)
    await market.path(customer, "pair")
    market.pass_seconds(MAX_COOL_SECONDS - 5)
    assert await market.path(customer, "pair") == ["=middle"]
    market.pass_seconds(6)
    assert await market.path(customer, "pair") == ["=dear"]


async def test_a_limit_without_seconds_cools_briefly(market: Market, customer: Customer) -> None:
    await market.fault("solo", "dear", status=429, times=1)
    first = await see(customer.chat(model="solo"))
    assert (first.status, first.headers["retry-after"]) == (429, "5")
    assert (await see(customer.chat(model="solo"))).status == 429
    market.pass_seconds(6)
    assert await market.path(customer, "solo") == ["=dear"]
    assert (await market.asked("solo"))["dear"] == 2


async def test_without_fallbacks_the_first_route_that_is_not_cooling_is_tried(
    market: Market, customer: Customer
) -> None:
    await market.fault("pair", "dear", **limited(30), times=1)
    alone = {"allow_fallbacks": False}
    assert await market.path(customer, "pair", provider=alone) == ["dear"]
    assert await market.path(customer, "pair", provider=alone) == ["=middle"]
