"""What a round trip through Responses is made of, and the exceptions, each with its reason."""

from typing import Any

import msgspec
from hypothesis import strategies as st

from farebox.base.usage import Usage
from farebox.dialects.canonical.conversation import (
    Conversation,
    ServerTool,
    Thinking,
    Tool,
    ToolChoice,
    Turn,
)
from farebox.dialects.canonical.parts import (
    Citation,
    DialectName,
    Json,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from farebox.dialects.canonical.reply import (
    CitationAdded,
    Finish,
    Finished,
    LogprobsAdded,
    PartEnded,
    PartStarted,
    Reply,
    ReplyEvent,
    SealDelta,
    SummaryDelta,
    TextDelta,
)
from farebox.dialects.usage import MISSING, Reported
from tests.dialects import conversation_parts, conversations

ORIGIN: DialectName = "openai_responses"

# What Responses cannot say is in `test_openai_responses_translation.py`; here is only what it can.
CARRIED = conversations.Switches(
    origin=ORIGIN,
    with_names=False,  # messages have no name
    with_audio=False,  # models of this API hear nothing
    with_document_notes=False,  # Anthropic's
    with_redacted=False,  # thinking of which only a seal is known is an item without a summary: nothing marks it
    with_call_seals=False,  # no call of this dialect has a seal
    with_cache=False,  # Anthropic's
    with_tool_errors=False,  # a result says in words that it is an error
    with_budgets=False,  # there are efforts only
    with_top_k=False,
    with_openai_sampling=False,  # seeds, penalties and biases are chat's
)


def _plain(conversation: Conversation) -> Conversation:
    """Without what this API cannot tell apart or does not know."""
    sampling = msgspec.structs.replace(conversation.sampling, stop=())  # there are no stop sequences
    turns = tuple(Turn(turn.role, tuple(_known(part) for part in turn.parts)) for turn in conversation.turns)
    return msgspec.structs.replace(conversation, sampling=sampling, turns=turns)


def _known(part: Part) -> Part:
    if isinstance(part, Reasoning) and not part.seal:
        # The id of a thought without a seal would be looked up at the provider, where nothing is stored.
        return msgspec.structs.replace(part, item_id="")
    return part


_names = conversation_parts.names
_texts = st.text(max_size=20)
_item_kinds = st.sampled_from(["web_search_call", "code_interpreter_call", "mcp_list_tools", "tomorrow"])
opaque_items = st.builds(
    lambda kind, text: Opaque(ORIGIN, kind, {"type": kind, "id": "x_1", "value": text}), _item_kinds, _texts
)
server_tools = st.sampled_from(
    [
        ServerTool(ORIGIN, "web_search", {"type": "web_search_preview", "search_context_size": "low"}),
        ServerTool(ORIGIN, "file_search", {"type": "file_search", "vector_store_ids": ["vs_1"]}),
        ServerTool(ORIGIN, "code_execution", {"type": "code_interpreter", "container": {"type": "auto"}}),
    ]
)


@st.composite
def requests(draw: st.DrawFn) -> Conversation:
    """Conversations of which Responses carries everything."""
    conversation = _plain(draw(conversations.conversations(CARRIED)))
    tools: tuple[Tool, ...] = conversation.tools
    choice = conversation.tool_choice
    extra = draw(st.lists(server_tools, max_size=2, unique_by=_kind_of))
    space = draw(st.sampled_from(["", "files"]))
    tools = (*(_in_space(tool, space) for tool in tools), *extra)
    forced = draw(st.booleans())
    if extra and forced:
        choice = ToolChoice("named", (extra[0].kind,))
    turns = list(conversation.turns)
    if draw(st.booleans()):
        # Items that only this dialect knows stand among the assistant's parts, or alone where a client made them.
        turns.append(Turn("user", (Text("go on"),)))
        turns.append(Turn("assistant", (Text("a"), draw(opaque_items), Text("b"))))
        turns.append(Turn("user", (Opaque(ORIGIN, "shell_call_output", {"type": "shell_call_output", "output": []}),)))
    thinking = draw(st.none() | st.builds(Thinking, effort=st.just("high"), summary=st.sampled_from([None, "auto"])))
    sampling = conversation.sampling
    if draw(st.booleans()):
        sampling = msgspec.structs.replace(sampling, logprobs=True, top_logprobs=draw(st.none() | st.integers(0, 20)))
    return msgspec.structs.replace(
        conversation,
        sampling=sampling,
        turns=tuple(turns),
        tools=tools,
        tool_choice=choice,
        thinking=conversation.thinking or thinking,
    )


def _kind_of(tool: ServerTool) -> str:
    return tool.kind


def _in_space(tool: Tool, space: str) -> Tool:
    return tool if isinstance(tool, ServerTool) else msgspec.structs.replace(tool, namespace=space)


# ── answers ───────────────────────────────────────────────────────────────────────────────────────────────────────

_token = st.builds(lambda text: {"token": text, "logprob": -0.5, "bytes": [1], "top_logprobs": []}, _names)
_file_citation = Citation(origin=ORIGIN, raw={"type": "file_citation", "file_id": "f", "filename": "a", "index": 1})
_citations = st.lists(
    st.builds(Citation, url=conversation_parts.urls, title=_texts, start=st.integers(0, 9), end=st.integers(10, 20))
    | st.just(_file_citation),
    max_size=2,
).map(tuple)
_reasoning = st.builds(
    lambda text, summary, seal, number: Reasoning(text, tuple(summary), seal, origin=ORIGIN, item_id=f"rs_{number}"),
    _texts,
    st.lists(conversation_parts.words, max_size=3),
    st.just("") | conversation_parts.seal_texts,
    st.integers(0, 10**9),
)
_call = st.builds(
    lambda number, name, arguments, custom, space: ToolCall(
        f"call_{number}", name, arguments, custom=custom, namespace=space, item_id=f"fc_{number}"
    ),
    st.integers(0, 10**9),
    _names,
    _texts,
    st.booleans(),
    st.sampled_from(["", "files"]),
)
own_parts: st.SearchStrategy[Part] = (
    st.builds(Text, _texts, _citations) | st.builds(Refusal, _texts) | _reasoning | _call
)
_usage = st.builds(
    lambda counts, searches: Reported(Usage(**counts, web_searches=searches)),
    # Cache that is written for an hour, sound and pictures are no classes of this report.
    st.fixed_dictionaries(
        dict.fromkeys(
            ["input_tokens", "cached_input_tokens", "cache_write_5m_tokens", "output_tokens", "reasoning_tokens"],
            st.integers(0, 10_000),
        )
    ),
    st.integers(0, 3),
)


def _id_of(part: Part) -> Any:
    return getattr(part, "item_id", None) or id(part)


@st.composite
def replies(draw: st.DrawFn, part: st.SearchStrategy[Part] = own_parts | opaque_items) -> Reply:
    """Answers as a provider of this dialect gives them."""
    parts = tuple(draw(st.lists(part, max_size=6, unique_by=_id_of)))
    return reply_of(draw, parts)


def reply_of(draw: st.DrawFn, parts: tuple[Part, ...]) -> Reply:
    """An answer of these parts, with a finish that fits them: a refusal in words and a call are seen in the output."""
    if any(isinstance(part, ToolCall) for part in parts):
        finish = Finish.TOOL_CALLS
    elif any(isinstance(part, Refusal) for part in parts):
        finish = Finish.REFUSAL
    else:
        finish = draw(st.sampled_from([Finish.END, Finish.REFUSAL]))
    finish = draw(st.sampled_from([finish, Finish.LENGTH]))
    has_text = any(isinstance(part, Text) for part in parts)
    return Reply(
        parts=parts,
        finish=finish,
        reported=draw(st.just(MISSING) | _usage),
        service_tier=draw(st.sampled_from([None, "default", "priority"])),
        logprobs=draw(st.none() | st.lists(_token, min_size=1, max_size=3)) if has_text else None,
    )


# ── answers of others, as clients get them ────────────────────────────────────────────────────────────────────────

_others: st.SearchStrategy[DialectName] = st.sampled_from(["anthropic_messages", "gemini", "openai_chat"])
_foreign_reasoning = st.builds(
    lambda origin, text, seal: Reasoning(text, (), seal, redacted=not text, origin=origin),
    _others,
    _texts,
    conversation_parts.seal_texts,
) | st.builds(lambda origin, summary: Reasoning("", (summary,), origin=origin), _others, conversation_parts.words)
_sealed_call = st.builds(
    lambda number, name, seal: ToolCall(f"call_{number}", name, "{}", seal=seal, origin="gemini" if seal else None),
    st.integers(0, 10**9),
    _names,
    st.just("") | conversation_parts.seal_texts,
)
foreign_parts: st.SearchStrategy[Part] = (
    st.builds(Text, _texts) | st.builds(Refusal, _texts) | _foreign_reasoning | _sealed_call
)


def _call_id_of(part: Part) -> Any:
    return part.call_id if isinstance(part, ToolCall) else id(part)


@st.composite
def foreign_replies(draw: st.DrawFn) -> Reply:
    """Answers as providers of other dialects give them, with their seals."""
    return reply_of(draw, tuple(draw(st.lists(foreign_parts, max_size=6, unique_by=_call_id_of))))


def events_of(draw: st.DrawFn, reply: Reply) -> list[ReplyEvent]:
    """An answer as a decoder would stream it, in pieces of any size. Log probabilities come with the first text."""
    events: list[ReplyEvent] = []
    logprobs: list[Json] = list(reply.logprobs or ())
    for part in reply.parts:
        events += _events_of(draw, part)
        if isinstance(part, Text) and logprobs:
            events.insert(-1, LogprobsAdded(logprobs))
            logprobs = []
    assert reply.finish is not None
    return [*events, Finished(reply.finish)]


def _events_of(draw: st.DrawFn, part: Part) -> list[ReplyEvent]:
    match part:
        case Text():
            cited = [CitationAdded(citation) for citation in part.citations]
            return [PartStarted(Text("")), *_deltas(draw, part.text), *cited, PartEnded()]
        case Refusal():
            return [PartStarted(Refusal("")), *_deltas(draw, part.text), PartEnded()]
        case ToolCall():
            late = bool(part.seal) and draw(st.booleans())
            begun = msgspec.structs.replace(part, arguments="", seal="" if late else part.seal)
            seals = [SealDelta(part.seal)] if late else []
            return [PartStarted(begun), *_deltas(draw, part.arguments), *seals, PartEnded()]
        case Reasoning():
            begun_thought = msgspec.structs.replace(part, text="", summary=(), seal="")
            summary = [
                SummaryDelta(number, piece.text)
                for number, text in enumerate(part.summary)
                for piece in _deltas(draw, text)
            ]
            seal = [SealDelta(part.seal)] if part.seal else []
            return [PartStarted(begun_thought), *summary, *_deltas(draw, part.text), *seal, PartEnded()]
    return [PartStarted(part), PartEnded()]


def _deltas(draw: st.DrawFn, text: str) -> list[TextDelta]:
    if not text:
        return []
    place = draw(st.integers(0, len(text)))
    return [TextDelta(piece) for piece in (text[:place], text[place:]) if piece]


@st.composite
def streams(draw: st.DrawFn, reply: st.SearchStrategy[Reply]) -> tuple[Reply, list[ReplyEvent]]:
    """An answer, and the events that say it."""
    found = draw(reply)
    return found, events_of(draw, found)
