"""Conversations and answers in normal form, for round trips through any dialect.

Every switch leaves out what some dialect provably cannot tell apart; each caller says why it needs one. What is left
in is generated for all: any order of turns, texts of any characters, seals, marks, every tool choice.
"""

from itertools import pairwise

import msgspec
from hypothesis import strategies as st

from farebox.base.usage import Usage
from farebox.dialects.canonical.conversation import (
    Conversation,
    CustomTool,
    FunctionTool,
    JsonSchema,
    Role,
    Sampling,
    Thinking,
    ToolChoice,
    Turn,
)
from farebox.dialects.canonical.parts import (
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
from tests.dialects.conversation_parts import (
    Switches,
    assistant_parts,
    documents,
    images,
    maybe_marked,
    names,
    results,
    schemas,
    sounds,
    texts,
    words,
)

__all__ = ["Switches", "conversations", "events_of", "replies", "usages"]

OwnTool = FunctionTool | CustomTool

# ── turns ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def user_parts(switches: Switches) -> st.SearchStrategy[tuple[Part, ...]]:
    """What a user says, at least one part."""
    part: st.SearchStrategy[Part] = texts(switches)
    if switches.with_images:
        part |= images(switches)
    if switches.with_documents:
        part |= documents(switches)
    if switches.with_audio:
        part |= sounds(switches)
    return st.lists(part, min_size=1, max_size=3).map(tuple)


@st.composite
def turns(draw: st.DrawFn, switches: Switches) -> tuple[Turn, ...]:
    """Turns in normal form; every tool turn follows an assistant's calls."""
    found: list[Turn] = []
    call_number = 0
    first: list[Role] = [role for role in ("system", "developer") if role in switches.roles]
    spoken: list[Role] = ["user", "assistant"] if switches.first_system else [*first, "user", "assistant"]
    order = draw(st.lists(st.sampled_from(first), max_size=2)) if switches.first_system and first else []
    order += draw(st.lists(st.sampled_from(spoken), min_size=1, max_size=6))
    for role in order:
        last = found[-1].role if found else None
        if role == last and (role == "assistant" or switches.alternating):
            continue
        name = draw(st.sampled_from(["", "alice"])) if switches.with_names else ""
        if role != "assistant":
            parts = (
                draw(user_parts(switches))
                if role == "user"
                else tuple(draw(st.lists(texts(switches), min_size=1, max_size=2)))
            )
            found.append(Turn(role, parts, name))
            continue
        said = draw(assistant_parts(switches, call_number))
        made = [part for part in said if isinstance(part, ToolCall)]
        call_number += len(made)
        found.append(Turn("assistant", said, name))
        if made and switches.answered_calls:
            answers = tuple(draw(results(switches, call.call_id, custom=call.custom)) for call in made)
            found.append(Turn("tool", answers))
    return tuple(found) or (Turn("user", (Text("hello"),)),)


# ── the rest of a request ─────────────────────────────────────────────────────────────────────────────────────────


@st.composite
def tools(draw: st.DrawFn, switches: Switches) -> tuple[OwnTool, ...]:
    """Tools of the client, each with a name of its own."""
    found: list[OwnTool] = []
    for name in draw(st.lists(names, max_size=3, unique=True)):
        if switches.with_custom_tools and draw(st.integers(0, 3)) == 0:
            grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /a+/"}}
            found.append(
                CustomTool(name, draw(st.sampled_from(["", "does it"])), draw(st.sampled_from([None, grammar])))
            )
            continue
        found.append(
            FunctionTool(
                name=name,
                description=draw(st.sampled_from(["", "does it"])),
                parameters=draw(schemas),
                strict=draw(st.sampled_from([None, True, False])) if switches.with_strict else None,
                cache=draw(maybe_marked(switches)),
            )
        )
    return tuple(found)


@st.composite
def choices(draw: st.DrawFn, switches: Switches, among: tuple[OwnTool, ...]) -> ToolChoice | None:
    """A choice that the tools allow; none where there are no tools."""
    if not among:
        return None
    modes = [None, "auto", "none", "required", "named"]
    modes += ["allowed_auto", "allowed_required"] if switches.with_allowed_tools else []
    mode = draw(st.sampled_from(modes))
    if mode is None:
        return None
    if mode == "named":
        tool = draw(st.sampled_from(among))
        return ToolChoice("named", (tool.name,), custom=isinstance(tool, CustomTool))
    if mode.startswith("allowed"):
        chosen = draw(st.lists(st.sampled_from(among), min_size=1, max_size=2, unique_by=str))
        return ToolChoice(mode, tuple(tool.name for tool in chosen))  # type: ignore[arg-type]
    return ToolChoice(mode)  # type: ignore[arg-type]


def samplings(switches: Switches) -> st.SearchStrategy[Sampling]:
    """How tokens are drawn."""
    portions = st.none() | st.sampled_from([0.0, 0.25, 1.0])
    penalties = portions if switches.with_openai_sampling else st.none()
    biases = st.dictionaries(st.sampled_from(["1", "22"]), st.sampled_from([-100.0, 1.0]), max_size=2)
    return st.builds(
        Sampling,
        temperature=portions,
        top_p=portions,
        top_k=st.none() | st.integers(1, 50) if switches.with_top_k else st.none(),
        seed=st.none() | st.integers(0, 2**31) if switches.with_openai_sampling else st.none(),
        presence_penalty=penalties,
        frequency_penalty=penalties,
        logit_bias=biases.map(lambda bias: tuple(bias.items())) if switches.with_openai_sampling else st.just(()),
        logprobs=st.booleans() if switches.with_openai_sampling else st.just(False),
        top_logprobs=st.none() | st.integers(0, 5) if switches.with_openai_sampling else st.none(),
        stop=st.lists(words, max_size=2).map(tuple),
    )


def thinkings(switches: Switches) -> st.SearchStrategy[Thinking | None]:
    """How much to think: an effort or a budget."""
    found: st.SearchStrategy[Thinking | None] = st.none()
    if switches.with_efforts:
        found |= st.builds(Thinking, effort=st.sampled_from(["minimal", "low", "medium", "high"]))
    if switches.with_budgets:
        found |= st.builds(Thinking, budget_tokens=st.integers(1_024, 9_999))
    return found


def answer_forms(switches: Switches) -> st.SearchStrategy[JsonSchema | None]:
    """The answer's form; `{}` is a schema like any other, so a plain JSON object is None here."""
    stricts = [None, True, False] if switches.with_strict else [None]
    form = st.builds(
        JsonSchema,
        schema=schemas,
        name=names if switches.with_schema_names else st.just(""),
        description=st.sampled_from(["", "a form"]) if switches.with_schema_names else st.just(""),
        strict=st.sampled_from(stricts),
    )
    return st.none() | form | st.just(JsonSchema()) if switches.with_plain_json else st.none() | form


@st.composite
def conversations(draw: st.DrawFn, switches: Switches) -> Conversation:
    """A whole request in normal form, for one choice and without names of unknown fields."""
    among = draw(tools(switches))
    labels = switches.with_labels
    metadata = draw(st.dictionaries(names, words, max_size=2)) if switches.with_metadata else {}
    return Conversation(
        origin=switches.origin,
        turns=draw(turns(switches)),
        tools=among,
        tool_choice=draw(choices(switches, among)),
        parallel_tool_calls=draw(st.sampled_from([None, True, False])) if among and switches.with_parallel else None,
        thinking=draw(thinkings(switches)),
        answer_form=draw(answer_forms(switches)),
        sampling=draw(samplings(switches)),
        verbosity=draw(st.sampled_from([None, "low", "high"])) if labels else None,
        metadata=tuple(metadata.items()),
        user=draw(st.none() | names) if labels else None,
        cache_key=draw(st.none() | names) if labels else None,
        service_tier=draw(st.sampled_from([None, "auto", "flex"])) if labels else None,
    )


# ── answers ───────────────────────────────────────────────────────────────────────────────────────────────────────

_counts = st.integers(0, 1_000)


def usages(*classes: str) -> st.SearchStrategy[Reported]:
    """What a provider reports: nothing, or counts of those classes."""
    counts = st.fixed_dictionaries(dict.fromkeys(classes, _counts))
    return st.just(MISSING) | counts.map(lambda found: Reported(Usage(**found)))


@st.composite
def replies(
    draw: st.DrawFn,
    switches: Switches,
    *,
    finishes: tuple[Finish, ...] = (Finish.END, Finish.LENGTH, Finish.REFUSAL),
    usage: st.SearchStrategy[Reported] | None = None,
    with_logprobs: bool = False,
) -> Reply:
    """A whole answer. With tool calls it finishes for them, as every provider says it then."""
    parts = draw(assistant_parts(switches, 0, answer=True))
    has_calls = any(isinstance(part, ToolCall) for part in parts)
    finish = Finish.TOOL_CALLS if has_calls else draw(st.sampled_from(finishes))
    reports = usages("input_tokens", "output_tokens") if usage is None else usage
    token = st.builds(lambda text: {"token": text, "logprob": -0.5, "bytes": None, "top_logprobs": []}, words)
    has_text = any(isinstance(part, Text) for part in parts)
    return Reply(
        parts=parts,
        finish=finish,
        stop_sequence=draw(words) if finish is Finish.STOP_SEQUENCE else None,
        reported=draw(reports),
        logprobs=draw(st.none() | st.lists(token, min_size=1, max_size=2)) if with_logprobs and has_text else None,
    )


# ── answers as events ─────────────────────────────────────────────────────────────────────────────────────────────


def _pieces(text: str, cuts: list[int]) -> list[str]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[start:end] for start, end in pairwise(places)]


@st.composite
def events_of(draw: st.DrawFn, reply: Reply) -> list[ReplyEvent]:
    """A stream whose fold is that answer, its texts cut anywhere; a seal comes where its part ends, but a call's
    seal is known where the call begins."""
    cuts = st.lists(st.integers(0, 20), max_size=3)
    events: list[ReplyEvent] = []
    for part in reply.parts:
        match part:
            case Text():
                events.append(PartStarted(Text("")))
                events += [TextDelta(piece) for piece in _pieces(part.text, draw(cuts))]
                events += [CitationAdded(citation) for citation in part.citations]
            case Refusal():
                events.append(PartStarted(Refusal("")))
                events += [TextDelta(piece) for piece in _pieces(part.text, draw(cuts))]
            case Reasoning():
                events.append(PartStarted(msgspec.structs.replace(part, text="", summary=(), seal="")))
                events += [TextDelta(piece) for piece in _pieces(part.text, draw(cuts))]
                for number, paragraph in enumerate(part.summary):
                    events += [SummaryDelta(number, piece) for piece in _pieces(paragraph, draw(cuts))]
                events += [SealDelta(part.seal)] if part.seal else []
            case ToolCall():
                events.append(PartStarted(msgspec.structs.replace(part, arguments="")))
                events += [TextDelta(piece) for piece in _pieces(part.arguments, draw(cuts))]
            case _:
                events.append(PartStarted(part))
        events.append(PartEnded())
        if isinstance(part, Text) and reply.logprobs and not any(isinstance(seen, LogprobsAdded) for seen in events):
            events.insert(-1, LogprobsAdded(reply.logprobs))
    if reply.finish is not None:
        events.append(Finished(reply.finish, reply.stop_sequence))
    return events
