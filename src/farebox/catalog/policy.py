"""Which routes may serve a call: what a workspace, a key and a request allow, put together. Pure.

Policies only ever narrow: `narrowed(a, b)` allows no route that `a` or `b` does not allow. Nothing in a policy names a
pool or a credential.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from farebox.catalog.model import Workload
from farebox.catalog.terms import RETENTIONS, Region

# What may be kept of a call: anything; nothing that models are trained on; nothing at all.
KeptAtMost = Literal["any", "no_training", "nothing"]
Sort = Literal["order", "price", "latency", "throughput"]

_KEPT: Final = ("any", "no_training", "nothing")
# How loose a route's retention may be for each of these.
_LOOSEST: Final = {"any": "unknown", "no_training": "limited", "nothing": "none"}
# Names in one list of a policy: more is a mistake, and every call looks at them.
MAX_NAMES: Final = 200

Names = Annotated[frozenset[Annotated[str, Meta(min_length=1, max_length=200)]], Meta(max_length=MAX_NAMES)]
# Pico-USD per unit; far above any price, so that sums stay in 64 bits.
Picos = Annotated[int, Meta(ge=0, le=10**15)]


class MaxPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The most that a route may cost the customer, in pico-USD: per input and output token, per request and per
    picture. None: any price."""

    prompt_picos: Picos | None = None
    completion_picos: Picos | None = None
    request_picos: Picos | None = None
    image_picos: Picos | None = None


class Policy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What routes may serve. None and the defaults allow everything.

    `regions`: where a call may be processed; `global` allows everywhere, and only who allows that gets a route that may
    run anywhere. `max_kept`: what the provider may keep; a route of which nobody has said it "retains and trains".
    `allow_fallbacks` False: only the first route is tried. `require_parameters` True: only routes that take everything
    the request says, instead of naming what was dropped.
    """

    regions: frozenset[Region] | None = None
    max_kept: KeptAtMost = "any"
    only_providers: Names | None = None
    ignored_providers: Names = frozenset()
    resale_approved: bool = False
    max_price: MaxPrice = MaxPrice()
    workloads: frozenset[Workload] | None = None
    models: Names | None = None
    allow_fallbacks: bool = True
    require_parameters: bool = False

    def allows_region(self, region: Region | None) -> bool:
        """Whether a route of that region may serve. None, where nobody has said it, is anywhere."""
        return self.regions is None or "global" in self.regions or (region or "global") in self.regions

    def allows_retention(self, retention: str | None) -> bool:
        """Whether a provider that keeps so much may serve."""
        return RETENTIONS.index(retention or "unknown") <= RETENTIONS.index(_LOOSEST[self.max_kept])

    def allows_provider(self, provider_id: str) -> bool:
        """Whether that provider may serve."""
        if provider_id in self.ignored_providers:
            return False
        return self.only_providers is None or provider_id in self.only_providers


class Preference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """In which order routes are tried. It never adds or removes one. `order`: these providers first, as listed; then
    by `sort`, of which `order` is the operator's own."""

    sort: Sort | None = None
    order: Annotated[tuple[Annotated[str, Meta(min_length=1, max_length=200)], ...], Meta(max_length=MAX_NAMES)] = ()


ANY: Final = Policy()
NO_PREFERENCE: Final = Preference()


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What is stored for a workspace or a key: what it allows, and what it prefers. A field that is not known is never
    skipped over when one is read: it may forbid something."""

    policy: Policy = ANY
    preference: Preference = NO_PREFERENCE


NO_RULE: Final = Rule()


def narrowed(first: Policy, second: Policy) -> Policy:
    """What both allow."""
    if second == ANY:
        return first
    if first == ANY:
        return second
    return Policy(
        regions=_regions(first.regions, second.regions),
        max_kept=max(first.max_kept, second.max_kept, key=_KEPT.index),
        only_providers=_both(first.only_providers, second.only_providers),
        ignored_providers=first.ignored_providers | second.ignored_providers,
        resale_approved=first.resale_approved or second.resale_approved,
        max_price=_cheapest(first.max_price, second.max_price),
        workloads=_both(first.workloads, second.workloads),
        models=_both(first.models, second.models),
        allow_fallbacks=first.allow_fallbacks and second.allow_fallbacks,
        require_parameters=first.require_parameters or second.require_parameters,
    )


def allows_no_more(inner: Policy, outer: Policy) -> bool:
    """Whether nothing that `inner` allows is forbidden by `outer`. `narrowed(a, b)` allows no more than either."""
    return (
        _no_more_regions(inner.regions, outer.regions)
        and _KEPT.index(inner.max_kept) >= _KEPT.index(outer.max_kept)
        and _no_more_providers(inner, outer)
        and inner.resale_approved >= outer.resale_approved
        and _no_dearer(inner.max_price, outer.max_price)
        and _no_more_names(inner.workloads, outer.workloads)
        and _no_more_names(inner.models, outer.models)
        and inner.allow_fallbacks <= outer.allow_fallbacks
        and inner.require_parameters >= outer.require_parameters
    )


def preferred(stronger: Preference, weaker: Preference) -> Preference:
    """The stronger wish where it says one, else the weaker."""
    return Preference(sort=stronger.sort or weaker.sort, order=stronger.order or weaker.order)


def combined(*rules: Rule) -> Rule:
    """Rules from the widest holder to the narrowest: all narrow, the last one that prefers something wins."""
    found = NO_RULE
    for rule in rules:
        found = Rule(
            policy=narrowed(found.policy, rule.policy), preference=preferred(rule.preference, found.preference)
        )
    return found


def _both(first: "frozenset[Any] | None", second: "frozenset[Any] | None") -> "frozenset[Any] | None":
    if first is None or second is None:
        return second if first is None else first
    return first & second


def _regions(first: frozenset[Region] | None, second: frozenset[Region] | None) -> frozenset[Region] | None:
    """`global` is no region beside others: it allows each of them."""
    wide_first, wide_second = first is None or "global" in first, second is None or "global" in second
    if wide_first:
        return second if second is not None else first
    return first if wide_second else _both(first, second)


def _cheapest(first: MaxPrice, second: MaxPrice) -> MaxPrice:
    pairs = zip(msgspec.structs.astuple(first), msgspec.structs.astuple(second), strict=True)
    return MaxPrice(**dict(zip(MaxPrice.__struct_fields__, (_least(*pair) for pair in pairs), strict=True)))


def _least(first: int | None, second: int | None) -> int | None:
    if first is None or second is None:
        return second if first is None else first
    return min(first, second)


def _no_more_regions(inner: frozenset[Region] | None, outer: frozenset[Region] | None) -> bool:
    if outer is None or "global" in outer:
        return True
    return inner is not None and "global" not in inner and inner <= outer


def _no_more_providers(inner: Policy, outer: Policy) -> bool:
    if inner.only_providers is not None:
        return all(outer.allows_provider(one) for one in inner.only_providers - inner.ignored_providers)
    return outer.only_providers is None and outer.ignored_providers <= inner.ignored_providers


def _no_more_names(inner: "frozenset[Any] | None", outer: "frozenset[Any] | None") -> bool:
    return outer is None or (inner is not None and inner <= outer)


def _no_dearer(inner: MaxPrice, outer: MaxPrice) -> bool:
    pairs = zip(msgspec.structs.astuple(inner), msgspec.structs.astuple(outer), strict=True)
    return all(most is None or (asked is not None and asked <= most) for asked, most in pairs)
