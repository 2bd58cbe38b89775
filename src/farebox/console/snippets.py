"""Commands to copy: a first call, with the address of this gateway, a model that can be called, and a key. Pure."""

import shlex
from collections.abc import Collection
from typing import Final

import msgspec

from farebox.catalog.model import Catalog

_PROMPT: Final = "Reply exactly: OK"


def first_model(catalog: Catalog, allowed: Collection[str] | None = None) -> str:
    """A model of text that has a live route with a price, among those allowed (None: all); "" where there is none."""
    for model in catalog.models.values():
        if allowed is not None and model.model_id not in allowed:
            continue
        if model.status == "live" and model.workload in ("text", "coding"):
            routes = catalog.routes_of(model.model_id)
            if any(route.status == "live" and route.price is not None for route in routes):
                return model.model_id
    return ""


def curl(base_url: str, secret: str, model_id: str) -> str:
    """One command for a shell, in lines."""
    body = {"model": model_id or "MODEL", "messages": [{"role": "user", "content": _PROMPT}], "max_tokens": 64}
    return " \\\n  ".join(
        [
            f"curl {shlex.quote(base_url + '/chat/completions')}",
            f"-H {shlex.quote(f'Authorization: Bearer {secret}')}",
            "-H 'Content-Type: application/json'",
            f"-d {shlex.quote(msgspec.json.encode(body).decode())}",
        ]
    )
