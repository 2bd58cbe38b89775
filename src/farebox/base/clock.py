"""Time as integers. Microseconds since 1970 UTC for moments, days since 1970 UTC for limit windows."""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

Clock = Callable[[], int]
"""Returns now in microseconds since 1970 UTC; never goes back within a process."""

MICROS_PER_SECOND = 1_000_000
MICROS_PER_DAY = 86_400 * MICROS_PER_SECOND
_EPOCH = date(1970, 1, 1)


def monotone_clock() -> Clock:
    """The wall clock, held still where it would jump back: `max(wall, last + 1)`."""
    last = 0

    def now_micros() -> int:
        nonlocal last
        last = max(time.time_ns() // 1_000, last + 1)
        return last

    return now_micros


def day_of(moment_micros: int) -> int:
    """The UTC day number (0 = 1970-01-01) that the moment lies in."""
    return moment_micros // MICROS_PER_DAY


def month_start_day(day: int) -> int:
    """The day number of the first day of that day's month."""
    return (_EPOCH + timedelta(days=day)).replace(day=1).toordinal() - _EPOCH.toordinal()


def next_month_start_day(day: int) -> int:
    """The day number of the first day of the month after that day's month."""
    first = (_EPOCH + timedelta(days=day)).replace(day=1)
    return (first + timedelta(days=32)).replace(day=1).toordinal() - _EPOCH.toordinal()


def day_as_rfc3339(day: int) -> str:
    """The first moment of a day number: `2026-11-21T00:00:00Z`."""
    return f"{(_EPOCH + timedelta(days=day)).isoformat()}T00:00:00Z"


def rfc3339(moment_micros: int) -> str:
    """`2026-11-20T20:02:36.123456Z`"""
    moment = datetime.fromtimestamp(moment_micros // MICROS_PER_SECOND, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment_micros % MICROS_PER_SECOND:06d}Z"


def parse_rfc3339(text: str) -> int:
    """The inverse of `rfc3339`; a moment without an offset is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * MICROS_PER_SECOND + since.microseconds
