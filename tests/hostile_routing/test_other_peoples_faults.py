"""What one call learns of a provider does not undo what others learnt, and is not worse than what was said."""

import asyncio

import pytest

from farebox.routing.health import MAX_COOL_SECONDS
from tests.dataplane.outcomes import see
from tests.gateway import Customer, RunningGateway, until


async def test_an_answer_that_was_on_its_way_does_not_wake_a_key_that_was_told_to_wait(
    gateway: RunningGateway, customer: Customer
) -> None:
    """Calls that began before the provider refused say nothing of what it says now."""
    async with asyncio.TaskGroup() as group:
        slow = [group.create_task(see(customer.chat(model="keys", sandbox={"delay_seconds": 1.0}))) for _ in range(8)]
        await until(lambda: gateway.parts.calls.taken == 8)
        await asyncio.sleep(0.3)
        await gateway.set_faults("keys-keys", {"status": 429, "retry_after_seconds": 60}, times=1)
        receipt = await customer.receipt((await see(customer.chat(model="keys"))).call_id)
    limited, answering = (each.credential for each in receipt.attempts)
    assert limited != answering and {each.result().status for each in slow} == {200}
    for _ in range(6):
        again = await customer.receipt((await see(customer.chat(model="keys"))).call_id)
        assert [each.credential for each in again.attempts] == [answering]


@pytest.mark.parametrize("said", [999_999, 10**12])
async def test_however_long_a_provider_wants_to_be_left_alone_it_is_for_the_bound(
    gateway: RunningGateway, customer: Customer, said: int
) -> None:
    await gateway.set_faults("solo-first", {"status": 429, "extra_headers": {"retry-after": str(said)}}, times=1)
    first = await see(customer.chat(model="solo"))
    assert (first.status, first.headers["retry-after"]) == (429, str(MAX_COOL_SECONDS))


async def test_who_leaves_while_the_second_route_is_asked_pays_nothing_for_the_first(
    gateway: RunningGateway, customer: Customer
) -> None:
    """The first provider told a usage and broke off before anything was passed on: that is the operator's."""
    await gateway.set_faults("foreign-foreign", {"error_mid_stream": 0})
    await gateway.set_faults("foreign-cancels", {"delay_seconds": 3.0})
    leaving = asyncio.create_task(see(customer.chat("hello " * 500, model="foreign", stream=True)))
    await until(lambda: gateway.parts.calls.taken == 1)
    await asyncio.sleep(1.0)
    leaving.cancel()
    await gateway.idle()
    (call_id,) = await customer.call_ids()
    receipt = await customer.receipt(call_id)
    assert [each.outcome for each in receipt.attempts][:1] == ["garbage"]
    assert receipt.call.charge_nanos == 0 and receipt.rule == "client_left_undelivered"
    # The first provider bills what it told, the second at most what it was sent, at 2 bytes a token.
    told_nanos, sent_nanos = 1_008 * 500 + 2_500, 3_004 // 2 * 1_000
    assert receipt.operator.cost_nanos == told_nanos + sent_nanos


async def test_a_request_that_is_refused_for_its_size_closes_the_route_for_nobody_else(
    gateway: RunningGateway, customer: Customer
) -> None:
    """Without `Retry-After`: providers answer so where one request is above a limit per minute, whoever else asks."""
    other, third = await gateway.new_customer(), await gateway.new_customer()
    too_large = {"status": 429}
    for _ in range(2):  # the second is not sent any more
        refused = await see(customer.chat(model="solo", sandbox=too_large))
        assert (refused.status, refused.error["code"], refused.headers["retry-after"]) == (
            429,
            "rate_limit_exceeded",
            "5",
        )
    assert (await see(other.chat(model="solo"))).status == 200
    # Whom it happens to as well says that it is the route.
    assert (await see(other.chat(model="solo", sandbox=too_large))).status == 429
    sent = len(await gateway.upstream_calls("solo-first"))
    assert (await see(third.chat(model="solo"))).status == 429
    assert len(await gateway.upstream_calls("solo-first")) == sent
