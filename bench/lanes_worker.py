"""One of several workers that share a pool: seats and leases as the gateway has them, and calls that only sleep."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import psycopg
import uvloop
from msgspec import Struct

from bench.children import give_answer, take_order
from farebox.base.clock import monotone_clock
from farebox.base.ids import random_id
from farebox.base.limits import Routing
from farebox.catalog.model import Provider
from farebox.providers.pools import Credential, Lane, Pool
from farebox.routing.capacity.lessor import Lessor
from farebox.routing.capacity.seat import NoSeat
from farebox.routing.capacity.seats import Seats
from farebox.storage.changes import ChangeFeed
from farebox.storage.pool import PoolBounds, connected, open_pool

PROVIDER = Provider(provider_id="bench", display_name="Bench", base_url="http://127.0.0.1")
LANE_WORKSPACE, WORKSPACES = 1, 50
POOL_SLOTS, LANE_SLOTS = 100, 20
SERVICE_SECONDS = 0.05
WARM_UP_SECONDS = 1.0
# Longer than a lane waits before it lends.
IDLE_SECONDS = 11.0
BURST_EVERY_SECONDS = 0.5


class LanesOrder(Struct):
    """`shared` calls at once flood the pool for `seconds`. The lane's calls come `steady` (each after a short pause),
    or in `bursts` of all its slots at one worker after the other, or `lent`: after a pause in which slots were lent.
    """

    dsn: str
    place: int
    workers: int
    shared: int
    how: str
    seconds: float
    begin_at: float


class LanesAnswer(Struct):
    """Waits for a seat in seconds."""

    lane: list[float]
    shared: list[float]
    refused: int


class _Accounts:
    def __init__(self) -> None:
        halves = [_credential(name) for name in ("one", "other")]
        lane = Lane(lane_id="bench", pool_id="default", workspace_id=LANE_WORKSPACE, slots=LANE_SLOTS)
        pool = Pool(
            pool_id="default", provider_id="bench", credentials=tuple(halves), max_concurrent=POOL_SLOTS, lanes=(lane,)
        )
        self._pools = (pool,)

    def pools(self, _provider: Provider) -> tuple[Pool, ...]:
        return self._pools

    def awake(self, _credential: Credential) -> bool:
        return True


def _credential(name: str) -> Credential:
    return Credential(
        credential_id=name,
        provider_id="bench",
        pool_id="default",
        origin="stored",
        api_key=None,
        max_concurrent=POOL_SLOTS // 2,
    )


@asynccontextmanager
async def _seats(dsn: str) -> AsyncIterator[Seats]:
    async with AsyncExitStack() as stack:
        owner_id = random_id()
        alive = await stack.enter_async_context(await psycopg.AsyncConnection.connect(dsn, autocommit=True))
        await alive.execute("SELECT pg_advisory_lock(%s)", (owner_id,))
        await alive.execute("INSERT INTO ledger_owner (owner_id, process) VALUES (%s, 'bench')", (owner_id,))
        pool = await stack.enter_async_context(open_pool(dsn, PoolBounds(max_size=2)))
        clock = monotone_clock()
        lessor = Lessor(lambda: connected(pool), owner_id=owner_id, clock=clock, alive=lambda: True)
        seats = Seats(_Accounts(), lessor, clock=clock, routing=Routing(), draw=random.Random(1).randrange)
        seats.know([PROVIDER])
        feed = ChangeFeed(dsn, lambda topic, subject: lessor.heard(subject) if topic == "capacity" else None, _pass)
        feed.start()
        stack.push_async_callback(feed.stop)
        task = asyncio.create_task(lessor.run())
        yield seats
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await lessor.close()


def _pass() -> None:
    return


class _Play:
    def __init__(self, order: LanesOrder, seats: Seats) -> None:
        self.order = order
        self.seats = seats
        self.found = LanesAnswer([], [], 0)
        self.until = 0.0
        self.counts_from = 0.0

    async def call(self, workspace_id: int, waits: list[float]) -> None:
        began_at = time.perf_counter()
        try:
            seat = await self.seats.take(PROVIDER, None, workspace_id, 5.0)
        except NoSeat:
            self.found.refused += 1
            return
        if time.time() >= self.counts_from:
            waits.append(time.perf_counter() - began_at)
        await asyncio.sleep(SERVICE_SECONDS)
        seat.give_back()

    async def shared(self, number: int) -> None:
        while time.time() < self.until:
            await self.call(2 + number % WORKSPACES, self.found.shared)

    async def steady(self, number: int) -> None:
        pauses = random.Random(number)
        while time.time() < self.until:
            await asyncio.sleep(pauses.random() * 2 * SERVICE_SECONDS)
            await self.call(LANE_WORKSPACE, self.found.lane)

    async def bursts(self) -> None:
        calls: list[asyncio.Task[None]] = []
        number = 0
        first_at = self.counts_from if self.order.how == "lent" else self.order.begin_at
        while (at := first_at + number * BURST_EVERY_SECONDS) < self.until:
            await asyncio.sleep(max(0.0, at - time.time()))
            if number % self.order.workers == self.order.place:
                calls += [asyncio.create_task(self.call(LANE_WORKSPACE, self.found.lane)) for _ in range(LANE_SLOTS)]
            number += 1
        await asyncio.gather(*calls)

    async def lane(self) -> None:
        if self.order.how == "steady":
            await asyncio.gather(*(self.steady(number) for number in range(LANE_SLOTS // self.order.workers)))
        else:
            await self.bursts()


async def _play(order: LanesOrder) -> LanesAnswer:
    async with _seats(order.dsn) as seats:
        play = _Play(order, seats)
        play.counts_from = order.begin_at + (IDLE_SECONDS if order.how == "lent" else WARM_UP_SECONDS)
        play.until = play.counts_from + order.seconds
        await asyncio.sleep(max(0.0, order.begin_at - time.time()))
        await asyncio.gather(play.lane(), *(play.shared(number) for number in range(order.shared)))
    return play.found


if __name__ == "__main__":
    give_answer(uvloop.run(_play(take_order(LanesOrder))))
