"""What else Google may say: the tier that it served in, and parts of kinds that are not known, however many."""

from typing import Any

import msgspec
import pytest

from farebox.dialects.canonical.reply import Unknown
from farebox.dialects.port import Broken
from farebox.dialects.registry import UPSTREAMS

_GEMINI = UPSTREAMS["gemini"]


def _event(*parts: Any, **usage: Any) -> bytes:
    counts = {"promptTokenCount": 5, "candidatesTokenCount": 1, **usage}
    candidate = {"content": {"parts": list(parts)}, "finishReason": "STOP"}
    return b"data: " + msgspec.json.encode({"candidates": [candidate], "usageMetadata": counts}) + b"\n\n"


@pytest.mark.parametrize(
    ("said", "tier"),
    [
        *(("priority", "priority"), ("PRIORITY", "priority"), ("flex", "flex"), ("unspecified", None)),
        *((None, None), (7, None), ("a tier\n", "unreadable")),
    ],
)
def test_the_tier_that_was_billed_is_read(said: Any, tier: str | None) -> None:
    event = _event({"text": "hi"}, serviceTier=said)
    decoder = _GEMINI.new_decoder()
    decoder.feed(event)
    assert decoder.service_tier == tier
    assert _GEMINI.decode_reply(event.removeprefix(b"data: ")).service_tier == tier


def test_unknown_parts_are_named_once_and_read_once() -> None:
    event = _event(*[{"hologram": number} for number in range(20_000)])
    # Read anew for each of its parts, this event takes the better part of an hour: beyond the patience of these tests.
    assert [one.name for one in _GEMINI.new_decoder().feed(event) if isinstance(one, Unknown)] == ["part:hologram"]


def test_bytes_that_are_no_text_break_the_stream_wherever_they_stand() -> None:
    event = _event({"hologram": 1}).replace(b'"finishReason"', b'"fin\xffish"')
    with pytest.raises(Broken):
        _GEMINI.new_decoder().feed(event)
