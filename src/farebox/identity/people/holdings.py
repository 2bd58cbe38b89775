"""Wallets whose holdings count for a workspace. They sign nobody in: the same address may be somebody's way to sign in,
too, and neither knows of the other."""

from typing import Any, Final

import msgspec
import psycopg

from farebox.base.ids import random_id
from farebox.identity.people.wallets import WalletProof
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

# Each is asked for its holdings every day.
MAX_HOLDING_WALLETS: Final = 50
# The history that one list shows; the rows themselves stay.
MAX_LISTED: Final = 200

_QUERIES = load_queries("farebox.identity.people", "holdings.sql")


class HoldingWallet(msgspec.Struct, frozen=True):
    """A wallet of a workspace. `chain_id` None: its key proved it, so it counts on every chain. `unlinked_at` None: it
    counts now."""

    wallet_id: int
    address: str
    chain_id: int | None
    linked_at: int
    linked_by: str
    unlinked_at: int | None = None


async def holder_of(connection: Connection, proof: WalletProof) -> int | None:
    """The workspace for which what that wallet holds counts already, be it on one chain only; None: for none.

    The address is locked until the transaction ends, so that it stays so.
    """
    await connection.execute(_QUERIES["lock_address"], {"address": proof.address})
    row = await (await connection.execute(_QUERIES["overlapping"], msgspec.structs.asdict(proof))).fetchone()
    return None if row is None else int(row[0])


async def link_holding(
    connection: Connection, workspace_id: int, proof: WalletProof, *, by: str, now_micros: int
) -> HoldingWallet:
    """Let it count; ask `holder_of` first, in the same transaction."""
    linked = HoldingWallet(random_id(), proof.address, proof.chain_id, now_micros, by)
    wanted = {**msgspec.structs.asdict(linked), "workspace_id": workspace_id, "now_micros": now_micros}
    await connection.execute(_QUERIES["link_holding"], wanted)
    return linked


async def count_holdings(connection: Connection, workspace_id: int) -> int:
    """How many count now."""
    row = await (await connection.execute(_QUERIES["count_holdings"], {"workspace_id": workspace_id})).fetchone()
    assert row is not None
    return int(row[0])


async def list_holdings(connection: Connection, workspace_id: int) -> list[HoldingWallet]:
    """Those that count, then those that did, each the newest first; at most MAX_LISTED."""
    wanted = {"workspace_id": workspace_id, "most": MAX_LISTED}
    cursor = await connection.execute(_QUERIES["list_holdings"], wanted)
    return [HoldingWallet(*row) for row in await cursor.fetchall()]


async def unlink_holding(
    connection: Connection, workspace_id: int, wallet_id: int, *, now_micros: int
) -> HoldingWallet | None:
    """It counts no more; its row stays. None: this workspace has no such wallet."""
    wanted = {"workspace_id": workspace_id, "wallet_id": wallet_id, "now_micros": now_micros}
    row = await (await connection.execute(_QUERIES["unlink_holding"], wanted)).fetchone()
    return None if row is None else HoldingWallet(*row)
