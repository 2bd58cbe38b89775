"""The fold over a stream: what the client sees and what the bill says, whatever the chunks look like."""

from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.errors import Problem
from farebox.base.usage import Usage
from farebox.dialects.openai_chat.answer import read_answer
from farebox.dialects.openai_chat.stream import ChatFold
from farebox.dialects.port import Fate, Told
from farebox.dialects.sse import EventSplitter, data_of, event_of

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def chunk(*, index: int = 0, finish: str | None = None, usage: Any = None, **delta: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return event_of(msgspec.json.encode({"id": "x", "choices": [choice], "usage": usage}))


def usage_chunk(usage: Any = USAGE) -> bytes:
    return event_of(msgspec.json.encode({"id": "x", "choices": [], "usage": usage}))


DONE = b"data: [DONE]\n\n"
TOLD = Told(model="m", stem="0" * 32, created=1, wants_usage=True)


def fold(events: list[bytes]) -> tuple[ChatFold, list[Fate]]:
    folded = ChatFold()
    return folded, [folded.feed(event) for event in events]


def test_end_marker_and_usage_are_withheld_and_everything_else_is_relayed() -> None:
    folded, fates = fold([chunk(role="assistant"), chunk(content="hé"), chunk(finish="stop"), usage_chunk(), DONE])
    assert fates == [Fate.RELAY, Fate.RELAY, Fate.RELAY, Fate.WITHHELD, Fate.WITHHELD]
    assert folded.reported.usage == Usage(input_tokens=7, output_tokens=3)
    assert folded.delivered_bytes == 3 and folded.complete(1)


def test_all_generated_text_counts_as_delivered() -> None:
    call = {"index": 0, "function": {"arguments": "{}"}}
    folded, _ = fold([chunk(reasoning_content="abc"), chunk(refusal="de"), chunk(tool_calls=[call])])
    assert folded.delivered_bytes == 5 + len(msgspec.json.encode([call]))


def test_the_last_report_of_usage_counts() -> None:
    first = {"prompt_tokens": 7, "completion_tokens": 1}
    folded, fates = fold([chunk(content="a", usage=first), chunk(content="b", finish="stop", usage=USAGE), DONE])
    assert fates == [Fate.RELAY, Fate.RELAY, Fate.WITHHELD]
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
        assert fold([event])[1] == [Fate.DROPPED]


def ending(events: list[bytes], told: Told = TOLD) -> Any:
    """The usage event that ends a stream, decoded; None where there is none."""
    *usage, done, rest = fold(events)[0].ending({"cost_usd": "0.01"}, told).split(b"\n\n")
    assert (done, rest) == (b"data: [DONE]", b"")
    return msgspec.json.decode(data_of(usage[0] + b"\n\n") or b"") if usage else None


def test_the_usage_event_keeps_the_providers_fields_and_adds_ours() -> None:
    assert ending([chunk(content="a"), usage_chunk(), DONE]) == {
        "id": "x",
        "choices": [],
        "usage": USAGE | {"cost_usd": "0.01"},
        "model": "m",
        "object": "chat.completion.chunk",
    }


def test_a_usage_event_is_made_where_the_provider_sent_none() -> None:
    made_up = ending([chunk(content="a"), DONE])
    assert (made_up["usage"], made_up["choices"], made_up["model"]) == ({"cost_usd": "0.01"}, [], "m")
    beside = ending([chunk(content="a", finish="stop", usage=USAGE), DONE])
    assert beside["usage"].items() >= (USAGE | {"cost_usd": "0.01"}).items()


def test_a_client_that_asked_for_no_usage_gets_none() -> None:
    assert ending([chunk(content="a"), usage_chunk(), DONE], TOLD._replace(wants_usage=False)) is None


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
    assert folded.ending({"cost_usd": "1"}, TOLD).endswith(DONE)


@given(st.binary(max_size=80) | _json.map(msgspec.json.encode))
def test_no_answer_fails_with_anything_but_a_problem(body: bytes) -> None:
    try:
        answer = read_answer(body)
    except Problem as problem:
        assert problem.code == "upstream_exception"
    else:
        assert answer.delivered_bytes >= 0
