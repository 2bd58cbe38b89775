"""Answers and streams of providers that speak Messages, and answers of others for clients that do."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.errors import Problem
from farebox.base.usage import Usage
from farebox.dialects.anthropic_messages import SURFACE, UPSTREAM
from farebox.dialects.anthropic_messages.decode_stream import MessagesDecoder
from farebox.dialects.anthropic_messages.encode_stream import MessagesEncoder
from farebox.dialects.canonical.parts import (
    Audio,
    Citation,
    Image,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
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
    ReplyFold,
    SealDelta,
    SummaryDelta,
    TextDelta,
    Unknown,
)
from farebox.dialects.envelope import Sealed, seal, unseal
from farebox.dialects.port import Broken, Told
from farebox.dialects.sse import EventSplitter, data_of
from farebox.dialects.usage import MISSING, Reported
from tests.dialects.conversations import Switches, replies
from tests.dialects.messages_sdk import accumulated, parsed_events, parsed_message
from tests.dialects.messages_strategies import Played, played
from tests.dialects.messages_transcripts import (
    ALL,
    HELLO,
    PING,
    SEARCH_CITATION,
    SEARCH_RESULT,
    TOOLS,
    block,
    event,
    start,
    stop,
    text_block,
)
from tests.dialects.test_anthropic_messages_request import JSON

ORIGIN: Any = "anthropic_messages"
TOLD = Told(model="m", stem="ab" * 16, created=1, wants_usage=True)
SERVER_CALL = {
    "type": "server_tool_use",
    "id": "srvtoolu_01",
    "name": "web_search",
    "input": {"query": "rain in Sofia"},
}
REPLIES = {
    "hello": Reply(
        parts=(Text("Hello ü"),), finish=Finish.END, reported=Reported(Usage(input_tokens=25, output_tokens=15))
    ),
    "tools": Reply(
        parts=(
            Reasoning("Let me see.", seal="EqQBCgIYAhIM1==", origin=ORIGIN),
            Reasoning(seal="EmwKAhgBEgy3", redacted=True, origin=ORIGIN),
            Text("I will look."),
            ToolCall("toolu_01", "get_weather", '{"city": "Sofia"}'),
            ToolCall("toolu_02", "get_time", "{}"),
        ),
        finish=Finish.TOOL_CALLS,
        reported=Reported(
            Usage(
                input_tokens=300,
                cached_input_tokens=1000,
                cache_write_5m_tokens=10,
                cache_write_1h_tokens=30,
                output_tokens=89,
            )
        ),
        service_tier="standard",
    ),
    "search": Reply(
        parts=(
            Opaque(ORIGIN, "server_tool_use", SERVER_CALL),
            Opaque(ORIGIN, "web_search_tool_result", SEARCH_RESULT),
            Text(
                "It rained.",
                (
                    Citation(
                        url="http://weather.example/a",
                        title="Weather",
                        quote="It rained.",
                        origin=ORIGIN,
                        raw=SEARCH_CITATION,
                    ),
                ),
            ),
        ),
        finish=Finish.END,
        reported=Reported(Usage(input_tokens=2000, output_tokens=50, web_searches=2)),
    ),
}


def feed(events: list[bytes]) -> tuple[MessagesDecoder, list[ReplyEvent]]:
    decoder = MessagesDecoder()
    return decoder, [one for each in events for one in decoder.feed(each)]


def folded(events: list[bytes]) -> Reply:
    decoder, found = feed(events)
    fold = ReplyFold()
    for one in [*found, *decoder.close()]:
        fold.feed(one)
    return fold.reply(decoder.reported, decoder.service_tier)


# ── a provider's stream ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_stream_folds_to_the_answer(name: str) -> None:
    assert folded(ALL[name]) == REPLIES[name]


@given(name=st.sampled_from(sorted(ALL)), data=st.data())
def test_chunk_boundaries_make_no_difference(name: str, data: st.DataObject) -> None:
    whole = b"".join(ALL[name]).replace(b"\n", data.draw(st.sampled_from([b"\n", b"\r\n"])))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    splitter = EventSplitter(1_000_000)
    events = [each for begin, end in pairwise([0, *cuts, len(whole)]) for each in splitter.feed(whole[begin:end])]
    assert folded(events) == REPLIES[name]


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_whole_answer_is_the_same_as_its_stream(name: str) -> None:
    message = accumulated(b"".join(ALL[name])).to_dict()
    tier, reply = REPLIES[name].service_tier, REPLIES[name]
    found = UPSTREAM.decode_reply(msgspec.json.encode(message))
    calls = [part.arguments for part in found.parts if isinstance(part, ToolCall)]
    assert calls in ([], ['{"city":"Sofia"}', "{}"])
    assert (found.finish, found.reported, found.service_tier) == (reply.finish, reply.reported, tier)
    assert [type(part) for part in found.parts] == [type(part) for part in reply.parts]


def test_a_stream_is_whole_with_its_end_marker_or_the_reason_why_it_stopped() -> None:
    assert not feed(HELLO[:-2])[0].complete()
    assert feed(HELLO[:-1])[0].complete() and not feed(HELLO[:-1])[0].done
    assert feed(HELLO)[0].complete() and feed(HELLO)[0].done
    assert not feed([event("message_stop")])[0].complete()


def test_a_cut_stream_ends_its_open_part() -> None:
    assert folded(HELLO[:3]).parts == (Text("Hello ü"[:3]),)
    assert folded(TOOLS[:-4]).finish is None


def test_a_server_without_the_end_of_blocks_is_understood() -> None:
    events = [start(), *text_block(0, "a")[:-1], *text_block(1, "b")[:-1], *stop("end_turn")]
    assert folded(events).parts == (Text("a"), Text("b"))


def test_what_is_not_known_is_named_once_and_harms_nothing() -> None:
    unknown = event("content_block_melted", delta=5)
    strange = event("content_block_delta", index=0, delta={"type": "smell_delta", "smell": "x"})
    begin, delta, end = text_block(0, "a")
    decoder, found = feed([start(), unknown, begin, strange, delta, end, *stop("tired")])
    assert [one.name for one in found if isinstance(one, Unknown)] == [
        "event:content_block_melted",
        "event:smell_delta",
        "field:stop_reason",
    ]
    assert decoder.complete() and found[-1] == Finished(Finish.END)


def test_a_block_of_the_provider_takes_the_fields_that_come_later() -> None:
    later = {"type": "compaction_delta", "content": "short", "encrypted_content": "e"}
    events = [start(), *block(0, {"type": "compaction", "content": None}, later), *stop("compaction")]
    value = {"type": "compaction", "content": "short", "encrypted_content": "e"}
    assert folded(events).parts == (Opaque(ORIGIN, "compaction", value),)
    assert folded(events).finish is Finish.PAUSE


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", Finish.END),
        ("max_tokens", Finish.LENGTH),
        ("stop_sequence", Finish.STOP_SEQUENCE),
        ("tool_use", Finish.TOOL_CALLS),
        ("pause_turn", Finish.PAUSE),
        ("refusal", Finish.REFUSAL),
        ("model_context_window_exceeded", Finish.CONTEXT_WINDOW),
    ],
)
def test_why_the_model_stopped(reason: str, finish: Finish) -> None:
    sequence = "END" if reason == "stop_sequence" else None
    reply = folded([start(), *stop(reason, sequence=sequence)])
    assert (reply.finish, reply.stop_sequence) == (finish, sequence)
    encoded = SURFACE.encode_reply(reply, TOLD)
    message = parsed_message(encoded.body)
    assert (message.stop_reason, message.stop_sequence) == (reason, sequence)


TEXT_START, TEXT_DELTA, TEXT_END = text_block(0, "a")


@pytest.mark.parametrize(
    "events",
    [
        [event("error", error={"type": "overloaded_error", "message": "x"})],
        [TEXT_DELTA],
        [TEXT_START, event("content_block_delta", index=1, delta={"type": "text_delta", "text": "a"})],
        [TEXT_START, event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "a"})],
        [TEXT_START, event("content_block_delta", index=0, delta={"type": "text_delta"})],
        [TEXT_START, event("content_block_delta", index=0, delta={"type": "text_delta", "text": 5})],
        [TEXT_START, event("content_block_delta", index=0, delta={"type": "citations_delta", "citation": 5})],
        [TEXT_START, event("content_block_delta", index=0)],
        [event("content_block_start", index=0, content_block=5)],
        [event("content_block_start", index=0, content_block={"type": "tool_use", "id": 5})],
        [event("content_block_start", index=0, content_block={"type": "tool_result", "tool_use_id": "x"})],
        [event("message_start", message=5)],
        [*block(0, SERVER_CALL, {"type": "input_json_delta", "partial_json": "{"})],
        [b"event: x\ndata: {\n\n"],
        [b"event: x\ndata: \xff\n\n"],
        [b"data: " + b"[" * 5_000 + b"\n\n"],
        [b"data: 5\n\n"],
    ],
)
def test_what_is_no_stream_breaks(events: list[bytes]) -> None:
    with pytest.raises(Broken):
        feed(events)


def test_a_block_without_end_breaks_instead_of_filling_the_memory() -> None:
    decoder, _ = feed([block(0, SERVER_CALL)[0]])
    piece = event("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": "x" * 900_000})
    with pytest.raises(Broken):
        for _ in range(10):
            decoder.feed(piece)


def test_keep_alives_and_what_follows_the_end_are_nothing() -> None:
    for one in (b": comment\n\n", b"event: ping\n\n", b"\n\n", b"data: [DONE]\n\n", PING):
        assert feed([one])[1] == []
    assert feed([*HELLO, *text_block(0, "more")])[1] == feed(HELLO)[1]


PIECES = st.binary(max_size=40) | st.sampled_from([*TOOLS, *ALL["search"]])
SHAPES = st.builds(
    lambda kind, rest: event(kind, **rest),
    st.sampled_from(
        ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta"]
    ),
    st.dictionaries(st.sampled_from(["index", "delta", "content_block", "message", "usage"]), JSON, max_size=3),
)


@given(st.lists(PIECES | SHAPES, max_size=8))
def test_any_bytes_are_events_or_break(events: list[bytes]) -> None:
    decoder = MessagesDecoder()
    fold = ReplyFold()
    try:
        for each in events:
            for one in decoder.feed(each):
                fold.feed(one)
    except Broken:
        pass
    for one in decoder.close():
        fold.feed(one)
    assert fold.reply().logprobs is None


@given(JSON | st.lists(JSON).map(lambda content: {"content": content}))
def test_any_json_is_an_answer_or_the_providers_mistake(value: Any) -> None:
    try:
        reply = UPSTREAM.decode_reply(msgspec.json.encode(value))
    except Problem as problem:
        assert problem.code == "upstream_exception"
    else:
        assert reply.finish is None or isinstance(reply.finish, Finish)


# ── for a client ──────────────────────────────────────────────────────────────────────────────────────────────────


def streamed(*events: ReplyEvent, reported: Reported = MISSING, tier: str | None = None) -> tuple[bytes, set[str]]:
    encoder = MessagesEncoder(TOLD)
    out = b"".join(encoder.feed([one]) for one in events)
    return out + encoder.ending(reported, tier, {"cost_usd": "0.1"}), encoder.dropped


def blocks_of(*events: ReplyEvent) -> list[dict[str, Any]]:
    """What the SDK has in the end; every event has the fields that it asks for."""
    stream, _ = streamed(*events)
    assert parsed_events(stream)
    return [each.to_dict() for each in accumulated(stream).content]


def part(opened: Part, *events: ReplyEvent) -> list[ReplyEvent]:
    return [PartStarted(opened), *events, PartEnded()]


def test_a_stream_is_written_as_anthropic_writes_it() -> None:
    events = [*part(Text(""), TextDelta("Hé"), TextDelta("")), Finished(Finish.END)]
    usage = Reported(Usage(input_tokens=3, cached_input_tokens=4, output_tokens=5, reasoning_tokens=2))
    stream, dropped = streamed(*events, reported=usage, tier="default")
    found = [
        (each.split(b"\n")[0], msgspec.json.decode(data_of(each) or b"")) for each in EventSplitter(9_999).feed(stream)
    ]
    assert [name for name, _ in found] == [b"event: " + value["type"].encode() for _, value in found]
    zeros = {"input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 0}
    zeros["cache_creation"] = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}  # type: ignore[assignment]
    counts = {**zeros, "input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 7}
    message = {"id": f"msg_{'ab' * 16}", "type": "message", "role": "assistant", "model": "m", "content": []}
    assert [value for _, value in found] == [
        {
            "type": "message_start",
            "message": {**message, "stop_reason": None, "stop_sequence": None, "usage": zeros},
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hé"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {
                **counts,
                "output_tokens_details": {"thinking_tokens": 2},
                "service_tier": "standard",
                "cost_usd": "0.1",
            },
        },
        {"type": "message_stop"},
    ]
    assert not dropped


def test_an_answer_of_nothing_is_a_whole_stream() -> None:
    stream, _ = streamed()
    assert accumulated(stream).content == [] and accumulated(stream).stop_reason == "end_turn"


def test_tool_calls_ask_for_results_whatever_the_provider_said() -> None:
    call = part(ToolCall("c", "f", "", namespace="ns"), TextDelta('{"a"'), TextDelta(":1}"))
    for finish in (Finish.END, Finish.TOOL_CALLS):
        message = accumulated(streamed(*call, Finished(finish))[0])
        assert message.stop_reason == "tool_use"
        assert message.content[0].to_dict() == {"type": "tool_use", "id": "c", "name": "ns__ns__f", "input": {"a": 1}}
    assert accumulated(streamed(*call)[0]).stop_reason == "tool_use"
    assert accumulated(streamed(*call, Finished(Finish.LENGTH))[0]).stop_reason == "max_tokens"


def test_calls_without_ids_get_some_of_their_own() -> None:
    call = part(ToolCall("", "f", "{}"))
    first, second = blocks_of(*call, *call)
    assert first["id"] != second["id"] and first["id"].startswith("toolu_")


def opened(envelope: str) -> tuple[Any, Sealed]:
    found = unseal(envelope)
    assert found is not None
    return found


def test_thoughts_of_others_keep_their_seal_in_an_envelope() -> None:
    thought = Reasoning(origin="gemini")
    (shown,) = blocks_of(*part(thought, TextDelta("a"), TextDelta("b"), SealDelta("s1"), SealDelta("s2")))
    assert shown["thinking"] == "ab" and opened(shown["signature"]) == ("gemini", Sealed("s1s2"))
    (hidden,) = blocks_of(*part(Reasoning(origin="openai_responses", item_id="rs"), SealDelta("s")))
    assert hidden["type"] == "redacted_thinking"
    assert opened(hidden["data"]) == ("openai_responses", Sealed("s", item_id="rs"))
    assert blocks_of(*part(thought)) == []
    (own,) = blocks_of(*part(Reasoning(origin=ORIGIN), SealDelta("s")))
    assert own == {"type": "thinking", "thinking": "", "signature": "s"}
    (bare,) = blocks_of(*part(Reasoning(), TextDelta("a")))
    assert bare == {"type": "thinking", "thinking": "a", "signature": ""}


def test_a_summary_is_shown_in_paragraphs_and_comes_back_as_one() -> None:
    thought = Reasoning(origin="openai_responses", item_id="rs")
    pieces: list[ReplyEvent] = [SummaryDelta(0, "o"), SummaryDelta(0, "ne"), SummaryDelta(1, "two"), SealDelta("s")]
    (shown,) = blocks_of(*part(thought, *pieces))
    whole = Reasoning(summary=("one", "two"), seal="s", origin="openai_responses", item_id="rs")
    assert parsed_message(SURFACE.encode_reply(Reply(parts=(whole,)), TOLD).body).content[0].to_dict() == shown
    assert shown["thinking"] == "one\n\ntwo"
    message = {"role": "assistant", "content": [shown]}
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}, message]}
    read = SURFACE.decode_request(SURFACE.read_request(msgspec.json.encode(body)))
    assert read.turns[1].parts == (whole,)


@pytest.mark.parametrize("late", [True, False])
def test_the_seal_of_a_call_comes_back_to_it(late: bool) -> None:
    call = ToolCall("c", "f", "{}", seal="sig", origin="gemini")
    bare = ToolCall("c", "f", "{}", seal="" if late else "sig", origin="gemini")
    seals: list[ReplyEvent] = [SealDelta("sig")] if late else []
    content = blocks_of(*part(bare, *seals))
    assert sorted(each["type"] for each in content) == ["redacted_thinking", "tool_use"]
    body = {"model": "m", "max_tokens": 1, "messages": [{"role": "assistant", "content": content}]}
    assert SURFACE.decode_request(SURFACE.read_request(msgspec.json.encode(body))).turns[0].parts == (call,)


def test_what_has_no_block_is_dropped_by_name_in_streams_and_whole_answers() -> None:
    web = Citation(url="http://x", title="t")
    parts: tuple[Part, ...] = (
        Text("a", (web,)),
        Audio("AA==", "wav"),
        Image(Url("http://x")),
        Opaque("gemini", "executable_code", {}),
        Refusal("no"),
    )
    names = {"citations", "part:audio", "part:image", "part:executable_code", "logprobs", "field:stop_reason"}
    events = [one for each in parts for one in part(each, TextDelta(""))]
    stream, dropped = streamed(
        *events, PartStarted(Text("")), CitationAdded(web), LogprobsAdded([]), Finished(Finish.BROKEN_CALL)
    )
    assert dropped == names
    assert [each.to_dict() for each in accumulated(stream).content] == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "no"},
        {"type": "text", "text": ""},
    ]
    encoded = SURFACE.encode_reply(Reply(parts=parts, finish=Finish.BROKEN_CALL, logprobs=[{}]), TOLD)
    assert set(encoded.dropped) == names
    assert len(parsed_message(encoded.body).content) == 2


def test_arguments_that_are_no_object_are_wrapped_in_a_whole_answer() -> None:
    encoded = SURFACE.encode_reply(Reply(parts=(ToolCall("c", "f", "[1,"),), finish=Finish.LENGTH), TOLD)
    block_of = parsed_message(encoded.body).content[0].to_dict()
    assert block_of["input"] == {"arguments": "[1,"} and encoded.dropped == ("field:arguments",)


def test_a_seal_without_end_is_dropped_instead_of_filling_the_memory() -> None:
    stream, dropped = streamed(PartStarted(Reasoning("a", origin="gemini")), *[SealDelta("x" * 900_000)] * 5)
    assert dropped == {"foreign_reasoning"} and len(stream) < 9_000
    assert accumulated(stream).content[0].to_dict()["thinking"] == "a"


@pytest.mark.parametrize("name", sorted(ALL))
def test_anthropics_own_answers_come_out_as_they_went_in(name: str) -> None:
    decoder, events = feed(ALL[name])
    encoder = MessagesEncoder(TOLD)
    stream = encoder.feed(events) + encoder.ending(decoder.reported, decoder.service_tier, {})
    before, after = accumulated(b"".join(ALL[name])).to_dict(), accumulated(stream).to_dict()
    assert after["content"] == [
        {key: value for key, value in each.items() if value not in ([], None)} if each["type"] == "text" else each
        for each in before["content"]  # type: ignore[attr-defined]
    ]
    assert after["stop_reason"] == before["stop_reason"]


FOREIGN = Switches(origin="openai_responses")


@given(played(replies(FOREIGN)))
def test_any_answer_is_a_message_and_a_stream_of_the_same_blocks_for_the_sdk(play: Played) -> None:
    encoder = MessagesEncoder(TOLD)
    stream = encoder.feed(play.events) + encoder.ending(play.reply.reported, None, {})
    encoded = SURFACE.encode_reply(play.reply, TOLD)
    whole = [each.to_dict() for each in parsed_message(encoded.body).content]
    calls_fit = "field:arguments" not in encoded.dropped
    assert parsed_events(stream)
    if calls_fit:
        assert [each.to_dict() for each in accumulated(stream).content] == whole
        assert encoder.dropped == set(encoded.dropped)


def test_an_envelope_of_a_provider_stays_closed() -> None:
    envelope = seal("gemini", Sealed("s"))
    signed = {"type": "thinking", "thinking": "t", "signature": envelope}
    reply = UPSTREAM.decode_reply(msgspec.json.encode({"content": [signed]}))
    assert reply.parts == (Reasoning("t", seal=envelope, origin=ORIGIN),)
