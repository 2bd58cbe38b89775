"""Which routes may serve a call. Pure: the same function answers calls, lists models and explains refusals."""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from farebox.base.errors import Problem
from farebox.catalog.model import Catalog, Model, Provider, Route
from farebox.providers.accounts import AccountState

AccountStates = Callable[[Provider], AccountState]


class Exclusion(StrEnum):
    """Why a route cannot serve."""

    MODEL_DISABLED = "model_disabled"
    ROUTE_DISABLED = "route_disabled"
    PROVIDER_DISABLED = "provider_disabled"
    PRICE_UNKNOWN = "price_unknown"
    NOT_CONFIGURED = "provider_not_configured"
    RESTING = "provider_resting"


class Excluded(NamedTuple):
    """A route that may not serve. `detail` is what the operator wrote for customers, if anything."""

    route: Route
    reason: Exclusion
    detail: str


class Choice(NamedTuple):
    """The routes to try, in order, and the others with their reasons."""

    routes: tuple[Route, ...]
    excluded: tuple[Excluded, ...]

    @property
    def reason(self) -> str:
        """One sentence for customers on why nothing is left."""
        details = [excluded.detail for excluded in self.excluded if excluded.detail]
        return details[0] if details else _PUBLIC_REASONS[self.excluded[0].reason if self.excluded else None]


_PUBLIC_REASONS: dict[Exclusion | None, str] = {
    None: "No provider serves this model yet",
    Exclusion.MODEL_DISABLED: "This model is switched off",
    Exclusion.ROUTE_DISABLED: "This model is switched off",
    Exclusion.PROVIDER_DISABLED: "This model's provider is switched off",
    Exclusion.PRICE_UNKNOWN: "This model has no price yet",
    Exclusion.NOT_CONFIGURED: "This model's provider is not configured",
    Exclusion.RESTING: "This model's provider refuses calls at the moment",
}


def choose(catalog: Catalog, model: Model, state_of: AccountStates) -> Choice:
    """Sort a model's routes into those that may serve, in the catalog's order, and those that may not."""
    routes: list[Route] = []
    excluded: list[Excluded] = []
    for route in catalog.routes_of(model.model_id):
        found = _exclusion(catalog, model, route, state_of)
        if found is None:
            routes.append(route)
        else:
            excluded.append(Excluded(route, *found))
    return Choice(tuple(routes), tuple(excluded))


def _exclusion(catalog: Catalog, model: Model, route: Route, state_of: AccountStates) -> tuple[Exclusion, str] | None:
    provider = catalog.providers[route.provider_id]
    if model.status != "live":
        return Exclusion.MODEL_DISABLED, model.status_reason
    if route.status != "live":
        return Exclusion.ROUTE_DISABLED, route.status_reason
    if provider.status != "live":
        return Exclusion.PROVIDER_DISABLED, provider.status_reason
    if route.price is None:
        return Exclusion.PRICE_UNKNOWN, ""
    state = state_of(provider)
    if state is AccountState.READY:
        return None
    return (Exclusion.RESTING if state is AccountState.RESTING else Exclusion.NOT_CONFIGURED), ""


def refuse_without_route(model_id: str, choice: Choice) -> None:
    """Raises Problem `provider_not_configured` when no route is left."""
    if choice.routes:
        return
    resting = any(excluded.reason is Exclusion.RESTING for excluded in choice.excluded)
    raise Problem(
        "provider_not_configured",
        f"The model {model_id} cannot be called now: {choice.reason}.",
        facts={"model": model_id, "reason": choice.reason},
        retry_after_seconds=60 if resting else None,
        param="model",
    )
