"""What a workspace has and may still spend, as one key sees it. Amounts are nano-USD."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from farebox.base.clock import day_of, parse_rfc3339
from farebox.ledger.book import CASH, Span, resets_at, window_day
from farebox.ledger.reading import AccountBalance, Connection, LimitUse, read_accounts, read_limits
from farebox.records.advice import EmptyLimit

SpanName = Literal["day", "month", "lifetime"]
SPAN_NAMES: dict[int, SpanName] = {Span.DAY: "day", Span.MONTH: "month", Span.LIFETIME: "lifetime"}


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a promotional grant. Lower priority is spent first; an expired one cannot be spent."""

    grant_id: int
    posted_nanos: int
    held_nanos: int
    priority: int
    expires_at: int | None
    expired: bool

    @property
    def available_nanos(self) -> int:
        """What a new call may take from it."""
        return 0 if self.expired else self.posted_nanos - self.held_nanos


class LimitState(msgspec.Struct, frozen=True, kw_only=True):
    """One limit: whole requests, or nano-USD where `unit` is `usd`. `resets_at` is RFC 3339, None for a lifetime."""

    holder: Literal["key", "workspace"]
    unit: Literal["requests", "usd"]
    span: SpanName
    used: int
    held: int
    limit: int
    resets_at: str | None

    @property
    def remaining(self) -> int:
        """What the limit still admits."""
        return max(0, self.limit - self.used - self.held)

    def empty(self, now_micros: int) -> EmptyLimit | None:
        """What advice needs to know of a limit without anything left; None while it has something."""
        if self.remaining:
            return None
        resets_in = None if self.resets_at is None else parse_rfc3339(self.resets_at) - now_micros
        return EmptyLimit(self.holder == "key", resets_in)


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """`available = posted - held`, less what expired grants still have posted."""

    available_nanos: int
    held_nanos: int
    posted_nanos: int
    cash_nanos: int
    grants: tuple[Grant, ...]
    limits: tuple[LimitState, ...]

    def first_empty_limit(self, now_micros: int) -> EmptyLimit | None:
        """The limit that would refuse the next call, in the order in which the ledger looks at them."""
        ordered = sorted(self.limits, key=lambda limit: limit.unit != "requests")
        return next((empty for limit in ordered if (empty := limit.empty(now_micros))), None)


async def read_balance(connection: Connection, workspace_id: int, key_id: int, now_micros: int) -> Balance:
    """The balance and the limits of the key and of the workspace; zeros for a workspace without a book."""
    accounts = await read_accounts(connection, workspace_id)
    limits = await read_limits(connection, workspace_id, key_ids=[key_id, 0], now_micros=now_micros)
    grants = tuple(_grant(account, now_micros) for account in accounts if account.account_id != CASH)
    cash = next((account for account in accounts if account.account_id == CASH), AccountBalance(CASH, 0, 0, 0, None))
    return Balance(
        available_nanos=cash.posted_nanos - cash.held_nanos + sum(grant.available_nanos for grant in grants),
        held_nanos=sum(account.held_nanos for account in accounts),
        posted_nanos=sum(account.posted_nanos for account in accounts),
        cash_nanos=cash.posted_nanos,
        grants=grants,
        limits=limit_states(limits, now_micros),
    )


def _grant(account: AccountBalance, now_micros: int) -> Grant:
    return Grant(
        grant_id=account.account_id,
        posted_nanos=account.posted_nanos,
        held_nanos=account.held_nanos,
        priority=account.priority,
        expires_at=account.expires_at,
        expired=account.expires_at is not None and account.expires_at <= now_micros,
    )


def limit_states(uses: Iterable[LimitUse], now_micros: int) -> tuple[LimitState, ...]:
    """Each half of each limit, with what is used of it."""
    return tuple(state for use in uses for state in _limit_states(use, now_micros))


def _limit_states(use: LimitUse, now_micros: int) -> list[LimitState]:
    """A limit may count requests, dollars, or both."""
    counted: list[tuple[Literal["requests", "usd"], int | None, int, int]] = [
        ("requests", use.max_requests, use.used_requests, use.held_requests),
        ("usd", use.max_nanos, use.used_nanos, use.held_nanos),
    ]
    reset = resets_at(use.span, window_day(use.span, day_of(now_micros)))
    return [
        LimitState(
            holder="key" if use.key_id else "workspace",
            unit=unit,
            span=SPAN_NAMES[use.span],
            used=used,
            held=held,
            limit=maximum,
            resets_at=reset,
        )
        for unit, maximum, used, held in counted
        if maximum is not None
    ]
