"""A workspace's book: the rows that a command may touch, as values. `decide` reads it, `apply` moves it on."""

from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

import msgspec

from farebox.base.clock import day_as_rfc3339, day_of, month_start_day, next_month_start_day
from farebox.ledger.lifecycle import HoldState

CASH = 0
NO_LIMIT = (1 << 63) - 1


class Span(IntEnum):
    """How long a limit counts before it starts anew, always in UTC."""

    DAY = 1
    MONTH = 2
    LIFETIME = 3


def window_day(span: int, day: int) -> int:
    """The first day of the window of that span that the day lies in."""
    if span == Span.DAY:
        return day
    return month_start_day(day) if span == Span.MONTH else 0


def resets_at(span: int, day: int) -> str | None:
    """When the window that starts on `day` ends; None for a lifetime."""
    if span == Span.DAY:
        return day_as_rfc3339(day + 1)
    return day_as_rfc3339(next_month_start_day(day)) if span == Span.MONTH else None


class Account(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A customer account: cash (id 0) or a promotional grant. `available = posted - held >= 0`."""

    workspace_id: int
    account_id: int
    posted_nanos: int
    held_nanos: int
    version: int
    priority: int
    expires_at: int | None
    closed: bool

    @property
    def available_nanos(self) -> int:
        """What a new hold may take."""
        return self.posted_nanos - self.held_nanos

    def spendable(self, now_micros: int) -> bool:
        """Whether a new hold may take anything from it at that moment."""
        return self.expires_at is None or self.expires_at > now_micros


class Limit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Requests and dollars that a key or workspace (key 0) may use per span; None is no limit."""

    workspace_id: int
    key_id: int
    span: int
    max_requests: int | None
    max_nanos: int | None


class Window(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One window of one limit: what has been used in it and what open holds may still use.

    `seed_*` was used before the limit was set; `top_*` is the highest limit under which a call was admitted.
    """

    workspace_id: int
    key_id: int
    span: int
    day: int
    used_requests: int = 0
    held_requests: int = 0
    used_nanos: int = 0
    held_nanos: int = 0
    seed_requests: int = 0
    seed_nanos: int = 0
    top_requests: int = 0
    top_nanos: int = 0

    @property
    def place(self) -> tuple[int, int, int]:
        """Its key within the workspace."""
        return (self.key_id, self.span, self.day)


class Hold(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A reservation. `legs` name limit windows: `day * 8 + span * 2 + (1 if the key's, 0 if the workspace's)`."""

    workspace_id: int
    hold_id: UUID
    key_id: int
    state: HoldState
    amount_nanos: int
    slice_accounts: tuple[int, ...]
    slice_nanos: tuple[int, ...]
    legs: tuple[int, ...]
    owner_id: int
    attempt: int
    reserved_at: int
    finished_at: int | None = None
    charge_nanos: int = 0
    absorbed_nanos: int = 0
    request_counted: bool | None = None

    def places(self) -> list[tuple[int, int, int]]:
        """The keys of the limit windows that count it."""
        return [(self.key_id if leg & 1 else 0, leg >> 1 & 3, leg >> 3) for leg in self.legs]


class Recorded(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A command that was accepted before."""

    workspace_id: int
    command_id: UUID
    body_hash: UUID
    answer: str


class Claim(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An Idempotency-Key and the hold that bears it."""

    workspace_id: int
    claim_id: UUID
    body_hash: UUID
    hold_id: UUID


class Posting(NamedTuple):
    """One movement of one customer account, as kept on its entry."""

    account_id: int
    version: int
    before_nanos: int
    after_nanos: int


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One double entry: the same amount to the debit of one account and the credit of another."""

    workspace_id: int
    entry_id: UUID
    command_id: UUID
    hold_id: UUID | None
    debit_account: str
    credit_account: str
    amount_nanos: int
    account_id: int | None
    version: int | None
    before_nanos: int | None
    after_nanos: int | None
    recorded_at: int


class Book:
    """One workspace's rows. Only `apply` changes it; one command's effects at a time."""

    __slots__ = ("accounts", "claims", "commands", "holds", "limits", "windows", "workspace_id")

    def __init__(self, workspace_id: int) -> None:
        self.workspace_id = workspace_id
        self.accounts: dict[int, Account] = {}
        self.limits: dict[tuple[int, int], Limit] = {}
        self.windows: dict[tuple[int, int, int], Window] = {}
        self.holds: dict[UUID, Hold] = {}
        self.commands: dict[UUID, Recorded] = {}
        self.claims: dict[UUID, Claim] = {}

    def funding(self, now_micros: int) -> list[Account]:
        """The accounts that a hold may take from, in the order it does: promotional grants, then cash."""
        if len(self.accounts) == 1:
            return [self.accounts[CASH]]
        grants = [
            a for a in self.accounts.values() if a.account_id != CASH and not a.closed and a.spendable(now_micros)
        ]
        grants.sort(key=lambda a: (a.priority, a.expires_at is None, a.expires_at or 0, a.account_id))
        return [*grants, self.accounts[CASH]]

    def available_nanos(self, now_micros: int) -> int:
        """What a new hold could take at most."""
        return sum(account.available_nanos for account in self.funding(now_micros))

    def held_nanos(self) -> int:
        """What open holds have taken."""
        return sum(account.held_nanos for account in self.accounts.values())

    def limits_of(self, key_id: int) -> list[Limit]:
        """The limits that count a call of that key: its own first, then the workspace's."""
        own = [limit for limit in self.limits.values() if limit.key_id == key_id and key_id]
        return own + [limit for limit in self.limits.values() if limit.key_id == 0]

    def window(self, limit: Limit, now_micros: int) -> Window:
        """The running window of a limit; a new day is a new row."""
        day = window_day(limit.span, day_of(now_micros))
        found = self.windows.get((limit.key_id, limit.span, day))
        return found or Window(self.workspace_id, limit.key_id, limit.span, day)
