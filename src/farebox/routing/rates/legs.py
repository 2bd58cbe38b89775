"""Which rate limits a call has to pass, and the arithmetic of minutes and blocks. Pure."""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

from farebox.base.clock import MICROS_PER_SECOND
from farebox.base.limits import RateLimits
from farebox.identity.model import KeyRecord, RateLimit

MICROS_PER_MINUTE: Final = 60 * MICROS_PER_SECOND
# A process leases a twentieth of a limit at a time: then at most that much lies unused in each, and a busy process
# asks about forty times a minute.
BLOCKS_PER_LIMIT: Final = 20


class Unit(StrEnum):
    """What is counted."""

    REQUESTS = "requests_per_minute"
    TOKENS = "tokens_per_minute"
    CONCURRENT = "concurrent_calls"


_ORDER = {unit: place for place, unit in enumerate(Unit)}


class Leg(NamedTuple):
    """One limit's counter: of a key, or (`key_id` 0) of its workspace; for a model, or ("") for all together."""

    workspace_id: int
    key_id: int
    model_id: str
    unit: Unit

    @property
    def holder(self) -> str:
        """Whose limit it is, as clients are told."""
        return "key" if self.key_id else "workspace"


class Bound(NamedTuple):
    """A leg and its limit."""

    leg: Leg
    most: int


def bounds_of(key: KeyRecord, model_id: str, defaults: RateLimits) -> list[Bound]:
    """Every limit that a call of the key to the model has to pass: requests, tokens, concurrent calls; of each the
    key's before its workspace's.

    `defaults` hold for a key that has no limit of its own for all models.
    """
    limits = [limit for limit in key.rates if limit.model_id in ("", model_id)]
    if not any(limit.key_id and not limit.model_id for limit in limits):
        limits.append(
            RateLimit(
                key.holder_id, "", defaults.requests_per_minute, defaults.tokens_per_minute, defaults.concurrent_calls
            )
        )
    found = [bound for limit in limits for bound in _bounds(key.workspace_id, limit)]
    found.sort(key=lambda bound: (_ORDER[bound.leg.unit], bound.leg.key_id == 0, bound.leg.model_id == ""))
    return found


def _bounds(workspace_id: int, limit: RateLimit) -> Iterator[Bound]:
    maxima = zip(Unit, (limit.requests_per_minute, limit.tokens_per_minute, limit.concurrent_calls), strict=True)
    for unit, most in maxima:
        if most is not None:
            yield Bound(Leg(workspace_id, limit.key_id, limit.model_id, unit), most)


def minute_of(moment_micros: int) -> int:
    """The number of the UTC minute (0 = 1970-01-01T00:00) that the moment lies in."""
    return moment_micros // MICROS_PER_MINUTE


def minute_end(minute: int) -> int:
    """The first moment after the minute, in microseconds."""
    return (minute + 1) * MICROS_PER_MINUTE


def kept_of(most: int) -> int:
    """The units that a process may keep unused: a block, or none where a block would be one unit."""
    block = most // BLOCKS_PER_LIMIT
    return block if block > 1 else 0
