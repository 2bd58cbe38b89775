"""The response object and the events around it, with every field that official clients ask for."""

from typing import Any

import msgspec

from farebox.dialects.port import Told

_encode = msgspec.json.Encoder().encode


class Ids:
    """Ids of items, made from the stem of the call."""

    __slots__ = ("_stem",)

    def __init__(self, stem: str) -> None:
        self._stem = stem

    def make(self, prefix: str, index: int) -> str:
        """The id of the item at that place."""
        return f"{prefix}_{self._stem}{index:04x}"


def response_of(told: Told, status: str, **fields: Any) -> dict[str, Any]:
    """A response object. The official clients need each of these fields; what is not known of the request (its tools,
    its switches) has the value that the API has by default."""
    return {
        "id": told.response_id or f"resp_{told.stem}",
        "object": "response",
        "created_at": told.created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "model": told.model,
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": None,
        "store": False,
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        "usage": None,
        "user": None,
    } | fields


def event_bytes(kind: str, fields: dict[str, Any]) -> bytes:
    """One event: its name is its type."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), _encode({"type": kind, **fields}))
