"""Speech: by the character, by the second, or by token. Pure.

The sound passes as it comes, but for its last byte, which waits for the settlement together with the end of the answer:
until then no client has a whole one, and then the books are settled.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from farebox.base.errors import Problem
from farebox.base.usage import Usage
from farebox.catalog.ceilings import MILLISECONDS_PER_SECOND, speech_ceiling
from farebox.catalog.model import Model
from farebox.catalog.rules import Ceiling, Price
from farebox.dataplane.answer import Received
from farebox.dataplane.estimate import BYTES_PER_TOKEN_FOR_CHARGES
from farebox.dataplane.relay import EVENTS, Framing
from farebox.dataplane.workloads.job import Priced, native_body
from farebox.dialects.openai_media.fold import MediaFold, Streamed
from farebox.dialects.openai_media.speech import SpeechAsked, read_speech, read_speech_usage
from farebox.dialects.openai_media.transcripts import MOST_CHARACTERS_PER_SECOND
from farebox.dialects.port import Broken, Told
from farebox.dialects.request import Size
from farebox.dialects.translate import Passage, Untouched
from farebox.dialects.usage import Basis, Reported

# Models make more than one token of sound for a character at the usual speed, and fewer when they are told to hurry.
USUAL_SPEED_PERCENT = 100

_TOKEN_RATES = ("input", "output", "audio_output")


class SpeechJob:
    """A text to speak."""

    param: Final = "input"
    form: Final = None

    def __init__(self, asked: SpeechAsked) -> None:
        self._asked = asked

    @property
    def model(self) -> str:
        """The model's id."""
        return self._asked.model

    @property
    def size(self) -> Size:
        """How large text and instructions are."""
        return self._asked.size

    @property
    def framing(self) -> Framing | None:
        """Events where the client asked for them, else bytes of sound."""
        return EVENTS if self._asked.stream else SOUND

    def ceiling(self, model: Model) -> Ceiling:
        """Raises Problem for a text that is too long, and for a model that does not speak."""
        return speech_ceiling(model, characters=self._asked.characters, text_bytes=self.size.text_bytes)

    def variant(self, price: Price) -> str | None:
        """Speech has none."""
        return None

    def body(self, upstream_model: str) -> bytes:
        """As it came, but for the model's id."""
        return native_body(self._asked.fields, upstream_model)

    def at_most(self) -> Reported:
        """The characters of the text."""
        return Reported(Usage(characters=self._asked.characters), basis="counted")

    def received(self, priced: Priced, body: bytes, content_type: str) -> Received:
        """Sound is always streamed."""
        raise Problem("upstream_exception", "Sound in one piece.")

    def passage(self, priced: Priced, told: Told) -> Passage:
        """Events of sound, or sound."""
        if not self._asked.stream:
            return SoundPassage(self._used(priced, None))

        def measure(streamed: Streamed) -> tuple[Reported, str | None]:
            return self._used(priced, streamed.usage), None

        return Untouched(MediaFold(measure), told)

    def _used(self, priced: Priced, report: Any) -> Reported:
        told, characters = read_speech_usage(report), self._asked.characters
        needs_seconds = priced.rates("audio_millisecond")
        milliseconds = characters * MILLISECONDS_PER_SECOND // MOST_CHARACTERS_PER_SECOND if needs_seconds else 0
        if told.usage is not None:
            usage = msgspec.structs.replace(told.usage, characters=characters, audio_milliseconds=milliseconds)
            return Reported(usage, basis="estimated" if needs_seconds else "reported")
        by_tokens = priced.rates(*_TOKEN_RATES)
        usage = Usage(
            input_tokens=-(-self.size.text_bytes // BYTES_PER_TOKEN_FOR_CHARGES) if by_tokens else 0,
            audio_output_tokens=self._least_spoken_tokens() if by_tokens else 0,
            audio_milliseconds=milliseconds,
            characters=characters,
        )
        basis: Basis = "estimated" if by_tokens or needs_seconds else "counted"
        return Reported(usage, malformed=told.malformed, basis=basis)

    def _least_spoken_tokens(self) -> int:
        faster_percent = max(self._asked.speed_percent, USUAL_SPEED_PERCENT)
        return -(-self._asked.characters * USUAL_SPEED_PERCENT // faster_percent)


def read_speech_job(body: bytes) -> SpeechJob:
    """`/audio/speech`. Raises Problem."""
    return SpeechJob(read_speech(body))


class SoundPassage:
    """Sound as it comes, one byte late."""

    __slots__ = ("_held", "_whole", "delivered_bytes", "done", "dropped", "reported", "service_tier")

    def __init__(self, used: Reported) -> None:
        self.delivered_bytes = 0
        self.done = False
        self.reported = used
        self.service_tier: str | None = None
        self.dropped: set[str] = set()
        self._held = b""
        self._whole = False

    def feed(self, event: bytes) -> bytes:
        """Take the next piece; returns all but the last byte that came so far."""
        if not event:
            raise Broken
        onward, self._held = self._held + event[:-1], event[-1:]
        self.delivered_bytes += len(event)
        return onward

    def close(self) -> bytes:
        """The provider's bytes are over, as its transfer says."""
        self._whole = self.delivered_bytes > 0
        return b""

    def complete(self, choices: int) -> bool:
        """Whether the sound came whole."""
        return self._whole

    def ending(self, facts: Mapping[str, object], reported: Reported) -> bytes:
        """The last byte."""
        return self._held


class _Pieces:
    """Sound has no events: every piece is one, as it came."""

    rest: Final = b""
    overflowed: Final = False

    def __init__(self, max_bytes: int) -> None:
        pass

    def feed(self, chunk: bytes) -> list[bytes]:
        """The piece."""
        return [chunk]


def _is_sound(content_type: str) -> bool:
    return content_type.startswith("audio/") or content_type == "application/octet-stream"


SOUND: Final = Framing(
    accepts=_is_sound,
    new_splitter=_Pieces,
    content_type=lambda content_type: (content_type or "application/octet-stream").encode(),
    tells_errors=False,
)
