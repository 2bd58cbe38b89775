"""Limits as people write them, `requests:100/day` and `usd:5/month`, as values. Each fault is an OperatorError with an
example."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from farebox.base.errors import OperatorError
from farebox.base.money import MoneyError, parse_usd
from farebox.ledger.book import Span

SPANS: Final = {"day": Span.DAY, "month": Span.MONTH, "lifetime": Span.LIFETIME}
# A limit nobody reaches is no limit; this keeps a typing error from becoming one.
MAX_REQUESTS: Final = 1_000_000_000_000
LIFTED: Final = "none"
_LIMIT: Final = re.compile(r"(requests|usd):([^/]+)/(day|month|lifetime)")
_WHOLE: Final = re.compile(r"[0-9][0-9_,]*")


class WantedLimit(NamedTuple):
    """What a limit shall be; None lifts that half of it."""

    span: Span
    requests: int | None
    nanos: int | None


def read_usd(text: str) -> int:
    """Nano-USD. Raises OperatorError."""
    try:
        return parse_usd(text)
    except MoneyError as error:
        raise OperatorError(str(error).partition(";")[0], "write an amount like 10 or 10.50") from error


def read_requests(text: str) -> int | None:
    """A count of requests, or None for `none`. Raises OperatorError."""
    if text == LIFTED:
        return None
    count = int(re.sub("[_,]", "", text)) if _WHOLE.fullmatch(text) else -1
    if not 0 <= count <= MAX_REQUESTS:
        raise OperatorError(f"{text!r} is not a number of requests", "write a whole number, or none to lift it")
    return count


def read_limit_usd(text: str) -> int | None:
    """Nano-USD, or None for `none`. Raises OperatorError."""
    if text == LIFTED:
        return None
    nanos = read_usd(text)
    if nanos < 0:
        raise OperatorError(f"a limit of {text} dollars is below zero", "write an amount like 10, or none to lift it")
    return nanos


def read_span(text: str) -> Span:
    """`day`, `month` or `lifetime`. Raises OperatorError."""
    if text not in SPANS:
        raise OperatorError(f"there is no span {text!r}", "choose day, month or lifetime")
    return SPANS[text]


def read_limits(texts: Sequence[str]) -> list[WantedLimit]:
    """`requests:100/day` and `usd:5/month`, both halves of a span put together. Raises OperatorError."""
    wanted: dict[Span, WantedLimit] = {}
    for text in texts:
        match = _LIMIT.fullmatch(text)
        if match is None:
            raise OperatorError(f"{text!r} is not a limit", "write it like requests:100/day or usd:5/month")
        unit, amount, span_name = match.groups()
        span = SPANS[span_name]
        before = wanted.get(span, WantedLimit(span, None, None))
        if unit == "requests":
            wanted[span] = before._replace(requests=read_requests(amount))
        else:
            wanted[span] = before._replace(nanos=read_limit_usd(amount))
    return list(wanted.values())
