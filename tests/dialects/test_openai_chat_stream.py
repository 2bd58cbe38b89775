"""The fold over a stream: what the client sees and what the bill says, whatever the chunks look like."""

from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.errors import Problem
from farebox.base.usage import Usage
from farebox.dialects.openai_chat.answer import read_answer
from farebox.dialects.openai_chat.stream import ChatFold, Fate, usage_event_with
from farebox.dialects.sse import EventSplitter, data_of, event_of

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def chunk(*, index: int = 0, finish: str | None = None, usage: Any = None, **delta: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return event_of(msgspec.json.encode({"id": "x", "choices": [choice], "usage": usage}))


def usage_chunk(usage: Any = USAGE) -> bytes:
    return event_of(msgspec.json.encode({"id": "x", "choices": [], "usage": usage}))


DONE = b"data: [DONE]\n\n"


def fold(events: list[bytes]) -> tuple[ChatFold, list[Fate]]:
    folded = ChatFold()
    return folded, [folded.feed(event) for event in events]


def test_end_marker_and_usage_are_withheld_and_everything_else_is_relayed() -> None:
    folded, fates = fold([chunk(role="assistant"), chunk(content="hé"), chunk(finish="stop"), usage_chunk(), DONE])
    assert fates == [Fate.RELAY, Fate.RELAY, Fate.RELAY, Fate.USAGE, Fate.DONE]
    assert folded.reported.usage == Usage(input_tokens=7, output_tokens=3)
    assert folded.delivered_bytes == 3 and folded.complete(1)


def test_all_generated_text_counts_as_delivered() -> None:
    call = {"index": 0, "function": {"arguments": "{}"}}
    folded, _ = fold([chunk(reasoning_content="abc"), chunk(refusal="de"), chunk(tool_calls=[call])])
    assert folded.delivered_bytes == 5 + len(msgspec.json.encode([call]))


def test_the_last_report_of_usage_counts() -> None:
    first = {"prompt_tokens": 7, "completion_tokens": 1}
    folded, fates = fold([chunk(content="a", usage=first), chunk(content="b", finish="stop", usage=USAGE), DONE])
    assert fates == [Fate.RELAY, Fate.RELAY, Fate.DONE]
    assert folded.reported.usage == Usage(input_tokens=7, output_tokens=3)


def test_an_answer_is_whole_with_every_choices_reason_or_its_end_marker_after_something() -> None:
    assert not fold([chunk(content="a")])[0].complete(1)
    assert fold([chunk(finish="stop")])[0].complete(1)
    assert not fold([chunk(finish="stop"), chunk(finish="stop")])[0].complete(2)
    assert fold([chunk(finish="stop"), chunk(index=1, finish="length")])[0].complete(2)
    assert fold([chunk(content="a"), DONE])[0].complete(3)
    assert not fold([DONE])[0].complete(1)


def test_what_is_no_chunk_breaks_a_stream() -> None:
    for data in (b'{"error":{"message":"x"}}', b"5", b"[]", b"{", b"\xff", b"null", b'"x"', b"[" * 5_000):
        assert fold([b"data: " + data + b"\n\n"])[1] == [Fate.BROKEN], data[:20]
    for event in (b": comment\n\n", b"event: ping\n\n", b"\n\n"):
        assert fold([event])[1] == [Fate.COMMENT]


def test_the_usage_event_keeps_the_providers_fields_and_adds_ours() -> None:
    event = usage_event_with(usage_chunk(), {"cost_usd": "0.01"}, model="m")
    document = msgspec.json.decode(data_of(event) or b"")
    assert document == {"id": "x", "choices": [], "usage": USAGE | {"cost_usd": "0.01"}, "model": "m"} | {
        "object": "chat.completion.chunk"
    }
    made_up = msgspec.json.decode(data_of(usage_event_with(None, {"cost_usd": "0.01"}, model="m")) or b"")
    assert made_up["usage"] == {"cost_usd": "0.01"} and made_up["choices"] == []


_events = st.lists(
    st.sampled_from(
        [
            *(chunk(content="hello"), chunk(content="é"), chunk(finish="stop"), usage_chunk(), usage_chunk("x"), DONE),
            *(b": comment\n\n", b"data: {\n\n", event_of(b'{"error":{}}')),
        ]
    ),
    max_size=12,
)


@given(_events, st.lists(st.integers(0, 2_000), max_size=30), st.booleans())
def test_a_fold_does_not_depend_on_chunk_boundaries(events: list[bytes], cuts: list[int], crlf: bool) -> None:
    data = b"".join(events)
    data = data.replace(b"\n", b"\r\n") if crlf else data
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    splitter, folded = EventSplitter(10_000), ChatFold()
    fates = []
    for start, end in pairwise(places):
        fates += [folded.feed(event) for event in splitter.feed(data[start:end])]
    if splitter.rest.strip():
        fates.append(folded.feed(splitter.rest))
    expected, expected_fates = fold(events)
    assert fates == expected_fates
    for name in ("delivered_bytes", "events", "finished", "done", "reported"):
        assert getattr(folded, name) == getattr(expected, name), name


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "message", "content", "index", "usage", "finish_reason", "tool_calls"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.binary(max_size=80) | _json.map(msgspec.json.encode))
def test_no_chunk_can_fail_the_fold(data: bytes) -> None:
    folded = ChatFold()
    folded.feed(b"data: " + data + b"\n\n")
    assert folded.delivered_bytes >= 0
    if folded.usage_event is not None:
        usage_event_with(folded.usage_event, {"cost_usd": "1"}, model="m")


@given(st.binary(max_size=80) | _json.map(msgspec.json.encode))
def test_no_answer_fails_with_anything_but_a_problem(body: bytes) -> None:
    try:
        answer = read_answer(body)
    except Problem as problem:
        assert problem.code == "upstream_exception"
    else:
        assert answer.delivered_bytes >= 0
