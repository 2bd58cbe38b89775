"""Wallets whose holdings count for a workspace: shown with their history, and unlinked. How one is linked stands in
wallet_sign_in.py, because it takes a signature."""

from farebox.access.asking import Caller
from farebox.access.parts import Access
from farebox.access.wallet_sign_in import holding_event
from farebox.base.errors import Problem
from farebox.base.ids import IdError, read_short
from farebox.identity.audit import record
from farebox.identity.people import holdings
from farebox.identity.people.holdings import HoldingWallet
from farebox.storage.pool import connected


async def list_holding(access: Access, workspace_id: int) -> list[HoldingWallet]:
    """Those that count, then those that did, each the newest first."""
    async with connected(access.pool) as connection:
        return await holdings.list_holdings(connection, workspace_id)


async def unlink_holding(access: Access, caller: Caller, wallet_id: str) -> HoldingWallet:
    """It counts no more, from this moment on. `wallet_id`: `holding_…`. Raises Problem(`not_found`)."""
    missing = Problem("not_found", "No such wallet counts for this workspace.", param="wallet_id")
    try:
        number = read_short("holding", wallet_id)
    except IdError:
        raise missing from None
    async with connected(access.pool) as connection, connection.transaction():
        now_micros = access.clock()
        gone = await holdings.unlink_holding(connection, caller.workspace_id, number, now_micros=now_micros)
        if gone is None:
            raise missing
        await record(connection, holding_event(caller, "holding_wallet.unlinked", gone), now_micros=now_micros)
        return gone
