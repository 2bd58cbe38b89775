"""Pools of connections with named bounds, and one exception for a database that is not there."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg_pool import AsyncConnectionPool

from farebox.storage.errors import DatabaseUnavailable

Pool = AsyncConnectionPool[psycopg.AsyncConnection[tuple[Any, ...]]]

# Class 40: the server rolled the transaction back and it may be tried again; it is there all right.
_TRANSACTION_ROLLBACK = "40"


# A pool whose database is away tries ever more slowly for so long, then anew with the next caller: kept short, or the
# pool would still be waiting long after the database is back.
RECONNECT_SECONDS = 2.0


@dataclass(frozen=True)
class PoolBounds:
    """How many connections are kept and allowed, how long a caller waits for one, and how many may wait."""

    min_size: int = 1
    max_size: int = 8
    timeout_seconds: float = 5.0
    max_waiting: int = 256


@asynccontextmanager
async def open_pool(dsn: str, bounds: PoolBounds | None = None, *, name: str = "farebox") -> AsyncIterator[Pool]:
    """A pool of autocommit connections, closed in the end. Raises DatabaseUnavailable if none can be made in time.

    A connection is proved alive before it is given out: a restart of PostgreSQL fails nobody who comes after it.
    """
    bounds = bounds or PoolBounds()
    pool: Pool = AsyncConnectionPool(
        dsn,
        kwargs={"autocommit": True},
        min_size=bounds.min_size,
        max_size=bounds.max_size,
        timeout=bounds.timeout_seconds,
        max_waiting=bounds.max_waiting,
        reconnect_timeout=RECONNECT_SECONDS,
        check=AsyncConnectionPool.check_connection,
        open=False,
        name=name,
    )
    try:
        with mapped_errors():
            await pool.open(wait=True, timeout=bounds.timeout_seconds)
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def connected(pool: Pool) -> AsyncIterator[psycopg.AsyncConnection[tuple[Any, ...]]]:
    """One connection of the pool. Raises DatabaseUnavailable for whatever keeps the database from answering."""
    with mapped_errors():
        async with pool.connection() as connection:
            yield connection


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Turns psycopg's operational errors, a full pool among them, into DatabaseUnavailable.

    Deadlocks and serialization failures pass as they are. The new message names no host, user or password.
    """
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        if (error.sqlstate or "").startswith(_TRANSACTION_ROLLBACK):
            raise
        raise DatabaseUnavailable(f"the database is not available ({type(error).__name__})") from error
