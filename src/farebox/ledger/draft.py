"""A draft: the changes one command would make to a book, gathered beside it. Dropping the draft changes nothing."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from farebox.ledger.book import CASH, NO_LIMIT, Account, Book, Entry, Hold, Limit, Posting, Window
from farebox.ledger.commands import Command

# The operator's accounts. They are never updated: their balance is the sum of the entries that name them.
MANUAL_CREDIT = "manual_credit"
PROMOTION_BUDGET = "promotion_budget"
PROMOTION_DISCOUNT = "promotion_discount"
OVERRUN_ABSORBED = "overrun_absorbed"

_LOW_80_BITS = (1 << 80) - 1


def customer_account(account_id: int) -> str:
    """The name that entries give to a customer account."""
    return "customer_cash" if account_id == CASH else f"customer_promotion:{account_id}"


class Draft:
    """Rows that a command touches, over the rows of the book."""

    __slots__ = ("accounts", "book", "command", "entries", "hold_id", "windows")

    def __init__(self, book: Book, command: Command, hold_id: UUID | None = None) -> None:
        self.book = book
        self.command = command
        self.hold_id = hold_id
        self.accounts: dict[int, Account] = {}
        self.windows: dict[tuple[int, int, int], Window] = {}
        self.entries: list[Entry] = []

    def account(self, account_id: int) -> Account:
        """The account as this command leaves it so far."""
        return self.accounts.get(account_id) or self.book.accounts[account_id]

    def hold_money(self, account_id: int, amount_nanos: int) -> None:
        """Take an amount (negative: give it back) between available and held."""
        a = self.account(account_id)
        held_nanos = a.held_nanos + amount_nanos
        assert 0 <= held_nanos <= a.posted_nanos, "a hold is within its account"
        self.accounts[account_id] = Account(
            a.workspace_id, account_id, a.posted_nanos, held_nanos, a.version, a.priority, a.expires_at, a.closed
        )

    def post(self, account_id: int, amount_nanos: int, other_account: str) -> None:
        """Credit the customer account (negative: debit it) against one of the operator's."""
        a = self.account(account_id)
        after_nanos = a.posted_nanos + amount_nanos
        assert after_nanos >= a.held_nanos >= 0, "a posting leaves what is held"
        done = account_id != CASH and after_nanos == 0
        self.accounts[account_id] = Account(
            a.workspace_id, account_id, after_nanos, a.held_nanos, a.version + 1, a.priority, a.expires_at, done
        )
        name, posting = customer_account(account_id), Posting(account_id, a.version + 1, a.posted_nanos, after_nanos)
        if amount_nanos > 0:
            self.enter(other_account, name, amount_nanos, posting)
        else:
            self.enter(name, other_account, -amount_nanos, posting)

    def enter(self, debit: str, credit: str, amount_nanos: int, posting: Posting | None = None) -> None:
        """Add a double entry; nothing for an amount of zero."""
        if amount_nanos == 0:
            return
        account_id, version, before_nanos, after_nanos = posting or (None, None, None, None)
        command = self.command
        self.entries.append(
            Entry(
                command.workspace_id,
                self._entry_id(),
                command.command_id,
                self.hold_id,
                debit,
                credit,
                amount_nanos,
                account_id,
                version,
                before_nanos,
                after_nanos,
                command.now_micros,
            )
        )

    def _entry_id(self) -> UUID:
        """A UUIDv7 of the command's moment, told apart by the command's id and the entry's number: no randomness."""
        low = (self.command.command_id.int & _LOW_80_BITS) ^ (len(self.entries) << 4)
        return UUID(int=(self.command.now_micros // 1_000 << 80) | low)

    def spend(self, account_id: int, amount_nanos: int, revenue_account: str) -> None:
        """Debit the customer for use. Promotional money is a discount, so it leaves no net revenue."""
        if amount_nanos == 0:
            return
        self.post(account_id, -amount_nanos, revenue_account)
        if account_id != CASH:
            self.enter(PROMOTION_DISCOUNT, PROMOTION_BUDGET, amount_nanos)

    def expire_rest(self, account_id: int) -> int:
        """Take back what an expired grant has beyond its holds; returns the amount in nano-USD."""
        a = self.account(account_id)
        rest_nanos = a.available_nanos
        if rest_nanos == 0 or a.spendable(self.command.now_micros):
            return 0
        self.post(account_id, -rest_nanos, PROMOTION_BUDGET)
        return rest_nanos

    def count(self, hold: Hold, *, held: int, requests: int, charge_nanos: int) -> None:
        """Move the hold's limit windows: `held` +1 takes the reservation, -1 gives it back; then what was used."""
        for place in hold.places():
            w = self.windows.get(place) or self.book.windows.get(place) or Window(hold.workspace_id, *place)
            self.windows[place] = Window(
                w.workspace_id,
                w.key_id,
                w.span,
                w.day,
                w.used_requests + requests,
                w.held_requests + held,
                w.used_nanos + charge_nanos,
                w.held_nanos + held * hold.amount_nanos,
                w.seed_requests,
                w.seed_nanos,
                w.top_requests,
                w.top_nanos,
            )

    def admit(self, limits: Sequence[Limit]) -> None:
        """Note under which limits the windows just taken admitted a call."""
        for place, w in self.windows.items():
            limit = next(li for li in limits if (li.key_id, li.span) == place[:2])
            max_requests = NO_LIMIT if limit.max_requests is None else limit.max_requests
            max_nanos = NO_LIMIT if limit.max_nanos is None else limit.max_nanos
            if max_requests > w.top_requests or max_nanos > w.top_nanos:
                top = {"top_requests": max(max_requests, w.top_requests), "top_nanos": max(max_nanos, w.top_nanos)}
                self.windows[place] = msgspec.structs.replace(w, **top)

    def available_nanos(self) -> int:
        """What a new hold could take once this command is done."""
        now_micros = self.command.now_micros
        known = self.book.accounts | self.accounts
        return sum(a.available_nanos for a in known.values() if a.account_id == CASH or a.spendable(now_micros))

    def held_nanos(self) -> int:
        """What open holds have taken once this command is done."""
        return sum(a.held_nanos for a in (self.book.accounts | self.accounts).values())
