"""Which routes of a catalog can go live, and what the others still miss. Pure."""

from collections.abc import Iterator
from typing import Final

import msgspec

from farebox.catalog.model import Catalog, Route
from farebox.catalog.terms import CHECKLIST, open_items

# Lines about routes that are not complete; the last of more says how many there are.
MAX_LINES: Final = 20
PRICE: Final = "price"
_ITEMS: Final = (PRICE, *CHECKLIST)


class OpenRoute(msgspec.Struct, frozen=True):
    """A route that is meant to be live, and the items of its checklist that are still open."""

    route_id: str
    items: tuple[str, ...]


class Checklist(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a whole catalog. `able`: routes that can go live; `off`: those that are switched off, themselves or
    with their model or provider."""

    routes: int
    able: int
    off: int
    open: tuple[OpenRoute, ...]


class ProviderChecklist(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one provider. `able`: its routes that can go live; `missing`: what others of its routes lack that
    are not switched off themselves, in the checklist's order, `price` first."""

    provider_id: str
    routes: tuple[Route, ...]
    able: tuple[Route, ...]
    missing: tuple[str, ...]

    def sentence(self) -> str:
        """`3 of 5 routes are for sale; missing: resale, contract_review`."""
        count = f"{len(self.able)} of {len(self.routes)} {_routes(len(self.routes))} for sale"
        return f"{count}; missing: {', '.join(self.missing)}" if self.missing else count

    def fix(self) -> str:
        """What the operator does about it, without a full stop; empty when nothing is missing."""
        where = f"at the routes or in [providers.{self.provider_id}.terms]"
        return f"complete {', '.join(self.missing)} in catalog.toml, {where}, and apply it" if self.missing else ""


def missing_items(route: Route) -> tuple[str, ...]:
    """What a route lacks before it can be sold: a price, and the open items of its checklist."""
    items = open_items(route.terms)
    return items if route.price is not None else (PRICE, *items)


def can_go_live(catalog: Catalog, route: Route) -> bool:
    """Whether a route of this catalog is sold: nothing is switched off, and nothing is missing."""
    return not missing_items(route) and not _is_off(catalog, route)


def checklist_of(catalog: Catalog) -> Checklist:
    """The state of all routes."""
    routes = list(_all_routes(catalog))
    meant = [route for route in routes if not _is_off(catalog, route)]
    return Checklist(
        routes=len(routes),
        able=sum(not missing_items(route) for route in meant),
        off=len(routes) - len(meant),
        open=tuple(OpenRoute(route.route_id, items) for route in meant if (items := open_items(route.terms))),
    )


def checklists_by_provider(catalog: Catalog) -> dict[str, ProviderChecklist]:
    """The state of every provider, also of those without a route."""
    found: dict[str, list[Route]] = {provider_id: [] for provider_id in catalog.providers}
    for route in _all_routes(catalog):
        found[route.provider_id].append(route)
    return {provider_id: _of_provider(catalog, provider_id, routes) for provider_id, routes in found.items()}


def _of_provider(catalog: Catalog, provider_id: str, routes: list[Route]) -> ProviderChecklist:
    meant = [route for route in routes if route.status == "live" == catalog.models[route.model_id].status]
    missing = {item for route in meant for item in missing_items(route)}
    return ProviderChecklist(
        provider_id=provider_id,
        routes=tuple(routes),
        able=tuple(route for route in meant if can_go_live(catalog, route)),
        missing=tuple(item for item in _ITEMS if item in missing),
    )


def checklist_lines(checklist: Checklist) -> list[str]:
    """One line for each route that is meant to be live and is not complete; of many, the first ones."""
    shown = checklist.open if len(checklist.open) <= MAX_LINES else checklist.open[: MAX_LINES - 1]
    lines = [f'routes."{route.route_id}": not for sale before it has {", ".join(route.items)}' for route in shown]
    left = len(checklist.open) - len(shown)
    return [*lines, f"{left} more routes are not for sale"] if left else lines


def checklist_summary(checklist: Checklist) -> str:
    """`12 of 15 routes can go live; 2 are switched off`."""
    noun = "route" if checklist.routes == 1 else "routes"
    summary = f"{checklist.able} of {checklist.routes} {noun} can go live"
    return (
        f"{summary}; {checklist.off} {'is' if checklist.off == 1 else 'are'} switched off" if checklist.off else summary
    )


def _routes(count: int) -> str:
    return "route is" if count == 1 else "routes are"


def _all_routes(catalog: Catalog) -> Iterator[Route]:
    for routes in catalog.routes_by_model.values():
        yield from routes


def _is_off(catalog: Catalog, route: Route) -> bool:
    owners = (route, catalog.models[route.model_id], catalog.providers[route.provider_id])
    return any(owner.status != "live" for owner in owners)
