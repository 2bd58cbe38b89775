"""`GET /v1/models`: what a key may ask for, and whether it can be served now. Nothing of the operator's insides."""

import msgspec

from farebox.base.errors import Problem
from farebox.catalog.model import Catalog, Model
from farebox.dataplane.parts import Headers, Parts
from farebox.identity.authenticate import require_scope
from farebox.identity.model import KeyRecord
from farebox.routing.rules import AccountStates, choose

SCOPE = "models.read"
# Which scope a key needs to call models of a workload.
_SCOPES_OF_WORKLOAD = {
    "text": {"chat.completions", "responses", "messages"},
    "coding": {"chat.completions", "responses", "messages"},
    "image": {"images"},
    "video": {"videos"},
    "audio": {"audio"},
    "embedding": {"embeddings"},
}


def visible(model: Model, key: KeyRecord) -> bool:
    """Whether the key's allowed models and scopes permit the model."""
    if key.allowed_models is not None and model.model_id not in key.allowed_models:
        return False
    return bool(_SCOPES_OF_WORKLOAD[model.workload] & key.scopes)


def listed(catalog: Catalog, model: Model, state_of: AccountStates) -> dict[str, object]:
    """A model in OpenAI's shape, with `display_name`, `provider_ready` and, where it is not, the `reason`."""
    choice = choose(catalog, model, state_of)
    fields: dict[str, object] = {
        "id": model.model_id,
        "object": "model",
        "created": model.created,
        "owned_by": model.owned_by,
        "display_name": model.display_name,
        "provider_ready": bool(choice.routes),
    }
    return fields if choice.routes else {**fields, "reason": choice.reason}


async def list_models(parts: Parts, headers: Headers) -> bytes:
    """The list for this key."""
    key = await parts.authenticate(headers)
    require_scope(key, SCOPE)
    catalog = parts.catalog()
    models = [model for model in catalog.models.values() if visible(model, key)]
    found = [listed(catalog, model, parts.accounts.state) for model in models]
    return msgspec.json.encode({"object": "list", "data": found})


async def show_model(parts: Parts, headers: Headers, model_id: str) -> bytes:
    """One model. Raises Problem `model_not_found`."""
    key = await parts.authenticate(headers)
    require_scope(key, SCOPE)
    catalog = parts.catalog()
    model = catalog.model(model_id)
    if model is None or not visible(model, key):
        raise Problem("model_not_found", f"There is no model {model_id[:100]!r} for this key.", param="model")
    return msgspec.json.encode(listed(catalog, model, parts.accounts.state))
