"""Which model a key asks for: the same answer for calls, lists, estimates and explanations. Pure."""

from farebox.base.errors import Problem
from farebox.catalog.model import Catalog, Model
from farebox.identity.model import KeyRecord


def find_model(catalog: Catalog, key: KeyRecord, model_id: str) -> Model:
    """The model, if there is one that this key may know of. Raises Problem `model_not_found`."""
    model = catalog.model(model_id)
    if model is None or (key.allowed_models is not None and model_id not in key.allowed_models):
        message = f"There is no model {model_id[:100]!r} for this key."
        raise Problem("model_not_found", message, param="model")
    return model
