"""Catalogs, policies and moments of any kind, and a router that plays on them."""

from collections.abc import Sequence
from typing import Any, NamedTuple, get_args

from hypothesis import strategies as st
from msgspec.structs import replace

from farebox.base.clock import MICROS_PER_SECOND
from farebox.catalog.model import Catalog, Model, Provider, Route, Status, Workload, build_catalog
from farebox.catalog.policy import KeptAtMost, MaxPrice, Policy, Preference, Sort
from farebox.catalog.rules import Price, Rates, Tier
from farebox.catalog.terms import ContractReview, Resale, Retention, Terms
from farebox.providers.accounts import Accounts
from farebox.routing.health import Health, Verdict
from farebox.routing.moment import LiveMoment
from farebox.routing.router import Router
from farebox.routing.rules import Ask
from farebox.routing.sticky import Sticky

PROVIDERS = ("acme", "bolt", "core", "dune")
UNCONFIGURED = "dune"
MODELS = ("plain", "other")
SCOPE = "chat.completions"
COMPLETE = Terms(
    region="sg",
    retention="none",
    resale="approved",
    contract_review="approved",
    logging="none",
    sla="99.9",
    support_owner="operator",
    key_scopes=(SCOPE,),
    budget_cap="none",
)
START_MICROS = 1_700_000_000 * MICROS_PER_SECOND

_regions = st.sampled_from(["sg", "us", "global"])
_statuses: st.SearchStrategy[Status] = st.sampled_from(["live", "live", "live", "disabled"])
_picos = st.integers(0, 5)
_tiers = st.builds(
    lambda service_tier, above, picos: tier(*picos, service_tier=service_tier, above=above),
    st.sampled_from(["default", "default", "flex"]),
    st.sampled_from([0, 0, 1_000]),
    st.tuples(_picos, _picos),
)
_prices = st.lists(_tiers, max_size=2).map(lambda more: price(tier(2, 2), *more)) | st.builds(
    lambda picos: price(tier(*picos)), st.tuples(_picos, _picos)
)
_terms = st.just(COMPLETE) | st.builds(
    Terms,
    region=_regions | st.none(),
    retention=st.sampled_from([*get_args(Retention), None]),
    resale=st.sampled_from(get_args(Resale)),
    contract_review=st.sampled_from(get_args(ContractReview)),
    logging=st.just("none"),
    sla=st.just("none"),
    support_owner=st.just("operator"),
    key_scopes=st.sampled_from([(), (SCOPE,), (SCOPE, "messages"), ("messages",)]),
    budget_cap=st.just("none"),
)
# Complete checklists that differ in all that policies look at: routes that stand or fall by policies alone.
_sold_terms = st.builds(
    lambda region, retention, resale: replace(COMPLETE, region=region, retention=retention, resale=resale),
    _regions,
    st.sampled_from(get_args(Retention)),
    st.sampled_from(["approved", "not_required"]),
)


def tier(input_picos: int, output_picos: int, *, service_tier: str = "default", above: int = 0) -> Tier:
    """A tier of text."""
    rates = Rates(
        input_picos=input_picos,
        cached_input_picos=input_picos,
        cache_write_5m_picos=input_picos,
        cache_write_1h_picos=input_picos,
        output_picos=output_picos,
        reasoning_picos=output_picos,
        request_picos=0,
    )
    return Tier(service_tier, above, rates)


def price(*tiers: Tier) -> Price:
    """Sold at what it costs."""
    return Price(price_version="1", tiers=tiers, cost_tiers=tiers)


def make_route(
    provider_id: str = "acme",
    number: int = 0,
    *,
    model_id: str = "plain",
    priority: int = 100,
    rates: Price | None = None,
    terms: Terms = COMPLETE,
    status: Status = "live",
) -> Route:
    """A route that may serve, unless told otherwise."""
    return Route(
        route_id=f"{provider_id}/{model_id}/{number}",
        model_id=model_id,
        provider_id=provider_id,
        upstream_model=model_id,
        priority=priority,
        terms=terms,
        status=status,
        price=price(tier(1, 1)) if rates is None else rates,
    )


def make_catalog(
    routes: Sequence[Route],
    *,
    workloads: Sequence[Workload] = ("text", "text"),
    statuses: Sequence[Status] = ("live", "live", "live", "live"),
    version: str = "1",
) -> Catalog:
    """All providers and models, with these routes."""
    providers = {
        provider_id: Provider(
            provider_id=provider_id,
            display_name=provider_id,
            base_url=f"https://{provider_id}.example/v1",
            api_key_env="KEY_THAT_NOBODY_SET" if provider_id == UNCONFIGURED else None,
            status=status,
        )
        for provider_id, status in zip(PROVIDERS, statuses, strict=True)
    }
    models = {
        model_id: Model(model_id=model_id, display_name=model_id, workload=workload)
        for model_id, workload in zip(MODELS, workloads, strict=True)
    }
    by_id = {route.route_id: route for route in routes}
    return build_catalog(version, providers=providers, models=models, routes=by_id)


def _routes(terms: st.SearchStrategy[Terms], statuses: st.SearchStrategy[Status]) -> st.SearchStrategy[Route]:
    return st.builds(
        make_route,
        st.sampled_from(PROVIDERS),
        st.integers(0, 4),
        model_id=st.sampled_from(["plain", "plain", "other"]),
        priority=st.integers(1, 3),
        rates=_prices,
        terms=terms,
        status=statuses,
    )


_workloads: st.SearchStrategy[tuple[Workload, Workload]] = st.sampled_from([("text", "text"), ("coding", "text")])
catalogs = st.builds(
    make_catalog,
    st.lists(_routes(_terms, _statuses), max_size=14),
    workloads=_workloads,
    statuses=st.tuples(*[_statuses] * len(PROVIDERS)),
)
# Everything is on sale: only policies, moments and requests exclude.
sold_catalogs = st.builds(
    make_catalog, st.lists(_routes(_sold_terms, st.just("live")), max_size=14), workloads=_workloads
)

_names = st.frozensets(st.sampled_from(PROVIDERS), max_size=4)
_maximum = st.none() | _picos
policies = st.builds(
    Policy,
    regions=st.none() | st.frozensets(_regions, max_size=3),
    max_kept=st.sampled_from(get_args(KeptAtMost)),
    only_providers=st.none() | _names,
    ignored_providers=st.just(frozenset()) | _names,
    resale_approved=st.booleans(),
    max_price=st.just(MaxPrice()) | st.builds(MaxPrice, prompt_picos=_maximum, completion_picos=_maximum),
    workloads=st.none() | st.frozensets(st.sampled_from(["text", "coding"]), max_size=2),
    models=st.none() | st.frozensets(st.sampled_from(MODELS), max_size=2),
    allow_fallbacks=st.booleans(),
    require_parameters=st.booleans(),
)
# Policies under which most routes still stand, so that there is something to choose from.
loose_policies = st.just(Policy()) | st.builds(
    Policy, ignored_providers=st.frozensets(st.sampled_from(PROVIDERS), max_size=1), max_price=st.builds(MaxPrice)
)
sorts: st.SearchStrategy[Sort | None] = st.sampled_from([None, *get_args(Sort)])
preferences = st.builds(Preference, sort=sorts, order=st.lists(st.sampled_from(PROVIDERS), max_size=3).map(tuple))


class Attempt(NamedTuple):
    """One attempt at a route, and how long after the last one it ends."""

    place: int
    verdict: Verdict | None  # None: it has begun and not ended
    first_token_ms: int | None
    tokens_per_second: int | None
    after_seconds: int


attempts = st.lists(
    st.builds(
        Attempt,
        st.integers(0, 30),
        st.sampled_from([*get_args(Verdict), "faulted", "faulted", None]),
        st.none() | st.integers(0, 3_000),
        st.none() | st.integers(0, 300),
        st.sampled_from([0, 0, 0, 1, 7, 40]),
    ),
    max_size=25,
)


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now_micros = START_MICROS

    def __call__(self) -> int:
        return self.now_micros

    def tick(self, seconds: float) -> None:
        """Time passes."""
        self.now_micros += round(seconds * MICROS_PER_SECOND)


class Stage:
    """A catalog, what is so at the moment, and routers that see both. `full` routes have no room; `draw` is any number
    that decides between equals."""

    def __init__(self, catalog: Catalog, *, full: frozenset[str] = frozenset(), draw: int = 0) -> None:
        self.catalog = catalog
        self.clock = Hand()
        self.health = Health(self.clock, lambda: 0.5)
        self.sticky = Sticky(self.clock)
        self.draw = draw
        self._full = full
        self._accounts = Accounts(self.clock, environment={})
        self.router = self.new_router()

    def new_router(self) -> Router:
        """One that remembers nothing yet."""
        return Router(
            moment_of=self._moment, health=self.health, sticky=self.sticky, draw=lambda count: self.draw % count
        )

    def _moment(self, catalog: Catalog) -> LiveMoment:
        return LiveMoment(
            catalog,
            accounts=self._accounts,
            health=self.health,
            budget_left=lambda route: route.route_id not in self._full,
        )

    def ask(self, model_id: str = "plain", **more: Any) -> Ask:
        """A call of that model."""
        return Ask(self.catalog.models[model_id], workspace_id=1, scope=SCOPE)._replace(**more)

    def play(self, attempt: Attempt) -> None:
        """Let it happen to one of the routes, if there are any."""
        self.clock.tick(attempt.after_seconds)
        routes = [route for model_id in MODELS for route in self.catalog.routes_of(model_id)]
        if not routes:
            return
        route_id = routes[attempt.place % len(routes)].route_id
        self.health.began(route_id)
        if attempt.verdict is not None:
            self.health.ended(
                route_id,
                attempt.verdict,
                first_token_ms=attempt.first_token_ms,
                tokens_per_second=attempt.tokens_per_second,
            )
