"""Whatever the bytes are: a Problem or Broken, never another exception, and never more memory than is said."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.errors import Problem
from farebox.dialects.canonical.conversation import Conversation
from farebox.dialects.canonical.parts import ToolResult
from farebox.dialects.canonical.reply import ReplyFold
from farebox.dialects.openai_chat import SURFACE, UPSTREAM
from farebox.dialects.openai_chat.decode_stream import ChatDecoder
from farebox.dialects.openai_chat.lanes import MAX_HELD_CHARS
from farebox.dialects.openai_chat.stream_calls import MAX_CALLS
from farebox.dialects.port import Broken, Edits, Inexpressible, Profile, Told
from farebox.dialects.sse import event_of
from tests.dialects.chat_bodies import ANSWER, REQUEST, STREAMS, call_piece, delta

EDITS = Edits("up", 9, Profile())
TOLD = Told(model="m", stem="0" * 32, created=1, wants_usage=True)

_JUNK: list[Any] = [None, True, 0, -1, 10**30, 1.5, "", "x", "none", [], {}, [None], [[]], {"type": "x"}, {"url": 5}]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        return found + [step for key, inner in value.items() for step in _paths(inner, (*path, key))]
    if isinstance(value, list):
        return found + [step for key, inner in enumerate(value) for step in _paths(inner, (*path, key))]
    return found


def _changed(body: Any, path: tuple[Any, ...], junk: Any) -> Any:
    """The body with something else at that place; without it when the junk is an ellipsis."""
    copy = msgspec.json.decode(msgspec.json.encode(body))
    holder = copy
    for step in path[:-1]:
        holder = holder[step]
    if junk is ...:
        del holder[path[-1]]
    else:
        holder[path[-1]] = junk
    return copy


def mutated(body: Any) -> st.SearchStrategy[bytes]:
    """A real body with one thing replaced or missing, or cut."""
    changed = st.builds(_changed, st.just(body), st.sampled_from(_paths(body)), st.sampled_from([*_JUNK, ...]))
    cut = st.integers(0, 3_000).map(lambda place: msgspec.json.encode(body)[:place])
    return changed.map(msgspec.json.encode) | cut


_leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4)
_leaves |= st.sampled_from(["user", "assistant", "tool", "text", "image_url", "function", "custom", "file", "refusal"])
_keys = st.sampled_from(
    [
        *("model", "messages", "role", "content", "type", "text", "image_url", "url", "file", "tool_calls", "function"),
        *("name", "arguments", "id", "index", "tools", "tool_choice", "choices", "delta", "message", "usage", "error"),
        *("finish_reason", "reasoning_details", "reasoning", "logprobs", "annotations", "refusal", "function_call"),
        *("stop", "logit_bias", "metadata", "response_format", "json_schema", "reasoning_effort", "cache_control"),
        *("signature", "data", "summary", "extra_content", "images", "n", "thinking", "input"),
    ]
)
_json = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_keys, inner, max_size=4), max_leaves=15
)
_bodies = st.binary(max_size=60) | st.dictionaries(_keys, _json, max_size=5).map(msgspec.json.encode)


def is_normal(conversation: Conversation) -> bool:
    """Normal form, as the canonical conversation defines it."""
    roles = [turn.role for turn in conversation.turns]
    merged = all(pair not in (("tool", "tool"), ("assistant", "assistant")) for pair in pairwise(roles))
    filled = all(turn.parts or turn.role == "assistant" for turn in conversation.turns)
    results = all(
        isinstance(part, ToolResult) == (turn.role == "tool") for turn in conversation.turns for part in turn.parts
    )
    return merged and filled and results


@given(_bodies | mutated(REQUEST))
def test_no_request_fails_with_anything_but_a_problem(body: bytes) -> None:
    try:
        request = SURFACE.read_request(body)
        SURFACE.native_body(request, EDITS)
        conversation = SURFACE.decode_request(request)
        assert is_normal(conversation)
        encoded = UPSTREAM.encode_request(conversation, EDITS, request.stream)
    except Problem as problem:
        assert problem.code in ("invalid_request", "invalid_max_tokens")
    except Inexpressible as error:
        assert error.feature
    else:
        assert all(0 < len(name) < 100 and name.isascii() and " " not in name for name in encoded.dropped)


@given(_bodies | mutated(ANSWER))
def test_no_answer_fails_with_anything_but_a_problem(body: bytes) -> None:
    try:
        assert SURFACE.read_answer(body).delivered_bytes >= 0
    except Problem as problem:
        assert problem.code == "upstream_exception"
    try:
        SURFACE.encode_reply(UPSTREAM.decode_reply(body), TOLD)
    except Problem as problem:
        assert problem.code == "upstream_exception"


_chunks = [delta(**fields) for fields in ({"content": "a"}, {"reasoning": "b"}, {"refusal": "c"})]
_chunks += [delta(tool_calls=[call_piece(0, "{", id="a", name="f")]), delta(finish="stop", usage={"prompt_tokens": 1})]
_chunks += [delta(reasoning_details=[{"type": "reasoning.text", "text": "x", "signature": "s", "index": 0}])]
_event = (st.sampled_from(_chunks).flatmap(mutated) | _bodies).map(event_of)


@given(
    st.lists(_event | st.sampled_from([b": x\n\n", b"data: [DONE]\n\n", *map(event_of, STREAMS.values())]), max_size=8)
)
def test_no_stream_fails_with_anything_but_broken(events: list[bytes]) -> None:
    decoder, encoder, fold, native = ChatDecoder(), SURFACE.new_encoder(TOLD), ReplyFold(), SURFACE.new_fold()
    for event in events:
        native.feed(event)
        try:
            found = decoder.feed(event)
        except Broken:
            break
        encoder.feed(found)
        for one in found:
            fold.feed(one)
    left = decoder.close()
    encoder.feed(left)
    for one in left:
        fold.feed(one)
    fold.reply(decoder.reported, decoder.service_tier)
    assert encoder.ending(decoder.reported, decoder.service_tier, {}).endswith(b"data: [DONE]\n\n")
    assert native.ending({}, TOLD).endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("read", [SURFACE.read_request, SURFACE.read_answer, UPSTREAM.decode_reply])
@pytest.mark.parametrize("depth", [900, 980, 990, 999, 5_000, 200_000])
def test_depth_is_no_way_in(read: Callable[[bytes], Any], depth: int) -> None:
    nested = b"[" * depth + b"]" * depth
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"choices":[{"message":{"x":%s}}],"tools":%s,"n":1}'
    for whole in (body % (nested, b"null"), body % (b"1", nested)):
        try:
            found = read(whole)
            if read is SURFACE.read_request:
                UPSTREAM.encode_request(SURFACE.decode_request(found), EDITS, False)
        except Problem as problem:
            assert problem.code in ("invalid_request", "upstream_exception")


def feed_for_ever(decoder: ChatDecoder, chunk: dict[str, Any], most: int) -> int:
    """How many times a stream takes a chunk before it is broken; at most `most` times."""
    for number in range(most):
        try:
            decoder.feed(event_of(msgspec.json.encode(chunk)))
        except Broken:
            return number
    return most


def test_pieces_that_wait_are_bounded() -> None:
    decoder = ChatDecoder()
    decoder.feed(event_of(msgspec.json.encode(delta(tool_calls=[call_piece(0, "{", id="a", name="f")]))))
    decoder.feed(event_of(msgspec.json.encode(delta(tool_calls=[call_piece(1, "", id="b", name="g")]))))
    chunk = delta(tool_calls=[call_piece(1, "x" * 100_000)])
    assert feed_for_ever(decoder, chunk, 1_000) <= MAX_HELD_CHARS // 100_000


def test_calls_and_seals_are_bounded() -> None:
    decoder = ChatDecoder()
    for number in range(MAX_CALLS):
        decoder.feed(
            event_of(msgspec.json.encode(delta(tool_calls=[call_piece(number, "{}", id=f"{number}", name="f")])))
        )
    with pytest.raises(Broken):
        decoder.feed(event_of(msgspec.json.encode(delta(tool_calls=[call_piece(MAX_CALLS, "{}", id="x", name="f")]))))
    pieces = [{"type": "reasoning.encrypted", "data": "x" * 100_000 + last, "index": 0} for last in "ab"]
    decoder, taken = ChatDecoder(), 0
    for _ in range(100):
        taken += feed_for_ever(decoder, delta(reasoning_details=pieces), 1)
    assert taken <= MAX_HELD_CHARS // 200_000


def test_one_long_call_passes_without_being_kept() -> None:
    decoder = ChatDecoder()
    decoder.feed(event_of(msgspec.json.encode(delta(tool_calls=[call_piece(0, "", id="a", name="f")]))))
    assert feed_for_ever(decoder, delta(tool_calls=[call_piece(0, "x" * 100_000)]), 60) == 60
