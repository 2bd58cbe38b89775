"""Why a call would go where it goes: the router's own choice in public facts. Nothing is decided here. Pure."""

from typing import Final

import msgspec

from farebox.catalog.model import Catalog
from farebox.catalog.policy import Rule
from farebox.routing.rules import MAX_ROUTES, MEANINGS, Ask, Choice, Excluded, sentence
from farebox.routing.shown import RouteView, RuleView, route_view, rule_view

# Routes in one answer, of those that remain and of those that do not.
MAX_SHOWN: Final = 100


class ExclusionView(msgspec.Struct, frozen=True, kw_only=True):
    """A route that cannot serve. `stage` is who could change it: `operator`, `policy`, `moment` (nobody: wait) or
    `request`; `missing` are the open items of its checklist."""

    route: RouteView
    reason: str
    stage: str
    meaning: str
    detail: str
    missing: list[str]
    retry_after_seconds: int | None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """`routes` in the order in which they are tried, at most `tried_at_most` of them. `policy` is everything that
    applied, put together. `notes` say what was not known."""

    model: str
    scope: str | None
    input_tokens: int
    total: int
    remaining: int
    sentence: str
    tried_at_most: int
    sticky: bool
    routes: list[RouteView]
    routes_not_shown: int
    excluded: list[ExclusionView]
    excluded_not_shown: int
    policy: RuleView
    notes: list[str]
    object: str = "route.explanation"


def explanation(catalog: Catalog, ask: Ask, choice: Choice, *, notes: tuple[str, ...] = ()) -> Explanation:
    """What `choice`, the router's answer to `ask` when all routes were looked at, says."""
    remaining, out = len(choice.routes), len(choice.excluded)
    return Explanation(
        model=ask.model.model_id,
        scope=ask.scope,
        input_tokens=ask.input_tokens,
        total=remaining + out,
        remaining=remaining,
        sentence=sentence(choice),
        tried_at_most=min(remaining, MAX_ROUTES if ask.policy.allow_fallbacks else 1),
        sticky=choice.sticky,
        routes=[route_view(catalog, route) for route in choice.routes[:MAX_SHOWN]],
        routes_not_shown=max(0, remaining - MAX_SHOWN),
        excluded=[exclusion_view(catalog, excluded) for excluded in choice.excluded[:MAX_SHOWN]],
        excluded_not_shown=max(0, out - MAX_SHOWN),
        policy=rule_view(Rule(policy=ask.policy, preference=ask.preference)),
        notes=list(notes),
    )


def exclusion_view(catalog: Catalog, excluded: Excluded) -> ExclusionView:
    """Why a route cannot serve, as it is shown."""
    return ExclusionView(
        route=route_view(catalog, excluded.route),
        reason=excluded.reason.value,
        stage=excluded.reason.stage.name.lower(),
        meaning=MEANINGS[excluded.reason],
        detail=excluded.detail,
        missing=list(excluded.open_items),
        retry_after_seconds=excluded.retry_after_seconds,
    )
