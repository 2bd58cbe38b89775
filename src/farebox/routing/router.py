"""The router of one process: what stands, in which order, and what is so at the moment, put together for each call.

It is the only one: calls, lists, refusals and explanations all ask `choose`.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from msgspec.structs import replace

from farebox.catalog.model import Catalog, Route
from farebox.catalog.policy import ANY, Policy, Preference
from farebox.routing.health import Health
from farebox.routing.ranking import Ranking
from farebox.routing.rules import (
    MAX_ROUTES,
    Ask,
    Choice,
    Excluded,
    Standing,
    Test,
    pick,
    price_test,
    standing,
)
from farebox.routing.sticky import Sticky

# Routes, in all, of the combinations of model, policy and preference that a process remembers, 400 bytes for each; then
# the combination that nobody asked for for the longest time goes. Working one out anew for a thousand routes takes some
# milliseconds.
MAX_REMEMBERED_ROUTES: Final = 50_000
# What a combination takes without its routes, counted as so many of them.
_ROUTES_ALIKE: Final = 20


class Moment(Protocol):
    """What is so only at the moment, whatever the request: keys, rests, capacity, budgets."""

    def hindrance(self, route: Route, workspace_id: int) -> Excluded | None:
        """Why the route cannot be used by that workspace now, if it cannot."""


class _Key(NamedTuple):
    version: str
    model_id: str
    policy: Policy
    preference: Preference
    scope: str | None


@dataclass(slots=True)
class _Order:
    """A standing, ranked by what was known of the routes' health at an epoch. Routes of a group are equally good."""

    standing: Standing
    by_id: dict[str, Route]
    ranking: Ranking
    groups: tuple[tuple[Route, ...], ...] = ()
    epoch: int = -1

    @property
    def size(self) -> int:
        """What it takes of what a process remembers."""
        return len(self.standing.routes) + len(self.standing.excluded) + _ROUTES_ALIKE


class Router:
    """Chooses. `moment_of` gives the state of the catalog's providers as this process knows it."""

    def __init__(
        self, *, moment_of: Callable[[Catalog], Moment], health: Health, sticky: Sticky, draw: Callable[[int], int]
    ) -> None:
        """`draw(n)`: any of 0 … n - 1; which of equals goes first without a conversation."""
        self._moment_of = moment_of
        self._health = health
        self._sticky = sticky
        self._draw = draw
        # From the one that nobody asked for for the longest time to the latest.
        self._orders: OrderedDict[_Key, _Order] = OrderedDict()
        self._remembered = 0

    @property
    def remembered_routes(self) -> int:
        """What is remembered, in routes of all combinations; at most `MAX_REMEMBERED_ROUTES` and one combination."""
        return self._remembered

    def choose(
        self, catalog: Catalog, ask: Ask, tests: Sequence[Test] = (), *, most: int | None = MAX_ROUTES
    ) -> Choice:
        """The routes for a call, best first, at most so many (None: all); `tests` are the request's own. Excluded are
        all that do not stand, and of the others those that were looked at."""
        order = self._order(catalog, ask)
        first = self._sticky_route(order, ask)
        all_tests = [*self._tests(catalog, ask), *tests]
        routes, excluded = pick(self._in_order(order, ask, first), all_tests, most)
        sticky = bool(routes) and first is not None and routes[0] is first
        return Choice(tuple(routes), (*order.standing.excluded, *excluded), sticky)

    def _tests(self, catalog: Catalog, ask: Ask) -> list[Test]:
        moment = self._moment_of(catalog)
        tests: list[Test] = [lambda route: moment.hindrance(route, ask.workspace_id)]
        if ask.policy.max_price != _NO_MAXIMUM:
            tests.append(price_test(ask))
        return tests

    def _in_order(self, order: _Order, ask: Ask, first: Route | None) -> Iterator[Route]:
        if first is not None:
            yield first
        for group in order.groups:
            count, start = len(group), 0
            if count > 1:
                start = self._draw(count) if ask.affinity is None else ask.affinity % count
            for place in range(start, start + count):
                route = group[place % count]
                if route is not first:
                    yield route

    def _sticky_route(self, order: _Order, ask: Ask) -> Route | None:
        """Where the conversation was before, if that still stands and is well. Who lists providers wants them in that
        order, not where the conversation happened to be."""
        if ask.affinity is None or ask.preference.order or len(order.by_id) < 2:
            return None
        route_id = self._sticky.get(ask.workspace_id, ask.model.model_id, ask.affinity)
        if route_id is None or not self._health.is_well(route_id):
            return None
        return order.by_id.get(route_id)

    def _order(self, catalog: Catalog, ask: Ask) -> _Order:
        policy = _of_standing(ask.policy, ask.model.model_id, catalog)
        preference = _of_catalog(ask.preference, catalog)
        key = _Key(catalog.version, ask.model.model_id, policy, preference, ask.scope)
        order = self._orders.get(key)
        if order is None:
            order = self._remember(key, catalog, ask)
        else:
            self._orders.move_to_end(key)
        epoch = self._health.epoch if order.ranking.by_speed else self._health.fault_epoch
        if order.epoch != epoch:
            order.groups, order.epoch = order.ranking.groups(self._health.look()), epoch
        return order

    def _remember(self, key: _Key, catalog: Catalog, ask: Ask) -> _Order:
        found = standing(catalog, ask.model, ask.policy, ask.scope)
        by_id = {route.route_id: route for route in found.routes}
        order = self._orders[key] = _Order(found, by_id, Ranking(found.routes, ask.preference))
        self._remembered += order.size
        while self._remembered > MAX_REMEMBERED_ROUTES and len(self._orders) > 1:
            _, gone = self._orders.popitem(last=False)
            self._remembered -= gone.size
        return order


def _of_standing(policy: Policy, model_id: str, catalog: Catalog) -> Policy:
    """The policy without what is looked at for each call, and without names of nothing that there is: who asks for
    another price or names another nobody each time finds the same order, and no name of a customer's is kept."""
    if policy == ANY:
        return ANY
    providers, only, models = catalog.providers, policy.only_providers, policy.models
    return replace(
        policy,
        ignored_providers=frozenset(filter(providers.__contains__, policy.ignored_providers)),
        only_providers=None if only is None else frozenset(filter(providers.__contains__, only)),
        models=None if models is None else models & {model_id},
        max_price=_NO_MAXIMUM,
        allow_fallbacks=True,
        require_parameters=False,
    )


def _of_catalog(preference: Preference, catalog: Catalog) -> Preference:
    """The preference without names of no provider; a name counts where it stands first."""
    order = preference.order
    if not order:
        return preference
    return replace(preference, order=tuple(filter(catalog.providers.__contains__, dict.fromkeys(order))))


_NO_MAXIMUM: Final = Policy().max_price
