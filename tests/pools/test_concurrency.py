"""No provider ever sees more calls of a key at once than the operator allowed, however many workers there are."""

import asyncio

import pytest

from farebox.base.limits import Routing
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.dataplane.outcomes import see
from tests.gateway import Customer
from tests.pools.house import House, OpenCall, Shop, all_is_given_back, answered, end, serve_house

MOST = 4
CALLS = 60
PATIENT = Routing(queue_seconds=30.0)
HASTY = Routing(queue_seconds=0.3)


@pytest.mark.parametrize("workers", [2, 3])
async def test_sixty_calls_at_once_are_all_answered_and_never_more_than_four_go_out(
    cluster: TestCluster, sandbox: RunningSandbox, workers: int
) -> None:
    async with serve_house(cluster, sandbox, workers=workers, routing=PATIENT) as house:
        shop, customer = house.provider(), await house.gateway.new_customer()
        await shop.key("one", max_concurrent=MOST)
        await shop.known()
        await house.control("DELETE", "load")
        seen = await asyncio.gather(
            *(
                see(
                    customer.chat(
                        model=shop.model,
                        worker=number % workers,
                        stream=number % 3 == 0,
                        sandbox={"words": 5, "delay_seconds": 0.03, "chunk_delay_seconds": 0.01},
                    )
                )
                for number in range(CALLS)
            )
        )
        assert {each.status for each in seen} == {200}
        load = await shop.load_of("one")
        # No tolerance: nobody died, and no limit was lowered.
        assert (load.most, load.calls) == (MOST, CALLS)
        for each in seen:
            await customer.receipt(each.call_id)
        await all_is_given_back(house)


async def test_who_waited_too_long_is_refused_and_pays_and_holds_nothing(
    cluster: TestCluster, sandbox: RunningSandbox
) -> None:
    async with serve_house(cluster, sandbox, routing=HASTY) as house:
        shop, customer = house.provider(), await house.gateway.new_customer()
        await customer.set_limit(requests=1_000, usd="9")
        await shop.key("one", max_concurrent=MOST)
        await shop.known()
        await house.control("DELETE", "load")
        running = [OpenCall(customer, model=shop.model, worker=number % 2) for number in range(MOST)]
        await answered(running)
        refused = [
            OpenCall(customer, model=shop.model, worker=number % 2, stream=number % 3 == 0)
            for number in range(CALLS - MOST)
        ]
        await answered(refused)
        assert {call.status for call in running} == {200} and {call.status for call in refused} == {503}
        for call in refused:
            assert call.error["code"] == "capacity_exhausted"
            assert int(call.headers["retry-after"]) >= 1
            told = call.body.decode() + str(call.headers)
            assert not any(word in told for word in ("cred_", "default", shop.name, "pool", "lane", "slot", "key"))
        load = await shop.load_of("one")
        assert (load.open, load.most, load.calls) == (MOST, MOST, MOST)
        assert len(await customer.call_ids()) == MOST
        use = await customer.limit_use()
        assert (use.used_requests, use.held_requests) == (0, MOST)
        await end([*running, *refused])
        await all_is_given_back(house)
        use = await customer.limit_use()
        assert use.held_requests == 0 and await customer.balance_nanos() == 10 * 10**9 - use.used_nanos


async def test_a_limit_that_is_lowered_ends_no_call_and_lets_none_in_before_there_is_room(
    shop: Shop, customer: Customer, house: House
) -> None:
    key = await shop.pool("default", max_concurrent=6)
    await shop.key("one")
    await shop.known()
    running = [OpenCall(customer, model=shop.model, worker=number % 2) for number in range(6)]
    await answered(running)
    await shop.change(key, max_concurrent=2)
    await shop.known()
    await shop.shared_out(2)
    waiting = [OpenCall(customer, model=shop.model, worker=number % 2) for number in range(2)]
    await end(running[:4])
    await shop.sees("one", 2)
    # Two run still, which is all that there may be now.
    await house.control("DELETE", "load")
    await end(running)
    await answered(waiting)
    assert {call.status for call in waiting} == {200}
    load = await shop.load_of("one")
    assert (load.most, load.calls) == (2, 4)
    await end(waiting)
