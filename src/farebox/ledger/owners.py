"""Who owns a hold, and what becomes of holds whose owner is gone.

A worker's boot id is alive exactly as long as its session holds the advisory lock of that number; PostgreSQL lets go of
it the moment the process or its connection dies. Because a connection can also be lost and come back, an owner counts
as gone only after its lock was seen free for a grace period.
"""

from typing import NamedTuple
from uuid import UUID

import psycopg

from farebox.storage.queries import load_queries

# A worker whose connection was cut reconnects within this time, or its holds are treated as orphans.
OWNER_GRACE_SECONDS = 3
# Orphans handled per sweep; the next sweep takes the rest.
MAX_ORPHANS_PER_SWEEP = 500
_SWEEPER_LOCK = 0x6661_7265_626F_7802  # "farebox" and a 2: who looks for gone owners

QUERIES = load_queries("farebox.ledger", "queries.sql")
REGISTER_OWNER = QUERIES["register_owner"]
"""Notes a worker that holds its lock; parameters `$1` its boot id, `$2` what it is called."""


class Orphan(NamedTuple):
    """An open hold whose owner is gone."""

    workspace_id: int
    hold_id: UUID
    state: int
    amount_nanos: int
    reserved_at: int
    memo: str
    progress: str | None


async def find_gone_owners(connection: "psycopg.AsyncConnection[tuple[object, ...]]") -> list[int]:
    """Owners whose lock has been free for the grace period; forgets those that own nothing any more.

    Finds none while another sweeper looks: to see that a lock is free it takes it, and would look like a living owner.
    """
    async with connection.transaction():
        cursor = await connection.execute(QUERIES["one_sweeper"], {"lock": _SWEEPER_LOCK})
        if await cursor.fetchone() != (True,):
            return []
        await connection.execute(QUERIES["note_gone_owners"])
        await connection.execute(QUERIES["forget_idle_owners"], {"grace": OWNER_GRACE_SECONDS})
        cursor = await connection.execute(QUERIES["gone_owners"], {"grace": OWNER_GRACE_SECONDS})
        return [int(str(row[0])) for row in await cursor.fetchall()]


async def orphans_of(
    connection: "psycopg.AsyncConnection[tuple[object, ...]]", owner_ids: list[int], states: tuple[int, ...]
) -> list[Orphan]:
    """Open holds in those states that belong to those owners, oldest first."""
    parameters = {"owners": owner_ids, "states": list(states), "most": MAX_ORPHANS_PER_SWEEP}
    cursor = await connection.execute(QUERIES["orphans"], parameters)
    return [Orphan(*row) for row in await cursor.fetchall()]  # type: ignore[arg-type]
