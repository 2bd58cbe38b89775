"""Prices in catalog.toml: US dollars per million tokens, written exactly, to integer pico-USD per unit."""

from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final, NamedTuple

from farebox.catalog.rows import PriceTerms
from farebox.catalog.rules import DEFAULT_SERVICE_TIER, ORDINARY_NAMES, Rates, Tier
from farebox.catalog.toml_place import Place, Table, check_keys, table_at

# $1 per million tokens is 1e-6 USD, a million picos, a token.
PICOS_PER_TOKEN_PER_USD_PER_MILLION: Final = 10**6
PICOS_PER_USD: Final = 10**12
# A thousand dollars a unit: above any price there is, and a charge of it still fits a 64-bit amount.
MAX_UNIT_PICOS: Final = 1_000 * PICOS_PER_USD
# Contexts times service tiers of the richest price list, many times over: every call walks through them.
MAX_TIERS: Final = 32
# A hundred times the cost; a larger margin is a slip of the finger.
MAX_MARGIN_BPS: Final = 1_000_000
BPS: Final = 10_000
# More decimals than any unit can hold; keeps exact arithmetic on hostile exponents small.
_MAX_DECIMALS: Final = 40

# Sound and pictures cost what text does unless a price says otherwise.
_TEXT_OF: Final = {
    "audio_input_picos": "input_picos",
    "image_input_picos": "input_picos",
    "audio_output_picos": "output_picos",
    "image_output_picos": "output_picos",
}

RATE_KEYS: Final = (
    "input",
    "cached_input",
    "cache_write_5m",
    "cache_write_1h",
    "output",
    "reasoning",
    "per_request",
)
TIER_KEYS: Final = ("service_tier", "above_input_tokens", *RATE_KEYS)
PRICING_KEYS: Final = ("price", "price_tiers", "margin_bps")


class Pricing(NamedTuple):
    """How a price is made: listed tiers, or a margin over cost."""

    listed: tuple[Tier, ...] | None
    margin_bps: int | None


def read_pricing(table: Table, place: Place) -> Pricing | None:
    """The `price`, `price_tiers` and `margin_bps` of one table, or None when it has none of them."""
    if "margin_bps" in table:
        for key in ("price", "price_tiers"):
            if key in table:
                raise place.at(key).error("stands beside margin_bps", f"Keep one of {key} and margin_bps.")
        return Pricing(None, _margin(table["margin_bps"], place.at("margin_bps")))
    tiers = read_tiers(table, "price", place)
    return Pricing(tiers, None) if tiers is not None else None


def _margin(value: object, place: Place) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not -BPS < value <= MAX_MARGIN_BPS:
        raise place.error(
            f"is not a whole number of basis points between {1 - BPS} and {MAX_MARGIN_BPS}",
            "Write 2500 for a price that is 25 % above cost.",
        )
    return value


def read_tiers(table: Table, name: str, place: Place) -> tuple[Tier, ...] | None:
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
    tiers = [Tier(DEFAULT_SERVICE_TIER, 0, _rates(base_table, base_place, inherited_request_picos=0))]
    entries = table.get(extra_key, [])
    if not isinstance(entries, list) or len(entries) >= MAX_TIERS:
        raise place.at(extra_key).error(
            f"is not a list of fewer than {MAX_TIERS} tables", f"Write [[{place.at(extra_key).path}]] for each."
        )
    for index, entry in enumerate(entries):
        tiers.append(_tier(entry, place.at(extra_key).at(index), tiers[0].rates.request_picos))
    _check_tiers(tiers, place.at(extra_key))
    return tuple(tiers)


def _tier(entry: object, place: Place, request_picos: int) -> Tier:
    if not isinstance(entry, dict):
        raise place.error("is not a table", "Write { above_input_tokens = 200000, input = …, output = … }.")
    check_keys(entry, TIER_KEYS, place)
    service_tier = entry.get("service_tier", DEFAULT_SERVICE_TIER)
    above = entry.get("above_input_tokens", 0)
    if not isinstance(service_tier, str) or len(service_tier) > 64:
        raise place.at("service_tier").error("is not a short name", 'Write it as the provider reports it: "priority".')
    if not isinstance(above, int) or isinstance(above, bool) or above < 0:
        raise place.at("above_input_tokens").error("is not a whole number of tokens", "Write it like 200000.")
    name = DEFAULT_SERVICE_TIER if service_tier in ORDINARY_NAMES else service_tier
    return Tier(name, above, _rates(entry, place, inherited_request_picos=request_picos))


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


def _rates(table: Table, place: Place, *, inherited_request_picos: int) -> Rates:
    for key in ("input", "output"):
        if key not in table:
            raise place.error(f"{key} is missing", f'Add {key} = "…" in USD per million tokens; "0" when it is free.')

    def per_token(key: str, default: int) -> int:
        return _picos(table[key], PICOS_PER_TOKEN_PER_USD_PER_MILLION, place.at(key)) if key in table else default

    per_request = table.get("per_request")
    input_picos, output_picos = per_token("input", 0), per_token("output", 0)
    written_5m = per_token("cache_write_5m", input_picos)
    return Rates(
        input_picos=input_picos,
        cached_input_picos=per_token("cached_input", input_picos),
        cache_write_5m_picos=written_5m,
        cache_write_1h_picos=per_token("cache_write_1h", written_5m),
        output_picos=output_picos,
        reasoning_picos=per_token("reasoning", output_picos),
        request_picos=inherited_request_picos
        if per_request is None
        else _picos(per_request, PICOS_PER_USD, place.at("per_request")),
    )


def _picos(value: object, scale: int, place: Place) -> int:
    amount = _decimal(value, place)
    if amount < 0 or amount > Decimal(MAX_UNIT_PICOS) / scale:
        raise place.error("is outside what a price can be", "Write a positive amount of US dollars.")
    decimals = len(str(scale)) - 1
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -_MAX_DECIMALS or (Fraction(amount) * scale).denominator != 1:
        raise place.error(f"has more than {decimals} decimal places", f"Round it to {decimals} decimal places.")
    return int(Fraction(amount) * scale)


def _decimal(value: object, place: Place) -> Decimal:
    fix = 'Write US dollars as text or a number: "0.80" or 0.80.'
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise place.error("is not an amount of dollars", fix)
    try:
        amount = Decimal(value.strip().removeprefix("$")) if isinstance(value, str) else Decimal(value)
    except InvalidOperation as error:
        raise place.error("is not an amount of dollars", fix) from error
    if not amount.is_finite():
        raise place.error("is not an amount of dollars", fix)
    return amount


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
        for name, text in ((name, _TEXT_OF.get(name, "")) for name in price):
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
