"""Leases in a real PostgreSQL: several workers, each with a connection of its own."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import psycopg
import pytest

from farebox.base.limits import Routing
from farebox.ledger.owners import OWNER_GRACE_SECONDS
from farebox.routing.capacity.doors import LEND_AFTER_SECONDS
from farebox.routing.capacity.lessor import Lessor
from farebox.routing.capacity.seat import NoSeat, Seat
from farebox.routing.capacity.seats import Seats
from farebox.storage.changes import ChangeFeed
from farebox.storage.pool import PoolBounds, open_pool
from tests.capacity.stand import (
    OWNER_OF_LANE,
    PROVIDER,
    AheadClock,
    PlainAccounts,
    connect_with,
    credential,
    first,
    lane,
    living,
    pool,
)


class Worker:
    """One worker as the composition root makes it."""

    def __init__(self, accounts: PlainAccounts, lessor: Lessor, clock: AheadClock) -> None:
        self.lessor = lessor
        self.clock = clock
        self.seats = Seats(accounts, lessor, clock=clock, routing=Routing(), draw=first)
        self.seats.know([PROVIDER])

    def take_all(self, workspace_id: int = 1) -> list[Seat]:
        """Seats until there are no more."""
        seats = []
        while isinstance(seat := self.seats.take_now(PROVIDER, None, workspace_id), Seat):
            seats.append(seat)
        return seats

    async def take(self, workspace_id: int = 1, seconds: float = 5.0) -> Seat:
        return await self.seats.take(PROVIDER, None, workspace_id, seconds)


@asynccontextmanager
async def worker(dsn: str, accounts: PlainAccounts, *, runs: bool = True) -> AsyncIterator[Worker]:
    """A living worker that hears of changes; its loop runs unless told otherwise."""
    async with AsyncExitStack() as stack:
        owner_id = await stack.enter_async_context(living(dsn))
        connections = await stack.enter_async_context(open_pool(dsn, PoolBounds(max_size=2)))
        clock = AheadClock()
        lessor = Lessor(connect_with(connections), owner_id=owner_id, clock=clock, alive=lambda: True)
        made = Worker(accounts, lessor, clock)
        feed = ChangeFeed(dsn, lambda topic, subject: lessor.heard(subject) if topic == "capacity" else None, _pass)
        feed.start()
        stack.push_async_callback(feed.stop)
        await until(lambda: feed.alive)
        if runs:
            task = asyncio.create_task(lessor.run())
            stack.push_async_callback(_stop, task)
        yield made


def _pass() -> None:
    return


async def _stop(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def granted(dsn: str, resource: str) -> int:
    """Σ over all rows, the dead too."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        cursor = await connection.execute(
            "SELECT coalesce(sum(granted), 0)::int FROM capacity_lease WHERE resource = %s", (resource,)
        )
        row = await cursor.fetchone()
        assert row is not None
        return int(row[0])


async def execute(dsn: str, statement: str, parameters: tuple[Any, ...] = ()) -> None:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute(statement, parameters)


async def until(found: Callable[[], bool]) -> None:
    while not found():
        await asyncio.sleep(0.01)


async def test_two_workers_together_never_have_more_than_there_is(dsn: str) -> None:
    accounts = PlainAccounts(pool(credential(most=20)))
    running = most = 0

    async def call(at: Worker, workspace_id: int) -> None:
        nonlocal running, most
        seat = await at.take(workspace_id, 5.0)
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.002)
        running -= 1
        seat.give_back()

    async with worker(dsn, accounts) as one, worker(dsn, accounts) as other:
        await asyncio.gather(*(call(at, number % 7) for number in range(300) for at in (one, other)))
        assert most <= 20
        assert most > 10, "both were served at once"
        assert await granted(dsn, "credential:c") <= 20


async def test_three_workers_that_all_want_everything_each_get_a_fair_part(dsn: str) -> None:
    accounts = PlainAccounts(pool(credential(most=9)))
    served = [0, 0, 0]
    stopping = False

    async def call(number: int, at: Worker) -> None:
        while not stopping:
            seat = await at.take()
            served[number] += 1
            await asyncio.sleep(0.005)
            seat.give_back()

    async with worker(dsn, accounts) as a, worker(dsn, accounts) as b, worker(dsn, accounts) as c:
        calls = [asyncio.create_task(call(number, at)) for number, at in enumerate((a, b, c)) for _ in range(12)]
        await asyncio.sleep(1.5)
        stopping = True
        await asyncio.gather(*calls)
    assert min(served) > sum(served) / 6, served


async def test_one_slot_goes_round_among_workers(dsn: str) -> None:
    accounts = PlainAccounts(pool(credential(most=1)))
    async with worker(dsn, accounts) as one, worker(dsn, accounts) as other:
        for _ in range(3):
            for at in (one, other):
                (await at.take()).give_back()


async def test_the_units_of_a_worker_that_is_gone_come_back_and_not_before(dsn: str) -> None:
    accounts = PlainAccounts(pool(credential(most=8)))
    async with worker(dsn, accounts, runs=False) as one:
        async with AsyncExitStack() as other_life:
            other = await other_life.enter_async_context(worker(dsn, accounts, runs=False))
            await other.lessor.round()
            waiting = [asyncio.create_task(other.take()) for _ in range(8)]
            await asyncio.sleep(0)
            await other.lessor.round()  # the pool's units
            await other.lessor.round()  # the credential's
            await asyncio.gather(*waiting)
            await one.lessor.round()
            assert one.take_all() == []
        # Its connection is gone, and some sweeper has just seen that.
        await execute(
            dsn,
            "UPDATE ledger_owner SET gone_since = now() WHERE process = 'test' AND owner_id <> %s",
            (one.lessor.owner_id,),
        )
        await one.lessor.round()
        assert one.take_all() == []
        await execute(
            dsn, "UPDATE ledger_owner SET gone_since = gone_since - make_interval(secs => %s)", (OWNER_GRACE_SECONDS,)
        )
        await one.lessor.round()
        assert one.take_all()


async def test_a_worker_that_was_declared_gone_serves_nothing_new_until_it_is_back(dsn: str) -> None:
    accounts = PlainAccounts(pool(credential(most=8)))
    async with worker(dsn, accounts, runs=False) as one:
        await one.lessor.round()
        assert isinstance(one.seats.take_now(PROVIDER, None, 1), Seat)
        await execute(dsn, "DELETE FROM ledger_owner")
        await one.lessor.round()
        await asyncio.sleep(0)
        one.lessor.ask(one.lessor.leases()[0])
        await one.lessor.round()
        assert one.take_all() == []
        await execute(dsn, "INSERT INTO ledger_owner (owner_id, process) VALUES (%s, 'test')", (one.lessor.owner_id,))
        await one.lessor.round()
        assert one.take_all()


async def test_a_capacity_that_is_lowered_while_it_is_used_is_kept_to_as_calls_end(dsn: str) -> None:
    accounts = PlainAccounts(pool(credential(most=10)))
    async with worker(dsn, accounts) as one, worker(dsn, accounts) as other:
        seats = [await at.take() for _ in range(5) for at in (one, other)]
        accounts.now = (pool(credential(most=4)),)
        waiting = [asyncio.create_task(at.take()) for _ in range(6) for at in (one, other)]
        await asyncio.sleep(0.3)
        assert not any(task.done() for task in waiting)
        for seat in seats:
            seat.give_back()
        await until(lambda: sum(task.done() for task in waiting) >= 4)
        await asyncio.sleep(0.3)
        assert sum(task.done() for task in waiting) == 4
        assert await granted(dsn, "credential:c") <= 4
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_lane_is_there_for_its_workspace_at_whichever_worker_it_calls(dsn: str) -> None:
    accounts = PlainAccounts(pool(credential(most=20), most=20, lanes=[lane(8, lends=False)]))
    async with worker(dsn, accounts) as one, worker(dsn, accounts) as other:
        flood = [asyncio.create_task(at.take(number)) for number in range(1, 40) for at in (one, other)]
        await until(lambda: sum(task.done() for task in flood) == 12)
        for at in (one, other):
            slots = await asyncio.gather(*(at.take(OWNER_OF_LANE, 2.0) for _ in range(8)))
            for seat in slots:
                seat.give_back()
        for task in flood:
            task.cancel()
        for found in await asyncio.gather(*flood, return_exceptions=True):
            if isinstance(found, Seat):
                found.give_back()


async def test_a_lane_is_lent_at_one_worker_until_its_workspace_calls_another(dsn: str) -> None:
    accounts = PlainAccounts(pool(credential(most=8), most=8, lanes=[lane(8)]))
    async with worker(dsn, accounts) as one, worker(dsn, accounts) as other:
        one.clock.ahead_seconds = other.clock.ahead_seconds = LEND_AFTER_SECONDS
        lent = [await one.take() for _ in range(6)]
        with pytest.raises(NoSeat):
            await one.take(1, 0.4)
        owner = [await other.take(OWNER_OF_LANE) for _ in range(2)]
        back = asyncio.create_task(other.take(OWNER_OF_LANE))
        shared = asyncio.create_task(one.take())
        await asyncio.sleep(0.3)
        lent.pop().give_back()
        owner.append(await back)
        lent.pop().give_back()
        await asyncio.sleep(0.3)
        assert not shared.done(), "while its workspace calls, nothing of a lane is lent anywhere"
        shared.cancel()
        await asyncio.gather(shared, return_exceptions=True)


async def test_all_workers_hear_at_once_that_the_workspace_of_a_lane_is_back(dsn: str) -> None:
    accounts = PlainAccounts(pool(credential(most=20), most=20, lanes=[lane(20)]))
    async with worker(dsn, accounts, runs=False) as one, worker(dsn, accounts, runs=False) as other:
        one.clock.ahead_seconds = other.clock.ahead_seconds = LEND_AFTER_SECONDS
        await other.lessor.round()
        waiting = asyncio.create_task(one.take())
        for _ in range(4):
            await one.lessor.round()
        await waiting
        assert isinstance(other.seats.take_now(PROVIDER, None, OWNER_OF_LANE), Seat)
        await other.lessor.round()
        slots = next(lease for lease in one.lessor.leases() if lease.resource == "lane:lane")
        while slots.called_elsewhere_at is None:
            await one.lessor.round(everything=False)  # only what it was told of
            await asyncio.sleep(0.01)
        assert one.take_all() == []


async def test_what_is_about_to_be_given_back_is_not_used_while_the_commit_is_under_way(dsn: str) -> None:
    accounts = PlainAccounts(pool(credential(most=8)))
    async with worker(dsn, accounts, runs=False) as one:
        await one.lessor.round()
        async with worker(dsn, accounts, runs=False) as other:
            waiting = [asyncio.create_task(other.take()) for _ in range(8)]
            await asyncio.sleep(0)
            await other.lessor.round()
            async with await psycopg.AsyncConnection.connect(dsn) as blocker:
                await blocker.execute("SELECT * FROM capacity_lease FOR UPDATE")
                sharing = asyncio.create_task(one.lessor.round())
                cursor = await blocker.execute("SELECT false")
                while await cursor.fetchall() != [(True,)]:
                    cursor = await blocker.execute("SELECT true FROM pg_locks WHERE NOT granted LIMIT 1")
                assert not sharing.done()
                assert one.take_all() == []
            await sharing
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_worker_that_is_alone_has_everything_until_another_one_comes(dsn: str) -> None:
    accounts = PlainAccounts(pool(credential(most=16)))
    async with worker(dsn, accounts, runs=False) as one:
        await one.lessor.round()
        seats = one.take_all()
        assert len(seats) == 16
        for seat in seats:
            seat.give_back()
        async with worker(dsn, accounts, runs=False) as other:
            for lease in one.lessor.leases():
                one.lessor.ask(lease)
            await one.lessor.round()
            await other.lessor.round()
            assert len(one.take_all()) == len(other.take_all()) == 2


async def test_a_worker_that_stops_in_order_gives_everything_back_at_once(dsn: str) -> None:
    accounts = PlainAccounts(pool(credential(most=8)))
    async with worker(dsn, accounts, runs=False) as one:
        await one.lessor.round()
        assert await granted(dsn, "credential:c") > 0
        await one.lessor.close()
        assert await granted(dsn, "credential:c") == 0


async def test_a_resource_that_is_removed_leaves_no_row(dsn: str) -> None:
    accounts = PlainAccounts(pool(credential(most=8), most=8, lanes=[lane(4)]))
    async with worker(dsn, accounts, runs=False) as one:
        await one.lessor.round()
        seat = await one.take(OWNER_OF_LANE)
        accounts.now = ()
        await one.lessor.round()
        assert [lease.resource for lease in one.lessor.leases() if lease.in_use] == ["credential:c", "lane:lane"]
        seat.give_back()
        await one.lessor.round()
        await one.lessor.round()
        assert one.lessor.leases() == ()
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            assert await (await connection.execute("SELECT * FROM capacity_lease")).fetchall() == []


async def test_calls_that_are_cancelled_anywhere_leave_nothing_taken(dsn: str) -> None:
    accounts = PlainAccounts(pool(credential("a", most=5), credential("b", most=4), most=8, lanes=[lane(3)]))

    async def call(at: Worker, number: int) -> None:
        seat = await at.take((1, 2, OWNER_OF_LANE)[number % 3], 0.05 * (number % 5))
        try:
            await asyncio.sleep(0.001 * (number % 11))
        finally:
            seat.give_back()

    async with worker(dsn, accounts) as one, worker(dsn, accounts) as other:
        tasks = [asyncio.create_task(call(at, number)) for number in range(200) for at in (one, other)]
        for number, task in enumerate(tasks):
            if number % 3 == 0:
                await asyncio.sleep(0)
            if number % 4 == 0:
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for at in (one, other):
            assert all(lease.in_use == lease.borrowed == 0 for lease in at.lessor.leases())
            assert at.seats.waiting == 0


async def test_without_the_database_what_was_granted_goes_on_until_the_worker_may_count_as_gone(dsn: str) -> None:
    accounts = PlainAccounts(pool(credential(most=8)))
    alive = True
    clock = AheadClock()
    async with living(dsn) as owner_id, open_pool(dsn) as connections:
        lessor = Lessor(connect_with(connections), owner_id=owner_id, clock=clock, alive=lambda: alive)
        at = Worker(accounts, lessor, clock)
        await lessor.round()
        await connections.close()
        alive = False
        await lessor.round()
        at.take_all()[0].give_back()
        clock.ahead_seconds = OWNER_GRACE_SECONDS
        await lessor.round()
        assert at.take_all() == []
