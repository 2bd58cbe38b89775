"""Transcripts: by the minute or by token. Pure."""

from typing import Final

import msgspec

from farebox.base.errors import Problem
from farebox.base.usage import Usage
from farebox.catalog.ceilings import MILLISECONDS_PER_SECOND, transcription_ceiling
from farebox.catalog.model import Model
from farebox.catalog.rules import Ceiling, Price
from farebox.dataplane.answer import Received
from farebox.dataplane.estimate import BYTES_PER_TOKEN_FOR_CHARGES
from farebox.dataplane.relay import EVENTS, Framing
from farebox.dataplane.workloads.job import Priced
from farebox.dataplane.workloads.upload import MAX_LATE_BYTES, FormReader
from farebox.dialects.openai_media.fold import MediaFold, Streamed
from farebox.dialects.openai_media.transcripts import (
    LEAST_BYTES_PER_SECOND,
    MOST_BYTES_PER_SECOND,
    MOST_CHARACTERS_PER_SECOND,
    Heard,
    SoundAsked,
    read_sound,
    read_sound_usage,
    read_transcript,
)
from farebox.dialects.port import Told
from farebox.dialects.request import Size
from farebox.dialects.translate import Passage, Untouched
from farebox.dialects.usage import MISSING, Basis, Reported
from farebox.providers.client import Body

_TOKEN_RATES = ("input", "audio_input", "output")
_JSON = "application/json"


class TranscriptJob:
    """Sound to write down."""

    param: Final = "prompt"

    def __init__(self, asked: SoundAsked, form: FormReader) -> None:
        self._asked = asked
        self.form = form

    @property
    def model(self) -> str:
        """The model's id."""
        return self._asked.model

    @property
    def size(self) -> Size:
        """How large the prompt is."""
        return self._asked.size

    @property
    def framing(self) -> Framing | None:
        """Events, where the client asked for a stream."""
        return EVENTS if self._asked.stream else None

    def ceiling(self, model: Model) -> Ceiling:
        """No more seconds than the bytes can have and the model takes. Raises Problem for one that does not listen."""
        seconds = -(-self.form.most_bytes() // LEAST_BYTES_PER_SECOND)
        prompt_bytes = self.size.text_bytes + (0 if self.form.over else MAX_LATE_BYTES)
        return transcription_ceiling(model, seconds=min(seconds, model.max_audio_seconds), prompt_bytes=prompt_bytes)

    def variant(self, price: Price) -> str | None:
        """Transcripts have none."""
        return None

    def body(self, upstream_model: str) -> Body:
        """Raises Inexpressible when the form has left already."""
        return self.form.body(upstream_model)

    def at_most(self) -> Reported:
        """How long the sound is, nobody knows yet."""
        return MISSING

    def received(self, priced: Priced, body: bytes, content_type: str) -> Received:
        """An answer in the form that was asked for, under its own content type."""
        if content_type == "text/html":
            raise Problem("upstream_exception", "The provider answered with a page.")
        heard = read_transcript(body, self.form.form)
        shown = content_type if content_type == _JSON else f"{_plain(content_type)}; charset=utf-8"
        return Received(body, self._used(priced, heard), None, heard.text_bytes, content_type=shown)

    def passage(self, priced: Priced, told: Told) -> Passage:
        """Text as it is understood."""

        def measure(streamed: Streamed) -> tuple[Reported, str | None]:
            tokens, milliseconds = read_sound_usage(streamed.usage)
            heard = Heard(
                tokens=tokens,
                milliseconds=milliseconds,
                text_chars=streamed.characters,
                text_bytes=streamed.delivered_bytes,
            )
            return self._used(priced, heard), None

        return Untouched(MediaFold(measure), told)

    def _used(self, priced: Priced, heard: Heard) -> Reported:
        """What is told, and what the price needs besides by a low estimate."""
        told, told_milliseconds = heard.tokens.usage, heard.milliseconds
        guessed = self._least_milliseconds(priced, heard) if told_milliseconds is None else told_milliseconds
        lacks_tokens = told is None and priced.rates(*_TOKEN_RATES)
        lacks_seconds = told_milliseconds is None and priced.rates("audio_millisecond")
        if told is None and told_milliseconds is None and not (lacks_tokens or lacks_seconds):
            return Reported(Usage(), malformed=heard.tokens.malformed, basis="counted")
        usage = told or Usage()
        if lacks_tokens:
            per_second = priced.model.audio_input_tokens_per_second
            usage = Usage(
                input_tokens=-(-self.size.text_bytes // BYTES_PER_TOKEN_FOR_CHARGES),
                audio_input_tokens=guessed * per_second // MILLISECONDS_PER_SECOND,
                output_tokens=-(-heard.text_bytes // BYTES_PER_TOKEN_FOR_CHARGES),
            )
        if lacks_seconds or told_milliseconds is not None:
            usage = msgspec.structs.replace(usage, audio_milliseconds=guessed)
        basis: Basis = "estimated" if lacks_tokens or lacks_seconds else "reported"
        return Reported(usage, malformed=heard.tokens.malformed, basis=basis)

    def _least_milliseconds(self, priced: Priced, heard: Heard) -> int:
        """The sound is at least so long: by its tokens, its last caption, its text, and the bytes of its file."""
        per_second = priced.model.audio_input_tokens_per_second
        tokens = heard.tokens.usage.audio_input_tokens if heard.tokens.usage else 0
        return max(
            tokens * MILLISECONDS_PER_SECOND // per_second if per_second else 0,
            heard.captioned_milliseconds,
            heard.text_chars * MILLISECONDS_PER_SECOND // MOST_CHARACTERS_PER_SECOND,
            self.form.form.file_bytes * MILLISECONDS_PER_SECOND // MOST_BYTES_PER_SECOND,
        )


def _plain(content_type: str) -> str:
    return content_type if content_type.startswith("text/") or content_type == "application/x-subrip" else "text/plain"


def read_transcript_form(form: FormReader) -> TranscriptJob:
    """`/audio/transcriptions` and `/audio/translations`. Raises Problem."""
    return TranscriptJob(read_sound(form.form), form)
