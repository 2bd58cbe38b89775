"""A text request on its way to its hold: what it asks for, by which routes it may go, and how it is put for them."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple, TypeVar

import msgspec

from farebox.base.errors import Problem
from farebox.base.limits import RequestLimits
from farebox.catalog.model import Catalog
from farebox.catalog.rules import Ceiling
from farebox.dataplane.admit import (
    Admission,
    admitted,
    ask_of,
    candidates,
    ceiling_of,
    check_size,
    output_limit_of,
    price_hold,
    require_workload,
)
from farebox.dataplane.asgi import Exchange, header
from farebox.dataplane.parts import Parts
from farebox.dataplane.sending import TextSending
from farebox.dataplane.wanted import Wanted, affinity_of, wanted_of, without_own
from farebox.dialects.port import Surface
from farebox.dialects.request import Request
from farebox.identity.model import KeyRecord
from farebox.routing.asking import find_model
from farebox.routing.router import Router
from farebox.routing.rules import Ask, Choice

# A header that a client may have forwarded to its own provider; the longest list of betas seen is a tenth of it.
MAX_FORWARDED_CHARS: Final = 4_096
# Longer requests are read and translated apart from the event loop; what is shorter takes some milliseconds.
LONG_REQUEST_BYTES: Final = 500_000

T = TypeVar("T")


class TextPlan(NamedTuple):
    """A text request whose candidates are known and not yet asked whether they can do what it needs."""

    key: KeyRecord
    request: Request
    sending: TextSending
    ask: Ask
    choice: Choice
    ceiling: Ceiling
    output_tokens: int


async def read_text_call(
    parts: Parts, surface: Surface, key: KeyRecord, body: bytes, *, exchange: Exchange
) -> tuple[Admission, TextSending]:
    """Read a request and decide everything that comes before the hold. Raises Problem."""
    request, wanted = await apart(
        partial(read_text, parts, surface, body, exchange=exchange, workspace_id=key.workspace_id), len(body)
    )
    catalog = parts.catalog()
    plan = plan_text(catalog, parts.limits, parts.router, key=key, surface=surface, asked=(request, wanted))
    # At worst the request is translated for each candidate before one can do what it needs.
    work_bytes = len(body) * len(plan.choice.routes)
    return await apart(partial(admit_text, plan, catalog), work_bytes), plan.sending


def read_text(
    parts: Parts, surface: Surface, body: bytes, *, exchange: Exchange, workspace_id: int
) -> tuple[Request, Wanted]:
    """The request as its provider may see it, and what it wants of its route. Raises Problem."""
    request = surface.read_request(body)
    wanted = wanted_of(parts.brand, exchange.headers, request.fields)
    if len(parts.catalog().routes_of(request.model)) > 1:
        wanted = wanted._replace(affinity=affinity_of(request, exchange.headers, workspace_id))
    request = msgspec.structs.replace(request, fields=without_own(request.fields))
    return with_forwarded(surface, request, exchange), wanted


def plan_text(
    catalog: Catalog,
    limits: RequestLimits,
    router: Router,
    *,
    key: KeyRecord,
    surface: Surface,
    asked: tuple[Request, Wanted],
) -> TextPlan:
    """The candidates of a request, and the most that it can use. Raises Problem."""
    request, wanted = asked
    model = find_model(catalog, key, request.model)
    require_workload(model, "text", "coding")
    output_limit = output_limit_of(request, model, limits)
    check_size(request.size, limits)
    ceiling = ceiling_of(request, model, output_limit)
    ask = ask_of(key, model, wanted, scope=surface.scope)
    ask = ask._replace(service_tier=request.service_tier, input_tokens=ceiling.total_input_tokens)
    return TextPlan(
        key=key,
        request=request,
        sending=TextSending(surface, request, model=model, output_limit=output_limit),
        ask=ask,
        choice=candidates(router, catalog, ask, wanted=wanted, ceiling=ceiling),
        ceiling=ceiling,
        output_tokens=ceiling.output_tokens,
    )


def admit_text(plan: TextPlan, catalog: Catalog) -> Admission:
    """The routes that can do what the request needs, and what to hold for them. Raises Problem."""
    choice = admitted(plan.sending, catalog, plan.ask, plan.choice)
    return Admission(
        key=plan.key,
        model=plan.ask.model,
        ask=plan.ask,
        choice=choice,
        routes=choice.routes,
        hold_nanos=price_hold(choice.routes, plan.ceiling),
        catalog_version=catalog.version,
        dialect=plan.sending.surface.name,
        streamed=plan.request.stream,
        prompt_bytes=plan.request.size.text_bytes,
        choices=plan.request.choices,
        output_tokens=plan.output_tokens,
    )


async def apart(work: Callable[[], T], size_bytes: int) -> T:
    """Reading and translating a long request takes up to some tenths of a second a megabyte: in a thread, other calls
    have their turns meanwhile. The router is never asked from there."""
    return work() if size_bytes < LONG_REQUEST_BYTES else await asyncio.to_thread(work)


def with_forwarded(surface: Surface, request: Request, exchange: Exchange) -> Request:
    """The request with the headers and query fields that its dialect forwards to its own kind. Raises Problem."""
    if not surface.forwarded_headers:
        return request
    found = []
    for name in surface.forwarded_headers:
        value = header(exchange.headers, name.encode())
        if value is not None:
            if len(value) > MAX_FORWARDED_CHARS:
                raise Problem("invalid_request", f"`{name}` is longer than {MAX_FORWARDED_CHARS} characters.")
            found.append((name, value.decode("latin-1")))
    query = "&".join(part for part in exchange.query.split("&") if part in surface.forwarded_query)
    return msgspec.structs.replace(request, headers=tuple(found), query=query)
