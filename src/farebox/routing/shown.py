"""Rules, prices and routes as people are shown them: dollars as exact text, closed lists as words. Pure.

What is shown of a route is public: where it runs and under which terms. Its model's name at the provider, keys, pools
and capacity are not.
"""

from typing import Final, cast

import msgspec

from farebox.catalog.model import Catalog, Route, Workload
from farebox.catalog.policy import KeptAtMost, Rule, Sort
from farebox.catalog.rules import Price, Rates, Tier
from farebox.catalog.terms import Logging, Region, Resale, Retention, Sla, SupportOwner

_TOKENS_PER_PRICE: Final = 10**6
_PICO_DIGITS: Final = 12
# Tiers of one price in one answer; pictures may have a variant for each size and quality.
MAX_TIERS_SHOWN: Final = 20


class MaxPriceView(msgspec.Struct, frozen=True, kw_only=True):
    """Dollars: per million input and output tokens, per request, per picture. Null: any price."""

    prompt: str | None = None
    completion: str | None = None
    request: str | None = None
    image: str | None = None


class RuleView(msgspec.Struct, frozen=True, kw_only=True):
    """A rule in the fields of a policy's document: what is shown can be set again. Null allows everything."""

    regions: list[Region] | None
    retention: KeptAtMost
    only: list[str] | None
    ignore: list[str]
    resale_approved: bool
    max_price: MaxPriceView
    workloads: list[Workload] | None
    models: list[str] | None
    allow_fallbacks: bool
    require_parameters: bool
    sort: Sort | None
    order: list[str]


class TierView(msgspec.Struct, frozen=True, kw_only=True):
    """What the customer pays, in dollars, when the whole input is above a number of tokens; by service tier, or by the
    variant of a picture or film. Token prices are per million: classes that are not named cost what `input` or `output`
    does. Other units that are not named cost nothing."""

    service_tier: str
    above_input_tokens: int
    usd_per_million_tokens: dict[str, str]
    usd_per_unit: dict[str, str]


class RouteView(msgspec.Struct, frozen=True, kw_only=True):
    """The public facts of a route. Null where nobody has said it yet; `priority`: lower goes first."""

    route_id: str
    model: str
    workload: Workload
    provider_id: str
    provider_name: str
    region: Region | None
    retention: Retention | None
    resale: Resale | None
    logging: Logging | None
    sla: Sla | None
    support_owner: SupportOwner | None
    priority: int
    price_version: str | None
    price: list[TierView]
    price_tiers_not_shown: int = 0


def rule_view(rule: Rule) -> RuleView:
    """A rule as it is shown."""
    policy, most = rule.policy, rule.policy.max_price
    return RuleView(
        regions=cast("list[Region] | None", _listed(policy.regions)),
        retention=policy.max_kept,
        only=_listed(policy.only_providers),
        ignore=sorted(policy.ignored_providers),
        resale_approved=policy.resale_approved,
        max_price=MaxPriceView(
            prompt=_usd(most.prompt_picos, _TOKENS_PER_PRICE),
            completion=_usd(most.completion_picos, _TOKENS_PER_PRICE),
            request=_usd(most.request_picos),
            image=_usd(most.image_picos),
        ),
        workloads=cast("list[Workload] | None", _listed(policy.workloads)),
        models=_listed(policy.models),
        allow_fallbacks=policy.allow_fallbacks,
        require_parameters=policy.require_parameters,
        sort=rule.preference.sort,
        order=list(rule.preference.order),
    )


def route_view(catalog: Catalog, route: Route) -> RouteView:
    """A route as it is shown."""
    provider, terms = catalog.providers[route.provider_id], route.terms
    tiers = () if route.price is None else route.price.tiers
    return RouteView(
        route_id=route.route_id,
        model=route.model_id,
        workload=catalog.models[route.model_id].workload,
        provider_id=route.provider_id,
        provider_name=provider.display_name,
        region=terms.region,
        retention=terms.retention,
        resale=terms.resale,
        logging=terms.logging,
        sla=terms.sla,
        support_owner=terms.support_owner,
        priority=route.priority,
        price_version=_version(route.price),
        price=[_tier_view(tier) for tier in tiers[:MAX_TIERS_SHOWN]],
        price_tiers_not_shown=max(0, len(tiers) - MAX_TIERS_SHOWN),
    )


def usd_of_picos(picos: int) -> str:
    """1_500_000_000_000 -> `"1.50"`: exact, at least two decimals, no needless zeros after them."""
    whole, fraction = divmod(picos, 10**_PICO_DIGITS)
    digits = f"{fraction:0{_PICO_DIGITS}d}".rstrip("0").ljust(2, "0")
    return f"{whole}.{digits}"


def _version(price: Price | None) -> str | None:
    return None if price is None else price.price_version


def _tier_view(tier: Tier) -> TierView:
    rates = {name.removesuffix("_picos"): getattr(tier.rates, name) for name in Rates.__struct_fields__}
    return TierView(
        service_tier=tier.service_tier,
        above_input_tokens=tier.above_input_tokens,
        usd_per_million_tokens={
            name: usd_of_picos(rates[name] * _TOKENS_PER_PRICE)
            for plain, names in _OF_TOKENS.items()
            for name in names
            if (any(rates[one] for one in names) if name == plain else rates[name] != rates[plain])
        },
        usd_per_unit={name: usd_of_picos(rates[name]) for name in _OF_UNITS if rates[name]},
    )


def _listed(names: frozenset[str] | None) -> list[str] | None:
    return None if names is None else sorted(names)


def _usd(picos: int | None, units: int = 1) -> str | None:
    return None if picos is None else usd_of_picos(picos * units)


# By the rate that holds for the others where they have none of their own.
_OF_TOKENS: Final = {
    "input": ("input", "cached_input", "cache_write_5m", "cache_write_1h", "audio_input", "image_input"),
    "output": ("output", "reasoning", "audio_output", "image_output"),
}
_OF_UNITS: Final = tuple(
    name
    for name in (field.removesuffix("_picos") for field in Rates.__struct_fields__)
    if not any(name in names for names in _OF_TOKENS.values())
)
