"""`GET /v1/models`: what a key may ask for, and whether it can be served now. Nothing of the operator's insides.

One list in the shapes that clients ask for: OpenAI's; Anthropic's when `anthropic-version` is sent; OpenAI's with an
empty `models` beside it, without which Codex reports an error, when `client_version` is in the query. Sources: the
types of the official SDKs; Codex's `ModelInfo` as its client decodes it.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Any
from urllib.parse import parse_qs

import msgspec

from farebox.base.clock import rfc3339
from farebox.base.errors import Problem
from farebox.catalog.model import SCOPES_OF_WORKLOAD, Catalog, Model
from farebox.dataplane.asgi import Exchange, header
from farebox.dataplane.parts import Parts
from farebox.identity.authenticate import require_scope
from farebox.identity.model import KeyRecord
from farebox.routing.router import Router
from farebox.routing.rules import Ask

SCOPE = "models.read"
# Anthropic's own bound of one page.
MAX_PAGE = 1_000

Pairs = list[tuple[bytes, bytes]]


def visible(model: Model, key: KeyRecord) -> bool:
    """Whether the key's allowed models and scopes permit the model."""
    if key.allowed_models is not None and model.model_id not in key.allowed_models:
        return False
    return bool(SCOPES_OF_WORKLOAD[model.workload] & key.scopes)


def listed(catalog: Catalog, model: Model, router: Router, key: KeyRecord) -> dict[str, object]:
    """A model in OpenAI's shape, with `display_name`, `workload`, `provider_ready` and, where it is not, the reason:
    for this key, whose policy may allow less than others'."""
    ask = Ask(model, workspace_id=key.workspace_id, policy=key.rule.policy)
    choice = router.choose(catalog, ask, most=1)
    fields: dict[str, object] = {
        "id": model.model_id,
        "object": "model",
        "created": model.created,
        "owned_by": model.owned_by,
        "display_name": model.display_name,
        "workload": model.workload,
        "provider_ready": bool(choice.routes),
    }
    return fields if choice.routes else {**fields, "reason": choice.reason}


def as_anthropic(model: Model, fields: dict[str, object]) -> dict[str, object]:
    """The same in Anthropic's shape (`ModelInfo`)."""
    names = ("display_name", "workload", "provider_ready", "reason")
    shown: dict[str, object] = {name: fields[name] for name in names if name in fields}
    return {
        "type": "model",
        "id": model.model_id,
        "created_at": rfc3339(model.created * 1_000_000),
        "max_input_tokens": model.context_tokens,
        "max_tokens": model.max_output_tokens,
        **shown,
    }


async def list_models(parts: Parts, exchange: Exchange) -> tuple[bytes, Pairs]:
    """The list for this key, and the headers that go with it."""
    key = await parts.authenticate(exchange.headers, exchange.peer)
    require_scope(key, SCOPE)
    catalog = parts.catalog()
    models = [model for model in catalog.models.values() if visible(model, key)]
    query = parse_qs(exchange.query)
    if header(exchange.headers, b"anthropic-version") is not None:
        document = _anthropic_page(models, lambda model: listed(catalog, model, parts.router, key), query)
    else:
        found = [listed(catalog, model, parts.router, key) for model in models]
        document = {"object": "list", "data": found}
        if "client_version" in query:
            # Codex takes each entry's `base_instructions`, which it requires, in place of its own prompt: an agent
            # without instructions. With an empty list it falls back to what it knows (0.169.0).
            document["models"] = []
    body = msgspec.json.encode(document)
    tag = f'"{blake2b(body, digest_size=12).hexdigest()}"'.encode()
    return body, [(b"etag", tag), (b"x-models-etag", tag), (b"cache-control", b"private, no-cache")]


def _anthropic_page(
    models: list[Model], listing: Callable[[Model], dict[str, object]], query: dict[str, list[str]]
) -> dict[str, Any]:
    """A page by `after_id` or `before_id`, of `limit` models. Raises Problem `invalid_request`."""
    limit = _limit_of(query)
    ids = [model.model_id for model in models]
    first, last = 0, len(models)
    if after := query.get("after_id"):
        first = ids.index(after[0]) + 1 if after[0] in ids else last
    if before := query.get("before_id"):
        last = ids.index(before[0]) if before[0] in ids else first
        first = max(first, last - limit)
    page = models[first : min(last, first + limit)]
    return {
        "data": [as_anthropic(model, listing(model)) for model in page],
        "has_more": first + len(page) < last if "before_id" not in query else first > 0,
        "first_id": page[0].model_id if page else None,
        "last_id": page[-1].model_id if page else None,
    }


def _limit_of(query: dict[str, list[str]]) -> int:
    text = query.get("limit", [str(MAX_PAGE)])[0]
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_PAGE):
        raise Problem("invalid_request", f"`limit` is a whole number from 1 to {MAX_PAGE}.", param="limit")
    return int(text)


async def show_model(parts: Parts, exchange: Exchange, model_id: str) -> bytes:
    """One model. Raises Problem `model_not_found`."""
    key = await parts.authenticate(exchange.headers, exchange.peer)
    require_scope(key, SCOPE)
    catalog = parts.catalog()
    model = catalog.model(model_id)
    if model is None or not visible(model, key):
        raise Problem("model_not_found", f"There is no model {model_id[:100]!r} for this key.", param="model")
    fields = listed(catalog, model, parts.router, key)
    if header(exchange.headers, b"anthropic-version") is not None:
        fields = as_anthropic(model, fields)
    return msgspec.json.encode(fields)
