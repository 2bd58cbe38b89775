"""Stand-ins for what surrounds capacity: accounts made of pools, a clock that is set by hand, workers that live."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psycopg

from farebox.base.clock import MICROS_PER_SECOND, monotone_clock
from farebox.base.ids import random_id
from farebox.base.limits import Routing
from farebox.catalog.model import Provider
from farebox.providers.pools import Credential, Lane, Pool
from farebox.routing.capacity.lessor import Lessor
from farebox.routing.capacity.seats import Seats
from farebox.routing.capacity.store import Connect
from farebox.storage.errors import DatabaseUnavailable
from farebox.storage.pool import Pool as Connections
from farebox.storage.pool import connected

PROVIDER = Provider(provider_id="p", display_name="P", base_url="http://127.0.0.1")
OWNER_OF_LANE = 77


class HandClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now_micros = 1_000 * MICROS_PER_SECOND

    def __call__(self) -> int:
        return self.now_micros

    def pass_seconds(self, seconds: float) -> None:
        self.now_micros += int(seconds * MICROS_PER_SECOND)


class AheadClock:
    """Real time, that jumps ahead on request."""

    def __init__(self) -> None:
        self._real = monotone_clock()
        self.ahead_seconds = 0

    def __call__(self) -> int:
        return self._real() + self.ahead_seconds * MICROS_PER_SECOND


class PlainAccounts:
    """Pools as they were given; credentials sleep on request."""

    def __init__(self, *pools: Pool) -> None:
        self.now = pools
        self.asleep: set[str] = set()

    def pools(self, provider: Provider) -> tuple[Pool, ...]:
        return self.now

    def awake(self, credential: Credential) -> bool:
        return credential.credential_id not in self.asleep


def credential(
    name: str = "c", *, most: int | None = None, weight: int = 1, rpm: int | None = None, pool: str = "default"
) -> Credential:
    return Credential(
        credential_id=name,
        provider_id="p",
        pool_id=pool,
        origin="stored",
        api_key=None,
        weight=weight,
        max_concurrent=most,
        requests_per_minute=rpm,
    )


def pool(*credentials: Credential, most: int | None = None, lanes: Sequence[Lane] = (), name: str = "default") -> Pool:
    return Pool(pool_id=name, provider_id="p", credentials=credentials, max_concurrent=most, lanes=tuple(lanes))


def lane(slots: int, *, workspace_id: int = OWNER_OF_LANE, lends: bool = True, name: str = "lane") -> Lane:
    return Lane(lane_id=name, pool_id="default", workspace_id=workspace_id, slots=slots, lends=lends)


def first(_: int) -> int:
    return 0


@asynccontextmanager
async def _away() -> AsyncIterator[psycopg.AsyncConnection[tuple[object, ...]]]:
    raise DatabaseUnavailable("away")
    yield  # what makes it a generator


def without_database(
    accounts: PlainAccounts, clock: HandClock, *, routing: Routing | None = None
) -> tuple[Seats, Lessor]:
    """Seats whose leases only `grant_all` fills."""
    lessor = Lessor(_away, owner_id=1, clock=clock, alive=lambda: True)
    seats = Seats(accounts, lessor, clock=clock, routing=routing or Routing(), draw=first)
    return seats, lessor


def grant_all(lessor: Lessor) -> None:
    """As if this were the only worker."""
    for lease in lessor.leases():
        if lease.capacity is not None:
            lease.granted = lease.usable = lease.capacity


@asynccontextmanager
async def living(dsn: str) -> AsyncIterator[int]:
    """A worker's boot id, alive for the length of the block as the ledger sees it."""
    owner_id = random_id()
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await connection.execute("SELECT pg_advisory_lock(%s)", (owner_id,))
        await connection.execute("INSERT INTO ledger_owner (owner_id, process) VALUES (%s, 'test')", (owner_id,))
        yield owner_id


def connect_with(connections: Connections) -> Connect:
    return lambda: connected(connections)
