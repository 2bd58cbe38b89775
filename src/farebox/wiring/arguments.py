"""What an operator types, as values: amounts, moments, limits. Each fault is an OperatorError with an example."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from farebox.base.clock import parse_rfc3339
from farebox.base.errors import OperatorError
from farebox.base.money import MoneyError, parse_usd
from farebox.ledger.book import Span

SPANS: Final = {"day": Span.DAY, "month": Span.MONTH, "lifetime": Span.LIFETIME}
# A limit nobody reaches is no limit; this keeps a typing error from becoming one.
MAX_REQUESTS: Final = 1_000_000_000_000
_LIMIT: Final = re.compile(r"(requests|usd):([^/]+)/(day|month|lifetime)")
_WHOLE: Final = re.compile(r"[0-9][0-9_,]*")
LIFTED: Final = "none"
_SPAN_OF_TIME: Final = re.compile(r"(0|[1-9][0-9]{0,6}(?=[mhd]))([mhd])?")
_SECONDS_OF: Final = {"m": 60, "h": 3_600, "d": 86_400}


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


def read_moment(text: str | None) -> int | None:
    """A date or moment in microseconds since 1970 UTC; without an offset it is UTC. Raises OperatorError."""
    if text is None:
        return None
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        raise OperatorError(f"{text!r} is not a moment", "write it like 2027-01-31 or 2027-01-31T12:00:00Z") from error


def read_span_seconds(text: str) -> int:
    """`0`, `90m`, `24h` or `7d` in seconds. Raises OperatorError."""
    match = _SPAN_OF_TIME.fullmatch(text)
    if match is None:
        raise OperatorError(f"{text!r} is not a span of time", "write it like 0, 90m, 24h or 7d")
    return int(match[1]) * _SECONDS_OF[match[2] or "m"]


def read_future(text: str | None, now_micros: int) -> int | None:
    """The same, later than now. Raises OperatorError."""
    moment = read_moment(text)
    if moment is not None and moment <= now_micros:
        raise OperatorError(f"{text} has passed", "name a moment to come")
    return moment
