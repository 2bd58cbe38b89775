"""Every handler says who may ask, and asks for what it says."""

import pytest

from farebox.identity.roles import PlatformVerb, Verb
from tests.roles.routes import Route, every_route

ROUTES = every_route()
_SAYS = ("verb", "fresh", "pending", "session", "open")
# By parameter: what the handler is given only after it was looked up.
_IN_A_WORKSPACE = frozenset({"caller", "key"})


@pytest.mark.parametrize("route", [route for route in ROUTES if not route.is_safe], ids=str)
def test_what_changes_something_says_who_may(route: Route) -> None:
    assert [name for name in _SAYS if route.opt.get(name)], f"{route} says nothing of {', '.join(_SAYS)}"


@pytest.mark.parametrize("route", ROUTES, ids=str)
def test_what_is_said_is_looked_up(route: Route) -> None:
    if isinstance(route.verb, Verb):
        assert route.asks_for & _IN_A_WORKSPACE, f"{route} names a verb and asks for no caller"
    if isinstance(route.verb, PlatformVerb):
        assert "operator" in route.asks_for, f"{route} names a verb of the platform and asks for no operator"
    if any(route.opt.get(name) for name in ("fresh", "pending", "session")):
        assert "session" in route.asks_for, f"{route} is for who is signed in and asks for no session"
    if route.asks_for & _IN_A_WORKSPACE:
        assert isinstance(route.verb, Verb), f"{route} asks who may, and does not say what it does"
    if "operator" in route.asks_for:
        assert isinstance(route.verb, PlatformVerb), f"{route} asks for an operator, and does not say what it does"


@pytest.mark.parametrize("route", [route for route in ROUTES if "open" in route.opt], ids=str)
def test_what_is_open_to_anybody_says_why(route: Route) -> None:
    assert isinstance(route.opt["open"], str) and len(route.opt["open"]) > 5
    assert route.verb is None


def test_a_workspaces_pages_name_it_and_operators_have_verbs_of_their_own() -> None:
    for route in ROUTES:
        if route.path.startswith("/console/{"):
            assert route.path.startswith("/console/{workspace:str}"), str(route)
            assert route.verb is not None, str(route)
        if route.path.startswith(("/admin", "/api/operator")):
            assert isinstance(route.verb, PlatformVerb), str(route)
