"""Usage to money: a table checked by hand, and what must hold for every price and every usage."""

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.catalog.rules import (
    Rates,
    Tier,
    Usage,
    ceiling_nanos,
    charge_lines,
    charge_nanos,
    select_tier,
)

# A price like a frontier model's: $3 in, $0.30 cached, $3.75 / $6 cache writes, $15 out, in picos per token.
BASE = Rates(
    input_picos=3_000_000,
    cached_input_picos=300_000,
    cache_write_5m_picos=3_750_000,
    cache_write_1h_picos=6_000_000,
    output_picos=15_000_000,
    reasoning_picos=15_000_000,
    request_picos=0,
)
LONG = msgspec.structs.replace(BASE, input_picos=6_000_000, output_picos=22_500_000, reasoning_picos=22_500_000)
PRIORITY = msgspec.structs.replace(BASE, input_picos=5_000_000, output_picos=25_000_000)
PER_REQUEST = msgspec.structs.replace(BASE, request_picos=10_000_000_000)
TIERS = (Tier("default", 0, BASE), Tier("default", 200_000, LONG), Tier("priority", 0, PRIORITY))


@pytest.mark.parametrize(
    ("usage", "service_tier", "charge"),
    [
        (Usage(), None, 0),
        (Usage(input_tokens=1), None, 3_000),
        (Usage(input_tokens=1_000_000 // 10), None, 300_000_000),
        (Usage(cached_input_tokens=10), None, 3_000),
        (Usage(cache_write_5m_tokens=4), None, 15_000),
        (Usage(cache_write_1h_tokens=4), None, 24_000),
        (Usage(output_tokens=64), None, 960_000),
        (Usage(output_tokens=60, reasoning_tokens=4), None, 960_000),
        (Usage(input_tokens=12, output_tokens=3), "standard", 81_000),
        (Usage(input_tokens=12, output_tokens=3), "priority", 135_000),
        # exactly at the threshold is still the lower tier; cached and written tokens count towards it
        (Usage(input_tokens=200_000), None, 600_000_000),
        (Usage(input_tokens=200_001), None, 1_200_006_000),
        (Usage(input_tokens=1, cached_input_tokens=200_000), None, 60_006_000),
        # priority has no tier of its own for long input
        (Usage(input_tokens=200_001), "priority", 1_000_005_000),
        # a name nobody knows is charged at the dearest tier that the input reaches
        (Usage(input_tokens=12, output_tokens=3), "turbo", 135_000),
        (Usage(input_tokens=200_001), "turbo", 1_200_006_000),
    ],
)
def test_usage_is_charged_as_worked_out_by_hand(usage: Usage, service_tier: str | None, charge: int) -> None:
    assert charge_nanos(TIERS, usage, service_tier) == charge


def test_a_price_per_request_is_charged_once_per_request() -> None:
    tiers = (Tier("default", 0, PER_REQUEST),)
    assert charge_nanos(tiers, Usage(input_tokens=1), None) == 10_000_000 + 3_000
    assert charge_nanos(tiers, Usage(requests=3), None) == 30_000_000


def test_rounding_happens_once_and_up() -> None:
    tenth = Rates(
        input_picos=1,
        cached_input_picos=1,
        cache_write_5m_picos=1,
        cache_write_1h_picos=1,
        output_picos=1,
        reasoning_picos=1,
        request_picos=0,
    )
    tiers = (Tier("default", 0, tenth),)
    assert charge_nanos(tiers, Usage(input_tokens=1, output_tokens=1, reasoning_tokens=1), None) == 1
    assert charge_nanos(tiers, Usage(input_tokens=999, output_tokens=1), None) == 1
    assert charge_nanos(tiers, Usage(input_tokens=1_000, output_tokens=1), None) == 2


def test_a_negative_count_is_not_usage() -> None:
    with pytest.raises(ValueError, match="negative"):
        Usage(input_tokens=5, cached_input_tokens=-1)


def test_no_tier_and_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        ceiling_nanos((), input_tokens_ceiling=1, output_tokens_ceiling=1, requests=1)
    with pytest.raises(ValueError, match="negative"):
        ceiling_nanos(TIERS, input_tokens_ceiling=-1, output_tokens_ceiling=1, requests=1)


def test_a_hold_below_a_threshold_does_not_pay_for_the_tier_above_it() -> None:
    short = ceiling_nanos(TIERS[:2], input_tokens_ceiling=200_000, output_tokens_ceiling=0, requests=1)
    long = ceiling_nanos(TIERS[:2], input_tokens_ceiling=200_001, output_tokens_ceiling=0, requests=1)
    assert short == 200_000 * 6_000  # the dearest way to read: a one-hour cache write
    assert long == 200_001 * 6_000
    assert ceiling_nanos(TIERS[:2], input_tokens_ceiling=200_001, output_tokens_ceiling=1, requests=1) == long + 22_500


picos = st.integers(0, 10**9)
counts = st.integers(0, 500_000)
rates = st.builds(Rates, **dict.fromkeys(Rates.__struct_fields__, picos))
usages = st.builds(Usage, **{name: counts for name in Usage.__struct_fields__ if name != "requests"})
names = st.sampled_from(["default", "priority", "flex"])
tier_sets = st.tuples(
    st.builds(Tier, st.just("default"), st.just(0), rates),
    st.lists(st.builds(Tier, names, st.sampled_from([0, 1, 1_000, 200_000]), rates), max_size=5),
).map(lambda parts: (parts[0], *parts[1]))
reported = st.sampled_from([None, "", "default", "standard", "auto", "priority", "flex", "turbo"])
slack = st.integers(0, 1_000)


@given(tier_sets, usages, reported, slack)
def test_no_usage_within_the_ceilings_costs_more_than_the_hold(
    tiers: tuple[Tier, ...], usage: Usage, service_tier: str | None, more: int
) -> None:
    ceiling = ceiling_nanos(
        tiers,
        input_tokens_ceiling=usage.total_input_tokens + more,
        output_tokens_ceiling=usage.total_output_tokens + more,
        requests=usage.requests,
    )
    assert 0 <= charge_nanos(tiers, usage, service_tier) <= ceiling


@given(tier_sets, counts, counts, slack)
def test_a_hold_never_shrinks_when_a_ceiling_grows(
    tiers: tuple[Tier, ...], input_tokens: int, output_tokens: int, more: int
) -> None:
    small = ceiling_nanos(tiers, input_tokens_ceiling=input_tokens, output_tokens_ceiling=output_tokens, requests=1)
    for input_more, output_more, request_more in ((more, 0, 0), (0, more, 0), (0, 0, more)):
        assert small <= ceiling_nanos(
            tiers,
            input_tokens_ceiling=input_tokens + input_more,
            output_tokens_ceiling=output_tokens + output_more,
            requests=1 + request_more,
        )


@given(rates, usages, st.sampled_from(Usage.__struct_fields__), slack)
def test_more_usage_never_costs_less(price: Rates, usage: Usage, unit: str, more: int) -> None:
    tiers = (Tier("default", 0, price),)
    larger = msgspec.structs.replace(usage, **{unit: getattr(usage, unit) + more})
    assert charge_nanos(tiers, usage, None) <= charge_nanos(tiers, larger, None)


@given(tier_sets, usages, reported)
def test_the_lines_of_a_receipt_add_up_to_the_charge_with_one_rounding(
    tiers: tuple[Tier, ...], usage: Usage, service_tier: str | None
) -> None:
    tier = select_tier(tiers, usage, service_tier)
    exact = Fraction(sum(line.units * line.unit_picos for line in charge_lines(tier, usage)), 1_000)
    assert 0 <= charge_nanos(tiers, usage, service_tier) - exact < 1
