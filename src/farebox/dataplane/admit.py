"""Who asks, for what, by which routes, at what cost at most: what is decided before the hold. Pure."""

from collections.abc import Mapping
from typing import NamedTuple, cast
from uuid import UUID

from farebox.base.errors import Problem
from farebox.base.limits import RequestLimits
from farebox.base.usage import Usage
from farebox.catalog.model import Catalog, Model, Route
from farebox.catalog.rules import ceiling_nanos
from farebox.dialects.openai_chat.request import ChatRequest, Size
from farebox.identity.model import KeyRecord
from farebox.routing.rules import AccountStates, choose, refuse_without_route

# A published measure of text: models make one token of about four bytes of English, fewer bytes of most else.
BYTES_PER_TOKEN_FOR_CHARGES = 4
# The other side of the same estimate: what a provider may bill is taken high, so that a margin is never flattered.
BYTES_PER_TOKEN_FOR_COSTS = 2


class Admission(NamedTuple):
    """A request that may be paid for. Token counts are ceilings; `output_limit` is per choice."""

    key: KeyRecord
    request: ChatRequest
    model: Model
    routes: tuple[Route, ...]
    output_limit: int
    input_ceiling_tokens: int
    hold_nanos: int
    claim_id: UUID | None
    claim_body_hash: UUID | None


def find_model(catalog: Catalog, key: KeyRecord, model_id: str) -> Model:
    """The model, if there is one that this key may know of. Raises Problem `model_not_found`."""
    model = catalog.model(model_id)
    if model is None or (key.allowed_models is not None and model_id not in key.allowed_models):
        message = f"There is no model {model_id[:100]!r} for this key."
        raise Problem("model_not_found", message, param="model")
    return model


def output_limit_of(request: ChatRequest, model: Model, limits: RequestLimits) -> int:
    """The output tokens to hold for and to send upstream, per choice. Raises Problem `request_limit_exceeded`."""
    most = min(model.max_output_tokens, limits.max_output_tokens or model.max_output_tokens)
    if request.output_limit is not None and request.output_limit > most:
        raise _exceeded("max_tokens", request.output_limit, most)
    if request.choices > limits.max_choices:
        raise _exceeded("n", request.choices, limits.max_choices)
    return request.output_limit or most


def check_size(size: Size, limits: RequestLimits) -> None:
    """Raises Problem `request_limit_exceeded` for a prompt above the deployment's limits."""
    if limits.max_prompt_chars is not None and size.text_chars > limits.max_prompt_chars:
        raise _exceeded("messages", size.text_chars, limits.max_prompt_chars, "prompt characters")
    if size.media_bytes > limits.max_media_bytes:
        raise _exceeded("messages", size.media_bytes, limits.max_media_bytes, "media bytes")


def _exceeded(param: str, asked: int, limit: int, what: str = "") -> Problem:
    message = f"{what or param} is {asked}; the limit is {limit}."
    return Problem("request_limit_exceeded", message, facts={"requested": asked, "request_limit": limit}, param=param)


def input_ceiling_tokens(size: Size, model: Model) -> int:
    """More input tokens than this cannot come of the prompt: a token has at least one byte, and a prompt above the
    model's context is refused upstream."""
    tokens = size.text_bytes + model.template_overhead_tokens + size.messages * model.message_overhead_tokens
    tokens += model.tools_overhead_tokens if size.has_tools else 0
    tokens += media_ceiling_tokens(size, model)
    return min(tokens, model.context_tokens)


def media_ceiling_tokens(size: Size, model: Model) -> int:
    """The ceiling of the parts that are not text. Raises Problem when the model has none for a kind."""
    tokens, ceilings = 0, cast(Mapping[str, int], model.media_ceiling_tokens)
    for kind, count in size.media.items():
        if kind not in ceilings:
            raise Problem("invalid_request", f"{model.model_id} does not take {kind} input here.", param="messages")
        tokens += count * ceilings[kind]
    return tokens


def price_hold(routes: tuple[Route, ...], *, input_tokens: int, output_tokens: int) -> int:
    """The worst-case price in nano-USD over every route that may serve."""
    return max(
        ceiling_nanos(
            route.price.tiers, input_tokens_ceiling=input_tokens, output_tokens_ceiling=output_tokens, requests=1
        )
        for route in routes
        if route.price is not None
    )


def admit(
    catalog: Catalog, limits: RequestLimits, state_of: AccountStates, *, key: KeyRecord, request: ChatRequest
) -> Admission:
    """Decide everything that comes before the hold. Raises Problem."""
    model = find_model(catalog, key, request.model)
    output_limit = output_limit_of(request, model, limits)
    check_size(request.size, limits)
    choice = choose(catalog, model, state_of)
    refuse_without_route(model.model_id, choice)
    input_tokens = input_ceiling_tokens(request.size, model)
    hold_nanos = price_hold(choice.routes, input_tokens=input_tokens, output_tokens=output_limit * request.choices)
    return Admission(key, request, model, choice.routes, output_limit, input_tokens, hold_nanos, None, None)


def estimated_usage(size_bytes: int, delivered_bytes: int, *, bytes_per_token: int) -> Usage:
    """Usage by our own count, for answers whose provider did not say."""
    return Usage(
        input_tokens=-(-size_bytes // bytes_per_token),
        output_tokens=-(-delivered_bytes // bytes_per_token),
        requests=1,
    )
