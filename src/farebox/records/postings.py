"""Every movement of a customer's money, newest first, each with the balance after it: the balance explained.

`balance_after` is the workspace's whole posted balance (cash and grants together), in the order of the list; the first
line's equals the posted balance of the moment. `account_after` is what the ledger stored for the one account moved.
"""

from typing import Final, Literal
from uuid import UUID

import msgspec

from farebox.base.ids import micros_of
from farebox.ledger.book import CASH
from farebox.ledger.draft import PROMOTION_BUDGET
from farebox.ledger.reading import Connection, PostingRow, read_posted_before, read_postings
from farebox.records.page import FIRST_PAGE, Cursor

# An entry is committed within seconds of the moment that its id carries, or never. Older balances cannot change any
# more and travel with the cursor; younger ones are computed anew.
SETTLED_AFTER_MICROS: Final = 120_000_000

Kind = Literal["call", "credit", "adjustment", "promotion_granted", "promotion_expired"]
_REASONS: Final[dict[Kind, str]] = {
    "call": "Charge of a call",
    "credit": "Credit",
    "adjustment": "Correction by the operator",
    "promotion_granted": "Promotional credit",
    "promotion_expired": "Promotional credit expired",
}


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    """One movement. `amount_nanos` is what it added to the balance: negative for a charge."""

    entry_id: UUID
    recorded_at: int
    kind: Kind
    reason: str
    amount_nanos: int
    balance_after_nanos: int
    grant_id: int | None
    account_after_nanos: int
    call_id: UUID | None


class PostingPage(msgspec.Struct, frozen=True):
    """Movements, newest first; `next_cursor` None: there are no older ones."""

    items: list[Posting]
    next_cursor: Cursor | None


async def read_posting_page(
    connection: Connection, workspace_id: int, *, cursor: Cursor = FIRST_PAGE, page: int, now_micros: int
) -> PostingPage:
    """One page of at most `page` movements."""
    async with connection.transaction():
        # The balance and the entries have to be of one moment.
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        rows = await read_postings(connection, workspace_id, before_id=cursor.before_id, most=page + 1)
        balance = cursor.amount_nanos
        if balance is None:
            balance = await read_posted_before(connection, workspace_id, cursor.before_id)
    items = []
    for row in rows[:page]:
        items.append(_posting(row, balance))
        balance -= items[-1].amount_nanos
    if len(rows) <= page:
        return PostingPage(items, None)
    return PostingPage(items, _cursor_after(items[-1].entry_id, balance, now_micros))


def _cursor_after(entry_id: UUID, balance_nanos: int, now_micros: int) -> Cursor:
    final = micros_of(entry_id) < now_micros - SETTLED_AFTER_MICROS
    return Cursor(entry_id, balance_nanos if final else None)


def _posting(row: PostingRow, balance_after_nanos: int) -> Posting:
    kind = _kind(row)
    return Posting(
        entry_id=row.entry_id,
        recorded_at=row.recorded_at,
        kind=kind,
        reason=row.reason or _REASONS[kind],
        amount_nanos=row.after_nanos - row.before_nanos,
        balance_after_nanos=balance_after_nanos,
        grant_id=None if row.account_id == CASH else row.account_id,
        account_after_nanos=row.after_nanos,
        call_id=row.hold_id,
    )


def _kind(row: PostingRow) -> Kind:
    if row.credit_account == PROMOTION_BUDGET:
        return "promotion_expired"
    if row.hold_id is not None:
        return "call"
    if row.debit_account == PROMOTION_BUDGET:
        return "promotion_granted"
    return "credit" if row.after_nanos > row.before_nanos else "adjustment"
