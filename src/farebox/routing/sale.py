"""What is on sale and what is only planned, route by route: the state of every checklist, in public facts. Pure but for
the router, which knows which providers are connected.
"""

from collections.abc import Iterator
from typing import Literal

import msgspec

from farebox.base.money import format_usd
from farebox.catalog.checklist import missing_items
from farebox.catalog.model import Catalog, Model
from farebox.catalog.terms import CHECKLIST, BudgetCap
from farebox.routing.router import Router
from farebox.routing.rules import MEANINGS, Ask, Excluded, Exclusion, Stage
from farebox.routing.shown import RouteView, route_view

SaleState = Literal["for_sale", "planned"]
# What a provider without a key lacks; the other items are the checklist's and `price`.
PROVIDER_KEY = "provider_key"


class SaleView(msgspec.Struct, frozen=True, kw_only=True):
    """A route for planning. `planned`: it serves nobody before what is `missing` is there, or is switched off. One that
    is for sale may have a `reason` too: why it does not serve at this moment."""

    route: RouteView
    state: SaleState
    missing: list[str]
    reason: str | None
    meaning: str
    detail: str


class OperatorSaleView(msgspec.Struct, frozen=True, kw_only=True):
    """The same for the operator: the whole checklist, and what to do about it."""

    sale: SaleView
    upstream_model: str
    status: str
    checklist: dict[str, str | list[str] | None]
    notes: str
    fixes: list[str]


def sales(router: Router, catalog: Catalog, *, model: Model, workspace_id: int = 0) -> Iterator[SaleView]:
    """Each route of a model: those that serve in the order in which they are tried, then the others."""
    choice = router.choose(catalog, Ask(model=model, workspace_id=workspace_id), most=None)
    for route in choice.routes:
        yield SaleView(
            route=route_view(catalog, route), state="for_sale", missing=[], reason=None, meaning="", detail=""
        )
    for excluded in choice.excluded:
        yield _without(catalog, excluded)


def _without(catalog: Catalog, excluded: Excluded) -> SaleView:
    missing = list(missing_items(excluded.route))
    if excluded.reason is Exclusion.NOT_CONFIGURED:
        missing.append(PROVIDER_KEY)
    return SaleView(
        route=route_view(catalog, excluded.route),
        state="planned" if excluded.reason.stage is Stage.OPERATOR else "for_sale",
        missing=missing,
        reason=excluded.reason.value,
        meaning=MEANINGS[excluded.reason],
        detail=excluded.detail,
    )


def operator_sale(catalog: Catalog, sale: SaleView) -> OperatorSaleView:
    """A route with what only the operator may see of it."""
    route = next(known for known in catalog.routes_of(sale.route.model) if known.route_id == sale.route.route_id)
    return OperatorSaleView(
        sale=sale,
        upstream_model=route.upstream_model,
        status=route.status,
        checklist={name: _shown(getattr(route.terms, name)) for name in CHECKLIST},
        notes=route.terms.notes,
        fixes=_fixes(catalog, sale),
    )


def _shown(value: str | tuple[str, ...] | BudgetCap | None) -> str | list[str] | None:
    if isinstance(value, BudgetCap):
        return f"{format_usd(value.max_nanos)} USD per {value.per}"
    return list(value) if isinstance(value, tuple) else value


def _fixes(catalog: Catalog, sale: SaleView) -> list[str]:
    route, provider = sale.route, catalog.providers[sale.route.provider_id]
    fixes = []
    written = [item for item in sale.missing if item != PROVIDER_KEY]
    if written:
        where = f'[routes."{route.route_id}"] or [providers.{route.provider_id}.terms]'
        fixes.append(f"complete {', '.join(written)} in catalog.toml, at {where}, and apply it")
    switched = {
        Exclusion.MODEL_DISABLED.value: f"models.{route.model}",
        Exclusion.ROUTE_DISABLED.value: f'routes."{route.route_id}"',
        Exclusion.PROVIDER_DISABLED.value: f"providers.{route.provider_id}",
    }
    if sale.reason in switched:
        fixes.append(f'set status = "live" at [{switched[sale.reason]}] in catalog.toml, and apply it')
    if PROVIDER_KEY in sale.missing:
        own = f"set the environment variable {provider.api_key_env}, or " if provider.api_key_env else ""
        fixes.append(f"{own}store a key with `farebox provider add {route.provider_id}`")
    return fixes
