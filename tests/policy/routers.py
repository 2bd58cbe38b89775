"""The router over a catalog of a test, where nothing hinders but what the test says."""

from farebox.catalog.model import Catalog, Route
from farebox.routing.health import Health
from farebox.routing.router import Router
from farebox.routing.rules import Ask, Excluded, Exclusion
from farebox.routing.sticky import Sticky


class Moment:
    """What is so at the moment: some routes have a reason not to serve."""

    def __init__(self, reasons: dict[str, Exclusion] | None = None) -> None:
        self._reasons = reasons or {}

    def hindrance(self, route: Route, workspace_id: int) -> Excluded | None:
        reason = self._reasons.get(route.route_id)
        return None if reason is None else Excluded(route, reason)


def router(reasons: dict[str, Exclusion] | None = None) -> Router:
    """One that draws the first of equals."""
    moment = Moment(reasons)
    return Router(
        moment_of=lambda _: moment,
        health=Health(lambda: 0, lambda: 0.0),
        sticky=Sticky(lambda: 0),
        draw=lambda _: 0,
    )


def ask_for(catalog: Catalog, model_id: str, **wanted: object) -> Ask:
    """What a call of a model wants."""
    return Ask(model=catalog.models[model_id])._replace(**wanted)  # type: ignore[arg-type]
