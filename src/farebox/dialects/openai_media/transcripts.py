"""Speech to text: transcriptions and translations. Source: OpenAI's API reference (`/audio/transcriptions`,
`/audio/translations`) and the types of its SDK; SubRip and WebVTT (W3C) for captions.

Usage is told as tokens or as a duration, the duration also beside the text of `verbose_json`; captions and plain text
tell none.
"""

import re
from decimal import ROUND_CEILING, Decimal
from typing import Any

import msgspec

from farebox.base.errors import Problem
from farebox.base.usage import Usage
from farebox.dialects.openai_media.form import Form
from farebox.dialects.request import Size
from farebox.dialects.usage import MALFORMED, MISSING, Nonsense, Reported, count

# Eleven days of sound: a longer one is a mistake.
MAX_SECONDS = 1_000_000
# The lowest rate in use for speech, in bytes a second (8 kbit/s): a file of so many bytes has no more seconds.
LEAST_BYTES_PER_SECOND = 1_000
# The highest rate in use for speech (48 kHz, 16 bit, stereo, uncompressed): it has no fewer.
MOST_BYTES_PER_SECOND = 192_000
# Faster than anybody speaks for long.
MOST_CHARACTERS_PER_SECOND = 25

# By these vendors fetch the sound from somewhere else, or take it as a text: how long it is cannot be bounded then.
SOUND_ELSEWHERE = frozenset(
    {
        "file",
        "files",
        "file_id",
        "file_url",
        "url",
        "uri",
        "audio",
        "audio_url",
        "audio_file",
        "input_audio",
        "media_url",
    }
)
_TEXT_FORMATS = frozenset({"text", "srt", "vtt"})
_TIME = re.compile(r"(?:(\d{1,3}):)?([0-5]\d):([0-5]\d)[.,](\d{3})")
_CUE = re.compile(rf"^[ \t]*{_TIME.pattern}[ \t]+-->[ \t]+({_TIME.pattern})", re.MULTILINE)
_SWITCH = {None: False, "": False, "false": False, "0": False, "true": True, "1": True}


class SoundAsked(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Sound to write down."""

    model: str
    stream: bool
    size: Size


class Heard(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an answer says. `tokens` and `milliseconds` are what the provider told; `captioned_milliseconds` is when
    the last caption ends."""

    tokens: Reported = MISSING
    milliseconds: int | None = None
    captioned_milliseconds: int = 0
    text_chars: int = 0
    text_bytes: int = 0


class _Answer(msgspec.Struct, gc=False):
    text: str
    duration: Any = None
    usage: Any = None


_answer = msgspec.json.Decoder(_Answer, float_hook=Decimal)


def read_sound(form: Form) -> SoundAsked:
    """What a form says, as far as it was read. Raises Problem `invalid_request`."""
    model = form.value("model")
    if not model:
        raise Problem("invalid_request", "`model` must be the id of a model.", param="model")
    elsewhere = [name for name in form.fields if name.casefold().removesuffix("[]") in SOUND_ELSEWHERE]
    if elsewhere or (form.ended and not form.files):
        raise Problem("invalid_request", "Send the sound itself: a part `file` with a `filename`.", param="file")
    wanted = form.value("stream")
    stream = _SWITCH.get(wanted.lower() if wanted else wanted)
    if stream is None:
        raise Problem("invalid_request", "`stream` must be true or false.", param="stream")
    size = Size(messages=1)
    for values in (values for name, values in form.fields.items() if name.startswith(("prompt", "keywords"))):
        for value in values:
            size.add_text(value)
    return SoundAsked(model=model, stream=stream, size=size)


def read_transcript(body: bytes, form: Form) -> Heard:
    """A whole answer, in the format that the form asked for. Raises Problem `upstream_exception`."""
    if form.fields.get("response_format", [""])[-1] in _TEXT_FORMATS:
        try:
            return _captioned(body.decode())
        except UnicodeDecodeError as error:
            raise Problem("upstream_exception", "The provider's answer is no text.") from error
    try:
        answer = _answer.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ArithmeticError) as error:
        raise Problem("upstream_exception", "The provider's answer is no transcript.") from error
    tokens, told = read_sound_usage(answer.usage)
    return Heard(
        tokens=tokens,
        milliseconds=told if told is not None else _milliseconds(answer.duration),
        text_chars=len(answer.text),
        text_bytes=len(answer.text.encode()),
    )


def _captioned(text: str) -> Heard:
    last = 0
    for cue in _CUE.finditer(text):
        hours, minutes, seconds, thousandths = cue.groups()[5:9]
        whole = int(hours or 0) * 3_600 + int(minutes) * 60 + int(seconds)
        last = max(last, whole * 1_000 + int(thousandths))
    if last:
        text = "\n".join(line for line in text.splitlines() if "-->" not in line and not line.strip().isdigit())
    return Heard(captioned_milliseconds=last, text_chars=len(text), text_bytes=len(text.encode()))


def read_sound_usage(report: Any) -> tuple[Reported, int | None]:
    """Tokens and milliseconds that a decoded report tells; numbers with a fraction as Decimal."""
    if report is None:
        return MISSING, None
    if not isinstance(report, dict):
        return MALFORMED, None
    if report.get("type") == "duration" or ("seconds" in report and "input_tokens" not in report):
        milliseconds = _milliseconds(report.get("seconds"))
        return (MALFORMED if milliseconds is None else MISSING), milliseconds
    details = report.get("input_token_details") or report.get("input_tokens_details")
    try:
        total, written = count(report, "input_tokens", -1), count(report, "output_tokens", -1)
        heard = count(details, "audio_tokens")
    except Nonsense:
        return MALFORMED, None
    if total < 0 or written < 0 or heard > total:
        return MALFORMED, None
    usage = Usage(input_tokens=total - heard, audio_input_tokens=heard, output_tokens=written)
    return Reported(usage), None


def _milliseconds(value: Any) -> int | None:
    """Seconds as a number, or as digits (as some vendors write them); None for what is no duration."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,7}(\.\d{1,12})?", value):
        value = Decimal(value)
    if not isinstance(value, int | Decimal) or isinstance(value, bool) or not 0 <= value <= MAX_SECONDS:
        return None
    return int((Decimal(value) * 1_000).to_integral_value(ROUND_CEILING))
