"""Every handler of the three shells, with what it says about who may ask."""

import inspect
from typing import Any, Final

import msgspec
from litestar.handlers import HTTPRouteHandler

from farebox.admin import app as admin
from farebox.api import app as api
from farebox.base.site import SAFE_METHODS
from farebox.console import app as console
from farebox.identity.roles import PlatformVerb, Verb

SHELLS: Final = {"api": api.ROUTES, "console": console.ROUTES, "admin": admin.ROUTES}
"""The paths that each shell is asked for are in wiring/app.py; they do not overlap."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One method of one path. `asks_for`: the parameters of the handler, which decide what is looked at."""

    shell: str
    method: str
    path: str
    opt: dict[str, Any]
    asks_for: frozenset[str]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_safe(self) -> bool:
        return self.method in SAFE_METHODS

    @property
    def is_page(self) -> bool:
        return self.shell != "api"

    @property
    def verb(self) -> Verb | PlatformVerb | None:
        found: Verb | PlatformVerb | None = self.opt.get("verb")
        return found

    @property
    def is_fresh(self) -> bool:
        return bool(self.opt.get("fresh"))

    @property
    def is_for_people(self) -> bool:
        """Whether it is about whoever is signed in, and no workspace."""
        return self.verb is None and "session" in self.asks_for

    @property
    def is_open(self) -> bool:
        """Whether anybody may ask."""
        return self.verb is None and "session" not in self.asks_for


def every_route() -> list[Route]:
    """In the order of shells, paths and methods."""
    found = [route for shell, handlers in SHELLS.items() for handler in handlers for route in _routes(shell, handler)]
    return sorted(found, key=lambda route: (route.shell, route.path, route.method))


def _routes(shell: str, handler: HTTPRouteHandler) -> list[Route]:
    asks_for = frozenset(inspect.signature(handler.fn).parameters)
    return [
        Route(shell=shell, method=str(method), path=path, opt=dict(handler.opt or {}), asks_for=asks_for)
        for path in handler.paths
        for method in handler.http_methods
        if method != "OPTIONS"
    ]
