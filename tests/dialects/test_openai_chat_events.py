"""Single habits of streams, read and written: what each event means, and when it reaches the client."""

from typing import Any

import msgspec
import pytest

from farebox.base.errors import Problem
from farebox.base.usage import Usage
from farebox.dialects.canonical.parts import Citation, Image, Inline, Opaque, Reasoning, Refusal, Text, ToolCall
from farebox.dialects.canonical.reply import (
    CitationAdded,
    Finish,
    Finished,
    LogprobsAdded,
    PartEnded,
    PartStarted,
    ReplyEvent,
    SealDelta,
    SummaryDelta,
    TextDelta,
    Unknown,
)
from farebox.dialects.openai_chat.answer import read_answer
from farebox.dialects.openai_chat.decode_reply import decode_reply
from farebox.dialects.openai_chat.decode_stream import ChatDecoder
from farebox.dialects.openai_chat.encode_stream import ChatEncoder
from farebox.dialects.openai_chat.stream import ChatFold
from farebox.dialects.port import Broken, Fate, Told
from farebox.dialects.sse import EventSplitter, data_of, event_of
from farebox.dialects.usage import MISSING, Reported
from tests.dialects.chat_bodies import DONE, call_piece, delta, stream

TOLD = Told(model="m", stem="0" * 32, created=1, wants_usage=True)


def read(*chunks: Any) -> list[list[ReplyEvent]]:
    """What each chunk means."""
    decoder = ChatDecoder()
    return [decoder.feed(event) for event in EventSplitter(1_000_000).feed(stream(*chunks, done=False))]


def test_a_text_reaches_the_client_piece_by_piece() -> None:
    assert read({"role": "assistant", "content": ""}, {"content": "a"}, {"content": "b"}, delta(finish="stop")) == [
        [],
        [PartStarted(Text("")), TextDelta("a")],
        [TextDelta("b")],
        [PartEnded(), Finished(Finish.END)],
    ]


def test_a_call_reaches_the_client_piece_by_piece_and_ends_where_the_next_begins() -> None:
    first = {"tool_calls": [call_piece(0, "", id="a", name="f")]}
    second = {"tool_calls": [call_piece(1, "", id="b", name="g")]}
    assert read(first, {"tool_calls": [call_piece(0, "{}")]}, second, delta(finish="tool_calls")) == [
        [PartStarted(ToolCall("a", "f", ""))],
        [TextDelta("{}")],
        [PartEnded(), PartStarted(ToolCall("b", "g", ""))],
        [PartEnded(), Finished(Finish.TOOL_CALLS)],
    ]


def test_pieces_of_a_later_call_wait_for_the_open_one() -> None:
    both = {"tool_calls": [call_piece(0, "", id="a", name="f"), call_piece(1, "", id="b", name="g")]}
    assert read(both, {"tool_calls": [call_piece(1, "{")]}, {"tool_calls": [call_piece(0, "{}")]}) == [
        [PartStarted(ToolCall("a", "f", ""))],
        [],
        [TextDelta("{}"), PartEnded(), PartStarted(ToolCall("b", "g", "")), TextDelta("{")],
    ]


def test_a_piece_for_a_call_that_has_ended_breaks_the_stream_unless_it_says_nothing() -> None:
    calls = [call_piece(0, "{}", id="a", name="f"), call_piece(1, "{}", id="b", name="g")]
    assert read({"tool_calls": calls}, {"tool_calls": [call_piece(0, " \n")]})[1] == []
    with pytest.raises(Broken):
        read({"tool_calls": calls}, {"tool_calls": [call_piece(0, '{"a":1}')]})


def test_a_custom_call_is_free_text() -> None:
    begun = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    more = {"index": 0, "custom": {"input": " -l"}}
    assert read({"tool_calls": [begun]}, {"tool_calls": [more]}) == [
        [PartStarted(ToolCall("a", "sh", "", custom=True)), TextDelta("ls")],
        [TextDelta(" -l")],
    ]


def test_the_old_function_call_is_a_call() -> None:
    pieces = [{"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": "{}"}}]
    assert read(*pieces, delta(finish="function_call")) == [
        [PartStarted(ToolCall("call_0", "f", ""))],
        [TextDelta("{}")],
        [PartEnded(), Finished(Finish.TOOL_CALLS)],
    ]


def test_details_say_what_the_plain_field_says_too_and_seal_it() -> None:
    def piece(text: str, **fields: Any) -> dict[str, Any]:
        return {
            "reasoning": text,
            "reasoning_details": [{"type": "reasoning.text", "text": text, "index": 0, **fields}],
        }

    assert read(piece("a"), piece("b"), piece("", signature="s"), {"content": "x"}) == [
        [PartStarted(Reasoning(origin="openai_chat")), TextDelta("a")],
        [TextDelta("b")],
        [],
        [SealDelta("s"), PartEnded(), PartStarted(Text("")), TextDelta("x")],
    ]


def test_refusals_pictures_and_citations_are_read() -> None:
    annotation = {"type": "url_citation", "url_citation": {"url": "https://example.com", "title": "t"}}
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    assert read({"content": "x"}, {"annotations": [annotation]}, {"refusal": "no"}, {"images": [picture]}) == [
        [PartStarted(Text("")), TextDelta("x")],
        [CitationAdded(Citation("https://example.com", "t"))],
        [PartEnded(), PartStarted(Refusal("")), TextDelta("no")],
        [PartEnded(), PartStarted(Image(Inline("image/png", "aGk=")))],
    ]


def test_a_citation_counts_from_its_own_text() -> None:
    place = {"url": "https://example.com", "title": "t", "start_index": 4, "end_index": 6}
    cited = {"annotations": [{"type": "url_citation", "url_citation": place}]}
    found = read({"content": "one"}, {"refusal": "no"}, {"content": "second"}, cited)
    assert found[-1] == [CitationAdded(Citation("https://example.com", "t", start=1, end=3))]


def test_what_is_not_known_is_named_and_what_says_nothing_is_not() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "x"}}]}
    assert read({"mood": "good", "refusal": None}, other, {"audio": {"data": "x"}}, delta(finish="stop")) == [
        [Unknown("field:mood")],
        [Unknown("field:choices")],
        [Unknown("field:audio")],
        [Finished(Finish.END)],
    ]
    after = read({"content": "x"}, delta(finish="stop"), {"role": "assistant", "content": ""}, {"content": "y"})
    assert after[2:] == [[], [Unknown("event:after_finish")]]


def test_the_end_marker_is_a_reason_where_no_other_was_given() -> None:
    decoder = ChatDecoder()
    assert decoder.feed(DONE) == [] and decoder.done and not decoder.complete()
    decoder = ChatDecoder()
    decoder.feed(stream({"content": "x"}, done=False))
    assert decoder.feed(DONE) == [PartEnded(), Finished(Finish.END)] and decoder.complete()


def test_a_stop_sequence_is_told_where_the_vendor_tells_it() -> None:
    chunk = delta(finish="stop")
    chunk["choices"][0]["stop_reason"] = "END"
    assert read({"content": "x"}, chunk)[1][-1] == Finished(Finish.STOP_SEQUENCE, "END")


@pytest.mark.parametrize(
    "data",
    [
        *(b'{"error":{"message":"x"}}', b"{", b"[]", b"5", b"\xff", b'{"choices":5}', b'{"choices":[{"delta":[]}]}'),
        *(b'{"choices":[{"delta":{"content":5}}]}', b'{"choices":[{"delta":{"tool_calls":{}}}]}'),
        b'{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}]}',
    ],
)
def test_what_is_no_chunk_breaks_the_stream(data: bytes) -> None:
    with pytest.raises(Broken):
        ChatDecoder().feed(event_of(data))


@pytest.mark.parametrize("reason", ["error", "insufficient_system_resource"])
def test_an_answer_that_failed_is_never_taken_for_whole(reason: str) -> None:
    with pytest.raises(Broken):
        read({"content": "x"}, delta(finish=reason))
    assert ChatFold().feed(event_of(msgspec.json.encode(delta(finish=reason)))) is Fate.BROKEN
    body = msgspec.json.encode({"choices": [{"message": {"content": "x"}, "finish_reason": reason}]})
    for read_whole in (read_answer, decode_reply):
        with pytest.raises(Problem) as caught:
            read_whole(body)
        assert caught.value.code == "upstream_exception"


def test_keep_alives_mean_nothing() -> None:
    for event in (b": comment\n\n", b"event: ping\n\n", b"\n\n"):
        assert ChatDecoder().feed(event) == []


# ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────────


def written(*events: ReplyEvent) -> list[dict[str, Any]]:
    """The first choice of each chunk after the one with the role, without what says nothing."""
    data = ChatEncoder(TOLD).feed(events)
    chunks = [msgspec.json.decode(data_of(event) or b"") for event in EventSplitter(1_000_000).feed(data)]
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    found = [chunk["choices"][0] for chunk in chunks[1:]]
    return [choice["delta"] if choice["delta"] else choice for choice in found]


def test_a_chunk_is_whole() -> None:
    encoder = ChatEncoder(TOLD)
    encoder.feed(())
    expected = {
        "id": "chatcmpl-" + "0" * 32,
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": None, "finish_reason": None}],
        "usage": None,
    }
    found = encoder.feed([PartStarted(Text("")), TextDelta("a")])
    assert msgspec.json.decode(data_of(found) or b"") == expected
    quiet = ChatEncoder(TOLD._replace(wants_usage=False)).feed([PartStarted(Text("a"))])
    assert b"usage" not in quiet and quiet.count(b"data: ") == 2


def test_thoughts_are_text_and_details_and_their_seal_comes_at_their_end() -> None:
    first, second, sealed, finished = written(
        PartStarted(Reasoning(origin="anthropic_messages")),
        TextDelta("a"),
        TextDelta("b"),
        SealDelta("sec"),
        SealDelta("ret"),
        PartEnded(),
        Finished(Finish.END),
    )
    assert (first["reasoning_content"], second["reasoning_content"]) == ("a", "b")
    assert first["reasoning_details"] == [{"type": "reasoning.text", "text": "a", "format": "unknown", "index": 0}]
    (detail,) = sealed["reasoning_details"]
    assert detail["signature"].startswith("gw1.anthropic_messages.") and detail["index"] == 0
    assert finished["finish_reason"] == "stop"


def test_paragraphs_of_a_summary_are_shown_apart() -> None:
    first, second, _ = written(
        PartStarted(Reasoning(origin="openai_responses")), SummaryDelta(0, "a"), SummaryDelta(1, "b"), PartEnded()
    )
    assert (first["reasoning_content"], second["reasoning_content"]) == ("a", "\n\nb")


def test_calls_are_numbered_and_a_seal_is_on_them() -> None:
    call = ToolCall("a", "f", "", seal="s", origin="gemini")
    begun, piece, other = written(PartStarted(call), TextDelta("{}"), PartEnded(), PartStarted(ToolCall("b", "g", "")))
    assert begun["tool_calls"][0].items() >= {"index": 0, "id": "a", "type": "function"}.items()
    assert begun["tool_calls"][0]["extra_content"]["google"]["thought_signature"].startswith("gw1.gemini.")
    assert piece["tool_calls"] == [{"index": 0, "function": {"arguments": "{}"}}]
    assert other["tool_calls"][0]["index"] == 1


def test_a_citation_without_places_covers_the_text_it_is_on() -> None:
    found = written(
        *(PartStarted(Text("")), TextDelta("one"), PartEnded(), PartStarted(Text("")), TextDelta("two")),
        CitationAdded(Citation("https://example.com", "t")),
    )
    place = {"url": "https://example.com", "title": "t", "start_index": 3, "end_index": 6}
    assert found[-1]["annotations"] == [{"index": 0, "type": "url_citation", "url_citation": place}]


def test_log_probabilities_follow_their_text() -> None:
    data = ChatEncoder(TOLD).feed([PartStarted(Text("a")), LogprobsAdded([{"token": "a"}])])
    last = msgspec.json.decode(data_of(EventSplitter(10_000).feed(data)[-1]) or b"")
    assert last["choices"][0]["logprobs"] == {"content": [{"token": "a"}], "refusal": None}


def test_what_chat_cannot_say_is_named() -> None:
    encoder = ChatEncoder(TOLD)
    encoder.feed([PartStarted(Opaque("anthropic_messages", "server_tool_use", {})), PartEnded(), PartStarted(Text(""))])
    encoder.feed([CitationAdded(Citation(origin="anthropic_messages", raw={}))])
    assert encoder.dropped == {"part:server_tool_use", "citations"}


def test_the_usage_event_and_the_end_marker_come_last() -> None:
    encoder = ChatEncoder(TOLD)
    encoder.feed([PartStarted(Text("a")), PartEnded(), Finished(Finish.LENGTH)])
    reported = Reported(Usage(input_tokens=3, output_tokens=2))
    usage, done = EventSplitter(10_000).feed(encoder.ending(reported, "default", {"cost_usd": "0.01"}))
    found = msgspec.json.decode(data_of(usage) or b"")
    assert done == DONE
    assert (found["choices"], found["service_tier"], found["model"]) == ([], "default", "m")
    assert found["usage"].items() >= {"prompt_tokens": 3, "completion_tokens": 2, "cost_usd": "0.01"}.items()
    assert ChatEncoder(TOLD._replace(wants_usage=False)).ending(MISSING, None, {}).endswith(DONE)
    assert b'"usage":{' not in ChatEncoder(TOLD._replace(wants_usage=False)).ending(reported, None, {"x": 1})
