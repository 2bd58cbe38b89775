"""What Gemini's form provably cannot tell apart, each with its reason: two conversations that differ only in this are
the same request. Everything else must come back as it was, or be named as dropped."""

from msgspec.structs import replace

from farebox.dialects.canonical.conversation import Conversation, FunctionTool, Thinking, Tool, ToolChoice, Turn
from farebox.dialects.canonical.parts import (
    Audio,
    Document,
    Image,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Url,
)

TIERS = {"auto": None, "default": "standard", "standard_only": "standard"}


def told_apart(conversation: Conversation) -> Conversation:
    """The conversation as Gemini's form can say it."""
    functions = any(isinstance(tool, FunctionTool) for tool in conversation.tools)
    sampling = conversation.sampling
    return replace(
        conversation,
        origin="gemini",
        turns=_turns(conversation.turns),
        # All functions are one entry, and it comes first.
        tools=tuple(_tool(tool) for tool in sorted(conversation.tools, key=lambda t: not isinstance(t, FunctionTool))),
        # Without functions there is nothing to choose.
        tool_choice=_choice(conversation.tool_choice) if functions else None,
        # Calls may be parallel: that is the only way there is.
        parallel_tool_calls=None,
        thinking=_thinking(conversation.thinking),
        # An answer always keeps to its schema, whose name is a label.
        answer_form=replace(conversation.answer_form, strict=None, name="") if conversation.answer_form else None,
        # A number of alternatives without the wish for probabilities asks for nothing.
        sampling=sampling if sampling.logprobs else replace(sampling, top_logprobs=None),
        service_tier=TIERS.get(conversation.service_tier or "auto", conversation.service_tier),
    )


def _turns(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    leading = [turn for place, turn in enumerate(turns) if all(_system(one) for one in turns[: place + 1])]
    rest = [replace(turn, parts=tuple(_parts(turn))) for turn in turns[len(leading) :]]
    # Developers and systems speak with one voice, in one instruction.
    system = [Turn("system", tuple(part for turn in leading for part in turn.parts))] if leading else []
    # An assistant that said nothing is not there.
    return tuple(system + [turn for turn in rest if turn.parts])


def _system(turn: Turn) -> bool:
    return turn.role in ("system", "developer")


def _parts(turn: Turn) -> list[Part]:
    parts = [_part(part) for part in turn.parts]
    if turn.role == "assistant":
        # A text or a thought without words says nothing.
        return [part for part in parts if part not in (Text(""), Reasoning(origin="gemini"))]
    return parts


def _part(part: Part) -> Part:
    match part:
        case ToolCall():
            # The id of a stored item is not the call's; only a seal has an origin; no arguments are an empty object.
            origin = part.origin if part.seal else None
            return replace(
                part, item_id="", origin=origin, arguments=part.arguments if part.arguments.strip() else "{}"
            )
        case ToolResult():
            # Texts stand in the response, media behind them.
            content = [_part(one) for one in part.content]
            content.sort(key=lambda one: isinstance(one, Image | Document))
            return replace(part, content=tuple(content))
        case Reasoning() if part.summary and not part.text:
            return replace(part, text="\n\n".join(part.summary), summary=(), item_id="")
        case Reasoning():
            return replace(part, text="" if part.redacted else part.text, item_id="")
        case Image() | Document() if isinstance(part.source, Url):
            # A type is always told: the address ends in it. `auto` is what nobody needs to say.
            return _plain(replace(part, source=Url(part.source.url)))
        case Image() | Document() | Audio():
            return _plain(part)
        case _:
            return part


def _plain(part: Image | Document | Audio) -> Part:
    return replace(part, detail="") if isinstance(part, Image) else part


def _tool(tool: Tool) -> Tool:
    # Not strict is what a tool is that does not say.
    return replace(tool, strict=None) if isinstance(tool, FunctionTool) else tool


def _choice(choice: ToolChoice | None) -> ToolChoice | None:
    if choice is not None and choice.mode == "allowed_required" and len(choice.names) == 1:
        return ToolChoice("named", choice.names)  # one of one
    return choice


def _thinking(thinking: Thinking | None) -> Thinking | None:
    if thinking is None:
        return None
    # A level is dynamic, and so is a budget up to its size; thoughts are shown or they are not.
    adaptive = thinking.adaptive and thinking.effort is None and thinking.budget_tokens is None
    summary = "auto" if thinking.summary == "summarized" else thinking.summary
    found = replace(thinking, adaptive=adaptive, summary=summary)
    return None if found == Thinking() else found
