"""The statements by which processes share limits."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple

import psycopg

from farebox.ledger.owners import OWNER_GRACE_SECONDS
from farebox.routing.rates.legs import Leg, Unit, minute_of
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
Connect = Callable[[], AbstractAsyncContextManager[Connection]]

_QUERIES = load_queries("farebox.routing.rates", "queries.sql")
_UNITS = {Unit.REQUESTS: 1, Unit.TOKENS: 2}
# The first half of advisory locks of slots: "far" and a 2. Locks of two numbers never meet those of one.
_SLOTS_LOCK = 0x66617202


class Lease(NamedTuple):
    """What was granted, and what the limit leaves to anybody after that."""

    granted: int
    unleased: int


class Leases:
    """Leases in the name of one process; `connect` lends a connection and raises DatabaseUnavailable."""

    def __init__(self, connect: Connect, owner_id: int) -> None:
        self._connect = connect
        self._owner_id = owner_id

    async def window(self, leg: Leg, minute: int, *, most: int, settle: int, want: int) -> Lease:
        """Units of a minute. `settle` is taken (below zero: given back) whatever the limit says, `want` within it."""
        settled = max(0, settle)
        granted = max(0, min(want, most - settled))
        parameters = {
            **_named(leg),
            "unit": _UNITS[leg.unit],
            "minute": minute,
            "most": most,
            "settle": settle,
            "want": want,
            "first_leased": settled + granted,
            "first_granted": granted,
        }
        async with self._connect() as connection:
            row = await (await connection.execute(_QUERIES["lease_window"], parameters)).fetchone()
        return Lease(0, 0) if row is None else Lease(row[0], max(0, most - row[1]))

    async def slots(self, leg: Leg, *, most: int, held: int, want: int) -> Lease:
        """Calls that may be under way at once: this process holds `held`, and gets as much of `want` as is left."""
        lock = {"lock": _SLOTS_LOCK, "holder": f"{leg.workspace_id} {leg.key_id} {leg.model_id}"}
        parameters = {
            **_named(leg),
            "owner_id": self._owner_id,
            "grace": OWNER_GRACE_SECONDS,
            "most": most,
            "held": held,
            "want": want,
        }
        async with self._connect() as connection:
            async with connection.pipeline(), connection.transaction():
                await connection.execute(_QUERIES["lock_slots"], lock)
                cursor = await connection.execute(_QUERIES["lease_slots"], parameters)
            row = await cursor.fetchone()
        assert row is not None
        mine, others = row
        return Lease(mine - held, max(0, most - mine - others))

    async def leave(self) -> None:
        """Give back every slot of this process."""
        async with self._connect() as connection:
            await connection.execute(_QUERIES["leave_slots"], {"owner_id": self._owner_id})


def _named(leg: Leg) -> dict[str, object]:
    return {"workspace_id": leg.workspace_id, "key_id": leg.key_id, "model_id": leg.model_id}


async def forget_past_rates(connection: "psycopg.AsyncConnection[Any]", now_micros: int) -> None:
    """Delete what no process needs any more: minutes that are over, slots of processes that are gone."""
    await connection.execute(_QUERIES["forget_windows"], {"minute": minute_of(now_micros)})
    await connection.execute(_QUERIES["forget_slots"])
