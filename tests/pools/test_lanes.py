"""A reserved lane: its slots are there whatever the shared traffic does, and what it lends comes back first."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from farebox.base.limits import Routing
from farebox.routing.capacity.doors import LEND_AFTER_SECONDS
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.dataplane.outcomes import see
from tests.gateway import Customer, until
from tests.pools.house import House, OpenCall, Shop, all_is_given_back, answered, end, end_all, serve_house

SLOTS, LANE, SHARED = 10, 5, 5
# A quarter of the lane, at least one, is never lent.
LENT = 4


@pytest.fixture(scope="module")
async def patient_house(cluster: TestCluster, sandbox: RunningSandbox) -> AsyncIterator[House]:
    """Calls wait here for as long as a test takes."""
    async with serve_house(cluster, sandbox, routing=Routing(queue_seconds=45.0)) as running:
        yield running


@pytest.fixture
async def house(patient_house: House) -> AsyncIterator[House]:
    for what in ("calls", "faults", "load"):
        await patient_house.control("DELETE", what)
    yield patient_house
    await end_all()
    await all_is_given_back(patient_house)


@pytest.fixture
async def owner(house: House) -> Customer:
    return await house.gateway.new_customer(name="Owner")


async def reserve(shop: Shop, owner: Customer, *, lends: bool = True) -> None:
    """Ten slots, of which the owner has five."""
    key = await shop.pool("default", max_concurrent=SLOTS)
    await shop.key("one", max_concurrent=SLOTS)
    await shop.lane(key, owner, LANE, lends=lends)
    await shop.known()


def flood(shop: Shop, customer: Customer, count: int) -> list[OpenCall]:
    """Shared calls at both workers that never end by themselves."""
    return [OpenCall(customer, model=shop.model, worker=number % 2) for number in range(count)]


async def test_while_shared_calls_stand_still_the_lane_is_served_at_whichever_worker_it_calls(
    shop: Shop, owner: Customer, customer: Customer, house: House
) -> None:
    await reserve(shop, owner)
    await see(owner.chat(model=shop.lane_model))  # the lane is active
    stuck = flood(shop, customer, 100)
    await until(lambda: sum(call.answered for call in stuck) == SHARED and house.waiting() == 100 - SHARED)
    # No shared call ends, so none of these can have waited for one.
    for places in ([0, 1, 0, 1, 0], [1] * 5, [0] * 5, [1, 0, 0, 0, 1], [0, 0, 1, 1, 1]):
        calls = [OpenCall(owner, model=shop.lane_model, worker=worker) for worker in places]
        await answered(calls)
        assert {call.status for call in calls} == {200}
        assert (await shop.load_of_model(shop.lane_model)).open == LANE
        await end(calls)
    assert sum(call.answered for call in stuck) == SHARED
    load = await shop.load_of("one")
    assert load.most == SLOTS and (await shop.load_of_model(shop.model)).most == SHARED
    await end(stuck)


async def test_under_a_flood_that_flows_the_lane_has_its_five_and_the_flood_never_more_than_the_rest(
    shop: Shop, owner: Customer, customer: Customer
) -> None:
    await reserve(shop, owner)
    await see(owner.chat(model=shop.lane_model))
    waits: list[float] = []
    loop = asyncio.get_running_loop()

    async def client(worker: int) -> None:
        for number in range(6):
            began_at = loop.time()
            seen = await see(
                owner.chat(model=shop.lane_model, worker=(worker + number) % 2, sandbox={"delay_seconds": 0.05})
            )
            assert seen.status == 200
            waits.append(loop.time() - began_at - 0.05)

    shared = [
        asyncio.ensure_future(see(customer.chat(model=shop.model, worker=number % 2, sandbox={"delay_seconds": 0.1})))
        for number in range(100)
    ]
    await asyncio.gather(*(client(number % 2) for number in range(LANE)))
    assert not all(call.done() for call in shared)
    assert {seen.status for seen in await asyncio.gather(*shared)} == {200}
    waits.sort()
    print(f"lane calls beside a flood: p50 {waits[15] * 1000:.0f} ms, worst {waits[-1] * 1000:.0f} ms over 50 ms")
    assert (await shop.load_of_model(shop.model)).most == SHARED
    assert (await shop.load_of_model(shop.lane_model)).most == LANE
    assert (await shop.load_of("one")).most <= SLOTS


async def test_a_full_lane_takes_its_turn_for_the_shared_part(
    shop: Shop, owner: Customer, customer: Customer, house: House
) -> None:
    await reserve(shop, owner)
    own = [OpenCall(owner, model=shop.lane_model, worker=number % 2) for number in range(7)]
    await answered(own)
    assert {call.status for call in own} == {200}
    others = flood(shop, customer, 5)
    # Two of the seven are in the shared part; more, where a worker had none of the lane's slots just then.
    await until(lambda: _served(others) + house.waiting() == 5)
    assert _served(others) <= 3
    late = OpenCall(owner, model=shop.lane_model)
    await own[0].end()
    await answered([late])
    await end([*own, late])
    await answered(others)
    await end(others)


async def test_an_idle_lane_is_lent_but_for_its_reserve_and_has_its_slots_back(
    shop: Shop, owner: Customer, customer: Customer, house: House
) -> None:
    await reserve(shop, owner)
    house.pass_seconds(LEND_AFTER_SECONDS + 1)
    shared = flood(shop, customer, 30)
    await until(lambda: _served(shared) == SHARED + LENT and house.waiting() == 30 - SHARED - LENT)
    own = [OpenCall(owner, model=shop.lane_model, worker=number % 2) for number in range(LANE)]
    # The reserve serves the first at once.
    await until(lambda: _served(own) > 0)
    await end([call for call in shared if call.answered])
    await answered(own)
    assert {call.status for call in own} == {200}
    assert (await shop.load_of("one")).most == SLOTS
    await end(own)
    # The lane is not idle yet: its slots stay empty.
    await until(lambda: _served(shared) == SHARED + LENT + SHARED)
    await shop.sees("one", SHARED)
    house.pass_seconds(LEND_AFTER_SECONDS + 1)
    await shop.sees("one", SHARED + LENT)
    await end(shared)


async def test_no_lent_slot_that_comes_back_goes_to_anybody_else(
    shop: Shop, owner: Customer, customer: Customer, house: House
) -> None:
    await reserve(shop, owner)
    house.pass_seconds(LEND_AFTER_SECONDS + 1)
    shared = flood(shop, customer, 30)
    await until(lambda: _served(shared) == SHARED + LENT)
    own = [OpenCall(owner, model=shop.lane_model, worker=number % 2) for number in range(LANE)]
    await until(lambda: _served(own) > 0)
    running = [call for call in shared if call.answered]
    for ended, call in enumerate(running, 1):
        await call.end()
        # The slot that came free has found somebody; once the lane has what it wants, it may stay empty.
        await until(lambda more=ended: _served(own) in (LANE, SLOTS + more - _served(shared)))  # type: ignore[misc]
        assert _served(shared) <= len(running) + SHARED
    assert _served(own) == LANE
    assert (await shop.load_of_model(shop.model)).open <= SHARED
    await end([*own, *shared])


def _served(calls: list[OpenCall]) -> int:
    return sum(call.answered for call in calls)


async def test_a_lane_that_does_not_lend_is_never_used_by_others(
    shop: Shop, owner: Customer, customer: Customer, house: House
) -> None:
    await reserve(shop, owner, lends=False)
    house.pass_seconds(LEND_AFTER_SECONDS + 1)
    shared = flood(shop, customer, 20)
    await until(lambda: sum(call.answered for call in shared) == SHARED and house.waiting() == 20 - SHARED)
    own = [OpenCall(owner, model=shop.lane_model, worker=number % 2) for number in range(LANE)]
    await answered(own)
    assert {call.status for call in own} == {200}
    assert (await shop.load_of_model(shop.model)).most == SHARED
    await end([*own, *shared])


async def test_a_lane_that_is_given_and_taken_away_holds_at_once(
    shop: Shop, owner: Customer, customer: Customer, house: House
) -> None:
    key = await shop.pool("default", max_concurrent=SLOTS)
    await shop.key("one", max_concurrent=SLOTS)
    await shop.known()
    shared = flood(shop, customer, SLOTS + 3)
    await until(lambda: sum(call.answered for call in shared) == SLOTS)
    await shop.lane(key, owner, LANE)
    await shop.known()
    running = [call for call in shared if call.answered]
    own = [OpenCall(owner, model=shop.lane_model, worker=number % 2) for number in range(LANE)]
    await until(lambda: house.waiting() == 3 + LANE)
    await end(running[:LANE])
    await answered(own)
    assert [call for call in shared if call.answered] == running
    await end(own)
    await shop.lane(key, owner, 0)
    await answered(shared)
    await end(shared)
