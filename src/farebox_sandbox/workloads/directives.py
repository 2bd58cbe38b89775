"""Directives of a request that is no conversation: its `sandbox` field, and `[[sandbox {…}]]` inside its texts."""

from typing import Any

from farebox_sandbox.errors import UpstreamError
from farebox_sandbox.inline import MARK, clean_text, json_object

FIELD = "sandbox"
MAX_DEPTH = 8  # the texts of all requests are nearer to the top


def take_directives(fields: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The fields without directives, and the directives: those of the `sandbox` field, and over them those of texts.

    Raises UpstreamError 400 when they are no JSON object.
    """
    own = _own(fields.get(FIELD))
    found: dict[str, Any] = {}
    cleaned = {name: _cleaned(value, found, 1) for name, value in fields.items() if name != FIELD}
    return cleaned, {**own, **found} or None


def _own(value: Any) -> dict[str, Any]:
    """A form has them as JSON text, or with a form field for each of them: `sandbox[words]`."""
    if isinstance(value, str):
        return json_object(value)
    if isinstance(value, dict):
        return value
    if value is None:
        return {}
    raise UpstreamError(400, "The directives are not a JSON object.")


def _cleaned(value: Any, found: dict[str, Any], depth: int) -> Any:
    if isinstance(value, str):
        return clean_text(value, found) if MARK in value else value
    if depth < MAX_DEPTH and isinstance(value, list):
        return [_cleaned(one, found, depth + 1) for one in value]
    if depth < MAX_DEPTH and isinstance(value, dict):
        return {name: _cleaned(one, found, depth + 1) for name, one in value.items()}
    return value
