"""A provider's key that is refused rests, and another one of the same pool answers the same call."""

import asyncio

import pytest

from farebox.providers.accounts import REST_SECONDS
from tests.dataplane.outcomes import see
from tests.gateway import Customer
from tests.matrix.conftest import Market

BOTH = pytest.mark.parametrize("stream", [False, True])
REFUSED = pytest.mark.parametrize("status", [401, 402, 403])


@BOTH
@REFUSED
async def test_the_second_key_answers_the_call_whose_first_key_is_refused(
    market: Market, customer: Customer, status: int, stream: bool
) -> None:
    await market.fault("keys", "two", status=status, times=1)
    receipt = await market.receipt(customer, "keys", stream=stream)
    assert [(each.route, each.outcome) for each in receipt.attempts] == [
        ("two/keys", "credential_refused"),
        ("two/keys", "answered"),
    ]
    refused, answering = (each.credential for each in receipt.attempts)
    assert refused != answering and receipt.rule == "provider_usage"
    for _ in range(4):
        again = await market.receipt(customer, "keys", stream=stream)
        assert [each.credential for each in again.attempts] == [answering]
    market.pass_seconds(REST_SECONDS + 1)
    calls = await asyncio.gather(*(market.receipt(customer, "keys", stream=stream) for _ in range(12)))
    assert {each.attempts[0].credential for each in calls} == {refused, answering}


@BOTH
async def test_without_fallbacks_the_second_key_answers_all_the_same(
    market: Market, customer: Customer, stream: bool
) -> None:
    await market.fault("keys", "two", status=401, times=1)
    receipt = await market.receipt(customer, "keys", stream=stream, provider={"allow_fallbacks": False})
    assert [each.outcome for each in receipt.attempts] == ["credential_refused", "answered"]


@BOTH
@REFUSED
async def test_while_all_keys_rest_nothing_is_sent_and_the_client_is_told_how_long(
    market: Market, customer: Customer, status: int, stream: bool
) -> None:
    await market.fault("keys", "two", status=status)
    first = await see(customer.chat(model="keys", stream=stream))
    assert (first.status, first.error["code"]) == (502, "upstream_exception")
    for _ in range(3):
        resting = await see(customer.chat(model="keys", stream=stream))
        assert (resting.status, resting.error["code"]) == (503, "provider_not_configured")
        assert resting.headers["retry-after"] == str(REST_SECONDS)
        assert resting.error["excluded"] == {"provider_resting": 1}
        assert not {"cred_", "key 0", "key 1", "default"} & set(resting.body.decode().split('"'))
    assert len(await customer.call_ids()) == 1 and await market.asked("keys") == {"two": 2}
    await market.fault("keys", "two")
    market.pass_seconds(REST_SECONDS + 1)
    assert await market.path(customer, "keys", stream=stream) == ["=two"]


@BOTH
async def test_a_key_at_its_limit_rests_for_as_long_as_the_provider_says(
    market: Market, customer: Customer, stream: bool
) -> None:
    await market.fault("keys", "two", status=429, retry_after_seconds=20, times=1)
    receipt = await market.receipt(customer, "keys", stream=stream)
    limited, answering = (each.credential for each in receipt.attempts)
    assert [each.outcome for each in receipt.attempts] == ["rate_limited", "answered"]
    for _ in range(4):
        assert [each.credential for each in (await market.receipt(customer, "keys")).attempts] == [answering]
    market.pass_seconds(21)
    calls = await asyncio.gather(*(market.receipt(customer, "keys") for _ in range(12)))
    assert {each.attempts[0].credential for each in calls} == {limited, answering}


async def test_a_fault_of_the_provider_is_not_tried_again_with_its_other_key(
    market: Market, customer: Customer
) -> None:
    await market.fault("keys", "two", status=500)
    assert await market.path(customer, "keys") == ["two"]
    assert await market.asked("keys") == {"two": 1}


async def test_keys_that_rest_are_the_same_for_all_models_of_their_provider(market: Market, customer: Customer) -> None:
    await market.fault("solo", "dear", status=401, times=1)
    await market.path(customer, "solo")
    assert await market.path(customer, "pair") == ["=middle"]
    assert (await market.asked("pair"))["dear"] == 0


async def test_a_customer_sees_nothing_of_keys(market: Market, customer: Customer) -> None:
    await market.fault("keys", "two", status=401, times=1)
    seen = await see(customer.chat(model="keys"))
    receipt = await customer.receipt(seen.call_id)
    told = [
        seen.body.decode(),
        str(seen.headers),
        *[str(await customer.get(path)) for path in (f"/api/usage/{seen.call_id}", "/api/usage", "/api/routes")],
        str(await customer.get("/api/route/explain?model=keys")),
    ]
    for each in receipt.attempts:
        assert each.credential.startswith("cred_") and not any(each.credential in text for text in told)
    assert not any("credential" in text or "cred_" in text for text in told)
    # Not even how many there are: a route that was tried twice was tried once.
    shown = (await customer.get(f"/api/usage/{seen.call_id}"))["attempts"]
    assert [(each["attempt"], each["outcome"]) for each in shown] == [(1, "answered")]


async def test_a_customer_is_told_of_routes_that_were_tried_and_not_of_keys_that_were_refused(
    market: Market, customer: Customer
) -> None:
    await market.fault("pair", "dear", status=401)
    seen = await see(customer.chat(model="pair"))
    shown = (await customer.get(f"/api/usage/{seen.call_id}"))["attempts"]
    assert [(each["attempt"], each["outcome"]) for each in shown] == [(1, "error_status"), (2, "answered")]
