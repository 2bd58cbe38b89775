"""Which routes may serve a call, and why the others may not. Pure: the same functions route calls, list models, word
refusals and explain themselves.

Reasons are looked for in stages: what the operator has to mend, what a policy forbids, what is only so at the moment,
and what this one request asks for. The first that is found is a route's reason.
"""

from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum, StrEnum
from typing import Final, NamedTuple

from farebox.base.errors import Problem
from farebox.base.money import format_usd
from farebox.catalog.model import Catalog, Model, Provider, Route
from farebox.catalog.policy import ANY, NO_PREFERENCE, MaxPrice, Policy, Preference
from farebox.catalog.rules import ORDINARY_NAMES, Tier
from farebox.catalog.terms import open_items

# Routes tried for one call: more would keep a client waiting longer than its own retry.
MAX_ROUTES: Final = 4


class Stage(IntEnum):
    """Who could change it: the operator, the holder of a policy, time, or the request."""

    OPERATOR = 0
    POLICY = 1
    MOMENT = 2
    REQUEST = 3


class Exclusion(StrEnum):
    """Why a route cannot serve."""

    MODEL_DISABLED = "model_disabled"
    ROUTE_DISABLED = "route_disabled"
    PROVIDER_DISABLED = "provider_disabled"
    PRICE_UNKNOWN = "price_unknown"
    CHECKLIST_INCOMPLETE = "checklist_incomplete"
    NOT_CONFIGURED = "provider_not_configured"
    MODEL_NOT_ALLOWED = "model_not_allowed"
    WORKLOAD_NOT_ALLOWED = "workload_not_allowed"
    PROVIDER_NOT_ALLOWED = "provider_not_allowed"
    REGION_NOT_ALLOWED = "region_not_allowed"
    RETENTION_NOT_ALLOWED = "retention_not_allowed"
    RESALE_NOT_APPROVED = "resale_not_approved"
    SCOPE_NOT_ALLOWED = "scope_not_allowed"
    PRICE_ABOVE_MAXIMUM = "price_above_maximum"
    RESTING = "provider_resting"
    COOLING_DOWN = "cooling_down"
    BUDGET_CAP_REACHED = "budget_cap_reached"
    NO_CAPACITY = "no_capacity"
    TIER_UNPRICED = "service_tier_unpriced"
    INEXPRESSIBLE = "request_inexpressible"
    PARAMETERS_DROPPED = "parameters_dropped"
    COST_ABOVE_MAXIMUM = "cost_above_maximum"

    @property
    def stage(self) -> Stage:
        """Who could change it."""
        return _STAGES[self]


_STAGES: Final = {
    reason: stage
    for stage, first in (
        (Stage.OPERATOR, Exclusion.MODEL_DISABLED),
        (Stage.POLICY, Exclusion.MODEL_NOT_ALLOWED),
        (Stage.MOMENT, Exclusion.RESTING),
        (Stage.REQUEST, Exclusion.TIER_UNPRICED),
    )
    for reason in list(Exclusion)[list(Exclusion).index(first) :]
}

# For customers: one sentence each, without anything of the operator's insides.
MEANINGS: Final[dict[Exclusion, str]] = {
    Exclusion.MODEL_DISABLED: "This model is switched off",
    Exclusion.ROUTE_DISABLED: "This model is switched off",
    Exclusion.PROVIDER_DISABLED: "This model's provider is switched off",
    Exclusion.PRICE_UNKNOWN: "This model has no price yet",
    Exclusion.CHECKLIST_INCOMPLETE: "This model's provider is not approved for sale yet",
    Exclusion.NOT_CONFIGURED: "This model's provider is not configured",
    Exclusion.MODEL_NOT_ALLOWED: "The policy does not allow this model",
    Exclusion.WORKLOAD_NOT_ALLOWED: "The policy does not allow this workload",
    Exclusion.PROVIDER_NOT_ALLOWED: "The policy does not allow this provider",
    Exclusion.REGION_NOT_ALLOWED: "The policy does not allow the region where it runs",
    Exclusion.RETENTION_NOT_ALLOWED: "The provider may keep more than the policy allows",
    Exclusion.RESALE_NOT_APPROVED: "The policy wants resale approval, which this provider has not given",
    Exclusion.SCOPE_NOT_ALLOWED: "This provider is not offered at this address",
    Exclusion.PRICE_ABOVE_MAXIMUM: "It costs more than the policy's `max_price`",
    Exclusion.RESTING: "This model's provider refuses calls at the moment",
    Exclusion.COOLING_DOWN: "This model's provider is at its rate limit",
    Exclusion.BUDGET_CAP_REACHED: "This model's provider has reached its budget for now",
    Exclusion.NO_CAPACITY: "All capacity for this model is in use",
    Exclusion.TIER_UNPRICED: "This service tier has no price here; leave it out, or send `auto` or `default`",
    Exclusion.INEXPRESSIBLE: "This provider cannot do what the request asks for",
    Exclusion.PARAMETERS_DROPPED: "This provider does not take all parameters of the request",
    Exclusion.COST_ABOVE_MAXIMUM: "The call could cost more than its maximum",
}


# The field of the request that a reason is about.
_PARAMS: Final = {Exclusion.TIER_UNPRICED: "service_tier", Exclusion.COST_ABOVE_MAXIMUM: "max_cost"}


class Excluded(NamedTuple):
    """A route that may not serve. `detail` is shown to customers: the operator's own words, or what was asked for.
    `open_items` are those of its checklist. `retry_after_seconds`: when that may be over, where it is known. `feature`
    and `param`: what a provider cannot do, and the field that asks for it. `needed_nanos`: what the call could cost."""

    route: Route
    reason: Exclusion
    detail: str = ""
    open_items: tuple[str, ...] = ()
    retry_after_seconds: int | None = None
    feature: str | None = None
    param: str | None = None
    needed_nanos: int | None = None


class Ask(NamedTuple):
    """What one call wants of a route. `scope`: by which the model is called, None for lists. `input_tokens`: the most
    that it reads, by which prices with thresholds are told. `affinity`: the same for all calls of one conversation."""

    model: Model
    workspace_id: int = 0
    policy: Policy = ANY
    preference: Preference = NO_PREFERENCE
    scope: str | None = None
    input_tokens: int = 0
    service_tier: str | None = None
    affinity: int | None = None


Test = Callable[[Route], Excluded | None]
"""Whether a route may serve a call: None, or why not."""


class Choice(NamedTuple):
    """The routes to try, in order, and the others that were looked at with their reasons. `sticky`: the first route
    stands first because the conversation was there before."""

    routes: tuple[Route, ...]
    excluded: tuple[Excluded, ...]
    sticky: bool = False

    @property
    def reason(self) -> str:
        """One sentence for customers on why nothing is left."""
        if not self.excluded:
            return "No provider serves this model yet"
        last = self.stage
        found = [excluded for excluded in self.excluded if excluded.reason.stage is last]
        details = [excluded.detail for excluded in found if excluded.detail]
        return details[0] if details else MEANINGS[found[0].reason]

    @property
    def stage(self) -> Stage:
        """The last stage that any excluded route came to: what to change for one to serve."""
        return max((excluded.reason.stage for excluded in self.excluded), default=Stage.OPERATOR)


class Standing(NamedTuple):
    """A model's routes as they stand whatever the moment and the request: `routes` in the catalog's order."""

    routes: tuple[Route, ...]
    excluded: tuple[Excluded, ...]


def standing(catalog: Catalog, model: Model, policy: Policy, scope: str | None) -> Standing:
    """Sort a model's routes by what the operator has mended and the policy allows."""
    routes: list[Route] = []
    excluded: list[Excluded] = []
    for route in catalog.routes_of(model.model_id):
        provider = catalog.providers[route.provider_id]
        found = _unready(model, route, provider) or _forbidden(model, route, policy, scope)
        if found is None:
            routes.append(route)
        else:
            excluded.append(found)
    return Standing(tuple(routes), tuple(excluded))


def still_stands(catalog: Catalog, ask: Ask, route: Route) -> bool:
    """Whether a route that was chosen before may be used by what the catalog says now. Its price stays the one that it
    was chosen at."""
    model = catalog.models.get(ask.model.model_id)
    now = next((each for each in catalog.routes_of(ask.model.model_id) if each.route_id == route.route_id), None)
    if model is None or now is None or now.provider_id != route.provider_id:
        return False
    provider = catalog.providers[now.provider_id]
    return _unready(model, now, provider) is None and _forbidden(model, now, ask.policy, ask.scope) is None


def _unready(model: Model, route: Route, provider: Provider) -> Excluded | None:
    if model.status != "live":
        return Excluded(route, Exclusion.MODEL_DISABLED, model.status_reason)
    if route.status != "live":
        return Excluded(route, Exclusion.ROUTE_DISABLED, route.status_reason)
    if provider.status != "live":
        return Excluded(route, Exclusion.PROVIDER_DISABLED, provider.status_reason)
    if route.price is None:
        return Excluded(route, Exclusion.PRICE_UNKNOWN)
    missing = open_items(route.terms)
    return Excluded(route, Exclusion.CHECKLIST_INCOMPLETE, open_items=missing) if missing else None


def _forbidden(model: Model, route: Route, policy: Policy, scope: str | None) -> Excluded | None:
    terms = route.terms
    if policy.models is not None and model.model_id not in policy.models:
        return Excluded(route, Exclusion.MODEL_NOT_ALLOWED)
    if policy.workloads is not None and model.workload not in policy.workloads:
        return Excluded(route, Exclusion.WORKLOAD_NOT_ALLOWED)
    if not policy.allows_provider(route.provider_id):
        return Excluded(route, Exclusion.PROVIDER_NOT_ALLOWED)
    if not policy.allows_region(terms.region):
        return Excluded(route, Exclusion.REGION_NOT_ALLOWED)
    if not policy.allows_retention(terms.retention):
        return Excluded(route, Exclusion.RETENTION_NOT_ALLOWED)
    if policy.resale_approved and terms.resale != "approved":
        return Excluded(route, Exclusion.RESALE_NOT_APPROVED)
    if scope is not None and scope not in terms.key_scopes:
        return Excluded(route, Exclusion.SCOPE_NOT_ALLOWED)
    return None


def price_test(ask: Ask) -> Test:
    """Whether a route's price is within the policy's maximum, in every tier that the call could be charged at."""
    most = ask.policy.max_price

    def test(route: Route) -> Excluded | None:
        assert route.price is not None, "a route without a price does not stand"
        if all(_within(tier, most) for tier in route.price.tiers if _may_apply(tier, ask)):
            return None
        return Excluded(route, Exclusion.PRICE_ABOVE_MAXIMUM)

    return test


def _may_apply(tier: Tier, ask: Ask) -> bool:
    if tier.above_input_tokens and tier.above_input_tokens >= ask.input_tokens:
        return False
    # A service tier that was not asked for may be given all the same where the client left it to the provider.
    return ask.service_tier not in ORDINARY_NAMES or tier.service_tier in ORDINARY_NAMES


def _within(tier: Tier, most: MaxPrice) -> bool:
    rates = tier.rates
    pairs = (
        (rates.input_picos, most.prompt_picos),
        (rates.output_picos, most.completion_picos),
        (rates.request_picos, most.request_picos),
        (rates.image_picos, most.image_picos),
    )
    return all(limit is None or rate <= limit for rate, limit in pairs)


def tier_test(ask: Ask, cheaper: frozenset[str]) -> Test:
    """Whether a route's price knows the service tier that was asked for; the usual ones and the `cheaper` ones need
    none. A dearer tier at the usual price would be sold at a loss."""

    def test(route: Route) -> Excluded | None:
        assert route.price is not None, "a route without a price does not stand"
        if any(tier.service_tier == ask.service_tier for tier in route.price.tiers):
            return None
        return Excluded(route, Exclusion.TIER_UNPRICED)

    known = ask.service_tier in ORDINARY_NAMES or ask.service_tier in cheaper
    return _pass if known else test


def _pass(_: Route) -> Excluded | None:
    return None


def pick(ranked: Iterable[Route], tests: Sequence[Test], most: int | None) -> tuple[list[Route], list[Excluded]]:
    """The first `most` routes (None: all) that pass every test, in order; and those before them that do not."""
    routes: list[Route] = []
    excluded: list[Excluded] = []
    for route in ranked:
        for test in tests:
            found = test(route)
            if found is not None:
                excluded.append(found)
                break
        else:
            routes.append(route)
            if len(routes) == most:
                break
    return routes, excluded


def refuse_without_route(ask: Ask, choice: Choice) -> None:
    """Raises Problem when no route is left: `policy_no_route`, `rate_limit_exceeded`, `capacity_exhausted`,
    `provider_not_configured`, `max_cost_exceeded` or `invalid_request`, by the last stage that a route came to."""
    if not choice.routes:
        raise _refusal(ask.model.model_id, choice)


def _refusal(model_id: str, choice: Choice) -> Problem:
    reason = choice.reason
    facts: dict[str, object] = {"model": model_id, "reason": reason, "excluded": counted(choice.excluded)}
    found = [excluded for excluded in choice.excluded if excluded.reason.stage is choice.stage]
    waits = [excluded.retry_after_seconds for excluded in found if excluded.retry_after_seconds is not None]
    wait = min(waits, default=None)
    if choice.stage is Stage.POLICY:
        message = f"No route of {model_id} is allowed: {sentence(choice)}."
        return Problem("policy_no_route", message, facts=facts, param="model")
    reasons = {excluded.reason for excluded in found}
    message = f"The model {model_id} cannot be called now: {reason}."
    if choice.stage is Stage.REQUEST:
        if reasons == {Exclusion.COST_ABOVE_MAXIMUM}:
            return _too_dear(model_id, found, facts)
        message = f"No route of {model_id} can serve this request: {reason}."
        param = found[0].param or _PARAMS.get(found[0].reason)
        if found[0].feature is not None:
            facts["feature"] = found[0].feature
        return Problem("invalid_request", message, facts=facts, param=param)
    if reasons == {Exclusion.COOLING_DOWN}:
        return Problem("rate_limit_exceeded", message, facts=facts, retry_after_seconds=wait)
    if reasons & {Exclusion.NO_CAPACITY, Exclusion.BUDGET_CAP_REACHED}:
        return Problem("capacity_exhausted", message, facts=facts, retry_after_seconds=wait or 1)
    return Problem("provider_not_configured", message, facts=facts, retry_after_seconds=wait, param="model")


def _too_dear(model_id: str, found: Sequence[Excluded], facts: dict[str, object]) -> Problem:
    needed = format_usd(min(excluded.needed_nanos or 0 for excluded in found))
    message = f"A call of {model_id} could cost ${needed} by the cheapest route, which is above its `max_cost`."
    return Problem("max_cost_exceeded", message, facts=facts | {"required_usd": needed}, param="max_cost")


def counted(excluded: Iterable[Excluded]) -> dict[str, int]:
    """How many routes were excluded by each reason."""
    counts: dict[str, int] = {}
    for one in excluded:
        counts[one.reason.value] = counts.get(one.reason.value, 0) + 1
    return counts


def sentence(choice: Choice) -> str:
    """`of 9 routes 3 remain; excluded by region_not_allowed (4), provider_not_allowed (2)`."""
    total = len(choice.routes) + len(choice.excluded)
    reasons = ", ".join(f"{reason} ({count})" for reason, count in counted(choice.excluded).items())
    verb = "remains" if len(choice.routes) == 1 else "remain"
    remain = f"of {total} {'route' if total == 1 else 'routes'} {len(choice.routes)} {verb}"
    return f"{remain}; excluded by {reasons}" if reasons else remain
