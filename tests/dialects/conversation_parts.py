"""What conversations are made of, for round trips: every kind of part, by switches that say what is left out."""

from base64 import b64encode
from typing import Any, NamedTuple

import msgspec
from hypothesis import strategies as st

from farebox.dialects.canonical.conversation import (
    Role,
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


def maybe_marked(switches: Switches) -> st.SearchStrategy[CacheMark | None]:
    """A cache mark, or none."""
    return st.none() | marks if switches.with_cache else st.none()


# ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def texts(switches: Switches, *, cache: bool = True) -> st.SearchStrategy[Text]:
    """Texts without citations."""
    return st.builds(Text, words, cache=maybe_marked(switches) if cache else st.none())


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
    return st.builds(Image, source, detail=st.sampled_from(details), cache=maybe_marked(switches))


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
        cache=maybe_marked(switches),
    )


def sounds(switches: Switches) -> st.SearchStrategy[Audio]:
    """Sound as a user says it."""
    return st.builds(Audio, base64_texts, st.sampled_from(["wav", "mp3"]), cache=maybe_marked(switches))


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
        cache=draw(maybe_marked(switches)) if cache else None,
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
        cache=draw(maybe_marked(switches)),
    )
