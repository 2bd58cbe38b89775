"""What keeps a route from serving only at the moment: keys, rests, cool-downs, budgets, capacity."""

from collections.abc import Callable

from farebox.catalog.model import Catalog, Provider, Route
from farebox.catalog.terms import Region
from farebox.providers.accounts import Accounts, AccountState
from farebox.routing.health import Health
from farebox.routing.rules import Excluded, Exclusion

# When a budget or a full pool may have room again is not known; clients are told to try after so long.
BUDGET_SECONDS = 60
CAPACITY_SECONDS = 1

HasCapacity = Callable[[Provider, Region | None, int], bool]
"""Whether a workspace could have a slot of a provider in a region, now or by waiting."""


class LiveMoment:
    """The moment as one process knows it, for the routes of one catalog. Without `has_capacity` and `budget_left` (a
    command beside the gateway) capacity and budgets are taken for free."""

    def __init__(
        self,
        catalog: Catalog,
        *,
        accounts: Accounts,
        health: Health,
        has_capacity: HasCapacity = lambda provider, region, workspace_id: True,
        budget_left: Callable[[Route], bool] = lambda route: True,
    ) -> None:
        self._providers = catalog.providers
        self._accounts = accounts
        self._health = health
        self._has_capacity = has_capacity
        self._budget_left = budget_left

    def hindrance(self, route: Route, workspace_id: int) -> Excluded | None:
        """Why the route cannot be used by that workspace now, if it cannot."""
        cooling = self._health.cooling_seconds(route.route_id, workspace_id)
        if cooling is not None:
            return Excluded(route, Exclusion.COOLING_DOWN, retry_after_seconds=max(1, cooling))
        provider = self._providers[route.provider_id]
        region = route.terms.region
        state = self._accounts.state(provider, workspace_id, region)
        if state is AccountState.NOT_CONFIGURED:
            return Excluded(route, Exclusion.NOT_CONFIGURED)
        if state is AccountState.RESTING:
            wait = self._accounts.rest_seconds(provider, workspace_id, region)
            return Excluded(route, Exclusion.RESTING, retry_after_seconds=wait)
        if not self._budget_left(route):
            return Excluded(route, Exclusion.BUDGET_CAP_REACHED, retry_after_seconds=BUDGET_SECONDS)
        if not self._has_capacity(provider, region, workspace_id):
            return Excluded(route, Exclusion.NO_CAPACITY, retry_after_seconds=CAPACITY_SECONDS)
        return None
