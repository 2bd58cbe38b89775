"""What an assistant says in one message, of a request or of an answer, as canonical parts: reasoning first, then text
and refusals, pictures, tool calls, sound. A chat message knows no other order."""

from typing import Any

import msgspec

from farebox.dialects.canonical.parts import Opaque, Part, Refusal, Text, ToolCall
from farebox.dialects.openai_chat.calls import arguments_of, read_call
from farebox.dialects.openai_chat.content import read_citations, read_image, read_part
from farebox.dialects.openai_chat.reasoning import read_reasoning
from farebox.dialects.openai_chat.shape import list_at, object_at, optional_text_at, text_at

ASSISTANT_FIELDS = frozenset(
    {
        "role",
        "content",
        "name",
        "refusal",
        "tool_calls",
        "function_call",
        "audio",
        "annotations",
        "images",
        "reasoning",
        "reasoning_content",
        "reasoning_details",
        "cache_control",
        "extra_content",
    }
)


def read_content(content: Any, param: str) -> list[Part]:
    """Content as a string or a list; nothing for null and for an empty string. Raises Unreadable."""
    if isinstance(content, str):
        return [Text(content)] if content else []
    return [read_part(part, f"{param}[{number}]") for number, part in enumerate(list_at(content, param))]


def read_assistant(message: dict[str, Any], param: str, *, call_number: int, trusted: bool) -> list[Part]:
    """The parts of a message. `call_number` names calls that came without an id; `trusted` as in `read_reasoning`.
    Raises Unreadable."""
    parts: list[Part] = [*read_reasoning(message, trusted=trusted)]
    parts += read_content(message.get("content"), f"{param}.content")
    _cite(parts, message.get("annotations"))
    if refusal := optional_text_at(message.get("refusal"), f"{param}.refusal"):
        parts.append(Refusal(refusal))
    for number, image in enumerate(list_at(message.get("images"), f"{param}.images")):
        where = f"{param}.images[{number}]"
        parts.append(read_image(object_at(image, where), where))
    for number, call in enumerate(list_at(message.get("tool_calls"), f"{param}.tool_calls")):
        where = f"{param}.tool_calls[{number}]"
        parts.append(read_call(call, where, fallback_id=f"call_{call_number + number}", trusted=trusted))
    if message.get("function_call") is not None:
        parts.append(_read_function_call(message["function_call"], f"{param}.function_call", call_number))
    if message.get("audio") is not None:
        parts.append(Opaque("openai_chat", "audio", object_at(message["audio"], f"{param}.audio")))
    return parts


def _cite(parts: list[Part], annotations: Any) -> None:
    """Annotations belong to the content as a whole, which is one text wherever there are any."""
    citations = read_citations(annotations)
    for number, part in enumerate(parts):
        if citations and isinstance(part, Text):
            parts[number] = msgspec.structs.replace(part, citations=citations)
            return


def _read_function_call(call: Any, param: str, number: int) -> ToolCall:
    """The one call that a message could have before there were `tool_calls`. Raises Unreadable."""
    call = object_at(call, param)
    name = text_at(call.get("name"), f"{param}.name")
    return ToolCall(f"call_{number}", name, arguments_of(call.get("arguments"), param))
