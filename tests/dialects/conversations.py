"""Conversations and answers in normal form, for round trips through any dialect.

Every switch leaves out what some dialect provably cannot tell apart; each caller says why it needs one. What is left
in is generated for all: any order of turns, texts of any characters, seals, marks, every tool choice.
"""

from base64 import b64encode
from itertools import pairwise
from typing import Any, NamedTuple

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
    Audio,
    CacheMark,
    Citation,
    DialectName,
    Document,
    FileId,
    Image,
    Inline,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Url,
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

OwnTool = FunctionTool | CustomTool


class Switches(NamedTuple):
    """What is generated. `origin`: whose reasoning, seals and file ids they are.

    `chat_order`: an assistant's parts are reasoning, then text and refusals, then tool calls. `one_text`: an assistant
    says at most one text. `alternating`: no two turns of one role are neighbours. `first_system`: system and developer
    turns stand only at the beginning. `answered_calls`: each tool turn answers the calls just before it, all of them.
    """

    origin: DialectName
    roles: tuple[Role, ...] = ("system", "developer", "user", "assistant", "tool")
    chat_order: bool = False
    one_text: bool = False
    alternating: bool = False
    first_system: bool = False
    answered_calls: bool = True
    with_names: bool = True
    with_images: bool = True
    with_image_detail: bool = True
    with_documents: bool = True
    with_document_urls: bool = True
    with_document_notes: bool = True
    with_file_ids: bool = True
    with_audio: bool = True
    with_refusals: bool = True
    with_citations: bool = True
    with_reasoning: bool = True
    with_reasoning_text: bool = True
    with_summaries: bool = True
    with_redacted: bool = True
    with_reasoning_ids: bool = True
    with_seals: bool = True
    with_call_seals: bool = True
    with_cache: bool = True
    with_custom_tools: bool = True
    with_tool_media: bool = True
    with_tool_errors: bool = True
    with_strict: bool = True
    with_allowed_tools: bool = True
    with_parallel: bool = True
    with_top_k: bool = True
    with_openai_sampling: bool = True
    with_efforts: bool = True
    with_budgets: bool = True
    with_metadata: bool = True
    with_labels: bool = True
    with_schema_names: bool = True
    with_plain_json: bool = True


# ── small things ──────────────────────────────────────────────────────────────────────────────────────────────────

words = st.text(min_size=1, max_size=12)
names = st.text("abcdefgXYZ_-0123", min_size=1, max_size=12)
base64_texts = st.binary(min_size=1, max_size=12).map(lambda data: b64encode(data).decode())
seal_texts = st.text("ABCabc012+/=", min_size=1, max_size=16)
urls = names.map(lambda name: f"https://example.com/{name}")
image_types = st.sampled_from(["image/png", "image/jpeg", "image/webp"])
marks = st.sampled_from([CacheMark("5m"), CacheMark("1h")])
arguments = st.dictionaries(names, st.integers(0, 99) | words | st.booleans(), max_size=3).map(
    lambda value: msgspec.json.encode(value).decode()
)
schemas = st.dictionaries(names, st.sampled_from(["string", "integer", "boolean"]), max_size=3).map(
    lambda fields: {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in fields.items()},
        "required": sorted(fields),
    }
)


def _cache(switches: Switches) -> st.SearchStrategy[CacheMark | None]:
    return st.none() | marks if switches.with_cache else st.none()


# ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def texts(switches: Switches, *, cache: bool = True) -> st.SearchStrategy[Text]:
    """Texts without citations."""
    return st.builds(Text, words, cache=_cache(switches) if cache else st.none())


def cited_texts(switches: Switches) -> st.SearchStrategy[Text]:
    """What an assistant says: texts with web citations, which cover some of their characters."""
    if not switches.with_citations:
        return st.builds(Text, words)
    places = st.tuples(st.integers(0, 5), st.integers(5, 12))
    citation = st.builds(
        lambda url, title, place: Citation(url=url, title=title, start=place[0], end=place[1]), urls, words, places
    )
    return st.builds(Text, words, citations=st.lists(citation, max_size=2).map(tuple))


def images(switches: Switches) -> st.SearchStrategy[Image]:
    """Pictures by address and in base64."""
    source = st.builds(Url, urls) | st.builds(Inline, image_types, base64_texts)
    details = ["", "auto", "low", "high"] if switches.with_image_detail else [""]
    return st.builds(Image, source, detail=st.sampled_from(details), cache=_cache(switches))


def documents(switches: Switches) -> st.SearchStrategy[Document]:
    """PDF files with a name."""
    source: st.SearchStrategy[Any] = st.builds(Inline, st.just("application/pdf"), base64_texts)
    if switches.with_document_urls:
        source |= st.builds(Url, urls)
    if switches.with_file_ids:
        source |= st.builds(FileId, names, st.just(switches.origin))
    notes = switches.with_document_notes
    return st.builds(
        Document,
        source,
        filename=names.map(lambda name: f"{name}.pdf"),
        context=st.sampled_from(["", "a note"] if notes else [""]),
        cite=st.booleans() if notes else st.just(False),
        cache=_cache(switches),
    )


def sounds(switches: Switches) -> st.SearchStrategy[Audio]:
    """Sound as a user says it."""
    return st.builds(Audio, base64_texts, st.sampled_from(["wav", "mp3"]), cache=_cache(switches))


@st.composite
def reasonings(draw: st.DrawFn, switches: Switches) -> Reasoning:
    """Thoughts of the origin: thinking, a summary, or only a seal."""
    shapes = ["text"] if switches.with_reasoning_text else []
    shapes += ["summary"] if switches.with_summaries else []
    shapes += ["redacted"] if switches.with_redacted and switches.with_seals else []
    shape = draw(st.sampled_from(shapes))
    seal = draw(seal_texts) if switches.with_seals and (shape == "redacted" or draw(st.booleans())) else ""
    return Reasoning(
        text=draw(words) if shape == "text" else "",
        summary=tuple(draw(st.lists(words, min_size=1, max_size=2))) if shape == "summary" else (),
        seal=seal,
        redacted=shape == "redacted",
        origin=switches.origin,
        item_id=draw(names) if switches.with_reasoning_ids else "",
    )


@st.composite
def calls(draw: st.DrawFn, switches: Switches, call_id: str, *, cache: bool = True) -> ToolCall:
    """A tool call whose id no other call has. A call has an origin only where it has a seal."""
    custom = switches.with_custom_tools and draw(st.integers(0, 3)) == 0
    seal = draw(seal_texts) if switches.with_call_seals and not custom and draw(st.booleans()) else ""
    return ToolCall(
        call_id=call_id,
        name=draw(names),
        arguments=draw(words if custom else arguments),
        custom=custom,
        seal=seal,
        origin=switches.origin if seal else None,
        cache=draw(_cache(switches)) if cache else None,
    )


@st.composite
def assistant_parts(draw: st.DrawFn, switches: Switches, first_call: int, *, answer: bool = False) -> tuple[Part, ...]:
    """What an assistant says; `answer`: as the model says it, so without cache marks."""
    spoken: st.SearchStrategy[Part] = cited_texts(switches) if answer else texts(switches)
    if switches.with_refusals and not switches.one_text:
        spoken |= st.builds(Refusal, words)
    kinds: list[st.SearchStrategy[list[Part]]] = [st.lists(spoken, max_size=1 if switches.one_text else 3)]
    if switches.one_text and switches.with_refusals:
        kinds.append(st.lists(st.builds(Refusal, words), max_size=1))
    if switches.with_reasoning:
        kinds.insert(0, st.lists(reasonings(switches), max_size=2))
    parts = [part for kind in kinds for part in draw(kind)]
    if "tool" in switches.roles:
        count = draw(st.sampled_from([0, 0, 1, 2]))
        ids = [f"call_{first_call + number}" for number in range(count)]
        parts += [draw(calls(switches, call_id, cache=not answer)) for call_id in ids]
    return tuple(parts if switches.chat_order else draw(st.permutations(parts)))


@st.composite
def results(draw: st.DrawFn, switches: Switches, call_id: str, *, custom: bool) -> ToolResult:
    """What a tool answered."""
    content: st.SearchStrategy[Any] = texts(switches)
    if switches.with_tool_media and switches.with_images:
        content |= images(switches)
    return ToolResult(
        call_id=call_id,
        content=tuple(draw(st.lists(content, max_size=2))),
        is_error=switches.with_tool_errors and draw(st.booleans()),
        custom=custom,
        cache=draw(_cache(switches)),
    )


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
                cache=draw(_cache(switches)),
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
