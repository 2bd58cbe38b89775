"""Reads of the ledger for people: balances, limits, open holds, postings. Amounts are nano-USD."""

from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from farebox.base.clock import day_of, month_start_day
from farebox.ledger.owners import QUERIES
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

_READS = load_queries("farebox.ledger", "reading.sql")


class AccountBalance(NamedTuple):
    """One customer account that is not closed; account 0 is cash, all others are promotional grants."""

    account_id: int
    posted_nanos: int
    held_nanos: int
    priority: int
    expires_at: int | None


class LimitUse(NamedTuple):
    """One limit (key 0: the workspace's) with its running window."""

    key_id: int
    span: int
    max_requests: int | None
    max_nanos: int | None
    used_requests: int
    held_requests: int
    used_nanos: int
    held_nanos: int


class HoldRow(NamedTuple):
    """A hold as stored; `memo` is its maker's."""

    hold_id: UUID
    key_id: int
    state: int
    amount_nanos: int
    reserved_at: int
    finished_at: int | None
    charge_nanos: int
    absorbed_nanos: int
    request_counted: bool | None
    memo: str


class PostingRow(NamedTuple):
    """An entry that moved the customer account `account_id` from `before_nanos` to `after_nanos`."""

    entry_id: UUID
    hold_id: UUID | None
    debit_account: str
    credit_account: str
    amount_nanos: int
    account_id: int
    before_nanos: int
    after_nanos: int
    recorded_at: int
    reason: str | None


async def read_accounts(connection: Connection, workspace_id: int) -> list[AccountBalance]:
    """A workspace's accounts; empty when it has no book."""
    cursor = await connection.execute(QUERIES["accounts"], {"workspace_id": workspace_id})
    return [AccountBalance(*row) for row in await cursor.fetchall()]


async def read_limits(
    connection: Connection, workspace_id: int, *, key_ids: list[int], now_micros: int
) -> list[LimitUse]:
    """The limits of those keys (0: the workspace's own): keys first, then day before month before lifetime."""
    day = day_of(now_micros)
    parameters = {"workspace_id": workspace_id, "key_ids": key_ids, "day": day, "month": month_start_day(day)}
    cursor = await connection.execute(QUERIES["limits"], parameters)
    # A window that nothing has used yet has no row.
    return [LimitUse(*row[:4], *(value or 0 for value in row[4:])) for row in await cursor.fetchall()]


async def read_open_holds(
    connection: Connection,
    workspace_id: int,
    *,
    id_range: tuple[UUID, UUID],
    states: list[int],
    most: int,
) -> list[HoldRow]:
    """Open holds in those states whose id is at least the first and below the second of `id_range`, newest first."""
    from_id, before_id = id_range
    parameters = {
        "workspace_id": workspace_id,
        "from_id": from_id,
        "before_id": before_id,
        "states": states,
        "most": most,
    }
    cursor = await connection.execute(_READS["open_holds"], parameters)
    return [HoldRow(*row) for row in await cursor.fetchall()]


async def read_hold(connection: Connection, workspace_id: int, hold_id: UUID) -> HoldRow | None:
    """One hold, open or ended."""
    cursor = await connection.execute(_READS["hold"], {"workspace_id": workspace_id, "hold_id": hold_id})
    row = await cursor.fetchone()
    return None if row is None else HoldRow(*row)


async def read_postings(connection: Connection, workspace_id: int, *, before_id: UUID, most: int) -> list[PostingRow]:
    """Movements of the customer's accounts with a smaller id, newest first."""
    parameters = {"workspace_id": workspace_id, "before_id": before_id, "most": most}
    cursor = await connection.execute(_READS["postings"], parameters)
    return [PostingRow(*row) for row in await cursor.fetchall()]


async def read_posted_before(connection: Connection, workspace_id: int, before_id: UUID) -> int:
    """The workspace's posted balance as it was before the first entry with that id or a greater one."""
    parameters = {"workspace_id": workspace_id, "before_id": before_id}
    cursor = await connection.execute(_READS["posted_before"], parameters)
    row = await cursor.fetchone()
    return int(row[0]) if row else 0
