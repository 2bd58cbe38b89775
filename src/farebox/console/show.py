"""How a workspace's values look on pages. Pure."""

from collections.abc import Collection, Iterable
from typing import Final

import msgspec

from farebox.base.clock import parse_rfc3339
from farebox.identity.model import DEFAULT_SCOPES, SCOPES, RateLimit
from farebox.records.balance import LimitState
from farebox.web.shown import dollars

_SPANS: Final = {"day": "per day", "month": "per month", "lifetime": "in all"}


class LimitLine(msgspec.Struct, frozen=True, kw_only=True):
    """A limit in words. `resets_at`: microseconds since 1970 UTC."""

    limit: str
    used: str
    held: str
    left: str
    resets_at: int | None


def limit_lines(limits: Iterable[LimitState]) -> list[LimitLine]:
    """Limits as they stand in a table."""
    return [
        LimitLine(
            limit=f"{_amount(limit, limit.limit)} {_SPANS[limit.span]}",
            used=_amount(limit, limit.used),
            held=_amount(limit, limit.held),
            left=_amount(limit, limit.remaining),
            resets_at=None if limit.resets_at is None else parse_rfc3339(limit.resets_at),
        )
        for limit in limits
    ]


def rate_lines(rates: Iterable[RateLimit]) -> list[str]:
    """`60 requests per minute, 2 calls at once, all models together`"""
    lines = []
    for rate in rates:
        halves = [
            (rate.requests_per_minute, "request", "per minute"),
            (rate.tokens_per_minute, "token", "per minute"),
            (rate.concurrent_calls, "call", "at once"),
        ]
        said = [f"{counted(most, one)} {span}" for most, one, span in halves if most is not None]
        if said:
            lines.append(", ".join([*said, rate.model_id or "all models together"]))
    return lines


def counted(number: int, one: str) -> str:
    """`1 key`, `1,200 keys`"""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"


def scopes_said(scopes: Collection[str]) -> str:
    """The scopes of a key as one cell of a table."""
    if frozenset(SCOPES) <= frozenset(scopes):
        return "all"
    if frozenset(scopes) == DEFAULT_SCOPES:
        return "all but keys.manage"
    return ", ".join(scope for scope in SCOPES if scope in scopes)


def _amount(limit: LimitState, amount: int) -> str:
    return dollars(amount) if limit.unit == "usd" else counted(amount, "request")
