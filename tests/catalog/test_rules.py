"""Usage to money: a table checked by hand, and what must hold for every price and every usage."""

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.catalog.rules import (
    DEFAULT_SERVICE_TIER,
    ORDINARY_NAMES,
    RATE_OF_CLASS,
    Ceiling,
    Rates,
    Tier,
    Usage,
    charge_lines,
    charge_nanos,
    most_nanos,
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


def test_every_class_of_usage_has_its_rate_and_every_rate_its_class() -> None:
    assert set(RATE_OF_CLASS) == set(Usage.__struct_fields__)
    assert sorted(RATE_OF_CLASS.values()) == sorted(Rates.__struct_fields__)


@pytest.mark.parametrize("unit", sorted(RATE_OF_CLASS))
def test_each_class_is_charged_at_its_own_rate_and_once(unit: str) -> None:
    distinct = {name: 1_000 * 10**place for place, name in enumerate(Rates.__struct_fields__)}
    tiers = (Tier("default", 0, Rates(**distinct)),)
    usage = Usage(**{"requests": 0, unit: 7})
    assert charge_nanos(tiers, usage, None) == 7 * distinct[RATE_OF_CLASS[unit]] // 1_000
    assert [(line.unit, line.units) for line in charge_lines(tiers[0], usage)] == [(unit, 7)]


def test_a_price_that_was_stored_before_a_class_existed_charges_it_as_it_did_then() -> None:
    stored = msgspec.json.encode({name: getattr(BASE, name) for name in Rates.__struct_fields__[:7]})
    old = msgspec.json.decode(stored, type=Rates)
    assert (old.audio_input_picos, old.image_input_picos) == (3_000_000, 3_000_000)
    assert (old.audio_output_picos, old.image_output_picos) == (15_000_000, 15_000_000)
    rare = ("image_picos", "character_picos", "audio_millisecond_picos", "video_millisecond_picos", "web_search_picos")
    assert [getattr(old, name) for name in rare] == [0] * 5


def test_no_tier_and_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        most_nanos((), Ceiling())
    with pytest.raises(ValueError, match="negative"):
        Ceiling(input_tokens=-1)


def test_a_hold_below_a_threshold_does_not_pay_for_the_tier_above_it() -> None:
    short = most_nanos(TIERS[:2], Ceiling(input_tokens=200_000))
    long = most_nanos(TIERS[:2], Ceiling(input_tokens=200_001))
    assert short == 200_000 * 6_000  # the dearest way to read: a one-hour cache write
    assert long == 200_001 * 6_000
    assert most_nanos(TIERS[:2], Ceiling(input_tokens=200_001, output_tokens=1)) == long + 22_500


def test_pictures_that_are_read_count_towards_the_context_and_may_turn_out_to_be_text() -> None:
    pictures = Ceiling(input_tokens=200_000, image_input_tokens=1)
    assert most_nanos(TIERS[:2], pictures) == 200_001 * 6_000


PICTURES = (
    Tier("default", 0, msgspec.structs.replace(PER_REQUEST, request_picos=0, image_picos=40_000_000_000)),
    Tier("1024x1024/high", 0, msgspec.structs.replace(PER_REQUEST, request_picos=0, image_picos=80_000_000_000)),
    Tier("1792x1024/high", 0, msgspec.structs.replace(PER_REQUEST, request_picos=0, image_picos=120_000_000_000)),
)


@pytest.mark.parametrize(
    ("variant", "nanos"),
    [
        (None, 240_000_000),
        ("1024x1024/high", 160_000_000),
        ("512x512/high", 240_000_000),  # unknown: the dearest, in the hold as in the charge
        ("standard", 80_000_000),
    ],
)
def test_a_hold_for_a_known_variant_is_for_that_variant(variant: str | None, nanos: int) -> None:
    assert most_nanos(PICTURES, Ceiling(images=2), variant=variant) == nanos
    assert charge_nanos(PICTURES, Usage(images=2), variant) <= nanos


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
# What a ceiling is made of: tokens that may turn out to be text, and counts that are what they are.
moves = st.tuples(slack, slack, slack, slack)


def ceiling_over(usage: Usage, moved: tuple[int, int, int, int], more: int) -> Ceiling:
    """A ceiling that the usage is within: of the sound and pictures asked for, some are reported as text."""
    read, written = usage.total_input_tokens, usage.total_output_tokens
    special_in = usage.audio_input_tokens + usage.image_input_tokens + moved[0] + moved[1]
    special_out = usage.audio_output_tokens + usage.image_output_tokens + moved[2] + moved[3]
    same = ("images", "characters", "audio_milliseconds", "video_milliseconds", "web_searches", "requests")
    return Ceiling(
        input_tokens=max(0, read - special_in) + more,
        audio_input_tokens=usage.audio_input_tokens + moved[0],
        image_input_tokens=usage.image_input_tokens + moved[1],
        output_tokens=max(0, written - special_out) + more,
        audio_output_tokens=usage.audio_output_tokens + moved[2],
        image_output_tokens=usage.image_output_tokens + moved[3],
        **{name: getattr(usage, name) + more for name in same},
    )


@given(tier_sets, usages, reported, moves, slack)
def test_no_usage_within_the_ceilings_costs_more_than_the_hold(
    tiers: tuple[Tier, ...], usage: Usage, service_tier: str | None, moved: tuple[int, int, int, int], more: int
) -> None:
    ceiling = ceiling_over(usage, moved, more)
    charge = charge_nanos(tiers, usage, service_tier)
    assert 0 <= charge <= most_nanos(tiers, ceiling)
    if service_tier is not None:
        assert charge <= most_nanos(tiers, ceiling, variant=service_tier)


@given(tier_sets, usages, reported, slack)
def test_a_hold_for_a_variant_is_never_above_the_hold_for_any(
    tiers: tuple[Tier, ...], usage: Usage, variant: str | None, more: int
) -> None:
    ceiling = ceiling_over(usage, (0, 0, 0, 0), more)
    assert most_nanos(tiers, ceiling, variant=variant) <= most_nanos(tiers, ceiling)
    name = DEFAULT_SERVICE_TIER if variant in ORDINARY_NAMES else variant
    if all(tier.service_tier != name for tier in tiers):
        assert most_nanos(tiers, ceiling, variant=variant) == most_nanos(tiers, ceiling)


@given(tier_sets, usages, st.sampled_from(Ceiling.__struct_fields__), slack)
def test_a_hold_never_shrinks_when_a_ceiling_grows(tiers: tuple[Tier, ...], usage: Usage, unit: str, more: int) -> None:
    ceiling = ceiling_over(usage, (0, 0, 0, 0), 0)
    larger = msgspec.structs.replace(ceiling, **{unit: getattr(ceiling, unit) + more})
    assert most_nanos(tiers, ceiling) <= most_nanos(tiers, larger)


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
