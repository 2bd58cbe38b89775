"""Leases in PostgreSQL: read and written under a lock on each resource."""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, NamedTuple

import msgspec
import psycopg

from farebox.ledger.owners import OWNER_GRACE_SECONDS
from farebox.routing.capacity.shares import Row
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
Connect = Callable[[], AbstractAsyncContextManager[Connection]]

QUERIES = load_queries("farebox.routing.capacity", "queries.sql")
# The first of two numbers of our advisory locks, "fare" in letters: boot ids are one long number, a space of their own.
_LOCK_KIND: Final = 0x6661_7265


class Found(NamedTuple):
    """What others hold. `living`: whether this worker counts as one; `workers`: how many do."""

    living: bool
    workers: int
    rows: dict[str, list[Row]]


class Stored(msgspec.Struct, frozen=True):
    """This worker's row."""

    resource: str
    granted: int
    wanted: int
    called_at: int | None


class LeaseStore:
    """Table `capacity_lease`, as one owner. Raises DatabaseUnavailable where its connections do."""

    def __init__(self, connect: Connect, owner_id: int) -> None:
        self._connect = connect
        self._owner_id = owner_id

    async def exchange(
        self, resources: Sequence[str], decide: Callable[[Found], tuple[Sequence[Stored], Collection[str]]]
    ) -> Found:
        """Lock, read, let `decide` say which rows to write and which to end, write, commit."""
        parameters = {"resources": list(resources), "owner_id": self._owner_id, "grace": OWNER_GRACE_SECONDS}
        async with self._connect() as connection, connection.transaction():
            found = await self._read(connection, parameters)
            rows, ended = decide(found)
            async with connection.pipeline():
                if rows:
                    written = {"owner_id": self._owner_id, "rows": msgspec.json.encode(rows).decode()}
                    await connection.execute(QUERIES["write_leases"], written)
                if ended:
                    await connection.execute(QUERIES["end_leases"], parameters | {"resources": list(ended)})
        return found

    async def _read(self, connection: Connection, parameters: dict[str, Any]) -> Found:
        async with connection.pipeline():
            await connection.execute(QUERIES["bound_transaction"])
            await connection.execute(QUERIES["lock_resources"], parameters | {"kind": _LOCK_KIND})
            living = await connection.execute(QUERIES["living_workers"], parameters)
            leases = await connection.execute(QUERIES["leases"], parameters)
            alive, workers = await living.fetchone() or (False, 0)
            rows: dict[str, list[Row]] = {}
            for resource, owner_id, granted, wanted, called_at in await leases.fetchall():
                if owner_id != self._owner_id:
                    rows.setdefault(resource, []).append(Row(owner_id, granted, wanted, called_at))
        return Found(alive, workers, rows)

    async def announce(self, resources: Collection[str]) -> None:
        """Tell all workers to look at these resources at once."""
        async with self._connect() as connection:
            await connection.execute(
                QUERIES["announce"], {"owner_id": str(self._owner_id), "resources": list(resources)}
            )

    async def forget_the_gone(self) -> None:
        """Delete rows of workers that are gone."""
        async with self._connect() as connection:
            await connection.execute(
                QUERIES["forget_leases_of_the_gone"], {"owner_id": self._owner_id, "grace": OWNER_GRACE_SECONDS}
            )

    async def end_all(self) -> None:
        """Give everything back."""
        async with self._connect() as connection:
            await connection.execute(QUERIES["end_all_leases"], {"owner_id": self._owner_id})
