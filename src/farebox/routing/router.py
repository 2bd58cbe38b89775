"""The router of one process: what stands, in which order, and what is so at the moment, put together for each call.

It is the only one: calls, lists, refusals and explanations all ask `choose`.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from farebox.catalog.model import Catalog, Route
from farebox.catalog.policy import Policy, Preference
from farebox.routing.health import Health
from farebox.routing.ranking import ranked
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

# Combinations of model, policy and preference that a process remembers; one more is worked out anew.
MAX_REMEMBERED: Final = 2_000


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


class _Order(NamedTuple):
    """A standing, ranked by what was known of the routes' health at an epoch. Routes of a group are equally good."""

    standing: Standing
    by_id: dict[str, Route]
    groups: tuple[tuple[Route, ...], ...]
    epoch: int


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
        self._orders: OrderedDict[_Key, _Order] = OrderedDict()

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
            start = 0
            if len(group) > 1:
                start = self._draw(len(group)) if ask.affinity is None else ask.affinity % len(group)
            for route in (*group[start:], *group[:start]) if start else group:
                if route is not first:
                    yield route

    def _sticky_route(self, order: _Order, ask: Ask) -> Route | None:
        """Where the conversation was before, if that still stands and is well."""
        if ask.affinity is None or len(order.by_id) < 2:
            return None
        route_id = self._sticky.get(ask.workspace_id, ask.model.model_id, ask.affinity)
        if route_id is None or not self._health.is_well(route_id):
            return None
        return order.by_id.get(route_id)

    def _order(self, catalog: Catalog, ask: Ask) -> _Order:
        key = _Key(catalog.version, ask.model.model_id, ask.policy, ask.preference, ask.scope)
        known = self._orders.get(key)
        epoch = self._health.epoch
        if known is not None and known.epoch == epoch:
            self._orders.move_to_end(key)
            return known
        found = known.standing if known is not None else standing(catalog, ask.model, ask.policy, ask.scope)
        by_id = known.by_id if known is not None else {route.route_id: route for route in found.routes}
        groups = ranked(found.routes, ask.preference, self._health.seen)
        order = self._orders[key] = _Order(found, by_id, groups, epoch)
        self._orders.move_to_end(key)
        if len(self._orders) > MAX_REMEMBERED:
            self._orders.popitem(last=False)
        return order


_NO_MAXIMUM: Final = Policy().max_price
