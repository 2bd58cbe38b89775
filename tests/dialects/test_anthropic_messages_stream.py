"""A relayed stream: what the client sees, what waits for the bill, and what the bill says."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.errors import Problem
from farebox.base.usage import Usage
from farebox.dialects.anthropic_messages import SURFACE, UPSTREAM
from farebox.dialects.anthropic_messages.stream import MessagesFold
from farebox.dialects.port import Fate, Told
from farebox.dialects.sse import EventSplitter
from tests.dialects.messages_sdk import accumulated, parsed_events
from tests.dialects.messages_transcripts import ALL, HELLO, PING, SEARCH, TOOLS, event, start, stop, text_block

TOLD = Told(model="m", stem="0" * 32, created=1, wants_usage=True)


def fold(events: list[bytes]) -> tuple[MessagesFold, list[Fate]]:
    folded = MessagesFold()
    return folded, [folded.feed(one) for one in events]


def relayed(folded: MessagesFold, events: list[bytes]) -> bytes:
    return b"".join(one for one in events if folded.feed(one) is Fate.RELAY)


@pytest.mark.parametrize("events", ALL.values(), ids=ALL)
def test_every_byte_is_relayed_and_only_the_end_marker_waits(events: list[bytes]) -> None:
    folded, fates = fold(events)
    assert fates == [Fate.RELAY] * (len(events) - 1) + [Fate.WITHHELD]
    assert folded.done and folded.complete(1)
    assert folded.ending({"cost_usd": "1"}, TOLD) == events[-1]
    whole = b"".join(events)
    assert parsed_events(whole) and accumulated(whole).stop_reason


@given(name=st.sampled_from(sorted(ALL)), data=st.data())
def test_chunk_boundaries_make_no_difference(name: str, data: st.DataObject) -> None:
    whole = b"".join(ALL[name])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    splitter, folded, seen = EventSplitter(1_000_000), MessagesFold(), b""
    for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        seen += relayed(folded, splitter.feed(whole[begin:end]))
    straight = MessagesFold()
    assert seen == relayed(straight, ALL[name])
    assert seen + folded.ending({}, TOLD) == whole
    assert (folded.reported, folded.delivered_bytes) == (straight.reported, straight.delivered_bytes)


def test_usage_is_folded_from_the_start_and_the_end() -> None:
    assert fold(HELLO)[0].reported.usage == Usage(input_tokens=25, output_tokens=15)
    folded = fold(TOOLS)[0]
    assert folded.reported.usage == Usage(
        input_tokens=300,
        cached_input_tokens=1000,
        cache_write_5m_tokens=10,
        cache_write_1h_tokens=30,
        output_tokens=89,
    )
    assert folded.service_tier == "standard"
    assert fold(SEARCH)[0].reported.usage == Usage(input_tokens=2000, output_tokens=50, web_searches=2)


def test_generated_text_counts_as_delivered_and_signatures_do_not() -> None:
    assert fold(HELLO)[0].delivered_bytes == len("Hello ü".encode())
    text = "Let me see." + "I will look." + '{"city": "Sofia"}'
    assert fold(TOOLS)[0].delivered_bytes == len(text)


def test_an_answer_is_whole_with_its_end_marker_or_the_reason_why_it_stopped() -> None:
    assert not fold(HELLO[:-2])[0].complete(1)
    cut = fold(HELLO[:-1])[0]
    assert cut.complete(1) and not cut.done
    assert cut.ending({}, TOLD) == event("message_stop")
    assert not fold([event("message_stop")])[0].complete(1)
    assert not fold([start(), *text_block(0, "x"), event("message_delta", delta={"stop_reason": None})])[0].complete(1)


def test_what_fails_in_a_stream_breaks_it() -> None:
    error = {"type": "overloaded_error", "message": "Overloaded"}
    assert fold([start(), event("error", error=error)])[1][-1] is Fate.BROKEN
    for data in (b"5", b"[]", b"{", b"\xff", b"null", b'"x"', b"{}", b'{"type":5}', b"[" * 5_000):
        assert fold([b"event: x\ndata: " + data + b"\n\n"])[1] == [Fate.BROKEN], data[:20]
    for kind in ("content_block_delta", "message_start", "message_delta"):
        assert fold([event(kind, delta=5, message=5)])[1] == [Fate.BROKEN]


def test_pings_and_unknown_events_are_relayed_and_what_has_no_data_is_not() -> None:
    assert fold([PING, event("content_block_melted", delta=5)])[1] == [Fate.RELAY] * 2
    for one in (b": comment\n\n", b"event: ping\n\n", b"\n\n", b"data: [DONE]\n\n", b"data:\n\n"):
        assert fold([one])[1] == [Fate.DROPPED]


def test_nothing_follows_the_end_marker() -> None:
    assert fold([*HELLO, *text_block(0, "more")])[1][len(HELLO) :] == [Fate.DROPPED] * 3


@given(st.lists(st.binary(max_size=40) | st.sampled_from(TOOLS), max_size=6))
def test_any_bytes_have_a_fate(events: list[bytes]) -> None:
    folded, fates = fold(events)
    assert len(fates) == len(events)
    assert folded.ending({}, TOLD).startswith(b"event: message_stop")


ANSWER: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-upstream",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "text", "text": "hé"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 4, "service_tier": "priority"},
}


def test_a_whole_answer_says_what_it_used_and_delivered() -> None:
    answer = SURFACE.read_answer(msgspec.json.encode(ANSWER))
    assert answer.reported.usage == Usage(input_tokens=3, output_tokens=4)
    assert (answer.service_tier, answer.delivered_bytes) == ("priority", 2 + 3 + len('{"a":1}'))


@pytest.mark.parametrize("body", [b"", b"[]", b"5", b"{}", b'{"content":5}', b"\xff", b"[" * 5_000])
def test_what_is_no_message_is_the_providers_mistake(body: bytes) -> None:
    with pytest.raises(Problem) as caught:
        SURFACE.read_answer(body)
    assert caught.value.code == "upstream_exception"


def test_a_message_with_anything_in_it_is_read() -> None:
    answer = SURFACE.read_answer(b'{"content":[5,null,{"type":"text","text":5},{"type":"x"}],"usage":7}')
    assert answer.reported.malformed and answer.delivered_bytes == 0


def test_the_surface_forwards_what_a_provider_of_the_same_dialect_must_see() -> None:
    assert SURFACE.forwarded_headers == ("anthropic-version", "anthropic-beta")
    assert SURFACE.forwarded_query == ("beta=true",)
    assert UPSTREAM.target("m", True) == ("/messages", (("anthropic-version", "2023-06-01"),))
    assert stop("end_turn")[-1] == event("message_stop")
