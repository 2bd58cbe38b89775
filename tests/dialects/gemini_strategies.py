"""Conversations and answers for Gemini's tests: normal form, with everything in them that Gemini can say, and much
that it cannot."""

import base64
import json
from typing import Any

from hypothesis import strategies as st

from farebox.base.usage import Usage
from farebox.dialects.canonical.conversation import (
    Conversation,
    FunctionTool,
    JsonSchema,
    Sampling,
    ServerTool,
    Thinking,
    ToolChoice,
    Turn,
)
from farebox.dialects.canonical.parts import (
    Audio,
    CacheMark,
    Citation,
    Document,
    FileId,
    Image,
    Inline,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    SearchResult,
    Text,
    ToolCall,
    ToolResult,
    Url,
)
from farebox.dialects.canonical.reply import Finish, Reply
from farebox.dialects.usage import Reported

texts = st.text(max_size=12)
words = st.text(min_size=1, max_size=12)
names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
base64s = st.binary(min_size=1, max_size=9).map(lambda data: base64.b64encode(data).decode())
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False, width=16)
    | texts
)
jsons = st.recursive(leaves, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2))
objects = st.dictionaries(names, jsons, max_size=3)
arguments = st.builds(json.dumps, objects)
schemas = st.sampled_from(
    [
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False},
        {"$defs": {"n": {"type": "integer"}}, "type": "array", "items": {"$ref": "#/$defs/n"}},
        {"anyOf": [{"type": "string", "enum": ["x"]}, {"type": "null"}], "title": "t"},
        {"type": "object", "properties": {"pattern": {"type": "string", "pattern": "^a"}}},
    ]
)
cache = st.sampled_from([None, None, None, CacheMark(), CacheMark("1h")])
rarely = st.sampled_from([False, False, False, True])

image_sources = st.one_of(
    st.builds(Inline, st.sampled_from(["image/png", "image/jpeg", "image/gif"]), base64s),
    st.sampled_from([Url("https://x.test/a.png"), Url("gs://b/c.webp"), Url("http://x.test/p?f=1", "image/jpeg")]),
)
images = st.builds(Image, image_sources, st.sampled_from(["", "auto", "high"]), cache)
document_sources = st.one_of(
    st.builds(Inline, st.sampled_from(["application/pdf", "text/plain"]), base64s),
    st.sampled_from([Url("https://x.test/a.pdf"), FileId("https://files.test/v1/f1", "gemini")]),
)
documents = st.builds(Document, document_sources, st.sampled_from(["", "a.pdf"]), st.sampled_from(["", "about"]))
searches = st.builds(SearchResult, words, words, st.lists(words, max_size=2).map(tuple), rarely)
audio = st.builds(Audio, base64s, st.sampled_from(["wav", "mp3", "flac"]))
user_texts = st.builds(Text, texts, cache=cache)
user_parts = st.one_of(user_texts, user_texts, images, documents, audio, searches)
seals = st.just("") | base64s
thoughts = st.one_of(
    st.builds(Reasoning, texts, st.just(()), seals, origin=st.sampled_from(["gemini", "anthropic_messages", None])),
    st.builds(Reasoning, seal=base64s, redacted=st.just(True), origin=st.just("gemini")),
    st.builds(Reasoning, summary=st.lists(words, min_size=1, max_size=2).map(tuple), origin=st.just("gemini")),
)
opaques = st.sampled_from(
    [
        Opaque("gemini", "executable_code", {"executableCode": {"language": "PYTHON", "code": "1"}}),
        Opaque(
            "gemini",
            "code_execution_result",
            {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}, "thoughtSignature": "AAAA"},
        ),
        Opaque("openai_responses", "computer_call", {"type": "computer_call"}),
    ]
)
results = st.lists(
    st.one_of(
        st.builds(Text, texts),
        st.builds(Text, arguments),
        st.builds(Text, st.sampled_from(['{"output":1}', '{"error":"x"}', "{"])),
        images,
        documents,
        searches,
    ),
    max_size=3,
).map(tuple)


def _calls(place: int) -> st.SearchStrategy[list[ToolCall]]:
    def build(drawn: list[tuple[str, str, str]]) -> list[ToolCall]:
        return [
            ToolCall(f"c{place}_{number}", name, said, seal=seal, origin="gemini" if seal else None)
            for number, (name, said, seal) in enumerate(drawn)
        ]

    return st.lists(st.tuples(names, arguments | st.sampled_from(["", "[1]", '{"a":']), seals), max_size=3).map(build)


@st.composite
def turns(draw: Any) -> tuple[Turn, ...]:
    """Turns in normal form; every result has its call."""
    made: list[Turn] = []
    systems = st.lists(st.builds(Text, words), min_size=1, max_size=2).map(tuple)
    made += [Turn(role, draw(systems)) for role in draw(st.lists(st.sampled_from(["system", "developer"]), max_size=2))]
    for place in range(draw(st.integers(1, 3))):
        made.append(Turn("user", tuple(draw(st.lists(user_parts, min_size=1, max_size=3)))))
        if draw(rarely):
            made.append(Turn("system", draw(systems)))
        calls = draw(_calls(place))
        said = draw(
            st.lists(st.one_of(st.builds(Text, texts), thoughts, opaques, st.builds(Refusal, words)), max_size=3)
        )
        if draw(st.booleans()):
            made.append(Turn("assistant", (*said, *calls)))
            if calls:
                answered = [ToolResult(call.call_id, draw(results), draw(st.booleans())) for call in calls]
                made.append(Turn("tool", tuple(answered)))
    return tuple(made)


functions = st.builds(
    FunctionTool, names, texts, st.none() | schemas, st.sampled_from([None, None, False, True]), cache=cache
)
server_tools = st.sampled_from(
    [
        ServerTool("gemini", "web_search", {"googleSearch": {}}),
        ServerTool("gemini", "code_execution", {"codeExecution": {}}),
        ServerTool("anthropic_messages", "web_search", {"type": "web_search_20250305"}),
    ]
)


@st.composite
def tools_and_choice(draw: Any) -> dict[str, Any]:
    """Tools, and a choice that names some of them."""
    declared = draw(st.lists(functions, max_size=3, unique_by=lambda tool: tool.name))
    known = [tool.name for tool in declared]
    modes: list[str] = ["auto", "none", *(("required", "named", "allowed_auto", "allowed_required") if known else ())]
    mode = draw(st.none() | st.sampled_from(modes))
    named: tuple[str, ...] = ()
    if mode == "named":
        named = (draw(st.sampled_from(known)),)
    elif mode in ("allowed_auto", "allowed_required"):
        named = tuple(draw(st.lists(st.sampled_from(known), min_size=1, unique=True)))
    choice = None if mode is None else ToolChoice(mode, named)
    return {"tools": (*declared, *draw(st.lists(server_tools, max_size=1))), "tool_choice": choice}


thinkings = st.builds(
    Thinking,
    st.sampled_from([None, "none", "minimal", "low", "medium", "high", "max"]),
    st.none() | st.integers(1, 32_000),
    st.booleans(),
    rarely,
    st.sampled_from([None, "auto", "summarized", "omitted", "concise"]),
)
fractions = st.none() | st.floats(0, 2, width=16)
samplings = st.builds(
    Sampling,
    fractions,
    fractions,
    st.none() | st.integers(1, 99),
    st.none() | st.integers(-(2**33), 2**33),
    fractions,
    fractions,
    st.sampled_from([(), (), (("50256", -100.0),)]),
    st.booleans(),
    st.none() | st.integers(0, 20),
    st.lists(words, max_size=5).map(tuple),
)
forms = st.none() | st.builds(
    JsonSchema,
    st.none() | schemas,
    st.sampled_from(["", "n"]),
    st.sampled_from(["", "", "d"]),
    strict=st.none() | st.booleans(),
)


@st.composite
def conversations(draw: Any) -> Conversation:
    """Any conversation that Gemini can answer; parts of it it may have to drop."""
    few = st.sampled_from([None, None, None, "x"])
    return Conversation(
        origin=draw(st.sampled_from(["openai_chat", "openai_responses", "anthropic_messages"])),
        turns=draw(turns()),
        **draw(tools_and_choice()),
        parallel_tool_calls=draw(st.sampled_from([None, True, False])),
        thinking=draw(st.none() | thinkings),
        answer_form=draw(forms),
        sampling=draw(samplings),
        verbosity=draw(few),
        user=draw(few),
        cache_key=draw(few),
        metadata=draw(st.sampled_from([(), (), (("k", "v"),)])),
        service_tier=draw(st.sampled_from([None, "auto", "default", "flex", "priority", "scale"])),
        modalities=draw(st.sampled_from([(), ("text",), ("text", "image")])),
        unknown=draw(st.sampled_from([(), (), ("audio",)])),
    )


counts = st.integers(0, 3_000)
usages = st.builds(
    Usage,
    input_tokens=counts,
    cached_input_tokens=counts,
    output_tokens=counts,
    reasoning_tokens=counts,
    audio_input_tokens=counts,
    audio_output_tokens=counts,
    image_input_tokens=counts,
    image_output_tokens=counts,
)
reply_parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, words),
    st.builds(Reasoning, words, st.just(()), seals, origin=st.just("gemini")),
    st.builds(Reasoning, seal=base64s, redacted=st.just(True), origin=st.just("gemini")),
    st.builds(
        lambda args, seal: ToolCall("", "f", args, seal=seal, origin="gemini" if seal else None), arguments, seals
    ),
    st.builds(Image, st.builds(Inline, st.just("image/png"), base64s)),
    st.builds(Audio, base64s, st.just("wav")),
    opaques.filter(lambda part: part.origin == "gemini"),
)


@st.composite
def replies(draw: Any) -> Reply:
    """An answer as Gemini can give it: no two texts, and no two unsigned thoughts, are neighbours."""
    parts: list[Part] = []
    for part in draw(st.lists(reply_parts, max_size=6)):
        before = parts[-1] if parts else None
        if isinstance(part, Text) and isinstance(before, Text):
            continue
        if isinstance(part, Reasoning) and isinstance(before, Reasoning) and not before.seal and not part.redacted:
            continue
        if isinstance(part, ToolCall):
            parts.append(_named(part, len(parts)))
        else:
            parts.append(part)
    place = next((place for place, part in enumerate(parts) if isinstance(part, Text)), None)
    if place is not None:
        parts[place] = _cited(draw, parts[place])
    finish = draw(st.sampled_from([Finish.END, Finish.LENGTH, Finish.REFUSAL, Finish.BROKEN_CALL]))
    if finish is Finish.END and any(isinstance(part, ToolCall) for part in parts):
        finish = Finish.TOOL_CALLS
    return Reply(parts=tuple(parts), finish=finish, reported=Reported(draw(usages)))


def _named(call: ToolCall, place: int) -> ToolCall:
    arguments = json.dumps(json.loads(call.arguments), separators=(",", ":"), ensure_ascii=False)
    return ToolCall(f"call-{place}", f"f{place}", arguments, seal=call.seal, origin=call.origin)


def _cited(draw: Any, part: Any) -> Text:
    ends = draw(st.lists(st.tuples(*[st.integers(0, len(part.text))] * 2).map(sorted), max_size=2))
    spans = dict.fromkeys((start, end) for start, end in ends if start < end)
    citations = [
        Citation(f"https://x.test/{number}", f"t{number}", start=start, end=end)
        for number, (start, end) in enumerate(spans)
    ]
    if draw(st.booleans()):
        citations.append(Citation("https://x.test/all", "whole"))
    return Text(part.text, tuple(citations))
