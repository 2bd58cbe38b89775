"""Which handler answers a request: exact paths first, then patterns."""

import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from farebox_sandbox.exchange import Exchange

Handler = Callable[[Exchange], Awaitable[None]]
Routes = dict[tuple[str, str], Handler]
"""By method and path. A `{name}` in the path stands for one segment or the part of one: `/v1/videos/{id}/content`,
`/v1/models/{model}:generateContent`."""

_NAME = re.compile(r"\\{(\w+)\\}")


class Found(NamedTuple):
    """A handler, the values of the path's names, and whether the call belongs in the log."""

    handler: Handler
    parameters: dict[str, str]
    remembered: bool


class Router:
    """All routes of a sandbox. Calls of `model_routes` are remembered in the call log."""

    def __init__(self, model_routes: Routes, other_routes: Routes) -> None:
        self._exact: dict[tuple[str, str], Found] = {}
        self._patterns: list[tuple[str, re.Pattern[str], Handler, bool]] = []
        for routes, remembered in ((other_routes, False), (model_routes, True)):
            for (method, path), handler in routes.items():
                if "{" in path:
                    self._patterns.append((method, _pattern(path), handler, remembered))
                else:
                    self._exact[method, path] = Found(handler, {}, remembered)

    def find(self, method: str, path: str) -> Found | None:
        found = self._exact.get((method, path))
        if found is not None:
            return found
        for wanted, pattern, handler, remembered in self._patterns:
            if wanted == method and (match := pattern.fullmatch(path)):
                return Found(handler, match.groupdict(), remembered)
        return None


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(_NAME.sub(r"(?P<\1>[^/]+?)", re.escape(path)))
