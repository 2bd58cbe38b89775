"""What clients are told of rate limits, and the arithmetic of it."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.errors import Fault, Problem
from farebox.base.limits import RateLimits
from farebox.dialects.openai_chat.errors import error_body
from farebox.identity.model import RateLimit
from farebox.routing.rates import headers_of
from farebox.routing.rates.legs import Bound, Leg, Unit, bounds_of, kept_of, minute_end, minute_of
from farebox.routing.rates.telling import Reading, headers, seconds_until, tightest
from tests.rates.gates import KEY, MINUTE, OWNERS, SECOND, START, Stage, admitted, key_with, refused, settled, take

LIMITS = st.none() | st.integers(1, 10**9)
RATES = st.builds(RateLimit, st.sampled_from([0, KEY]), st.sampled_from(["", "plain", "dear"]), LIMITS, LIMITS, LIMITS)
DEFAULTS = st.builds(
    lambda *maxima: RateLimits(requests_per_minute=maxima[0], tokens_per_minute=maxima[1], concurrent_calls=maxima[2]),
    *(LIMITS,) * 3,
)


def _reading(unit: Unit, most: int, remaining: int, *, key_id: int = KEY) -> Reading:
    resets_at = None if unit is Unit.CONCURRENT else START + MINUTE
    return Reading(Bound(Leg(7, key_id, "", unit), most), remaining, resets_at)


READINGS = [
    _reading(Unit.REQUESTS, 60, 59),
    _reading(Unit.REQUESTS, 1_000, 41, key_id=0),
    _reading(Unit.TOKENS, 10_000, 9_000),
    _reading(Unit.CONCURRENT, 8, 3),
]


def test_openais_surfaces_are_told_in_openais_spelling() -> None:
    assert headers(READINGS, START + 17 * SECOND + 1, anthropic=False) == [
        (b"x-ratelimit-limit-requests", b"1000"),
        (b"x-ratelimit-remaining-requests", b"41"),
        (b"x-ratelimit-reset-requests", b"43s"),
        (b"x-ratelimit-limit-tokens", b"10000"),
        (b"x-ratelimit-remaining-tokens", b"9000"),
        (b"x-ratelimit-reset-tokens", b"43s"),
        (b"x-ratelimit-limit-concurrent", b"8"),
        (b"x-ratelimit-remaining-concurrent", b"3"),
    ]


def test_anthropics_surface_is_told_in_anthropics_spelling() -> None:
    assert headers(READINGS, START, anthropic=True) == [
        (b"anthropic-ratelimit-requests-limit", b"1000"),
        (b"anthropic-ratelimit-requests-remaining", b"41"),
        (b"anthropic-ratelimit-requests-reset", b"2026-11-20T20:03:00Z"),
        (b"anthropic-ratelimit-tokens-limit", b"10000"),
        (b"anthropic-ratelimit-tokens-remaining", b"9000"),
        (b"anthropic-ratelimit-tokens-reset", b"2026-11-20T20:03:00Z"),
        (b"x-ratelimit-limit-concurrent", b"8"),
        (b"x-ratelimit-remaining-concurrent", b"3"),
    ]


async def test_success_and_refusal_say_the_same_of_every_limit_that_holds(stage: Stage) -> None:
    gate = stage.gate(OWNERS[0])
    stage.now_micros += 20 * SECOND
    key = key_with(RateLimit(KEY, "", 2, 1_000, None), RateLimit(0, "", None, None, 5))
    passed = [admitted(await take(gate, key, tokens=100)) for _ in range(2)]
    told = dict(passed[1].headers(False))
    assert told[b"x-ratelimit-remaining-requests"] == b"0"
    assert told[b"x-ratelimit-reset-requests"] == b"40s"
    assert told[b"x-ratelimit-remaining-tokens"] == b"800"
    assert told[b"x-ratelimit-remaining-concurrent"] == b"3"
    problem = refused(await take(gate, key, tokens=100))
    assert headers_of(problem, False) == passed[1].headers(False)
    assert headers_of(problem, True) == passed[1].headers(True)
    assert problem.facts == {
        "limit": {"holder": "key", "model": None, "unit": "requests_per_minute", "max": 2},
        "remaining": 0,
        "resets_at": "2026-11-20T20:03:00Z",
    }
    assert problem.retry_after_seconds == 40
    for ticket in passed:
        ticket.finish(100)


async def test_a_call_that_answers_in_a_later_minute_is_told_of_that_minute(stage: Stage) -> None:
    gate, key = stage.gate(OWNERS[0]), key_with(RateLimit(KEY, "", 3, None, None))
    ticket = admitted(await take(gate, key))
    stage.now_micros += MINUTE + SECOND
    assert ticket.headers(True) == [
        (b"anthropic-ratelimit-requests-limit", b"3"),
        (b"anthropic-ratelimit-requests-remaining", b"3"),
        (b"anthropic-ratelimit-requests-reset", b"2026-11-20T20:04:00Z"),
    ]


async def test_a_call_without_limits_is_told_nothing(stage: Stage) -> None:
    ticket = admitted(await take(stage.gate(OWNERS[0]), key_with()))
    ticket.finish(10)
    assert ticket.headers(False) == ticket.headers(True) == []
    assert headers_of(Problem("rate_limit_exceeded", "The provider is at its rate limit."), False) == []


@pytest.mark.parametrize(
    ("limit", "tokens", "message"),
    [
        (
            RateLimit(KEY, "", requests_per_minute=1),
            10,
            "The request limit of this key is used up: 1 per minute. It starts anew at 2026-11-20T20:03:00Z.",
        ),
        (
            RateLimit(0, "plain", tokens_per_minute=100),
            60,
            "This request has about 60 tokens; of the token limit of this workspace for plain, 100 per minute, "
            "40 are left. It starts anew at 2026-11-20T20:03:00Z.",
        ),
        (
            RateLimit(KEY, "plain", concurrent_calls=1),
            10,
            "The limit of calls that this key for plain may have under way at once is reached: 1. Wait for one to end.",
        ),
    ],
)
async def test_a_refusal_says_whose_limit_of_what_it_was(
    stage: Stage, limit: RateLimit, tokens: int, message: str
) -> None:
    gate = stage.gate(OWNERS[0])
    ticket = admitted(await take(gate, key_with(limit), tokens=tokens))
    problem = refused(await take(gate, key_with(limit), tokens=tokens))
    assert problem.message == message
    # It is the caller's own limit, although providers' limits have the same code.
    assert (problem.entry.status, problem.entry.fault) == (429, Fault.PAYER)
    assert msgspec.json.decode(error_body(problem, "call_1"))["error"]["fault"] == "payer"
    ticket.finish(tokens)
    await settled(stage)


# ── properties ────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(0, 4_000_000_000_000_000))
def test_every_moment_lies_in_one_minute_and_the_wait_ends_after_it(moment: int) -> None:
    minute = minute_of(moment)
    assert minute_end(minute - 1) <= moment < minute_end(minute)
    wait_seconds = seconds_until(minute_end(minute), moment)
    assert 1 <= wait_seconds <= 60
    assert minute_of(moment + wait_seconds * SECOND) == minute + 1
    assert wait_seconds == 1 or minute_of(moment + (wait_seconds - 1) * SECOND) == minute


@given(st.integers(1, 10**12))
def test_a_process_never_keeps_more_than_a_twentieth(most: int) -> None:
    assert 0 <= kept_of(most) * 20 <= most


@given(st.lists(st.builds(_reading, st.sampled_from(Unit), st.integers(1, 50), st.integers(0, 50)), max_size=8))
def test_the_limit_told_is_the_one_that_refuses_first(readings: list[Reading]) -> None:
    found = tightest(readings)
    assert set(found) == {reading.bound.leg.unit for reading in readings}
    for reading in readings:
        told = found[reading.bound.leg.unit]
        assert told in readings
        assert (told.remaining, told.bound.most) <= (reading.remaining, reading.bound.most)
    pairs = headers(readings, START, anthropic=False)
    assert len(pairs) == len(dict(pairs))


@given(st.lists(RATES, max_size=6, unique_by=lambda rate: (rate.key_id, rate.model_id)), DEFAULTS)
def test_every_limit_of_the_model_and_of_all_models_holds_and_no_other(
    rates: list[RateLimit], defaults: RateLimits
) -> None:
    found = bounds_of(key_with(*rates), "plain", defaults)
    own = any(rate.key_id and not rate.model_id for rate in rates)
    expected = {
        (rate.key_id, rate.model_id, unit, most)
        for rate in [*rates, *([] if own else [RateLimit(KEY, "", *_maxima(defaults))])]
        for unit, most in zip(Unit, _maxima(rate), strict=True)
        if most is not None and rate.model_id != "dear"
    }
    assert {(leg.key_id, leg.model_id, leg.unit, most) for leg, most in found} == expected
    assert len(found) == len(expected)
    units = [bound.leg.unit for bound in found]
    assert units == sorted(units, key=list(Unit).index)


def _maxima(rate: RateLimit | RateLimits) -> tuple[int | None, int | None, int | None]:
    return rate.requests_per_minute, rate.tokens_per_minute, rate.concurrent_calls
