"""Who asks, for what, by which routes, at what cost at most: what is decided before the hold.

Pure but for the router, which knows the state of the moment.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast
from uuid import UUID

from farebox.base.errors import Problem
from farebox.base.limits import RequestLimits
from farebox.catalog.ceilings import server_tool_tokens
from farebox.catalog.model import Catalog, Model, Route, Workload
from farebox.catalog.policy import NO_RULE, combined
from farebox.catalog.rules import Ceiling, most_nanos
from farebox.dataplane.sending import Sending
from farebox.dataplane.wanted import Wanted
from farebox.dialects.port import Inexpressible
from farebox.dialects.request import Request, Size
from farebox.identity.model import KeyRecord
from farebox.routing.router import Router
from farebox.routing.rules import (
    MAX_ROUTES,
    Ask,
    Choice,
    Excluded,
    Exclusion,
    Test,
    refuse_without_route,
    tier_test,
)

# Service tiers that no provider sells above its usual price; without a price of their own they cost the usual one.
CHEAPER_TIERS = frozenset({"flex", "scale", "standard_only"})
# Routes looked at for one call: of these, the first that can say what the request asks for are tried.
MAX_CANDIDATES = 4 * MAX_ROUTES

_TEXT_ADDRESSES = "/v1/chat/completions, /v1/responses or /v1/messages"
_ADDRESSES: Mapping[Workload, str] = {
    "text": _TEXT_ADDRESSES,
    "coding": _TEXT_ADDRESSES,
    "image": "/v1/images/generations or /v1/images/edits",
    "audio": "/v1/audio/speech, /v1/audio/transcriptions or /v1/audio/translations",
    "video": "/v1/videos",
    "embedding": "/v1/embeddings",
    "moderation": "/v1/moderations",
}


class Admission(NamedTuple):
    """A request that may be paid for. `routes` are tried in that order, `choice` says how they came to be.
    `dialect` is the surface or workload, as receipts name it; `prompt_bytes` are of text; `choices` are the answers
    that one call gives, of at most `output_tokens` altogether."""

    key: KeyRecord
    model: Model
    ask: Ask
    choice: Choice
    routes: tuple[Route, ...]
    hold_nanos: int
    dialect: str
    streamed: bool
    prompt_bytes: int
    choices: int = 1
    output_tokens: int = 0
    # Of which it was decided; "" where that is not known.
    catalog_version: str = ""
    claim_id: UUID | None = None
    claim_body_hash: UUID | None = None


def output_limit_of(request: Request, model: Model, limits: RequestLimits) -> int:
    """The output tokens to hold for and to send upstream, per choice. Raises Problem `request_limit_exceeded`."""
    most = min(model.max_output_tokens, limits.max_output_tokens or model.max_output_tokens)
    if request.output_limit is not None and request.output_limit > most:
        raise exceeded("max_tokens", request.output_limit, most)
    if request.choices > limits.max_choices:
        raise exceeded("n", request.choices, limits.max_choices)
    return request.output_limit or most


def check_size(size: Size, limits: RequestLimits) -> None:
    """Raises Problem `request_limit_exceeded` for a prompt above the deployment's limits."""
    if limits.max_prompt_chars is not None and size.text_chars > limits.max_prompt_chars:
        raise exceeded("messages", size.text_chars, limits.max_prompt_chars, "The prompt's length in characters")
    if size.media_bytes > limits.max_media_bytes:
        raise exceeded("messages", size.media_bytes, limits.max_media_bytes, "The size of its media in bytes")


def exceeded(param: str, asked: int, limit: int, what: str = "") -> Problem:
    """The refusal of a request that asks for more than a limit."""
    message = f"{what or param} is {asked}; the limit is {limit}."
    return Problem("request_limit_exceeded", message, facts={"requested": asked, "request_limit": limit}, param=param)


def input_ceiling_tokens(size: Size, model: Model) -> int:
    """More text tokens than this cannot come of the prompt: a token has at least one byte, and a prompt above the
    model's context is refused upstream."""
    tokens = size.text_bytes + model.template_overhead_tokens + size.messages * model.message_overhead_tokens
    tokens += model.tools_overhead_tokens if size.has_tools else 0
    tokens += sum(_media_tokens(size, model, kind) for kind in size.media if kind not in ("image", "audio"))
    return min(tokens, model.context_tokens)


def _media_tokens(size: Size, model: Model, kind: str) -> int:
    """The ceiling of the parts of one kind. Raises Problem when the model has none for it."""
    count = size.media.get(kind, 0)
    ceilings = cast(Mapping[str, int], model.media_ceiling_tokens)
    if count and kind not in ceilings:
        raise Problem("invalid_request", f"{model.model_id} does not take {kind} input here.", param="messages")
    return min(count * ceilings.get(kind, 0), model.context_tokens)


def ceiling_of(request: Request, model: Model, output_limit: int) -> Ceiling:
    """More than this no answer can use, of any class. Raises Problem for input that the model does not take."""
    output_tokens = output_limit * request.choices
    tools = request.size.server_tools
    modal_tokens = output_tokens if "modalities" in request.fields else 0
    return Ceiling(
        input_tokens=input_ceiling_tokens(request.size, model) + server_tool_tokens(model, tools),
        image_input_tokens=_media_tokens(request.size, model, "image"),
        audio_input_tokens=_media_tokens(request.size, model, "audio"),
        output_tokens=output_tokens,
        # An answer that is spoken or drawn has rates of its own, and only who asks for one gets it.
        audio_output_tokens=modal_tokens,
        image_output_tokens=modal_tokens,
        web_searches=model.server_tool_ceilings.get("web_search", 0) if "web_search" in tools else 0,
        requests=1,
    )


def price_hold(routes: Sequence[Route], ceiling: Ceiling, *, variant: str | None = None) -> int:
    """The worst-case price in nano-USD over every route that may serve."""
    return max(most_nanos(route.price.tiers, ceiling, variant=variant) for route in routes if route.price is not None)


def ask_of(key: KeyRecord, model: Model, wanted: Wanted, *, scope: str) -> Ask:
    """What a call of that key wants of a route: what workspace, key and request allow together."""
    rule = key.rule if wanted.rule is NO_RULE else combined(key.rule, wanted.rule)
    return Ask(
        model=model,
        workspace_id=key.workspace_id,
        policy=rule.policy,
        preference=rule.preference,
        scope=scope,
        affinity=wanted.affinity,
    )


def candidates(
    router: Router, catalog: Catalog, ask: Ask, *, wanted: Wanted, ceiling: Ceiling, variant: str | None = None
) -> Choice:
    """The routes that a call could take, best first. Raises Problem when there is none."""
    tests: list[Test] = [tier_test(ask, CHEAPER_TIERS)] if variant is None else []
    if wanted.max_cost_nanos is not None:
        tests.append(cost_test(ceiling, wanted.max_cost_nanos, variant=variant))
    choice = router.choose(catalog, ask, tests, most=MAX_CANDIDATES)
    refuse_without_route(ask, choice)
    return choice


def cost_test(ceiling: Ceiling, max_nanos: int, *, variant: str | None = None) -> Test:
    """Whether the call can cost no more than that by a route."""

    def test(route: Route) -> Excluded | None:
        assert route.price is not None, "a route without a price does not stand"
        needed = most_nanos(route.price.tiers, ceiling, variant=variant)
        return None if needed <= max_nanos else Excluded(route, Exclusion.COST_ABOVE_MAXIMUM, needed_nanos=needed)

    return test


def admitted(sending: Sending, catalog: Catalog, ask: Ask, choice: Choice) -> Choice:
    """The choice without the routes, up to the first that can do what the request needs, that cannot; and no more of
    them than may be tried. Raises Problem when none can."""
    excluded: list[Excluded] = []
    for route in choice.routes:
        found = unfit(sending, catalog, ask, route)
        if found is None:
            break
        excluded.append(found)
    most = MAX_ROUTES if ask.policy.allow_fallbacks else 1
    routes = choice.routes[len(excluded) :][:most]
    found_choice = Choice(routes, (*choice.excluded, *excluded), choice.sticky and not excluded)
    refuse_without_route(ask, found_choice)
    return found_choice


def expressible(
    sending: Sending, catalog: Catalog, ask: Ask, routes: Sequence[Route]
) -> tuple[tuple[Route, ...], list[Excluded]]:
    """Those of the routes that can do what the request needs, and why the others cannot."""
    judged = [(route, unfit(sending, catalog, ask, route)) for route in routes]
    return tuple(route for route, found in judged if found is None), [found for _, found in judged if found is not None]


def unfit(sending: Sending, catalog: Catalog, ask: Ask, route: Route) -> Excluded | None:
    """Why a route cannot do what the request needs, if it cannot. Raises Problem when the request itself is at
    fault."""
    try:
        outgoing = sending.prepare(route, catalog.providers[route.provider_id])
    except Inexpressible as missing:
        what = f"`{missing.param}` ({missing.feature})" if missing.param else missing.feature
        detail = f"It cannot do what the request asks for: {what}; leave it out, or choose another model"
        return Excluded(route, Exclusion.INEXPRESSIBLE, detail, feature=missing.feature, param=missing.param)
    if ask.policy.require_parameters and outgoing.dropped:
        return Excluded(route, Exclusion.PARAMETERS_DROPPED, f"It would drop {', '.join(outgoing.dropped)}")
    return None


def require_workload(model: Model, *workloads: Workload) -> None:
    """Raises Problem `invalid_request` when a model is asked at an address that is not for its workload."""
    if model.workload not in workloads:
        message = f"{model.model_id} is a model for {model.workload}; call it at {_ADDRESSES[model.workload]}."
        raise Problem("invalid_request", message, param="model", facts={"workload": model.workload})
