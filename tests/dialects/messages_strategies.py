"""What of the conversations in `conversations.py` Messages can say, and what it provably cannot tell apart."""

from dataclasses import dataclass
from typing import Any

import msgspec
from hypothesis import strategies as st

from farebox.dialects.canonical.conversation import Conversation, Sampling, Thinking, ToolChoice, Turn
from farebox.dialects.canonical.parts import Part, Reasoning, Text, ToolCall, ToolResult
from farebox.dialects.canonical.reply import (
    CitationAdded,
    Finish,
    Finished,
    PartEnded,
    PartStarted,
    Reply,
    ReplyEvent,
    SealDelta,
    TextDelta,
)
from tests.dialects.conversations import Switches, conversations, replies, usages

REQUESTS = Switches(
    origin="anthropic_messages",
    roles=("system", "user", "assistant", "tool"),  # a developer is told as the system
    first_system=True,  # elsewhere only in some places, which have a test of their own
    with_names=False,  # dropped: OpenAI's
    with_image_detail=False,  # dropped: OpenAI's
    with_audio=False,  # refused
    with_refusals=False,  # told as text
    with_summaries=False,  # of other origins
    with_reasoning_ids=False,  # of Responses items
    with_call_seals=False,  # Gemini's
    with_custom_tools=False,  # refused: OpenAI's
    with_allowed_tools=False,  # dropped: the other tools are left out instead
    with_openai_sampling=False,  # dropped
    with_metadata=False,  # dropped: OpenAI's
    with_labels=False,  # dropped: OpenAI's, but for the user
    with_schema_names=False,  # a label that nobody reads
    with_plain_json=False,  # dropped: a form without a schema
)
ANSWERS = REQUESTS._replace(with_citations=False)  # those of other origins are dropped
CLASSES = [
    *("input_tokens", "cached_input_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "output_tokens"),
    *("reasoning_tokens", "web_searches"),
]

_replace = msgspec.structs.replace


def _visible(part: Part) -> Part:
    """The API refuses texts without a visible character, and thoughts without a signature."""
    match part:
        case Text() if not part.text.strip():
            return _replace(part, text=f"x{part.text}")
        case Reasoning() if not part.seal:
            return _replace(part, seal="c2ln")
        case ToolResult():
            return _replace(part, content=tuple(_visible(inner) for inner in part.content))
    return part


def _turns(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """There is one system prompt; a turn that says nothing is not said; and somebody has to say something."""
    above = tuple(_visible(part) for turn in turns if turn.role == "system" for part in turn.parts)
    said = [
        Turn(turn.role, tuple(_visible(part) for part in turn.parts))
        for turn in turns
        if turn.role != "system" and turn.parts
    ]
    return (*([Turn("system", above)] if above else []), *(said or [Turn("user", (Text("hi"),))]))


def expressible(conversation: Conversation) -> Conversation:
    """The nearest conversation that Messages can tell from every other one."""
    thinking, sampling, choice = conversation.thinking, conversation.sampling, conversation.tool_choice
    if thinking is not None and thinking.effort == "minimal":
        thinking = Thinking(effort="low")
    thinks = thinking is not None and thinking.budget_tokens is not None
    forced = choice is not None and choice.mode in ("required", "named")
    if thinks and forced:
        choice = ToolChoice("auto")  # it does not think before a forced choice
    sampling = Sampling(
        temperature=None if thinks else sampling.temperature,
        top_p=None if thinks or sampling.temperature is not None else sampling.top_p,  # one of both
        top_k=None if thinks else sampling.top_k,
        stop=tuple(one for one in sampling.stop if one.strip()),
    )
    parallel = conversation.parallel_tool_calls
    if choice is None and parallel is not None:
        choice = ToolChoice("auto")  # the wish stands in the choice
    form = conversation.answer_form
    turns = _turns(conversation.turns)
    return _replace(
        conversation,
        turns=turns,
        thinking=None if thinks and _calls_unthinking(turns) else thinking,
        sampling=sampling,
        tool_choice=choice,
        parallel_tool_calls=None if choice is not None and choice.mode == "none" else parallel,
        answer_form=None if form is None else _replace(form, strict=None),  # always strict
    )


def _calls_unthinking(turns: tuple[Turn, ...]) -> bool:
    """With a budget, the last calls of tools want a thought before them."""
    last = next((turn for turn in reversed(turns) if turn.role == "assistant"), None)
    calls = last is not None and any(isinstance(part, ToolCall) for part in last.parts)
    return last is not None and calls and not isinstance(last.parts[0], Reasoning)


@st.composite
def told_conversations(draw: st.DrawFn) -> Conversation:
    """Conversations that Messages says without loss."""
    conversation = draw(conversations(REQUESTS))
    user = draw(st.none() | st.just("user-1"))
    tier = draw(st.sampled_from([None, "auto", "standard_only"]))
    return expressible(_replace(conversation, user=user, service_tier=tier))


def told_replies() -> st.SearchStrategy[Reply]:
    """Answers that Messages says without loss."""
    finishes = (Finish.END, Finish.LENGTH, Finish.STOP_SEQUENCE, Finish.REFUSAL, Finish.PAUSE, Finish.CONTEXT_WINDOW)
    return replies(ANSWERS, finishes=finishes, usage=usages(*CLASSES))


@dataclass(frozen=True)
class Played:
    """An answer, and the events that it came in."""

    reply: Reply
    events: list[ReplyEvent]


def _pieces(draw: st.DrawFn, text: str) -> list[str]:
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    return [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


@st.composite
def played(draw: st.DrawFn, answers: st.SearchStrategy[Reply]) -> Played:
    """An answer in events, its texts and arguments cut anywhere."""
    reply = draw(answers)
    events: list[ReplyEvent] = []
    for part in reply.parts:
        bare: Any = part
        text = ""
        match part:
            case Text():
                text, bare = part.text, _replace(part, text="", citations=())
            case Reasoning():
                text, bare = part.text, _replace(part, text="", seal="")
            case ToolCall():
                text, bare = part.arguments, _replace(part, arguments="")
        events.append(PartStarted(bare))
        events += [TextDelta(piece) for piece in _pieces(draw, text)]
        if isinstance(part, Text):
            events += [CitationAdded(one) for one in part.citations]
        if isinstance(part, Reasoning) and part.seal:
            events.append(SealDelta(part.seal))
        events.append(PartEnded())
    if reply.finish is not None:
        events.append(Finished(reply.finish, reply.stop_sequence))
    return Played(reply, events)
