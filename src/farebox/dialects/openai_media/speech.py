"""Text to speech. Source: OpenAI's API reference (`/audio/speech`): the answer is the sound itself, or a stream of
events (`stream_format: "sse"`) that ends with `speech.audio.done` and, for models that are billed by token, usage.
"""

from typing import Any

import msgspec

from farebox.base.errors import Problem
from farebox.base.usage import Usage
from farebox.dialects.request import Fields, Size, model_of, read_fields, text_of, value_of
from farebox.dialects.usage import MALFORMED, MISSING, Nonsense, Reported, count


class SpeechAsked(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A text to speak. `size` counts it together with the instructions; `speed_percent` is 100 where it is usual."""

    fields: Fields
    model: str
    stream: bool
    characters: int
    speed_percent: int
    size: Size


def read_speech(body: bytes) -> SpeechAsked:
    """Raises Problem `invalid_request`."""
    fields = read_fields(body)
    text = text_of(fields, "input")
    if not text:
        raise Problem("invalid_request", "`input` must be the text to speak.", param="input")
    size = Size(messages=1)
    size.add_text(text)
    size.add_text(text_of(fields, "instructions") or "")
    stream_format = text_of(fields, "stream_format")
    if stream_format not in (None, "audio", "sse"):
        raise Problem("invalid_request", "`stream_format` must be `audio` or `sse`.", param="stream_format")
    return SpeechAsked(
        fields=fields,
        model=model_of(fields),
        stream=stream_format == "sse",
        characters=len(text),
        speed_percent=_speed_percent(value_of(fields, "speed")),
        size=size,
    )


def _speed_percent(speed: Any) -> int:
    """The speed that was asked for, within what there is; what is no number is the provider's to refuse."""
    known = isinstance(speed, int | float) and not isinstance(speed, bool)
    return int(min(max(speed, 0.25), 4) * 100) if known else 100


def read_speech_usage(report: Any) -> Reported:
    """`{"input_tokens", "output_tokens", "total_tokens"}`: what comes out is sound."""
    if report is None:
        return MISSING
    if not isinstance(report, dict):
        return MALFORMED
    try:
        read, spoken = count(report, "input_tokens", -1), count(report, "output_tokens", -1)
    except Nonsense:
        return MALFORMED
    if read < 0 or spoken < 0:
        return MALFORMED
    return Reported(Usage(input_tokens=read, audio_output_tokens=spoken))
