"""What a call would cost, and by which routes, without holding or sending anything: the same steps as a call takes."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from farebox.base.errors import Problem
from farebox.base.money import format_usd
from farebox.base.usage import Usage
from farebox.catalog.ceilings import video_ceiling
from farebox.catalog.model import SCOPES_OF_WORKLOAD, Catalog, Route
from farebox.catalog.rules import Ceiling, charge_nanos, most_nanos
from farebox.dataplane.admit import (
    CHEAPER_TIERS,
    MAX_CANDIDATES,
    ask_of,
    ceiling_of,
    cost_test,
    expressible,
    output_limit_of,
    require_workload,
)
from farebox.dataplane.asgi import Exchange
from farebox.dataplane.estimate import BYTES_PER_TOKEN_FOR_CHARGES
from farebox.dataplane.parts import Headers, Parts
from farebox.dataplane.sending import Sending, TextSending
from farebox.dataplane.text import apart, read_text
from farebox.dataplane.videos.admit import SCOPE as VIDEO_SCOPE
from farebox.dataplane.videos.admit import VideoSending
from farebox.dataplane.wanted import Wanted, take_out_own
from farebox.dataplane.workloads.job import Job
from farebox.dataplane.workloads.serve import WORKLOADS
from farebox.dialects.registry import SURFACES
from farebox.dialects.videos.request import read_video_request
from farebox.identity.authenticate import require_scope
from farebox.identity.model import KeyRecord
from farebox.routing.asking import find_model
from farebox.routing.estimate import Estimate, RouteEstimate
from farebox.routing.explain import MAX_SHOWN, explanation
from farebox.routing.rules import MAX_ROUTES, Ask, Choice, Test, tier_test
from farebox.routing.shown import route_view

# What an ordinary answer of a conversation is taken for, where the client allows more.
LIKELY_OUTPUT_TOKENS: Final = 500

_TEXT_BASIS: Final = f"one input token for 4 bytes of text; at most {LIKELY_OUTPUT_TOKENS} output tokens a choice"
_COUNTED_BASIS: Final = "what was asked for; one input token for 4 bytes of text"
_PATHS: Final[Mapping[str, str]] = {
    "embeddings": "/embeddings",
    "images": "/images/generations",
    "audio.speech": "/audio/speech",
    "moderations": "/moderations",
}
_SURFACE_OF_SCOPE: Final = {surface.scope: surface for surface in SURFACES.values()}

Variant = Callable[[Route], str | None]


class _Plan(NamedTuple):
    """What a body asks for. `variant` as its workload prices it; `likely` is an ordinary use of it."""

    ask: Ask
    wanted: Wanted
    ceiling: Ceiling
    likely: Usage
    basis: str
    sending: Sending | None = None
    variant: Variant = lambda route: None


async def preview(parts: Parts, key: KeyRecord, surface: str, *, body: bytes, headers: Headers) -> Estimate:
    """The estimate of one request, by a name of `routing.estimate.Surface`. Raises Problem for what a call of it would
    be refused for before its route is chosen."""
    catalog = parts.catalog()
    plan = await apart(partial(_plan, parts, catalog, key, surface=surface, sent=(body, headers)), len(body))
    choice = _choice(parts, catalog, plan)
    if plan.sending is not None:
        work_bytes = len(body) * len(choice.routes[:MAX_CANDIDATES])
        choice = await apart(partial(_fitting, catalog, plan, plan.sending, choice), work_bytes)
    return _estimate(catalog, plan, choice, surface)


def _plan(parts: Parts, catalog: Catalog, key: KeyRecord, *, surface: str, sent: tuple[bytes, Headers]) -> _Plan:
    if surface in _SURFACE_OF_SCOPE:
        return _text(parts, catalog, key, surface=surface, sent=sent)
    if surface == "videos":
        return _video(parts, catalog, key, sent=sent)
    return _workload(parts, catalog, key, surface=surface, sent=sent)


def _text(parts: Parts, catalog: Catalog, key: KeyRecord, *, surface: str, sent: tuple[bytes, Headers]) -> _Plan:
    spoken = _SURFACE_OF_SCOPE[surface]
    require_scope(key, spoken.scope)
    exchange = Exchange(sent[1], "", _nothing, _nothing)
    request, wanted = read_text(parts, spoken, sent[0], exchange=exchange, workspace_id=key.workspace_id)
    model = find_model(catalog, key, request.model)
    require_workload(model, "text", "coding")
    output_limit = output_limit_of(request, model, parts.limits)
    ceiling = ceiling_of(request, model, output_limit)
    ask = ask_of(key, model, wanted, scope=spoken.scope)
    likely = Usage(
        input_tokens=-(-request.size.text_bytes // BYTES_PER_TOKEN_FOR_CHARGES),
        image_input_tokens=ceiling.image_input_tokens,
        audio_input_tokens=ceiling.audio_input_tokens,
        output_tokens=min(output_limit, LIKELY_OUTPUT_TOKENS) * request.choices,
    )
    return _Plan(
        ask._replace(service_tier=request.service_tier, input_tokens=ceiling.total_input_tokens),
        wanted,
        ceiling,
        likely,
        _TEXT_BASIS,
        TextSending(spoken, request, model=model, output_limit=output_limit),
    )


def _video(parts: Parts, catalog: Catalog, key: KeyRecord, *, sent: tuple[bytes, Headers]) -> _Plan:
    require_scope(key, VIDEO_SCOPE)
    own, wanted = take_out_own(parts.brand, sent[1], sent[0])
    request = read_video_request("application/json", own)
    model = find_model(catalog, key, request.model)
    require_workload(model, "video")
    ceiling = video_ceiling(model, seconds=request.seconds)
    ask = ask_of(key, model, wanted, scope=VIDEO_SCOPE)
    likely = Usage(video_milliseconds=ceiling.video_milliseconds)
    return _Plan(ask, wanted, ceiling, likely, _COUNTED_BASIS, VideoSending(request), lambda route: request.size)


def _workload(parts: Parts, catalog: Catalog, key: KeyRecord, *, surface: str, sent: tuple[bytes, Headers]) -> _Plan:
    workload = WORKLOADS[_PATHS[surface]]
    scopes = key.scopes & SCOPES_OF_WORKLOAD[workload.workload]
    if not scopes:
        require_scope(key, min(SCOPES_OF_WORKLOAD[workload.workload]))
    own, wanted = take_out_own(parts.brand, sent[1], sent[0])
    if workload.read is None:
        raise Problem("invalid_request", "This workload takes forms, which are not estimated.", param="surface")
    job = workload.read(own)
    model = find_model(catalog, key, job.model)
    require_workload(model, workload.workload)
    ceiling = job.ceiling(model)
    ask = ask_of(key, model, wanted, scope=min(scopes))._replace(input_tokens=ceiling.total_input_tokens)
    return _Plan(ask, wanted, ceiling, _counted(job, ceiling), _COUNTED_BASIS, None, _variant_of(job))


def _variant_of(job: Job) -> Variant:
    return lambda route: None if route.price is None else job.variant(route.price)


def _counted(job: Job, ceiling: Ceiling) -> Usage:
    return Usage(
        input_tokens=-(-job.size.text_bytes // BYTES_PER_TOKEN_FOR_CHARGES),
        image_input_tokens=ceiling.image_input_tokens,
        audio_input_tokens=ceiling.audio_input_tokens,
        output_tokens=ceiling.output_tokens,
        audio_output_tokens=ceiling.audio_output_tokens,
        image_output_tokens=ceiling.image_output_tokens,
        images=ceiling.images,
        characters=ceiling.characters,
        audio_milliseconds=ceiling.audio_milliseconds,
    )


def _estimate(catalog: Catalog, plan: _Plan, choice: Choice, surface: str) -> Estimate:
    routes = [_route(catalog, plan, route) for route in choice.routes[:MAX_SHOWN]]
    tried = routes[: MAX_ROUTES if plan.ask.policy.allow_fallbacks else 1]
    hold_nanos = max((route.ceiling_nanos for route in tried), default=0)
    most = plan.wanted.max_cost_nanos
    return Estimate(
        model=plan.ask.model.model_id,
        surface=surface,
        hold_usd=format_usd(hold_nanos),
        hold_nanos=hold_nanos,
        max_cost_usd=None if most is None else format_usd(most),
        max_cost_nanos=most,
        routes=routes,
        explanation=explanation(catalog, plan.ask, choice),
    )


def _choice(parts: Parts, catalog: Catalog, plan: _Plan) -> Choice:
    """Every route that a call would be tried by, were the ones before it to fail."""
    tests: list[Test] = []
    if plan.ask.service_tier is not None:
        tests.append(tier_test(plan.ask, CHEAPER_TIERS))
    most = plan.wanted.max_cost_nanos
    if most is not None:
        tests.append(lambda route: cost_test(plan.ceiling, most, variant=plan.variant(route))(route))
    return parts.router.choose(catalog, plan.ask, tests, most=None)


def _fitting(catalog: Catalog, plan: _Plan, sending: Sending, choice: Choice) -> Choice:
    """The same without the routes that cannot do what the request needs. Those that a call would not come to are
    not asked."""
    looked_at, others = choice.routes[:MAX_CANDIDATES], choice.routes[MAX_CANDIDATES:]
    routes, excluded = expressible(sending, catalog, plan.ask, looked_at)
    return Choice((*routes, *others), (*choice.excluded, *excluded), choice.sticky and not excluded)


def _route(catalog: Catalog, plan: _Plan, route: Route) -> RouteEstimate:
    price = route.price
    assert price is not None, "a route without a price does not stand"
    variant = plan.variant(route)
    ceiling_nanos = most_nanos(price.tiers, plan.ceiling, variant=variant)
    likely = charge_nanos(price.tiers, plan.likely, variant or plan.ask.service_tier)
    likely_nanos = min(likely, ceiling_nanos)
    return RouteEstimate(
        route=route_view(catalog, route),
        ceiling_usd=format_usd(ceiling_nanos),
        ceiling_nanos=ceiling_nanos,
        likely_usd=format_usd(likely_nanos),
        likely_nanos=likely_nanos,
        likely_basis=plan.basis,
    )


async def _nothing(*_: Any) -> Any:
    raise AssertionError("an estimate has no connection")
