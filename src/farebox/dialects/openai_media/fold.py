"""Streams of pictures, speech and transcripts as a fold: events pass byte for byte, the one that completes the answer
is withheld until the bill is settled. Source: the event types of OpenAI's SDK (`image_generation.*`, `image_edit.*`,
`speech.audio.*`, `transcript.text.*`).
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

import msgspec

from farebox.dialects.port import Fate, Told
from farebox.dialects.sse import data_of
from farebox.dialects.usage import Reported

COMPLETED: Final = frozenset(
    {"image_generation.completed", "image_edit.completed", "speech.audio.done", "transcript.text.done"}
)


class _Event(msgspec.Struct, gc=False):
    type: Any = None
    usage: Any = None
    error: Any = None
    size: Any = None
    quality: Any = None
    delta: Any = None
    audio: Any = None
    text: Any = None


_event = msgspec.json.Decoder(_Event, float_hook=Decimal)


class Streamed:
    """What a stream has told so far. `usage` is its decoded report, `picture_size` and `quality` as they stand there;
    `delivered_bytes` are of whole pictures, of sound in base64, or of text; `characters` of text."""

    __slots__ = ("characters", "completed", "delivered_bytes", "picture_size", "quality", "usage")

    def __init__(self) -> None:
        self.completed = False
        self.delivered_bytes = 0
        self.characters = 0
        self.usage: Any = None
        self.picture_size: Any = None
        self.quality: Any = None


Measure = Callable[[Streamed], tuple[Reported, str | None]]
"""What a stream has used so far, and the variant that it is priced by."""


class MediaFold:
    """One stream. Keeps the completing event, so its memory is bounded by the largest event that the splitter lets
    pass."""

    __slots__ = ("_ending", "_measure", "done", "streamed")

    def __init__(self, measure: Measure) -> None:
        self.streamed = Streamed()
        self.done = False
        self._measure = measure
        self._ending = b""

    @property
    def delivered_bytes(self) -> int:
        """What can be used of the answer so far."""
        return self.streamed.delivered_bytes

    @property
    def reported(self) -> Reported:
        """What was used so far."""
        return self._measure(self.streamed)[0]

    @property
    def service_tier(self) -> str | None:
        """The variant."""
        return self._measure(self.streamed)[1]

    def feed(self, event: bytes) -> Fate:
        """Take one whole event."""
        data = data_of(event)
        if data is None:
            return Fate.DROPPED
        if data == b"[DONE]":
            self._ending += event
            return Fate.WITHHELD
        try:
            found = _event.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ArithmeticError):
            return Fate.BROKEN
        if found.error is not None or found.type == "error":
            return Fate.BROKEN
        return self._fold(found, event)

    def _fold(self, found: _Event, event: bytes) -> Fate:
        streamed = self.streamed
        if isinstance(found.type, str) and found.type in COMPLETED:
            if streamed.completed:
                return Fate.BROKEN
            streamed.completed = self.done = True
            streamed.usage, streamed.picture_size, streamed.quality = found.usage, found.size, found.quality
            streamed.delivered_bytes += len(event) if not streamed.delivered_bytes else 0
            if isinstance(found.text, str):
                streamed.characters = max(streamed.characters, len(found.text))
            self._ending = event + self._ending
            return Fate.WITHHELD
        if isinstance(found.audio, str):
            streamed.delivered_bytes += len(found.audio)
        elif isinstance(found.delta, str):
            streamed.delivered_bytes += len(found.delta.encode())
            streamed.characters += len(found.delta)
        return Fate.RELAY

    def complete(self, choices: int) -> bool:
        """Whether the answer came whole."""
        return self.streamed.completed

    def ending(self, facts: Mapping[str, object], told: Told) -> bytes:
        """What was withheld, as it came."""
        return self._ending
