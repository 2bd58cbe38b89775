"""A small catalog whose routes differ in what policies look at. Nothing in `INSIDE` may ever be shown to a customer."""

from farebox.catalog.model import Catalog, Model, Provider, Route, build_catalog
from farebox.catalog.terms import Region, Resale, Retention, Terms
from tests.policy.rules_of_any_kind import price_of

INSIDE = ("upstream-name", "inside.example", "KEY_OF_", "a private note", "credential", "pool", "cost")


def _route(
    route_id: str, provider_id: str, *, region: Region, retention: Retention, resale: Resale, dollars: int
) -> Route:
    return Route(
        route_id=route_id,
        model_id="plain",
        provider_id=provider_id,
        upstream_model="upstream-name",
        price=price_of(dollars * 1_000_000, dollars * 5_000_000),
        terms=Terms(
            region=region,
            retention=retention,
            resale=resale,
            contract_review="approved",
            logging="metadata_only",
            sla="99.9",
            support_owner="operator",
            key_scopes=("chat.completions",),
            budget_cap="none",
            notes="a private note",
        ),
    )


def market() -> Catalog:
    """`plain` by five routes: three for sale, one whose provider has no key, one whose checklist is not finished."""
    routes = (
        _route("a", "local", region="sg", retention="none", resale="approved", dollars=3),
        _route("b", "local", region="us", retention="limited", resale="approved", dollars=1),
        _route("c", "distant", region="global", retention="trains", resale="not_required", dollars=2),
        _route("d", "keyless", region="sg", retention="none", resale="approved", dollars=1),
        _route("e", "distant", region="sg", retention="none", resale="pending", dollars=1),
    )
    providers = {
        "local": Provider(provider_id="local", display_name="Local", base_url="https://inside.example/v1"),
        "distant": Provider(provider_id="distant", display_name="Distant", base_url="https://inside.example/v1"),
        "keyless": Provider(
            provider_id="keyless",
            display_name="Keyless",
            base_url="https://inside.example/v1",
            api_key_env="KEY_OF_KEYLESS",
        ),
    }
    models = {
        "plain": Model(model_id="plain", display_name="Plain"),
        "painter": Model(model_id="painter", display_name="Painter", workload="image"),
    }
    return build_catalog("7", providers=providers, models=models, routes={route.route_id: route for route in routes})
