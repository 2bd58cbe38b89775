"""catalog.toml: prices in the units that price lists use, and what a price of each workload has to say."""

import pytest

from farebox.base.errors import OperatorError
from farebox.catalog.rules import Rates, Tier
from farebox.catalog.toml_file import CatalogFile, parse_catalog
from tests.terms import TERMS

HEAD = (
    TERMS
    + """
[providers.p]
display_name = "P"
base_url = "https://p.example/v1"
[models.m]
display_name = "M"
context_tokens = 8_000
max_output_tokens = 1_000
"""
)


def catalog(cost: str, *, workload: str = "image", model: str = "", tiers: str = "") -> CatalogFile:
    text = f'{HEAD}workload = "{workload}"\n{model}\n[routes."p/m"]\nmargin_bps = 0\ncost = {{ {cost} }}\n{tiers}'
    return parse_catalog(text, file="test.toml")


def rates(cost: str, *, workload: str = "image", model: str = "") -> Rates:
    return catalog(cost, workload=workload, model=model).prices["p/m"].tiers[0].rates


@pytest.mark.parametrize(
    ("cost", "field", "picos"),
    [
        ('per_image = "0.04"', "image_picos", 40_000_000_000),
        ('per_image = "0.000000000001"', "image_picos", 1),
        ('per_million_characters = "15.00"', "character_picos", 15_000_000),
        ('per_minute_audio = "0.006"', "audio_millisecond_picos", 100_000),
        ('per_second_audio = "0.0001"', "audio_millisecond_picos", 100_000),
        ('per_second_audio = "0.000030834"', "audio_millisecond_picos", 30_834),
        ('per_second_video = "0.10"', "video_millisecond_picos", 100_000_000),
        ('per_request = "0.01"', "request_picos", 10_000_000_000),
    ],
)
def test_units_of_price_lists_become_picos_exactly(cost: str, field: str, picos: int) -> None:
    found = rates(cost)
    assert getattr(found, field) == picos
    others = [getattr(found, name) for name in Rates.__struct_fields__ if name != field]
    assert others == [0] * len(others)


def test_searches_are_priced_by_the_thousand_beside_tokens() -> None:
    found = rates("input = 3, output = 15, per_thousand_searches = 10", workload="text")
    assert (found.web_search_picos, found.input_picos) == (10_000_000_000, 3_000_000)


def test_sound_and_pictures_cost_what_text_does_unless_the_price_says_otherwise() -> None:
    plain = rates("input = 1, output = 4", workload="text")
    assert (plain.audio_input_picos, plain.image_input_picos) == (1_000_000, 1_000_000)
    assert (plain.audio_output_picos, plain.image_output_picos) == (4_000_000, 4_000_000)
    said = rates("input = 1, output = 4, audio_input = 5, image_input = 6, audio_output = 7, image_output = 8", workload="text")  # fmt: skip  # noqa: E501
    assert (said.audio_input_picos, said.image_input_picos) == (5_000_000, 6_000_000)
    assert (said.audio_output_picos, said.image_output_picos) == (7_000_000, 8_000_000)


def test_variants_are_tiers_by_another_name() -> None:
    tiers = '[[routes."p/m".cost_tiers]]\n{} = "1024x1024/high"\nper_image = "0.08"'
    named = catalog("per_image = 0.04, per_request = 1", tiers=tiers.format("variant")).prices["p/m"]
    assert named == catalog("per_image = 0.04, per_request = 1", tiers=tiers.format("service_tier")).prices["p/m"]
    base, high = named.tiers
    assert (base.service_tier, high.service_tier) == ("default", "1024x1024/high")
    # what a variant does not say, it takes from the plain price
    assert (high.rates.image_picos, high.rates.request_picos) == (80_000_000_000, base.rates.request_picos)


def test_a_variant_without_tokens_takes_those_of_the_plain_price() -> None:
    tiers = '[[routes."p/m".cost_tiers]]\nvariant = "large"\nper_image = "0.08"'
    model = "image_output_ceiling_tokens = { large = 10 }"
    found = catalog("input = 5, output = 40", model=model, tiers=tiers).prices["p/m"].tiers[1]
    assert found == Tier("large", 0, found.rates)
    assert (found.rates.input_picos, found.rates.image_output_picos) == (5_000_000, 40_000_000)


@pytest.mark.parametrize("workload", ["embedding", "moderation"])
def test_what_writes_nothing_has_a_price_of_input_alone(workload: str) -> None:
    found = rates('input = "0.02"', workload=workload)
    assert (found.input_picos, found.output_picos) == (20_000, 0)


FAULTS = {
    "a third of a pico": (
        'per_minute_audio = "0.0043"',
        "cost.per_minute_audio: is no whole number of pico-USD",
        "per_second_audio, rounded up to 9",
    ),
    "too fine a second": ('per_second_video = "0.0000000001"', "per_second_video: has more than 9", "Round"),
    "too fine a letter": ('per_million_characters = "0.0000001"', "has more than 6 decimal places", "Round"),
    "too fine a search": ('per_image = 1, per_thousand_searches = "1e-10"', "has more than 9 decimal places", "Round"),
    "absurdly fine": ('per_minute_audio = "1e-999999"', "is no whole number of pico-USD", "per_second_audio"),
    "absurdly large": ('per_second_audio = "1e999999"', "is outside what a price can be", "positive"),
    "two units of sound": (
        "per_minute_audio = 1, per_second_audio = 1",
        "per_minute_audio: stands beside per_second_audio",
        "Keep one",
    ),
    "nothing": ("", "cost: has no rate", "per_image"),
    "half of the tokens": ("input = 1, per_image = 1", "cost: output is missing", "USD per million"),
    "misspelt": ("per_images = 1", "cost.per_images: unknown key", "Did you mean per_image?"),
    "pictures without a ceiling": ("input = 5, output = 40", "sells tokens, but m has no image_output", "Add image"),
}


@pytest.mark.parametrize(("cost", "message", "fix"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_in_a_price_names_the_place_and_the_fix(cost: str, message: str, fix: str) -> None:
    with pytest.raises(OperatorError) as caught:
        catalog(cost)
    assert caught.value.message.startswith('test.toml: routes."p/m"')
    assert message in caught.value.message
    assert fix in caught.value.fix


def test_a_tier_has_one_name() -> None:
    with pytest.raises(OperatorError, match="stands beside service_tier"):
        catalog("per_image = 1", tiers='cost_tiers = [{ variant = "a", service_tier = "b", per_image = 1 }]')


def test_text_is_never_free_by_omission() -> None:
    for workload in ("text", "coding"):
        with pytest.raises(OperatorError, match="input is missing"):
            catalog("per_request = 1", workload=workload)
    with pytest.raises(OperatorError, match="input is missing"):
        catalog("per_request = 1", workload="embedding")


def test_sound_is_not_sold_by_tokens_that_nobody_can_bound() -> None:
    with pytest.raises(OperatorError, match="has no audio_input_tokens_per_second"):
        catalog("input = 1, output = 1", workload="audio")
    bounded = "audio_input_tokens_per_second = 20"
    assert catalog("input = 1, output = 1", workload="audio", model=bounded).warnings == ()
    assert catalog("per_minute_audio = 0.006", workload="audio").warnings == ()


@pytest.mark.parametrize(
    ("workload", "needed"),
    [
        ("text", ["context_tokens", "max_output_tokens"]),
        ("coding", ["context_tokens", "max_output_tokens"]),
        ("embedding", ["context_tokens"]),
        ("moderation", ["context_tokens"]),
        ("image", []),
        ("audio", []),
        ("video", []),
    ],
)
def test_each_workload_says_what_its_hold_needs(workload: str, needed: list[str]) -> None:
    fields = [f"{name} = 100" for name in needed]
    table = '[models.m]\ndisplay_name = "M"\nworkload = "{}"\n{}'
    assert parse_catalog(table.format(workload, "\n".join(fields))).models["m"].workload == workload
    for missing in range(len(fields)):
        left = fields[:missing] + fields[missing + 1 :]
        with pytest.raises(OperatorError, match=f"{needed[missing]} is missing"):
            parse_catalog(table.format(workload, "\n".join(left)))
