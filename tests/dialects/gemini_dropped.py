"""What is left of a conversation when something was dropped from it, by the name that the encoder gave. Every name
takes something away, so a name without a reason shows as well as a loss without a name."""

from collections.abc import Callable, Iterable

import msgspec
from msgspec.structs import replace

from farebox.dialects.canonical.conversation import Conversation, FunctionTool, ServerTool, Turn
from farebox.dialects.canonical.parts import (
    Document,
    Image,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    SearchResult,
    Text,
    ToolCall,
    ToolResult,
)

Keep = Callable[[Part], Part | None]


def without(conversation: Conversation, dropped: Iterable[str]) -> Conversation:
    """The conversation without what these names say."""
    for name in dropped:
        conversation = _without(conversation, name)
    return conversation


def _without(conversation: Conversation, name: str) -> Conversation:
    if name in _SETTINGS:
        return _SETTINGS[name](conversation)
    if name in _PARTS:
        return _parts(conversation, _PARTS[name])
    prefix, _, rest = name.partition(":")
    if prefix == "server_tool":
        tools = [t for t in conversation.tools if not _foreign_tool(t, rest)]
        return replace(conversation, tools=tuple(tools))
    if prefix == "field":
        return replace(conversation, unknown=tuple(one for one in conversation.unknown if one != rest))
    assert prefix == "part", f"a name that says nothing: {name}"
    return _parts(conversation, lambda part: None if isinstance(part, Opaque) and part.kind == rest else part)


def _foreign_tool(tool: object, kind: str) -> bool:
    return isinstance(tool, ServerTool) and tool.kind == kind and tool.origin != "gemini"


def _parts(conversation: Conversation, keep: Keep) -> Conversation:
    def inside(part: Part) -> Part | None:
        if isinstance(part, ToolResult):
            content = tuple(kept for one in part.content if (kept := keep(one)) is not None)
            return keep(replace(part, content=content))
        return keep(part)

    turns = [
        replace(turn, parts=tuple(kept for part in turn.parts if (kept := inside(part)) is not None))
        for turn in conversation.turns
    ]
    return replace(conversation, turns=tuple(turns))


def _uncached(conversation: Conversation) -> Conversation:
    tools = [replace(tool, cache=None) if isinstance(tool, FunctionTool) else tool for tool in conversation.tools]
    bare = _parts(conversation, lambda part: replace(part, cache=None) if getattr(part, "cache", None) else part)
    return replace(bare, tools=tuple(tools), cache=None)


def _as_user(conversation: Conversation) -> Conversation:
    """Systems in the middle speak as users."""
    first = next((n for n, turn in enumerate(conversation.turns) if turn.role not in ("system", "developer")), 0)
    turns = [
        Turn("user", turn.parts) if place >= first and turn.role in ("system", "developer") else turn
        for place, turn in enumerate(conversation.turns)
    ]
    return replace(conversation, turns=tuple(turns))


def _loose(conversation: Conversation) -> Conversation:
    tools = [replace(tool, strict=None) if isinstance(tool, FunctionTool) else tool for tool in conversation.tools]
    return replace(conversation, tools=tuple(tools))


def _thinking(conversation: Conversation, **changes: object) -> Conversation:
    assert conversation.thinking is not None
    return replace(conversation, thinking=replace(conversation.thinking, **changes))


def _lowest(conversation: Conversation) -> Conversation:
    """An amount of thinking that there is not becomes the next that there is."""
    thinking = conversation.thinking
    assert thinking is not None
    if thinking.disabled or thinking.effort == "none":
        return _thinking(conversation, disabled=False, effort="minimal", budget_tokens=None, adaptive=False)
    effort = None if thinking.budget_tokens is not None else "high" if thinking.effort == "max" else thinking.effort
    return _thinking(conversation, effort=effort)


def _nameless(conversation: Conversation) -> Conversation:
    return replace(conversation, turns=tuple(replace(turn, name="") for turn in conversation.turns))


def _sampling(name: str) -> Callable[[Conversation], Conversation]:
    empty = () if name == "logit_bias" else None
    return lambda conversation: replace(conversation, sampling=replace(conversation.sampling, **{name: empty}))


def _field(name: str, empty: object = None) -> Callable[[Conversation], Conversation]:
    return lambda conversation: replace(conversation, **{name: empty})


def _form(conversation: Conversation) -> Conversation:
    """A schema that is not held to is sent all the same."""
    assert conversation.answer_form is not None
    return replace(conversation, answer_form=replace(conversation.answer_form, description=""))


_SETTINGS: dict[str, Callable[[Conversation], Conversation]] = {
    "cache_control": _uncached,
    "part:system": _as_user,
    "tool_strict": _loose,
    "reasoning_effort": _lowest,
    "reasoning_summary": lambda conversation: _thinking(conversation, summary="auto"),
    "message_name": _nameless,
    "answer_form": _form,
    "seed": _sampling("seed"),
    "logit_bias": _sampling("logit_bias"),
    "parallel_tool_calls": _field("parallel_tool_calls"),
    "verbosity": _field("verbosity"),
    "user": _field("user"),
    "cache_key": _field("cache_key"),
    "metadata": _field("metadata", ()),
    "service_tier": _field("service_tier"),
}


def _foreign(part: Part) -> Part | None:
    if isinstance(part, ToolCall) and part.origin != "gemini":
        return replace(part, seal="", origin=None)
    return None if isinstance(part, Reasoning) and part.origin != "gemini" else part


def _spelled(part: Part) -> Part:
    if not isinstance(part, ToolCall) or not part.arguments.strip():
        return part
    try:
        msgspec.json.decode(part.arguments, type=dict)
    except msgspec.MsgspecError:
        return replace(part, arguments=msgspec.json.encode({"arguments": part.arguments}).decode())
    return part


def _found(part: Part) -> Part:
    return Text("\n".join((part.title, part.source, *part.texts))) if isinstance(part, SearchResult) else part


def _uncited(part: Part) -> Part:
    if isinstance(part, Text):
        return replace(part, citations=())
    return replace(part, cite=False) if isinstance(part, Document | SearchResult) else part


_PARTS: dict[str, Keep] = {
    "foreign_reasoning": _foreign,
    "tool_arguments": _spelled,
    "part:search_result": _found,
    "part:refusal": lambda part: Text(part.text) if isinstance(part, Refusal) else part,
    "citations": _uncited,
    "image_detail": lambda part: replace(part, detail="") if isinstance(part, Image) else part,
    "filename": lambda part: replace(part, filename="") if isinstance(part, Document) else part,
    "document_context": lambda part: replace(part, context="") if isinstance(part, Document) else part,
}
