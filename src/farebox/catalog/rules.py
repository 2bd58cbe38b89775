"""From usage to money: the checklist that every charge, cost and hold goes through. Pure.

Prices are integer pico-USD per unit; a charge is the sum over all classes, rounded up to nano-USD once. A price is a
set of tiers. The context tier follows from the whole input of the call, the service tier from the name that the
provider reported, so both are known only afterwards: a hold therefore takes the dearest tier that could apply.
"""

from typing import NamedTuple

import msgspec

from farebox.base.money import nanos_from_picos
from farebox.base.usage import Usage as Usage  # noqa: PLC0414 - what is priced is part of this module

DEFAULT_SERVICE_TIER = "default"
# What providers call the tier that everybody gets who asked for nothing else.
ORDINARY_NAMES = frozenset({None, "", "auto", "default", "standard"})


class Rates(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Pico-USD per unit of each class of `Usage`; nothing is optional, defaults were resolved before storing."""

    input_picos: int
    cached_input_picos: int
    cache_write_5m_picos: int
    cache_write_1h_picos: int
    output_picos: int
    reasoning_picos: int
    request_picos: int


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
    return (
        usage.input_tokens * rates.input_picos
        + usage.cached_input_tokens * rates.cached_input_picos
        + usage.cache_write_5m_tokens * rates.cache_write_5m_picos
        + usage.cache_write_1h_tokens * rates.cache_write_1h_picos
        + usage.output_tokens * rates.output_picos
        + usage.reasoning_tokens * rates.reasoning_picos
        + usage.requests * rates.request_picos
    )


def charge_nanos(tiers: tuple[Tier, ...], usage: Usage, service_tier: str | None) -> int:
    """What the usage costs in nano-USD, rounded up once. `service_tier` is the name that the provider reported."""
    tier = tiers[0] if len(tiers) == 1 else select_tier(tiers, usage, service_tier)
    return nanos_from_picos(_charge_picos(tier.rates, usage))


def charge_lines(tier: Tier, usage: Usage) -> tuple[Line, ...]:
    """The charge at that tier, item by item, without empty items; their sum rounded up is `charge_nanos`."""
    rates = tier.rates
    lines = (
        Line("input_tokens", usage.input_tokens, rates.input_picos),
        Line("cached_input_tokens", usage.cached_input_tokens, rates.cached_input_picos),
        Line("cache_write_5m_tokens", usage.cache_write_5m_tokens, rates.cache_write_5m_picos),
        Line("cache_write_1h_tokens", usage.cache_write_1h_tokens, rates.cache_write_1h_picos),
        Line("output_tokens", usage.output_tokens, rates.output_picos),
        Line("reasoning_tokens", usage.reasoning_tokens, rates.reasoning_picos),
        Line("requests", usage.requests, rates.request_picos),
    )
    return tuple(line for line in lines if line.units and line.unit_picos)


def ceiling_nanos(
    tiers: tuple[Tier, ...], *, input_tokens_ceiling: int, output_tokens_ceiling: int, requests: int
) -> int:
    """The most that a call within these ceilings can cost, in nano-USD: the amount of a hold.

    No usage within the ceilings costs more, whatever its classes and whatever service tier is reported.
    Raises ValueError on a negative ceiling or when there is no tier.
    """
    if input_tokens_ceiling < 0 or output_tokens_ceiling < 0 or requests < 0:
        raise ValueError("a ceiling is never negative")
    return nanos_from_picos(
        max(
            input_tokens_ceiling * _dearest_input_picos(tier.rates)
            + output_tokens_ceiling * max(tier.rates.output_picos, tier.rates.reasoning_picos)
            + requests * tier.rates.request_picos
            for tier in tiers
            if _reachable(tier, input_tokens_ceiling)
        )
    )


def _dearest_input_picos(rates: Rates) -> int:
    return max(rates.input_picos, rates.cached_input_picos, rates.cache_write_5m_picos, rates.cache_write_1h_picos)
