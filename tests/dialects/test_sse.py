"""Cutting a stream into events: the same events however the bytes were cut into chunks."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from farebox.dialects.sse import EventSplitter, data_of

MAX_BYTES = 200

_line_end = st.sampled_from([b"\n", b"\r\n", b"\r"])
_line = st.one_of(
    st.sampled_from([b"data: [DONE]", b": comment", b"", b"data:", b"event: x", b"data: x"]),
    st.text(st.sampled_from("ab :é{}"), max_size=12).map(str.encode),
)
_stream = st.lists(st.tuples(_line, _line_end), max_size=25).map(lambda lines: b"".join(a + b for a, b in lines))


def split(chunks: list[bytes], most: int = MAX_BYTES) -> tuple[list[bytes], bytes, bool]:
    splitter, events = EventSplitter(most), []
    for chunk in chunks:
        events += splitter.feed(chunk)
        if splitter.overflowed:
            return events, b"", True
    return events, splitter.rest, False


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


@given(_stream, st.lists(st.integers(0, 400)), st.sampled_from([MAX_BYTES, 30]))
@example(b"a\r\n\r\nb\n\nc\r\r", [1, 2, 3, 4, 5, 6, 7, 8, 9], MAX_BYTES)
@example(b"data: x\n\r\ndata: y\r\n\ndata: z\n\n\n", list(range(40)), MAX_BYTES)
def test_chunk_boundaries_change_nothing(data: bytes, cuts: list[int], most: int) -> None:
    assert split(pieces(data, cuts), most) == split([data] if data else [], most)


@given(_stream, st.lists(st.integers(0, 400)))
def test_no_byte_is_lost_or_made_up(data: bytes, cuts: list[int]) -> None:
    events, rest, overflowed = split(pieces(data, cuts))
    assert overflowed or b"".join(events) + rest == data


def test_events_before_one_that_is_too_large_are_kept() -> None:
    data = b"data: a\n\n" + b"data: b\n\n" + b"x" * 100 + b"\n\n" + b"data: c\n\n"
    whole = split([data], 50)
    assert whole == ([b"data: a\n\n", b"data: b\n\n"], b"", True)
    assert split([data[i : i + 1] for i in range(len(data))], 50) == whole


def test_an_event_without_an_end_overflows_and_is_not_collected_for_ever() -> None:
    splitter = EventSplitter(100)
    for _ in range(11):
        assert splitter.feed(b"y" * 10) == []
    assert splitter.overflowed and len(splitter.rest) <= 110


@pytest.mark.parametrize("most", [b"x" * 50, b"x" * 49 + b"\r"], ids=["one line", "many lines"])
def test_a_large_event_in_small_chunks_is_put_together_once(most: bytes) -> None:
    splitter = EventSplitter(100_000_000)
    for _ in range(400_000):
        splitter.feed(most)
    # Put together anew for each chunk, this takes hours: beyond the patience of these tests.
    assert [len(event) for event in splitter.feed(b"\n\n")] == [400_000 * len(most) + 2]


def test_the_data_of_an_event() -> None:
    for event, data in [
        (b"data: x\n\n", b"x"),
        (b"data:x\r\n\r\n", b"x"),
        (b"data: x\r\r", b"x"),
        (b"data:  x\n\n", b" x"),
        (b"data: a\ndata: b\n\n", b"a\nb"),
        (b": note\ndata: a\n\n", b"a"),
        (b"\ndata: a\n\n", b"a"),
        (b"event: e\nid: 1\ndata: a\n\n", b"a"),
        (b": note\n\n", None),
        (b"event: ping\n\n", None),
        (b"\n\n", None),
    ]:
        assert data_of(event) == data, event
