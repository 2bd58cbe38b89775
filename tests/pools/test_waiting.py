"""Calls that wait for a slot: in turn, within bounds, and with nothing left behind when they stop waiting."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from farebox.base.limits import Routing
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.dataplane.outcomes import see
from tests.gateway import Customer, until
from tests.pools.house import House, OpenCall, Shop, all_is_given_back, answered, end, end_all, serve_house


@pytest.fixture(scope="module")
async def patient_house(cluster: TestCluster, sandbox: RunningSandbox) -> AsyncIterator[House]:
    """Calls wait here for as long as a test takes."""
    routing = Routing(queue_seconds=45.0, max_waiting_calls=400)
    async with serve_house(cluster, sandbox, routing=routing) as running:
        yield running


@pytest.fixture
async def house(patient_house: House) -> AsyncIterator[House]:
    for what in ("calls", "faults", "load"):
        await patient_house.control("DELETE", what)
    yield patient_house
    await end_all()
    await all_is_given_back(patient_house)


@pytest.mark.parametrize("worker", [0, 1])
async def test_two_calls_of_one_workspace_do_not_wait_behind_fifty_of_another(
    shop: Shop, customer: Customer, house: House, worker: int
) -> None:
    """At the same worker, and at another one."""
    modest = await house.gateway.new_customer(name="Modest")
    await shop.key("one", max_concurrent=2)
    await shop.known()
    running = [OpenCall(customer, model=shop.model) for _ in range(2)]
    await answered(running)
    served: list[str] = []

    async def one(who: str, whose: Customer, at: int) -> None:
        seen = await see(whose.chat(model=shop.model, worker=at, sandbox={"delay_seconds": 0.02}))
        assert seen.status == 200
        served.append(who)

    fifty = [asyncio.ensure_future(one("fifty", customer, 0)) for _ in range(50)]
    await until(lambda: house.waiting(0) == 50)
    two = [asyncio.ensure_future(one("two", modest, worker)) for _ in range(2)]
    await until(lambda: house.waiting() == 52)
    await end(running)
    await asyncio.gather(*fifty, *two)
    places = [place for place, who in enumerate(served, 1) if who == "two"]
    print(f"two of 52 were served at places {places}")
    # In turn: a place each after one of the others; some more where two workers share what comes free.
    assert places[-1] <= 12


async def test_more_calls_than_may_wait_are_refused_at_once_and_no_workspace_takes_all_places(
    cluster: TestCluster, sandbox: RunningSandbox
) -> None:
    routing = Routing(queue_seconds=45.0, max_waiting_calls=8)
    async with serve_house(cluster, sandbox, routing=routing) as house:
        shop, customers = house.provider(), [await house.gateway.new_customer() for _ in range(6)]
        await shop.key("one", max_concurrent=1)
        await shop.known()
        first = OpenCall(customers[0], model=shop.model)
        await answered([first])
        # Each as long as it has fewer than are left: 4, 2, 1, 1, and none.
        waiting: list[OpenCall] = []
        for customer, places in zip(customers, (4, 2, 1, 1, 0, 0), strict=True):
            calls = [OpenCall(customer, model=shop.model) for _ in range(8)]
            await until(lambda calls=calls, most=8 - places: sum(call.answered for call in calls) == most)  # type: ignore[misc]
            waiting += calls
        assert house.waiting() == 8
        refused = [call for call in waiting if call.answered]
        assert {(call.status, call.error["code"]) for call in refused} == {(503, "capacity_exhausted")}
        assert all(int(call.headers["retry-after"]) >= 1 for call in refused)
        for customer in customers[1:]:
            assert await customer.call_ids() == []
        # The other worker has places of its own.
        elsewhere = OpenCall(customers[-1], model=shop.model, worker=1)
        await until(lambda: house.waiting(1) == 1)
        await end([first, elsewhere, *waiting])
        await all_is_given_back(house)


async def test_a_client_that_leaves_while_it_waits_leaves_the_line(
    shop: Shop, customer: Customer, house: House
) -> None:
    await shop.key("one", max_concurrent=1)
    await shop.known()
    first = OpenCall(customer, model=shop.model)
    await answered([first])
    for stream in (True, False):
        waiting = [OpenCall(customer, model=shop.model, worker=number % 2, stream=stream) for number in range(4)]
        await until(lambda: house.waiting() == 4)
        await end(waiting)
        await until(lambda: house.waiting() == 0)
    await first.end()
    await house.gateway.idle()
    assert len(await customer.call_ids()) == 1 and (await shop.load_of("one")).calls == 1
    assert (await see(customer.chat(model=shop.model))).status == 200


async def test_a_worker_that_stops_answers_who_waits_and_leaves_its_slots_to_the_others(
    cluster: TestCluster, sandbox: RunningSandbox
) -> None:
    async with serve_house(cluster, sandbox, routing=Routing(queue_seconds=45.0)) as house:
        shop, customer = house.provider(), await house.gateway.new_customer()
        await shop.key("one", max_concurrent=6)
        await shop.known()
        running = [OpenCall(customer, model=shop.model, worker=1) for _ in range(6)]
        await answered(running)
        waiting = [OpenCall(customer, model=shop.model, worker=1, stream=number < 2) for number in range(4)]
        await until(lambda: house.waiting(1) == 4)
        await house.gateway.workers.pop().stop()
        await answered(waiting)
        for call in waiting:
            assert call.status in (500, 503)
        await end(running)
        assert len(await customer.call_ids()) == 6
        assert (await house.gateway.rows("SELECT count(DISTINCT owner_id) FROM capacity_lease"))[0][0] <= 1
        again = [OpenCall(customer, model=shop.model) for _ in range(6)]
        await answered(again)
        assert {call.status for call in again} == {200}
        assert (await shop.load_of("one")).most == 6
        await end(again)
        await all_is_given_back(house)
