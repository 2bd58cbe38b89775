"""Rules, wishes and routes of any kind, for properties."""

from typing import Any, get_args

import msgspec
from hypothesis import strategies as st

from farebox.catalog.model import Catalog, Model, Provider, Route, Workload, build_catalog
from farebox.catalog.policy import KeptAtMost, MaxPrice, Policy, Preference, Rule
from farebox.catalog.rules import Price, Rates, Tier
from farebox.catalog.terms import REGIONS, Region, Resale, Retention, Terms

PROVIDERS = ("one", "two", "three", "four")
MODELS = ("plain", "other")
_picos = st.none() | st.integers(0, 3_000_000)

policies = st.builds(
    Policy,
    regions=st.none() | st.frozensets(st.sampled_from(REGIONS[:4]), max_size=3),
    max_kept=st.sampled_from(get_args(KeptAtMost)),
    only_providers=st.none() | st.frozensets(st.sampled_from(PROVIDERS), max_size=3),
    ignored_providers=st.frozensets(st.sampled_from(PROVIDERS), max_size=2),
    resale_approved=st.booleans(),
    max_price=st.builds(MaxPrice, prompt_picos=_picos, completion_picos=_picos),
    workloads=st.none() | st.frozensets(st.sampled_from(get_args(Workload)[:3]), max_size=2),
    models=st.none() | st.frozensets(st.sampled_from(MODELS), max_size=2),
    allow_fallbacks=st.booleans(),
    require_parameters=st.booleans(),
)
preferences = st.builds(
    Preference,
    sort=st.sampled_from([None, "order", "price", "latency", "throughput"]),
    order=st.lists(st.sampled_from(PROVIDERS), max_size=3, unique=True).map(tuple),
)
rules = st.builds(Rule, policy=policies, preference=preferences)

_names = st.lists(st.sampled_from(PROVIDERS), max_size=3)
_some_names = st.lists(st.sampled_from(PROVIDERS), min_size=1, max_size=3)
_dollars = st.decimals(0, 3, places=6).map(str)
wishes: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "order": _names,
        "only": _some_names,
        "ignore": _names,
        "allow_fallbacks": st.booleans(),
        "require_parameters": st.booleans(),
        "data_collection": st.sampled_from(["allow", "deny", None]),
        "zdr": st.none() | st.booleans(),
        "sort": st.sampled_from(["price", "latency", "throughput"]),
        "max_price": st.fixed_dictionaries({}, optional={"prompt": _dollars, "completion": _dollars}),
        "regions": st.lists(st.sampled_from(REGIONS[:4]), min_size=1, max_size=3),
        "resale_approved": st.booleans(),
    },
)

_terms = st.builds(
    Terms,
    region=st.sampled_from([None, *REGIONS[:4]]),
    retention=st.sampled_from([None, *get_args(Retention)]),
    resale=st.sampled_from([None, *get_args(Resale)]),
    contract_review=st.sampled_from([None, "approved"]),
    logging=st.just("none"),
    sla=st.just("99.9"),
    support_owner=st.just("operator"),
    key_scopes=st.just(("chat.completions",)),
    budget_cap=st.just("none"),
)


def price_of(prompt: int, completion: int) -> Price:
    """Pico-USD per token of input and output."""
    rates = Rates(
        input_picos=prompt,
        cached_input_picos=prompt,
        cache_write_5m_picos=prompt,
        cache_write_1h_picos=prompt,
        output_picos=completion,
        reasoning_picos=completion,
        request_picos=0,
    )
    tiers = (Tier("default", 0, rates),)
    return Price(price_version="1", tiers=tiers, cost_tiers=tiers)


_prices = st.builds(price_of, st.integers(0, 3_000_000), st.integers(0, 3_000_000))


def finished_route(route_id: str, *, region: Region = "global", price: Price | None = None) -> Route:
    """A route of the model `plain` by the provider `one` whose checklist is complete."""
    return Route(
        route_id=route_id,
        model_id="plain",
        provider_id="one",
        upstream_model="secret-model",
        price=price or price_of(1_000_000, 5_000_000),
        terms=Terms(
            region=region,
            retention="none",
            resale="approved",
            contract_review="approved",
            logging="none",
            sla="99.9",
            support_owner="operator",
            key_scopes=("chat.completions",),
            budget_cap="none",
        ),
    )


@st.composite
def catalogs(draw: st.DrawFn) -> Catalog:
    """Two models and up to eight routes, some of them unfinished, switched off or without a price."""
    routes = {}
    for number in range(draw(st.integers(0, 8))):
        route = Route(
            route_id=f"r{number}",
            model_id=draw(st.sampled_from(MODELS)),
            provider_id=draw(st.sampled_from(PROVIDERS)),
            upstream_model="upstream",
            priority=draw(st.integers(0, 2)),
            terms=draw(_terms),
            status=draw(st.sampled_from(["live", "live", "live", "disabled"])),
            price=draw(st.none() | _prices),
        )
        routes[route.route_id] = route
    providers = {
        name: Provider(provider_id=name, display_name=name, base_url="https://x.example") for name in PROVIDERS
    }
    models = {name: Model(model_id=name, display_name=name) for name in MODELS}
    return build_catalog("1", providers=providers, models=models, routes=routes)


def as_json(wish: dict[str, Any]) -> bytes:
    """A `provider` object as a client sends it."""
    return msgspec.json.encode(wish)
