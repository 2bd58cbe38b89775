"""From usage to money: the checklist that every charge, cost and hold goes through. Pure.

Prices are integer pico-USD per unit; a charge is the sum over all classes, rounded up to nano-USD once. A price is a
set of tiers. The context tier follows from the whole input of the call, the service tier from the name that the
provider reported, so both are known only afterwards: a hold therefore takes the dearest tier that could apply. Where
pictures and films cost by size and quality, the tier's name is that variant (`1024x1024/high`), known from the request.
"""

from operator import attrgetter, mul
from typing import Final, NamedTuple

import msgspec

from farebox.base.money import nanos_from_picos
from farebox.base.usage import Usage as Usage  # noqa: PLC0414 - what is priced is part of this module

DEFAULT_SERVICE_TIER = "default"
# What providers call the tier that everybody gets who asked for nothing else.
ORDINARY_NAMES = frozenset({None, "", "auto", "default", "standard"})
# A rate that was not stored, because its class is younger than the price: text's rate holds, as it did before.
_AS_TEXT: Final = -1


class Rates(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Pico-USD per unit of each class of `Usage`. Defaults were resolved before storing, but for the classes that
    prices of before do not know: sound and pictures cost what text does, everything else nothing."""

    input_picos: int
    cached_input_picos: int
    cache_write_5m_picos: int
    cache_write_1h_picos: int
    output_picos: int
    reasoning_picos: int
    request_picos: int
    audio_input_picos: int = _AS_TEXT
    audio_output_picos: int = _AS_TEXT
    image_input_picos: int = _AS_TEXT
    image_output_picos: int = _AS_TEXT
    image_picos: int = 0
    character_picos: int = 0
    audio_millisecond_picos: int = 0
    video_millisecond_picos: int = 0
    web_search_picos: int = 0

    def __post_init__(self) -> None:
        for name in ("audio_input_picos", "image_input_picos"):
            if getattr(self, name) == _AS_TEXT:
                msgspec.structs.force_setattr(self, name, self.input_picos)
        for name in ("audio_output_picos", "image_output_picos"):
            if getattr(self, name) == _AS_TEXT:
                msgspec.structs.force_setattr(self, name, self.output_picos)


# Each class of usage and its rate, in the order of a receipt's lines.
RATE_OF_CLASS: Final = {
    "input_tokens": "input_picos",
    "cached_input_tokens": "cached_input_picos",
    "cache_write_5m_tokens": "cache_write_5m_picos",
    "cache_write_1h_tokens": "cache_write_1h_picos",
    "audio_input_tokens": "audio_input_picos",
    "image_input_tokens": "image_input_picos",
    "output_tokens": "output_picos",
    "reasoning_tokens": "reasoning_picos",
    "audio_output_tokens": "audio_output_picos",
    "image_output_tokens": "image_output_picos",
    "images": "image_picos",
    "characters": "character_picos",
    "audio_milliseconds": "audio_millisecond_picos",
    "video_milliseconds": "video_millisecond_picos",
    "web_searches": "web_search_picos",
    "requests": "request_picos",
}
_units_of = attrgetter(*RATE_OF_CLASS)
_rates_of = attrgetter(*RATE_OF_CLASS.values())


class Tier(msgspec.Struct, frozen=True, gc=False):
    """Rates that hold for one service tier when the whole input is above a threshold; 0 means always."""

    service_tier: str
    above_input_tokens: int
    rates: Rates


class Price(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One stored version of a route's price: what the customer pays and what the provider bills."""

    price_version: str
    tiers: tuple[Tier, ...]
    cost_tiers: tuple[Tier, ...]


class Line(NamedTuple):
    """One line of a receipt: `units × unit_picos`, not rounded."""

    unit: str
    units: int
    unit_picos: int


def select_tier(tiers: tuple[Tier, ...], usage: Usage, service_tier: str | None) -> Tier:
    """The tier that the usage is charged at. Raises ValueError when no tier applies.

    The highest threshold that the whole input is strictly above wins. A service tier that the price does not know
    is charged at the dearest tier that the input reaches: the provider's bill is unknown, and may be no less.
    """
    name = DEFAULT_SERVICE_TIER if service_tier in ORDINARY_NAMES else service_tier
    total = usage.total_input_tokens
    chosen: Tier | None = None
    for tier in tiers:
        above = tier.above_input_tokens
        if (
            tier.service_tier == name
            and (total > above or above == 0)
            and (chosen is None or above > chosen.above_input_tokens)
        ):
            chosen = tier
    return chosen if chosen is not None else _dearest_tier(tiers, usage, total)


def _dearest_tier(tiers: tuple[Tier, ...], usage: Usage, total_input_tokens: int) -> Tier:
    reached = (tier for tier in tiers if _reachable(tier, total_input_tokens))
    return max(reached, key=lambda tier: _charge_picos(tier.rates, usage))


def _reachable(tier: Tier, input_tokens: int) -> bool:
    return tier.above_input_tokens == 0 or tier.above_input_tokens < input_tokens


def _charge_picos(rates: Rates, usage: Usage) -> int:
    return sum(map(mul, _units_of(usage), _rates_of(rates)))


def charge_nanos(tiers: tuple[Tier, ...], usage: Usage, service_tier: str | None) -> int:
    """What the usage costs in nano-USD, rounded up once. `service_tier` is the name that the provider reported."""
    tier = tiers[0] if len(tiers) == 1 else select_tier(tiers, usage, service_tier)
    return nanos_from_picos(_charge_picos(tier.rates, usage))


def charge_lines(tier: Tier, usage: Usage) -> tuple[Line, ...]:
    """The charge at that tier, item by item, without empty items; their sum rounded up is `charge_nanos`."""
    lines = map(Line, RATE_OF_CLASS, _units_of(usage), _rates_of(tier.rates))
    return tuple(line for line in lines if line.units and line.unit_picos)


class Ceiling(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The most that a call can use of each class; 0: none of it. Raises ValueError on a negative one.

    `input_tokens` is text of any class, cached and cache-written tokens included; `output_tokens` includes reasoning.
    Sound and pictures that a provider does not tell apart, or reads from a cache, are counted as text: their tokens
    may move there.
    """

    input_tokens: int = 0
    audio_input_tokens: int = 0
    image_input_tokens: int = 0
    output_tokens: int = 0
    audio_output_tokens: int = 0
    image_output_tokens: int = 0
    images: int = 0
    characters: int = 0
    audio_milliseconds: int = 0
    video_milliseconds: int = 0
    web_searches: int = 0
    requests: int = 1

    def __post_init__(self) -> None:
        if min(msgspec.structs.astuple(self)) < 0:
            raise ValueError(f"a ceiling is never negative: {self!r}")

    @property
    def total_input_tokens(self) -> int:
        """The most that the model can read: decides which context tiers could apply."""
        return self.input_tokens + self.audio_input_tokens + self.image_input_tokens


def most_nanos(tiers: tuple[Tier, ...], ceiling: Ceiling, *, variant: str | None = None) -> int:
    """The most that a call within the ceiling can cost, in nano-USD: the amount of a hold.

    No usage within the ceiling costs more, whatever its classes and whatever tier is reported. With a `variant`, which
    the request says and the call is then charged at, only the tiers of that name count; a name that the price does
    not know counts as the dearest, as it does for the charge. Raises ValueError when there is no tier.
    """
    counted = tiers if variant is None else _tiers_named(tiers, variant)
    total = ceiling.total_input_tokens
    return nanos_from_picos(max(_most_picos(tier.rates, ceiling) for tier in counted if _reachable(tier, total)))


def _tiers_named(tiers: tuple[Tier, ...], name: str) -> tuple[Tier, ...]:
    name = DEFAULT_SERVICE_TIER if name in ORDINARY_NAMES else name
    named = tuple(tier for tier in tiers if tier.service_tier == name)
    # Without a tier for short input some input meets none of these, and is charged at the dearest of all.
    return named if any(tier.above_input_tokens == 0 for tier in named) else tiers


def _most_picos(rates: Rates, ceiling: Ceiling) -> int:
    text_in = max(rates.input_picos, rates.cached_input_picos, rates.cache_write_5m_picos, rates.cache_write_1h_picos)
    text_out = max(rates.output_picos, rates.reasoning_picos)
    return (
        ceiling.input_tokens * text_in
        + ceiling.audio_input_tokens * max(rates.audio_input_picos, text_in)
        + ceiling.image_input_tokens * max(rates.image_input_picos, text_in)
        + ceiling.output_tokens * text_out
        + ceiling.audio_output_tokens * max(rates.audio_output_picos, text_out)
        + ceiling.image_output_tokens * max(rates.image_output_picos, text_out)
        + ceiling.images * rates.image_picos
        + ceiling.characters * rates.character_picos
        + ceiling.audio_milliseconds * rates.audio_millisecond_picos
        + ceiling.video_milliseconds * rates.video_millisecond_picos
        + ceiling.web_searches * rates.web_search_picos
        + ceiling.requests * rates.request_picos
    )
