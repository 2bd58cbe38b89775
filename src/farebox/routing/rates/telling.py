"""What clients are told of rate limits: headers on every answer, and the refusal. Pure."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from farebox.base.clock import MICROS_PER_SECOND, rfc3339
from farebox.base.errors import Fault, Problem
from farebox.routing.rates.legs import Bound, Unit

Pairs = list[tuple[bytes, bytes]]

# Calls end at any moment; the clients' libraries wait longer each time.
CONCURRENT_RETRY_SECONDS: Final = 1
_TOO_LARGE_ADVICE: Final = "Send less in one request, or ask for a higher limit."
_NAMES: Final = {Unit.REQUESTS: b"requests", Unit.TOKENS: b"tokens"}


class Reading(NamedTuple):
    """What one process knows of a limit. `resets_at` in microseconds since 1970 UTC; None: it does not reset."""

    bound: Bound
    remaining: int
    resets_at: int | None


class RateLimited(Problem):
    """`rate_limit_exceeded` by a limit of the caller's own. `readings` are of all limits that hold for the call."""

    def __init__(self, code: str, message: str, *, facts: dict[str, object], retry_after_seconds: int | None) -> None:
        super().__init__(code, message, facts=facts, retry_after_seconds=retry_after_seconds)
        self.readings: Sequence[Reading] = ()
        self.now_micros = 0
        # The same code tells of a provider at its limit, which is for nobody here to act on.
        self.entry = self.entry._replace(fault=Fault.PAYER)


def refusal(reading: Reading, wanted: int, *, readings: Sequence[Reading], now_micros: int) -> RateLimited:
    """The refusal of a call that wants so many units of a limit; `readings` go with it as headers."""
    resets_at = None if reading.resets_at is None else _whole_seconds(reading.resets_at)
    if reading.resets_at is None:
        wait_seconds: int | None = CONCURRENT_RETRY_SECONDS
    else:
        wait_seconds = seconds_until(reading.resets_at, now_micros)
    too_large = wanted > reading.bound.most
    leg = reading.bound.leg
    limit = {"holder": leg.holder, "model": leg.model_id or None, "unit": leg.unit.value, "max": reading.bound.most}
    facts: dict[str, object] = {"limit": limit, "remaining": reading.remaining, "resets_at": resets_at}
    message = _message(reading, wanted, resets_at)
    problem = RateLimited(
        "rate_limit_exceeded", message, facts=facts, retry_after_seconds=None if too_large else wait_seconds
    )
    if too_large:
        problem.entry = problem.entry._replace(retryable=False, advice=_TOO_LARGE_ADVICE)
    problem.readings, problem.now_micros = readings, now_micros
    return problem


def _message(reading: Reading, wanted: int, resets_at: str | None) -> str:
    leg, most = reading.bound
    of = f"this {leg.holder} for {leg.model_id}" if leg.model_id else f"this {leg.holder}"
    if leg.unit is Unit.CONCURRENT:
        return f"The limit of calls that {of} may have under way at once is reached: {most}. Wait for one to end."
    if leg.unit is Unit.REQUESTS:
        return f"The request limit of {of} is used up: {most} per minute. It starts anew at {resets_at}."
    if wanted > most:
        return (
            f"This request has about {wanted} tokens; the token limit of {of} is {most} per minute. Send less in one."
        )
    left = f"of the token limit of {of}, {most} per minute, {reading.remaining} are left"
    return f"This request has about {wanted} tokens; {left}. It starts anew at {resets_at}."


def headers_of(problem: Problem, anthropic: bool) -> Pairs:
    """The rate-limit headers that go with a problem; none where no limit of the caller's own refused."""
    if not isinstance(problem, RateLimited):
        return []
    return headers(problem.readings, problem.now_micros, anthropic=anthropic)


def headers(readings: Iterable[Reading], now_micros: int, *, anthropic: bool) -> Pairs:
    """The tightest limit of each unit in the spelling of the surface's own provider."""
    pairs: Pairs = []
    for unit, reading in tightest(readings).items():
        most, remaining = str(reading.bound.most).encode(), str(reading.remaining).encode()
        if reading.resets_at is None:
            # Neither provider has a name for it.
            pairs += [(b"x-ratelimit-limit-concurrent", most), (b"x-ratelimit-remaining-concurrent", remaining)]
        elif anthropic:
            name = b"anthropic-ratelimit-" + _NAMES[unit]
            resets_at = _whole_seconds(reading.resets_at).encode()
            pairs += [(name + b"-limit", most), (name + b"-remaining", remaining), (name + b"-reset", resets_at)]
        else:
            name = _NAMES[unit]
            wait = b"%ds" % seconds_until(reading.resets_at, now_micros)
            pairs += [
                (b"x-ratelimit-limit-" + name, most),
                (b"x-ratelimit-remaining-" + name, remaining),
                (b"x-ratelimit-reset-" + name, wait),
            ]
    return pairs


def tightest(readings: Iterable[Reading]) -> dict[Unit, Reading]:
    """Of each unit the limit with the least left; the smaller limit where several have as little."""
    found: dict[Unit, Reading] = {}
    for reading in readings:
        unit = reading.bound.leg.unit
        best = found.get(unit)
        if best is None or (reading.remaining, reading.bound.most) < (best.remaining, best.bound.most):
            found[unit] = reading
    return found


def seconds_until(moment_micros: int, now_micros: int) -> int:
    """Whole seconds to wait, at least one, until the moment has come."""
    return max(1, -((now_micros - moment_micros) // MICROS_PER_SECOND))


def _whole_seconds(moment_micros: int) -> str:
    """`2026-11-20T20:03:00Z`: minutes end at whole seconds, and both providers write them so."""
    return rfc3339(moment_micros)[:19] + "Z"
