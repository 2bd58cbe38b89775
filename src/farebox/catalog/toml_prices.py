"""Prices in catalog.toml: listed tiers or a margin over cost, to the price row of a route."""

from typing import Final, NamedTuple

from farebox.catalog.model import Workload
from farebox.catalog.rows import PriceTerms
from farebox.catalog.rules import DEFAULT_SERVICE_TIER, ORDINARY_NAMES, Rates, Tier
from farebox.catalog.toml_place import Place, Table, check_keys, table_at
from farebox.catalog.toml_rates import RATE_KEYS, TEXT_OF_FIELD, read_rates

# Contexts times service tiers of the richest price list, many times over: every call walks through them.
MAX_TIERS: Final = 32
# A hundred times the cost; a larger margin is a slip of the finger.
MAX_MARGIN_BPS: Final = 1_000_000
BPS: Final = 10_000

# `variant` is what `service_tier` is called for pictures and films: the same name in the same place.
TIER_KEYS: Final = ("service_tier", "variant", "above_input_tokens", *RATE_KEYS)
PRICING_KEYS: Final = ("price", "price_tiers", "margin_bps")


class Pricing(NamedTuple):
    """How a price is made: listed tiers, or a margin over cost."""

    listed: tuple[Tier, ...] | None
    margin_bps: int | None


def read_pricing(table: Table, place: Place, workload: Workload = "text") -> Pricing | None:
    """The `price`, `price_tiers` and `margin_bps` of one table, or None when it has none of them."""
    if "margin_bps" in table:
        for key in ("price", "price_tiers"):
            if key in table:
                raise place.at(key).error("stands beside margin_bps", f"Keep one of {key} and margin_bps.")
        return Pricing(None, _margin(table["margin_bps"], place.at("margin_bps")))
    tiers = read_tiers(table, "price", place, workload)
    return Pricing(tiers, None) if tiers is not None else None


def _margin(value: object, place: Place) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not -BPS < value <= MAX_MARGIN_BPS:
        raise place.error(
            f"is not a whole number of basis points between {1 - BPS} and {MAX_MARGIN_BPS}",
            "Write 2500 for a price that is 25 % above cost.",
        )
    return value


def read_tiers(table: Table, name: str, place: Place, workload: Workload) -> tuple[Tier, ...] | None:
    """The tiers that `name = {…}` and `[[….name_tiers]]` describe, the plain one first; None without `name`."""
    extra_key = f"{name}_tiers"
    if name not in table:
        if extra_key in table:
            raise place.at(extra_key).error(
                f"has no {name} to start from", f"Add {name} = {{ input = …, output = … }}."
            )
        return None
    base_place = place.at(name)
    base_table = table_at(table, name, place)
    check_keys(base_table, RATE_KEYS, base_place)
    base = read_rates(base_table, base_place, workload=workload)
    tiers = [Tier(DEFAULT_SERVICE_TIER, 0, base)]
    entries = table.get(extra_key, [])
    if not isinstance(entries, list) or len(entries) >= MAX_TIERS:
        raise place.at(extra_key).error(
            f"is not a list of fewer than {MAX_TIERS} tables", f"Write [[{place.at(extra_key).path}]] for each."
        )
    for index, entry in enumerate(entries):
        tiers.append(_tier(entry, place.at(extra_key).at(index), workload, base))
    _check_tiers(tiers, place.at(extra_key))
    return tuple(tiers)


def _tier(entry: object, place: Place, workload: Workload, base: Rates) -> Tier:
    if not isinstance(entry, dict):
        raise place.error("is not a table", "Write { above_input_tokens = 200000, input = …, output = … }.")
    check_keys(entry, TIER_KEYS, place)
    above = entry.get("above_input_tokens", 0)
    if not isinstance(above, int) or isinstance(above, bool) or above < 0:
        raise place.at("above_input_tokens").error("is not a whole number of tokens", "Write it like 200000.")
    return Tier(_tier_name(entry, place), above, read_rates(entry, place, workload=workload, base=base))


def _tier_name(entry: Table, place: Place) -> str:
    if "variant" in entry and "service_tier" in entry:
        raise place.at("variant").error("stands beside service_tier", "Keep one of the two: both name the tier.")
    key = "variant" if "variant" in entry else "service_tier"
    name = entry.get(key, DEFAULT_SERVICE_TIER)
    if not isinstance(name, str) or len(name) > 64:
        example = '"1024x1024/high"' if key == "variant" else 'it as the provider reports it: "priority"'
        raise place.at(key).error("is not a short name", f"Write {example}.")
    return DEFAULT_SERVICE_TIER if name in ORDINARY_NAMES else name


def _check_tiers(tiers: list[Tier], place: Place) -> None:
    seen: set[tuple[str, int]] = set()
    for tier in tiers:
        key = (tier.service_tier, tier.above_input_tokens)
        if key in seen:
            raise place.error(f"describes {key[0]} above {key[1]} tokens twice", "Remove one of the two.")
        seen.add(key)
    for name, _ in sorted(seen):
        if (name, 0) not in seen:
            raise place.error(
                f"has no {name} tier for short input",
                f'Add one with service_tier = "{name}" and no above_input_tokens.',
            )


def terms_of(pricing: Pricing, cost_tiers: tuple[Tier, ...]) -> PriceTerms:
    """The price row: the listed tiers, or every cost tier raised by the margin, rounded up to a pico."""
    if pricing.listed is not None:
        return PriceTerms(tiers=pricing.listed, cost_tiers=cost_tiers)
    assert pricing.margin_bps is not None
    tiers = tuple(_raised(tier, pricing.margin_bps) for tier in cost_tiers)
    return PriceTerms(tiers=tiers, cost_tiers=cost_tiers, margin_bps=pricing.margin_bps)


def _raised(tier: Tier, margin_bps: int) -> Tier:
    raised = {name: -(-getattr(tier.rates, name) * (BPS + margin_bps) // BPS) for name in Rates.__struct_fields__}
    return Tier(tier.service_tier, tier.above_input_tokens, Rates(**raised))


def losses(terms: PriceTerms) -> list[str]:
    """One line for each class and tier whose price is below cost. What costs the same as text is not said twice."""
    points = sorted({(tier.service_tier, tier.above_input_tokens) for tier in (*terms.tiers, *terms.cost_tiers)})
    found = []
    for service_tier, above in points:
        price, cost = _rates_at(terms.tiers, service_tier, above), _rates_at(terms.cost_tiers, service_tier, above)
        for name, text in ((name, TEXT_OF_FIELD.get(name, "")) for name in price):
            like_text = text and (price[name], cost[name]) == (price[text], cost[text])
            if price[name] < cost[name] and not like_text:
                shown = f"{name.removesuffix('_picos')} ({service_tier}, above {above} input tokens)"
                found.append(f"the price of {shown} is {price[name]} picos, below its cost of {cost[name]}")
    return found


def _rates_at(tiers: tuple[Tier, ...], service_tier: str, above: int) -> dict[str, int]:
    """The rates that input just above the threshold meets, as `rules.select_tier` would choose them."""
    reached = [tier for tier in tiers if tier.above_input_tokens <= above]
    same = [tier for tier in reached if tier.service_tier == service_tier]
    chosen = [max(same, key=lambda tier: tier.above_input_tokens)] if same else reached
    return {name: max(getattr(tier.rates, name) for tier in chosen) for name in Rates.__struct_fields__}
