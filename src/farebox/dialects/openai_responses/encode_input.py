"""Turns as the instructions and input items of a request to a provider."""

from collections.abc import Sequence
from typing import Any

from farebox.dialects.canonical.conversation import Turn
from farebox.dialects.canonical.parts import Opaque, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from farebox.dialects.openai_responses.content import CONTENT_PREFIX, input_values, text_value
from farebox.dialects.openai_responses.items import call_value, is_own, reasoning_value
from farebox.dialects.openai_responses.losses import Losses
from farebox.dialects.port import Inexpressible


def input_of(turns: Sequence[Turn], losses: Losses) -> tuple[str, list[dict[str, Any]]]:
    """Instructions, empty where there are none, and items. Raises Inexpressible."""
    instructions = _instructions(turns)
    items: list[dict[str, Any]] = []
    for turn in turns[1:] if instructions else turns:
        if turn.name:
            losses.add("message_name")
        _add_turn(items, turn, losses)
    if not items:
        # Nothing but what another provider thought: there is no conversation to go on with.
        raise Inexpressible("foreign_reasoning")
    return instructions, items


def _instructions(turns: Sequence[Turn]) -> str:
    """The text of a first system turn that has nothing else. An input needs at least one item beside it."""
    first = turns[0] if len(turns) > 1 else None
    if first is None or first.role != "system" or first.name or len(first.parts) != 1:
        return ""
    part = first.parts[0]
    return part.text if isinstance(part, Text) and part.cache is None and not part.citations else ""


def _add_turn(items: list[dict[str, Any]], turn: Turn, losses: Losses) -> None:
    content: list[Part] = []
    for part in turn.parts:
        if _is_content(part):
            content.append(part)
            continue
        _add_message(items, turn.role, content, losses)
        content = []
        if (item := _item(part, losses)) is not None:
            items.append(item)
    _add_message(items, turn.role, content, losses)
    if not turn.parts:
        items.append({"type": "message", "role": turn.role, "content": []})


def _is_content(part: Part) -> bool:
    match part:
        case Reasoning() | ToolCall() | ToolResult():
            return False
        case Opaque():
            return part.kind.startswith(CONTENT_PREFIX) or part.origin != "openai_responses"
    return True


def _add_message(items: list[dict[str, Any]], role: str, parts: Sequence[Part], losses: Losses) -> None:
    if not parts:
        return
    content = _written(parts, losses) if role == "assistant" else input_values(parts, losses)
    if content:
        # A lone text in its short form, which more compatible servers know.
        lone = content[0] if len(content) == 1 and set(content[0]) == {"type", "text"} else None
        items.append({"type": "message", "role": role, "content": lone["text"] if lone else content})


def _written(parts: Sequence[Part], losses: Losses) -> list[dict[str, Any]]:
    """The content of a message of the model. Raises Inexpressible."""
    values: list[dict[str, Any]] = []
    for part in parts:
        match part:
            case Text():
                if part.cache is not None:
                    losses.add("cache_control")
                values.append(text_value(part, losses))
            case Refusal():
                values.append({"type": "refusal", "refusal": part.text})
            case Opaque():
                values += input_values((part,), losses)
            case _:
                raise Inexpressible(f"part:{type(part).__name__.lower()}")
    return values


def _item(part: Part, losses: Losses) -> dict[str, Any] | None:
    match part:
        case Reasoning():
            return _reasoning(part, losses)
        case ToolCall():
            if part.seal:
                losses.add("foreign_reasoning")
            if part.cache is not None:
                losses.add("cache_control")
            return call_value(part, part.item_id)
        case ToolResult():
            return _result(part, losses)
        case Opaque():
            return part.value if isinstance(part.value, dict) else None
    return None


def _reasoning(reasoning: Reasoning, losses: Losses) -> dict[str, Any] | None:
    if not is_own(reasoning):
        losses.add("foreign_reasoning")
        return None
    # An id without the seal would be looked up, and nothing is stored.
    item_id = reasoning.item_id if reasoning.seal else ""
    texts = [reasoning.text] if reasoning.text else []
    return reasoning_value(item_id, list(reasoning.summary), texts, reasoning.seal)


def _result(result: ToolResult, losses: Losses) -> dict[str, Any]:
    if result.is_error:
        losses.add("field:is_error")
    if result.cache is not None:
        losses.add("cache_control")
    parts = input_values(result.content, losses)
    lone = parts[0].get("text") if len(parts) == 1 and parts[0]["type"] == "input_text" else None
    output: Any = lone or parts or ""
    kind = "custom_tool_call_output" if result.custom else "function_call_output"
    return {"type": kind, "call_id": result.call_id, "output": output}
