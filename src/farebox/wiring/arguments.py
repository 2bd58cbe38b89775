"""What an operator types, as values: amounts, moments, limits. Each fault is an OperatorError with an example."""

import re
from typing import Final

from farebox.base.clock import parse_rfc3339
from farebox.base.errors import OperatorError
from farebox.ledger.limit_texts import (
    LIFTED,
    MAX_REQUESTS,
    SPANS,
    WantedLimit,
    read_limit_usd,
    read_limits,
    read_requests,
    read_span,
    read_usd,
)

__all__ = [
    "LIFTED",
    "MAX_REQUESTS",
    "SPANS",
    "WantedLimit",
    "read_future",
    "read_limit_usd",
    "read_limits",
    "read_moment",
    "read_requests",
    "read_span",
    "read_span_seconds",
    "read_usd",
]

_SPAN_OF_TIME: Final = re.compile(r"(0|[1-9][0-9]{0,6}(?=[mhd]))([mhd])?")
_SECONDS_OF: Final = {"m": 60, "h": 3_600, "d": 86_400}


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
