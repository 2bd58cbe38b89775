"""Items that the model makes: reasoning, calls of tools, and what only this dialect knows. Both ways."""

from typing import Any

from farebox.dialects.canonical.parts import DialectName, Opaque, Part, Reasoning, ToolCall
from farebox.dialects.envelope import Sealed, seal, unseal
from farebox.dialects.openai_responses.reading import (
    Unknowns,
    list_of,
    object_of,
    optional_text_at,
    text_at,
)

KNOWN_FIELDS = {
    "function_call": ("type", "id", "status", "call_id", "name", "arguments", "namespace"),
    "custom_tool_call": ("type", "id", "status", "call_id", "name", "input", "namespace"),
    "reasoning": ("type", "id", "status", "summary", "content", "encrypted_content"),
}

CALL_TYPES = ("function_call", "custom_tool_call")


def read_call(item: dict[str, Any]) -> ToolCall:
    """A `function_call` or `custom_tool_call`. Raises Wrong."""
    custom = item["type"] == "custom_tool_call"
    return ToolCall(
        call_id=text_at(item, "call_id"),
        name=text_at(item, "name"),
        arguments=optional_text_at(item, "input" if custom else "arguments"),
        custom=custom,
        namespace=optional_text_at(item, "namespace"),
        item_id=optional_text_at(item, "id"),
    )


def read_reasoning(item: dict[str, Any]) -> Reasoning:
    """A `reasoning` item as the provider made it. Raises Wrong."""
    return Reasoning(
        text="".join(_texts_at(item, "content")),
        summary=tuple(_texts_at(item, "summary")),
        seal=optional_text_at(item, "encrypted_content"),
        origin="openai_responses",
        item_id=optional_text_at(item, "id"),
    )


def _texts_at(item: dict[str, Any], name: str) -> list[str]:
    parts = item.get(name)
    return [] if parts is None else [text_at(object_of(part, name), "text") for part in list_of(parts, name)]


def read_opaque(item: dict[str, Any]) -> Opaque:
    """An item of a type that has no place in the canonical form. Raises Wrong."""
    return Opaque("openai_responses", text_at(item, "type"), item)


def opened(reasoning: Reasoning) -> tuple[DialectName, Sealed] | Reasoning:
    """A reasoning item that a client sends back, as it was before it was sealed for the client. A seal that belongs to
    a call of a tool is returned as it is."""
    found = unseal(reasoning.seal)
    if found is None:
        return reasoning
    origin, sealed = found
    if sealed.call_id:
        return found
    text, summary = reasoning.text, reasoning.summary
    if not sealed.is_summary:
        text, summary = "".join(summary) + text, ()
    return Reasoning(text, summary, sealed.seal, sealed.redacted, origin, sealed.item_id)


def call_value(call: ToolCall, item_id: str | None) -> dict[str, Any]:
    """A call as an item."""
    value = {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments}
    if call.custom:
        value = {"type": "custom_tool_call", "call_id": call.call_id, "name": call.name, "input": call.arguments}
    if item_id:
        value["id"] = item_id
    if call.namespace:
        value["namespace"] = call.namespace
    return value


def reasoning_value(item_id: str, summary: list[str], texts: list[str], encrypted: str) -> dict[str, Any]:
    """A reasoning item. Fields that say nothing are left out where the API allows it."""
    value: dict[str, Any] = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": text} for text in summary],
    }
    if item_id:
        value["id"] = item_id
    if texts:
        value["content"] = [{"type": "reasoning_text", "text": text} for text in texts]
    if encrypted:
        value["encrypted_content"] = encrypted
    return value


def is_own(reasoning: Reasoning) -> bool:
    """Whether the reasoning was made in this dialect, so that its seal is shown as it is."""
    return reasoning.origin == "openai_responses"


def sealed_reasoning(reasoning: Reasoning, *, is_summary: bool) -> str:
    """What `encrypted_content` holds for a client. Reasoning that is nobody's has nothing to come back for."""
    if is_own(reasoning) or reasoning.origin is None:
        return reasoning.seal
    sealed = Sealed(reasoning.seal, reasoning.redacted, reasoning.item_id, "", is_summary)
    return seal(reasoning.origin, sealed)


def seal_on_call(call: ToolCall) -> str:
    """What `encrypted_content` of the reasoning item beside a sealed call holds; empty where the call has no seal."""
    return seal(call.origin, Sealed(call.seal, call_id=call.call_id)) if call.seal and call.origin else ""


def read_model_item(item: dict[str, Any], unknown: Unknowns) -> Part:
    """An item that is not a message. Raises Wrong."""
    kind = text_at(item, "type")
    known = KNOWN_FIELDS.get(kind)
    if known is None:
        return read_opaque(item)
    unknown.add_rest("input.", item, known)
    return read_reasoning(item) if kind == "reasoning" else read_call(item)
