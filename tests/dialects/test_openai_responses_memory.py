"""What a stream of Responses holds for its last event is bounded, and little more than what was generated."""

import tracemalloc
from collections.abc import Iterable

import pytest

from farebox.dialects.canonical.parts import Part, Reasoning, Text, ToolCall
from farebox.dialects.canonical.reply import PartEnded, PartStarted, ReplyEvent, TextDelta
from farebox.dialects.openai_responses import SURFACE, encode_stream
from farebox.dialects.openai_responses.encode_stream import ITEM_CHARS
from farebox.dialects.port import Broken, Told

TOLD = Told("our-model", "0" * 32, 1_700_000_000, wants_usage=True)
CALL = ToolCall("call_1", "look_up", "")


@pytest.mark.parametrize("part", [Text(""), CALL, Reasoning(origin="gemini")])
def test_a_text_in_single_characters_takes_little_more_than_its_characters(part: Part) -> None:
    encoder = SURFACE.new_encoder(TOLD)
    encoder.feed([PartStarted(part)])
    tracemalloc.start()
    for number in range(100_000):
        encoder.feed([TextDelta("éa"[number % 2])])
    held_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held_bytes < 200_000


@pytest.mark.parametrize("part", [Text(""), CALL, Reasoning(origin="gemini", seal="seal")])
def test_parts_without_end_are_broken_off_before_they_fill_the_memory(
    part: Part, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encode_stream, "MAX_HELD_CHARS", 100 * ITEM_CHARS)
    events: Iterable[ReplyEvent] = (PartStarted(part), PartEnded())
    encoder = SURFACE.new_encoder(TOLD)
    with pytest.raises(Broken):
        for _ in range(101):
            encoder.feed([*events])
