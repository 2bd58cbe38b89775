"""Readers of Responses face any JSON in any place: an answer, or a clear error, and nothing without bounds."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farebox.base.errors import Problem
from farebox.dialects.canonical.reply import ReplyFold
from farebox.dialects.openai_responses import SURFACE, UPSTREAM
from farebox.dialects.openai_responses.decode_stream import MAX_WAITING_ITEMS
from farebox.dialects.port import Broken, Inexpressible, Told
from farebox.dialects.sse import event_of
from tests.dialects import responses_transcripts as transcripts

TOLD = Told("our-model", "0" * 32, 1_700_000_000, wants_usage=True)
_WORDS = sorted(
    {"type", "role", "content", "text", "id", "call_id", "name", "arguments", "output", "summary", "input_text", "user",
     "assistant", "message", "reasoning", "function_call", "function_call_output", "input_image", "image_url", "tools",
     "function", "namespace", "custom", "allowed_tools", "mode", "encrypted_content", "annotations", "url_citation",
     "refusal", "output_text", "delta", "item", "part", "status", "incomplete", "usage", "input_tokens"}
)  # fmt: skip
_leaf = st.none() | st.booleans() | st.integers(-5, 2**70) | st.floats() | st.text(max_size=5) | st.sampled_from(_WORDS)
anything = st.recursive(
    _leaf,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(_WORDS), inner, max_size=5),
    max_leaves=15,
)


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        found += paths_of(inner, (*path, key))
    return found


def put(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    """The same document with something else in one place."""
    if not path:
        return other
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = put(copied[path[0]], path[1:], other)
    return copied


_REQUEST_PATHS = paths_of(transcripts.AGENT_REQUEST)[1:]
_RESPONSE_PATHS = paths_of(transcripts.RESPONSE)


def understood(body: bytes) -> None:
    try:
        SURFACE.decode_request(SURFACE.read_request(body))
    except Problem as problem:
        assert problem.code in ("invalid_request", "invalid_max_tokens")
    except Inexpressible as inexpressible:
        assert inexpressible.feature == "answer_form"


@settings(max_examples=300)
@given(st.sampled_from(_REQUEST_PATHS), anything)
def test_a_request_with_anything_in_any_place_is_read_or_refused(path: tuple[Any, ...], other: Any) -> None:
    understood(encoded(put(transcripts.AGENT_REQUEST, path, other)))


@given(anything)
def test_an_input_of_anything_is_read_or_refused(value: Any) -> None:
    understood(encoded({"model": "m", "input": value}))
    understood(encoded({"model": "m", "input": [value], "tools": [value], "tool_choice": value, "text": value}))


@settings(max_examples=300)
@given(st.sampled_from(_RESPONSE_PATHS), anything)
def test_an_answer_with_anything_in_any_place_is_read_or_fails(path: tuple[Any, ...], other: Any) -> None:
    body = encoded(put(transcripts.RESPONSE, path, other))
    for read in (SURFACE.read_answer, UPSTREAM.decode_reply):
        try:
            read(body)
        except Problem as problem:
            assert problem.code == "upstream_exception"
    UPSTREAM.read_error(body)


_EVENTS: list[Any] = [
    json.loads(event.split(b"data: ", 1)[1])
    for events in (transcripts.full_stream(), transcripts.stream_of_two_at_once())
    for event in events
]


@st.composite
def hostile_streams(draw: st.DrawFn) -> list[Any]:
    """Events of real streams, left out, repeated, in any order, some with anything in some place."""
    events = draw(st.lists(st.sampled_from(_EVENTS), max_size=30))
    if draw(st.booleans()):
        events = sorted(events, key=_EVENTS.index)
    for _ in range(draw(st.integers(0, 2)) if events else 0):
        number = draw(st.integers(0, len(events) - 1))
        path = draw(st.sampled_from(paths_of(events[number])))
        events[number] = put(events[number], path, draw(anything))
    return events


@settings(max_examples=400)
@given(hostile_streams())
def test_a_hostile_stream_is_read_or_broken_and_what_is_read_can_be_told(events: list[Any]) -> None:
    decoder, fold, encoder = UPSTREAM.new_decoder(), ReplyFold(), SURFACE.new_encoder(TOLD)
    native = SURFACE.new_fold()
    for event in events:
        data = event_of(encoded(event))
        native.feed(data)
        try:
            found = decoder.feed(data)
        except Broken:
            break
        encoder.feed(found)
        for one in found:
            fold.feed(one)
    encoder.feed(decoder.close())
    assert fold.reply() is not None
    assert encoder.ending(decoder.reported, None, {}).startswith(b"event: response.")


@given(st.binary(), st.binary())
def test_any_bytes_are_read_or_broken(data: bytes, more: bytes) -> None:
    decoder = UPSTREAM.new_decoder()
    for one in (data, more):
        try:
            decoder.feed(b"data: " + one + b"\n\n")
        except Broken:
            continue


@pytest.mark.parametrize("depth", [300, 480, 600, 900, 980, 20_000])
def test_what_is_nested_without_end_is_an_error_like_any_other(depth: int) -> None:
    for opened, closed in ((b"[", b"]"), (b'{"content":', b"}"), (b'{"a":', b"}")):
        deep = opened * depth + b"1" + closed * depth
        for item in (deep, b'{"type":"tomorrow","x":' + deep + b"}"):
            understood(b'{"model":"m","input":[' + item + b'],"tools":[' + item + b"]}")
            for read in (SURFACE.read_answer, UPSTREAM.decode_reply):
                try:
                    read(b'{"output":[' + item + b"]}")
                except Problem as problem:
                    assert problem.code == "upstream_exception"
            for kind in (b"response.output_item.done", b"response.tomorrow"):
                try:
                    UPSTREAM.new_decoder().feed(b'data: {"type":"' + kind + b'","item":' + item + b"}\n\n")
                except Broken:
                    continue


def test_places_beyond_any_answer_break_a_stream() -> None:
    for field in ("output_index", "content_index", "summary_index"):
        event = {"type": "response.reasoning_summary_text.delta", "delta": "x", field: 10**12}
        if field == "content_index":
            event["type"] = "response.output_text.delta"
        with pytest.raises(Broken):
            UPSTREAM.new_decoder().feed(event_of(encoded(event)))


def test_items_that_wait_for_another_are_few() -> None:
    decoder = UPSTREAM.new_decoder()
    decoder.feed(event_of(encoded({"type": "response.output_item.added", "item": transcripts.CALL})))
    done = {"type": "response.output_item.done", "item": transcripts.CUSTOM}
    for number in range(MAX_WAITING_ITEMS):
        assert decoder.feed(event_of(encoded(done | {"output_index": number + 1}))) == []
    with pytest.raises(Broken):
        decoder.feed(event_of(encoded(done | {"output_index": 1_000})))
