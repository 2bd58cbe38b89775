"""`POST /v1/messages/count_tokens`: how many input tokens a request would have. Nothing is charged or held.

Where a route's provider speaks Messages, it counts; otherwise, and when it does not answer, our own estimate is given,
said to be one in the header `X-<Brand>-Estimated`.
"""

import asyncio
from uuid import UUID

import msgspec

from farebox.catalog.model import Model, Route, profile_of
from farebox.dataplane.admit import ask_of, check_size
from farebox.dataplane.asgi import Exchange, id_headers, read_body, send_whole
from farebox.dataplane.estimate import BYTES_PER_TOKEN_FOR_CHARGES
from farebox.dataplane.parts import Parts
from farebox.dataplane.spend import place
from farebox.dataplane.text import with_forwarded
from farebox.dataplane.wanted import wanted_of, without_own
from farebox.dialects.anthropic_messages import COUNT_PATH, count_body, native_count_body, read_count_request
from farebox.dialects.port import Edits, Target
from farebox.dialects.registry import MESSAGES
from farebox.dialects.request import Request
from farebox.identity.authenticate import require_scope
from farebox.identity.model import KeyRecord
from farebox.providers.accounts import Endpoint
from farebox.providers.client import MAX_ERROR_BODY_BYTES, UpstreamFailure, waits_for
from farebox.routing.asking import find_model
from farebox.routing.rates import RateLimited
from farebox.routing.rules import refuse_without_route

# Claude Code waits for a count before it goes on; an estimate now is better than a count too late.
COUNT_SECONDS = 5.0
# What a picture or a file is taken for when nobody counts it.
TOKENS_PER_MEDIA_PART = 1_500


async def count_tokens(parts: Parts, exchange: Exchange, call_id: UUID) -> None:
    """Serve one request. Raises Problem before anything was sent."""
    key = await parts.authenticate(exchange.headers, exchange.peer)
    require_scope(key, MESSAGES.scope)
    body = await read_body(exchange.receive, exchange.headers, parts.bounds)
    request = with_forwarded(MESSAGES, read_count_request(body), exchange)
    wanted = wanted_of(parts.brand, exchange.headers, request.fields)
    request = msgspec.structs.replace(request, fields=without_own(request.fields))
    catalog = parts.catalog()
    model = find_model(catalog, key, request.model)
    check_size(request.size, parts.limits)
    # A prompt goes to no provider that the policy does not allow, not even to be counted.
    ask = ask_of(key, model, wanted, scope=MESSAGES.scope)
    choice = parts.router.choose(catalog, ask)
    refuse_without_route(ask, choice)
    headers = [*id_headers(call_id), (b"content-type", b"application/json")]
    answer = await _within_limits(parts, key, model, routes=choice.routes, request=request)
    if answer is None:
        answer = count_body(estimate(request))
        headers.append((parts.brand.header("Estimated").encode(), b"true"))
    headers.append((b"content-length", str(len(answer)).encode()))
    await send_whole(exchange.send, 200, headers, answer)


def estimate(request: Request) -> int:
    """About how many input tokens: the published four bytes a token, and a usual picture for each part of media."""
    size = request.size
    return -(-size.text_bytes // BYTES_PER_TOKEN_FOR_CHARGES) + TOKENS_PER_MEDIA_PART * sum(size.media.values())


async def _within_limits(
    parts: Parts, key: KeyRecord, model: Model, *, routes: tuple[Route, ...], request: Request
) -> bytes | None:
    """A provider's count. Asking one takes of the caller's rate limits like a call; who is at them gets an estimate."""
    try:
        ticket = await parts.rates.take(key, model.model_id, 0)
    except RateLimited:
        return None
    try:
        with place(parts):
            return await _counted(parts, key.workspace_id, routes, request)
    finally:
        ticket.finish(0)


async def _counted(parts: Parts, workspace_id: int, routes: tuple[Route, ...], request: Request) -> bytes | None:
    """The count of the first provider that speaks Messages; None when there is none or it does not say."""
    for route in routes:
        provider = parts.catalog().providers.get(route.provider_id)
        if provider is not None and MESSAGES.name in provider.dialects:
            credential = parts.accounts.usable(provider, workspace_id, route.terms.region)
            endpoint = None if credential is None else parts.accounts.endpoint(provider, credential)
            return None if endpoint is None else await _asked(parts, route, endpoint, request)
    return None


async def _asked(parts: Parts, route: Route, endpoint: Endpoint, request: Request) -> bytes | None:
    provider = parts.catalog().providers[route.provider_id]
    path = f"{COUNT_PATH}?{request.query}" if request.query else COUNT_PATH
    headers = {"anthropic-version": "2023-06-01", **dict(request.headers)}
    body = native_count_body(request, Edits(route.upstream_model, 0, profile_of(provider, route)))
    waits = waits_for(provider, parts.timeouts)
    try:
        async with asyncio.timeout(COUNT_SECONDS):
            response = await parts.client.post(endpoint, Target(path, tuple(headers.items())), body, waits)
            try:
                found = await response.body(MAX_ERROR_BODY_BYTES)
            finally:
                response.close()
    except (UpstreamFailure, TimeoutError):
        return None
    return found if response.status == 200 else None
