"""Budgets of routes: what providers may bill, kept by several workers together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from farebox.base.clock import MICROS_PER_DAY
from farebox.catalog.model import Route
from farebox.catalog.terms import BudgetCap, Terms
from farebox.routing.capacity.budgets import BLOCKS, IDLE_SECONDS, Budgets
from farebox.storage.pool import Pool as Connections
from farebox.storage.pool import PoolBounds, open_pool
from tests.capacity.stand import HandClock, connect_with

CAP = 2_000_000_000
BLOCK = CAP // BLOCKS


def route(cap: int | None = CAP, *, per: str = "day", route_id: str = "p/m") -> Route:
    terms = Terms(budget_cap="none" if cap is None else BudgetCap(cap, per))  # type: ignore[arg-type]
    return Route(route_id=route_id, model_id="m", provider_id="p", upstream_model="m", terms=terms)


@pytest.fixture
async def connections(dsn: str) -> AsyncIterator[Connections]:
    async with open_pool(dsn, PoolBounds(max_size=4)) as opened:
        yield opened


async def spent(connections: Connections) -> list[tuple[int, int]]:
    """Spent and leased of each window, oldest first."""
    async with connections.connection() as connection:
        cursor = await connection.execute("SELECT spent_nanos, leased_nanos FROM capacity_budget ORDER BY day")
        return [(int(row[0]), int(row[1])) for row in await cursor.fetchall()]


@asynccontextmanager
async def running(budgets: Budgets) -> AsyncIterator[None]:
    task = asyncio.create_task(budgets.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_route_without_a_cap_spends_what_it_likes(connections: Connections) -> None:
    budgets = Budgets(connect_with(connections), clock=HandClock())
    for free in (route(None), Route(route_id="x", model_id="m", provider_id="p", upstream_model="m")):
        budgets.spent(free, 10**15)
        assert budgets.left(free)
    await budgets.report()
    assert await spent(connections) == []


async def test_a_cap_that_is_reached_stops_the_route(connections: Connections) -> None:
    budgets = Budgets(connect_with(connections), clock=HandClock())
    calls = 0
    while budgets.left(route()):
        budgets.spent(route(), 30_000_000)
        calls += 1
        if calls % 2 == 0:
            await budgets.report()
    assert CAP <= calls * 30_000_000 < CAP + BLOCK + 2 * 30_000_000
    await budgets.report()
    assert not budgets.left(route())
    assert (await spent(connections))[0][0] == calls * 30_000_000


async def test_three_workers_exceed_a_cap_by_no_more_than_a_block_each(connections: Connections) -> None:
    clock = HandClock()
    workers = [Budgets(connect_with(connections), clock=clock) for _ in range(3)]
    total = 0
    for round_number in range(2_000):
        at = workers[round_number % 3]
        if at.left(route()):
            at.spent(route(), 7_000_001)
            total += 7_000_001
        if round_number % 11 == 0:
            await workers[round_number % 2].report()  # the third reports rarely
        if round_number % 97 == 0:
            await workers[2].report()
    for at in workers:
        await at.report()
    assert CAP <= total <= CAP + 3 * (BLOCK + 7_000_001)
    assert sum(row[0] for row in await spent(connections)) == total


async def test_what_was_spent_survives_a_restart(connections: Connections) -> None:
    clock = HandClock()
    first = Budgets(connect_with(connections), clock=clock)
    first.spent(route(), CAP - BLOCK // 2)
    await first.close()
    assert await spent(connections) == [(CAP - BLOCK // 2, 0)]
    second = Budgets(connect_with(connections), clock=clock)
    assert second.left(route())
    await second.report()
    second.spent(route(), BLOCK // 2)
    assert not second.left(route())


async def test_a_crash_loses_a_block_towards_spending_less(connections: Connections) -> None:
    clock = HandClock()
    crashed = Budgets(connect_with(connections), clock=clock)
    crashed.left(route())
    await crashed.report()
    crashed.spent(route(), BLOCK // 3)  # nobody hears of it
    other = Budgets(connect_with(connections), clock=clock)
    told = 0
    while other.left(route()):
        other.spent(route(), BLOCK // 10)
        told += BLOCK // 10
        await other.report()
    assert CAP - BLOCK <= told + BLOCK // 3 <= CAP + BLOCK // 10


async def test_a_worker_that_is_idle_gives_its_block_back(connections: Connections) -> None:
    clock = HandClock()
    budgets = Budgets(connect_with(connections), clock=clock)
    budgets.left(route())
    await budgets.report()
    assert await spent(connections) == [(0, BLOCK)]
    clock.pass_seconds(IDLE_SECONDS)
    await budgets.report()
    assert await spent(connections) == [(0, 0)]
    assert budgets.left(route()), "the first call afterwards finds the budget open"


async def test_a_new_window_begins_with_nothing_spent(connections: Connections) -> None:
    clock = HandClock()
    budgets = Budgets(connect_with(connections), clock=clock)
    daily, monthly = route(), route(per="month", route_id="p/n")
    for each in (daily, monthly):
        budgets.spent(each, CAP * 2)
    await budgets.report()
    assert not budgets.left(daily)
    assert not budgets.left(monthly)
    clock.now_micros += MICROS_PER_DAY
    assert budgets.left(daily)
    assert not budgets.left(monthly)
    clock.now_micros += 31 * MICROS_PER_DAY
    assert budgets.left(monthly)


async def test_a_cap_that_is_raised_opens_the_route_again(connections: Connections) -> None:
    budgets = Budgets(connect_with(connections), clock=HandClock())
    budgets.spent(route(), CAP)
    await budgets.report()
    assert not budgets.left(route())
    budgets.left(route(CAP * 2))
    await budgets.report()
    assert budgets.left(route(CAP * 2))


async def test_what_is_spent_is_reported_without_being_asked(connections: Connections) -> None:
    budgets = Budgets(connect_with(connections), clock=HandClock())
    async with running(budgets):
        budgets.spent(route(), BLOCK * 2)
        while not await spent(connections):
            await asyncio.sleep(0.01)
    assert (await spent(connections))[0][0] == BLOCK * 2


async def test_without_the_database_a_block_may_be_spent_and_is_reported_later(dsn: str) -> None:
    clock = HandClock()
    away = True

    @asynccontextmanager
    async def connect() -> AsyncIterator["psycopg.AsyncConnection[tuple[object, ...]]"]:
        if away:
            raise OSError("away")
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            yield connection

    budgets = Budgets(connect, clock=clock)
    calls = 0
    while budgets.left(route()):
        budgets.spent(route(), BLOCK // 4)
        await budgets.report()
        calls += 1
    assert calls == 4
    away = False
    await budgets.report()
    assert budgets.left(route())


async def test_what_is_spent_while_a_report_is_under_way_is_in_the_next_one(connections: Connections, dsn: str) -> None:
    budgets = Budgets(connect_with(connections), clock=HandClock())
    budgets.spent(route(), 5)
    await budgets.report()
    budgets.spent(route(), 7)
    async with await psycopg.AsyncConnection.connect(dsn) as blocker:
        await blocker.execute("SELECT * FROM capacity_budget FOR UPDATE")
        reporting = asyncio.create_task(budgets.report())
        cursor = await blocker.execute("SELECT false")
        while await cursor.fetchall() != [(True,)]:
            cursor = await blocker.execute("SELECT true FROM pg_locks WHERE NOT granted LIMIT 1")
        budgets.spent(route(), 11)
    await reporting
    await budgets.report()
    assert (await spent(connections))[0][0] == 5 + 7 + 11
