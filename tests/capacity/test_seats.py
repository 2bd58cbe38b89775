"""Seats of one worker: what a call may use, and who is next."""

import asyncio
import random

import pytest

from farebox.base.limits import Routing
from farebox.providers.pools import Pool
from farebox.routing.capacity.doors import LEND_AFTER_SECONDS
from farebox.routing.capacity.lessor import Lessor
from farebox.routing.capacity.seat import NoSeat, Seat
from farebox.routing.capacity.seats import Seats
from tests.capacity.stand import (
    OWNER_OF_LANE,
    PROVIDER,
    HandClock,
    PlainAccounts,
    credential,
    grant_all,
    lane,
    pool,
    without_database,
)


class Stand:
    """Seats over pools, with everything granted."""

    def __init__(self, *pools: Pool, routing: Routing | None = None) -> None:
        self.clock = HandClock()
        self.accounts = PlainAccounts(*pools)
        self.seats: Seats
        self.lessor: Lessor
        self.seats, self.lessor = without_database(self.accounts, self.clock, routing=routing)
        self.seats.know([PROVIDER])
        grant_all(self.lessor)

    def take(self, workspace_id: int = 1) -> Seat:
        seat = self.seats.take_now(PROVIDER, None, workspace_id)
        assert isinstance(seat, Seat)
        return seat

    def refused(self, workspace_id: int = 1) -> bool:
        return isinstance(self.seats.take_now(PROVIDER, None, workspace_id), NoSeat)

    def taken(self) -> int:
        return sum(lease.in_use for lease in self.lessor.leases())

    def waits(self, workspace_id: int = 1, seconds: float = 5.0) -> "asyncio.Task[Seat]":
        return asyncio.create_task(self.seats.take(PROVIDER, None, workspace_id, seconds))


async def test_a_pool_without_limits_serves_everybody() -> None:
    stand = Stand(pool(credential()))
    seats = [stand.take(number) for number in range(1, 1_000)]
    assert {seat.credential.credential_id for seat in seats} == {"c"}
    assert stand.seats.has_capacity(PROVIDER, None, 1)


async def test_a_seat_takes_all_that_it_needs_or_nothing() -> None:
    stand = Stand(pool(credential(most=5), most=2))
    first, second = stand.take(), stand.take()
    before = stand.taken()
    assert stand.refused()
    assert stand.taken() == before
    first.give_back()
    second.give_back()
    assert stand.taken() == 0


async def test_giving_back_twice_gives_back_once() -> None:
    stand = Stand(pool(credential(most=2)))
    one, other = stand.take(), stand.take()
    one.give_back()
    one.give_back()
    stand.take()
    assert stand.refused()
    other.give_back()
    stand.take()


async def test_credentials_are_loaded_by_their_weight() -> None:
    stand = Stand(pool(credential("big", weight=3), credential("small")))
    names = [stand.take().credential.credential_id for _ in range(40)]
    assert names.count("big") == 30


async def test_a_credential_that_rests_is_left_alone() -> None:
    stand = Stand(pool(credential("a"), credential("b")))
    stand.accounts.asleep = {"a"}
    assert {stand.take().credential.credential_id for _ in range(10)} == {"b"}
    stand.accounts.asleep = {"a", "b"}
    assert stand.refused()
    assert not stand.seats.has_capacity(PROVIDER, None, 1)


async def test_a_private_pool_serves_its_workspaces_alone_and_first() -> None:
    private = Pool(
        pool_id="own",
        provider_id="p",
        credentials=(credential("own", most=1, pool="own"),),
        access="private",
        workspaces=frozenset({8}),
    )
    stand = Stand(pool(credential("all")), private)
    assert stand.take(9).credential.credential_id == "all"
    assert stand.take(8).credential.credential_id == "own"
    assert stand.take(8).credential.credential_id == "all"


async def test_a_pool_of_another_region_serves_nobody_here() -> None:
    elsewhere = Pool(pool_id="us", provider_id="p", credentials=(credential(),), region="us")
    stand = Stand(elsewhere)
    assert isinstance(stand.seats.take_now(PROVIDER, "us", 1), Seat)
    assert isinstance(stand.seats.take_now(PROVIDER, "eu", 1), NoSeat)
    assert not stand.seats.has_capacity(PROVIDER, None, 1)


async def test_requests_per_minute_are_kept_in_any_minute() -> None:
    stand = Stand(pool(credential(rpm=40)))
    sent: list[int] = []
    for _ in range(1_200):
        stand.clock.pass_seconds(0.2)
        seat = stand.seats.take_now(PROVIDER, None, 1)
        if isinstance(seat, Seat):
            seat.use()
            seat.give_back()
            sent.append(stand.clock())
    for moment in sent:
        assert sum(moment <= other < moment + 60_000_000 for other in sent) <= 40
    assert len(sent) >= 155  # of 160 in four minutes


async def test_seats_that_were_not_used_take_nothing_of_the_minute_and_add_nothing_to_it() -> None:
    chance = random.Random(7)
    stand = Stand(pool(credential(rpm=40)))
    sent: list[int] = []
    kept: list[Seat] = []
    for _ in range(4_000):
        stand.clock.pass_seconds(chance.choice((0.0, 0.1, 2.0)))
        seat = stand.seats.take_now(PROVIDER, None, 1)
        if not isinstance(seat, Seat):
            continue
        if chance.random() < 0.5:
            seat.use()
            sent.append(stand.clock())
            seat.give_back()
        else:
            kept.append(seat)
        while kept and chance.random() < 0.8:
            kept.pop(chance.randrange(len(kept))).give_back()
    assert len(sent) > 1_000
    for place, moment in enumerate(sent):
        assert sum(other < moment + 60_000_000 for other in sent[place:]) <= 40
    for seat in kept:
        seat.give_back()
    stand.clock.pass_seconds(60)
    late = stand.take()
    stand.clock.pass_seconds(60)
    burst = [stand.take() for _ in range(2)]
    late.give_back()  # made up for long ago
    assert stand.refused()
    burst[0].give_back()
    stand.take()
    assert stand.refused()


async def test_a_refusal_says_when_the_pace_allows_the_next_request() -> None:
    stand = Stand(pool(credential(rpm=2)))
    stand.take()
    found = stand.seats.take_now(PROVIDER, None, 1)
    assert isinstance(found, NoSeat)
    assert found.retry_after_seconds == 30


# Lanes


async def test_shared_traffic_never_takes_a_slot_of_a_lane_that_lends_nothing() -> None:
    stand = Stand(pool(credential(most=10), most=10, lanes=[lane(4, lends=False)]))
    stand.clock.pass_seconds(1_000)
    assert len([stand.take() for _ in range(6)]) == 6
    assert stand.refused()
    assert len([stand.take(OWNER_OF_LANE) for _ in range(4)]) == 4
    assert stand.refused(OWNER_OF_LANE)


async def test_a_lane_is_kept_free_also_where_only_the_credentials_have_a_limit() -> None:
    stand = Stand(pool(credential("a", most=3), credential("b", most=3), most=100, lanes=[lane(2, lends=False)]))
    assert len([stand.take() for _ in range(4)]) == 4
    assert stand.refused()
    assert len([stand.take(OWNER_OF_LANE) for _ in range(2)]) == 2


async def test_the_owner_of_a_lane_also_has_its_part_of_what_is_shared() -> None:
    stand = Stand(pool(credential(most=10), most=10, lanes=[lane(4)]))
    assert len([stand.take(OWNER_OF_LANE) for _ in range(10)]) == 10


async def test_an_idle_lane_lends_down_to_its_reserve() -> None:
    stand = Stand(pool(credential(most=20), most=20, lanes=[lane(8)]))
    stand.clock.pass_seconds(LEND_AFTER_SECONDS)
    assert len([stand.take() for _ in range(12 + 6)]) == 18
    assert stand.refused()
    assert len([stand.take(OWNER_OF_LANE) for _ in range(2)]) == 2


async def test_a_lane_lends_nothing_from_its_first_call_until_it_has_been_idle() -> None:
    stand = Stand(pool(credential(most=8), most=8, lanes=[lane(8)]))
    call = stand.take(OWNER_OF_LANE)
    stand.clock.pass_seconds(LEND_AFTER_SECONDS * 2)
    assert stand.refused(), "a call of the owner is still running"
    call.give_back()
    stand.clock.pass_seconds(LEND_AFTER_SECONDS - 1)
    stand.take(OWNER_OF_LANE).give_back()
    stand.clock.pass_seconds(LEND_AFTER_SECONDS - 1)
    assert stand.refused()
    stand.clock.pass_seconds(1)
    stand.take()


async def test_a_worker_that_has_just_started_does_not_take_a_lane_for_idle() -> None:
    stand = Stand(pool(credential(most=8), most=8, lanes=[lane(8)]))
    stand.clock.pass_seconds(LEND_AFTER_SECONDS - 1)
    assert stand.refused()
    stand.clock.pass_seconds(1)
    stand.take()


async def test_a_lent_slot_goes_back_to_its_lane_before_anybody_else() -> None:
    stand = Stand(pool(credential(most=8), most=8, lanes=[lane(8)]))
    stand.clock.pass_seconds(LEND_AFTER_SECONDS)
    lent = [stand.take() for _ in range(6)]
    assert len([stand.take(OWNER_OF_LANE) for _ in range(2)]) == 2
    shared, owner = stand.waits(5), stand.waits(OWNER_OF_LANE)
    await asyncio.sleep(0)
    lent[0].give_back()
    assert (await owner).credential.credential_id == "c"
    for seat in lent[1:]:
        seat.give_back()
    await asyncio.sleep(0)
    assert not shared.done(), "nothing more is lent"
    shared.cancel()


async def test_what_a_lane_needs_beside_its_slot_goes_to_it_first() -> None:
    stand = Stand(pool(credential(rpm=60), most=10, lanes=[lane(5)]))
    while isinstance(seat := stand.seats.take_now(PROVIDER, None, 1), Seat):
        seat.use()
        seat.give_back()
    shared, owner = stand.waits(5), stand.waits(OWNER_OF_LANE)
    await asyncio.sleep(0)
    stand.clock.pass_seconds(1.1)  # one more request may go out
    await stand.lessor.round()
    assert isinstance(await owner, Seat)
    assert not shared.done()
    shared.cancel()


async def test_a_lane_of_one_slot_lends_nothing() -> None:
    stand = Stand(pool(credential(most=1), most=1, lanes=[lane(1)]))
    stand.clock.pass_seconds(1_000)
    assert stand.refused()
    stand.take(OWNER_OF_LANE)


# Waiting


async def test_a_call_that_waits_has_the_next_slot() -> None:
    stand = Stand(pool(credential(most=1)))
    seat = stand.take()
    task = stand.waits()
    await asyncio.sleep(0)
    assert stand.refused(2), "nobody overtakes"
    seat.give_back()
    assert stand.refused(2), "nobody overtakes, also when the slot is not picked up yet"
    (await task).give_back()
    assert stand.taken() == 0


async def test_nobody_overtakes_a_call_that_waits_for_the_next_request_of_the_minute() -> None:
    stand = Stand(pool(credential(rpm=60)))
    while not stand.refused():
        pass
    task = stand.waits()
    await asyncio.sleep(0)
    stand.clock.pass_seconds(1.1)
    assert stand.refused(2)
    assert isinstance(await task, Seat)


async def test_workspaces_are_served_in_turn_and_each_in_its_own_order() -> None:
    stand = Stand(pool(credential(most=1)))
    seat = stand.take()
    served: list[str] = []

    async def call(name: str, workspace_id: int) -> None:
        own = await stand.seats.take(PROVIDER, None, workspace_id, 5.0)
        served.append(name)
        own.give_back()

    tasks = []
    for name, workspace_id in (("a1", 1), ("a2", 1), ("a3", 1), ("b1", 2), ("c1", 3), ("b2", 2)):
        tasks.append(asyncio.create_task(call(name, workspace_id)))
        await asyncio.sleep(0)
    seat.give_back()
    await asyncio.gather(*tasks)
    assert served == ["a1", "b1", "c1", "a2", "b2", "a3"]


async def test_the_owner_of_a_full_lane_waits_for_what_is_shared_like_one_workspace() -> None:
    stand = Stand(pool(credential(most=2), most=2, lanes=[lane(1)]))
    stand.take(OWNER_OF_LANE)
    seat = stand.take(5)
    served: list[int] = []

    async def call(workspace_id: int) -> None:
        own = await stand.seats.take(PROVIDER, None, workspace_id, 5.0)
        served.append(workspace_id)
        own.give_back()

    tasks = []
    for workspace_id in (OWNER_OF_LANE, OWNER_OF_LANE, 1, 2):
        tasks.append(asyncio.create_task(call(workspace_id)))
        await asyncio.sleep(0)
    seat.give_back()
    await asyncio.gather(*tasks)
    assert served == [OWNER_OF_LANE, 1, 2, OWNER_OF_LANE]


async def test_waiting_ends_at_its_deadline() -> None:
    stand = Stand(pool(credential(most=1)))
    seat = stand.take()
    with pytest.raises(NoSeat) as refusal:
        await stand.seats.take(PROVIDER, None, 1, 0.01)
    assert refusal.value.retry_after_seconds >= 1
    assert stand.seats.waiting == 0
    seat.give_back()
    assert stand.taken() == 0
    stand.take()


async def test_the_number_of_waiting_calls_is_bounded() -> None:
    stand = Stand(pool(credential(most=1)), routing=Routing(max_waiting_calls=2))
    stand.take()
    tasks = [stand.waits(1), stand.waits(2)]
    await asyncio.sleep(0)
    for workspace_id in (1, 2, 3):
        assert not stand.seats.has_capacity(PROVIDER, None, workspace_id)
        with pytest.raises(NoSeat):
            await stand.seats.take(PROVIDER, None, workspace_id, 5.0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert stand.seats.has_capacity(PROVIDER, None, 1)
    assert stand.seats.waiting == 0


async def test_however_many_wait_there_is_a_place_for_another_workspace() -> None:
    stand = Stand(pool(credential(most=1)), routing=Routing(max_waiting_calls=8))
    stand.take()
    tasks = [stand.waits(1) for _ in range(20)]
    await asyncio.sleep(0)
    assert stand.seats.waiting == 4
    tasks += [stand.waits(2) for _ in range(20)]
    await asyncio.sleep(0)
    assert stand.seats.waiting == 6
    assert stand.seats.has_capacity(PROVIDER, None, 3)
    tasks.append(stand.waits(3))
    await asyncio.sleep(0)
    assert stand.seats.waiting == 7
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert stand.seats.waiting == 0


async def test_nobody_waits_for_what_can_never_come() -> None:
    stand = Stand()
    with pytest.raises(NoSeat):
        await stand.seats.take(PROVIDER, None, 1, 1_000.0)


async def test_a_call_that_is_cancelled_while_it_waits_gives_everything_back() -> None:
    stand = Stand(pool(credential(most=1)))
    seat = stand.take()
    early, late = stand.waits(), stand.waits()
    await asyncio.sleep(0)
    early.cancel()
    await asyncio.sleep(0)
    seat.give_back()  # goes to the second one
    late.cancel()  # in the same moment
    await asyncio.gather(early, late, return_exceptions=True)
    assert stand.taken() == 0
    assert stand.seats.waiting == 0
    stand.take()


# Changes


async def test_a_lower_limit_holds_for_new_calls_and_ends_no_running_one() -> None:
    stand = Stand(pool(credential(most=4)))
    seats = [stand.take() for _ in range(4)]
    stand.accounts.now = (pool(credential(most=2)),)
    for seat in seats[:2]:
        seat.give_back()
        assert stand.refused()
    seats[2].give_back()
    stand.take()
    assert stand.refused()


async def test_a_limit_that_is_lifted_lets_waiting_calls_in() -> None:
    stand = Stand(pool(credential(most=1)))
    stand.take()
    task = stand.waits()
    await asyncio.sleep(0)
    stand.accounts.now = (pool(credential()),)
    await stand.lessor.round()
    assert isinstance(await task, Seat)


async def test_a_pool_that_is_removed_serves_nobody_and_its_calls_end_in_order() -> None:
    stand = Stand(pool(credential(most=1)))
    seat = stand.take()
    stand.accounts.now = ()
    assert stand.refused()
    seat.give_back()
    assert stand.taken() == 0
