"""`POST /v1/audio/transcriptions` and `/v1/audio/translations`: a sentence about the sound, in every format."""

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from msgspec import Struct

from farebox_sandbox.core import GARBAGE_BODY, Core
from farebox_sandbox.errors import UpstreamError
from farebox_sandbox.exchange import Exchange
from farebox_sandbox.tokens import count_tokens, filler, split_tokens
from farebox_sandbox.workloads.answers import answer_events, answer_json, event, reported
from farebox_sandbox.workloads.form import Received, Upload, receive
from farebox_sandbox.workloads.sound import seconds_of

TOKENS_PER_SECOND = 10  # of sound that comes in
LANGUAGE = "english"
PLAIN_TEXT = "text/plain; charset=utf-8"

Format = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]
_TOKEN_FORMATS = ("json", "text")


class TranscriptionRequest(Struct):
    model: str
    response_format: Format = "json"
    prompt: str = ""
    language: str | None = None
    stream: bool | None = None
    temperature: float | None = None
    timestamp_granularities: list[Literal["word", "segment"]] = []


class Heard(NamedTuple):
    """What was said, and how long the sound lasts. `by_seconds`: the model is billed by them, not by tokens."""

    task: str
    text: str
    seconds: float
    prompt_tokens: int
    by_seconds: bool
    request: TranscriptionRequest

    @property
    def audio_tokens(self) -> int:
        return math.ceil(self.seconds * TOKENS_PER_SECOND)

    @property
    def usage(self) -> dict[str, Any]:
        if self.by_seconds:
            return {"type": "duration", "seconds": math.ceil(self.seconds)}
        output = count_tokens(self.text)
        return {
            "type": "tokens",
            "input_tokens": self.audio_tokens + self.prompt_tokens,
            "input_token_details": {"audio_tokens": self.audio_tokens, "text_tokens": self.prompt_tokens},
            "output_tokens": output,
            "total_tokens": self.audio_tokens + self.prompt_tokens + output,
        }


class Transcriptions:
    def __init__(self, sandbox: Core) -> None:
        self._sandbox = sandbox

    async def transcribe(self, exchange: Exchange) -> None:
        await self._create(exchange, "transcribe")

    async def translate(self, exchange: Exchange) -> None:
        await self._create(exchange, "translate")

    async def _create(self, exchange: Exchange, task: str) -> None:
        self._sandbox.authenticate(exchange)
        received = await receive(self._sandbox, exchange)
        request = received.read(TranscriptionRequest)
        by_seconds = "whisper" in request.model
        streams = bool(request.stream) and task == "transcribe" and not by_seconds
        described = {"stream": streams, "files": received.logged}
        if await self._sandbox.begin(exchange, request.model, received.own, **described):
            return
        file = _file(received)
        _check_format(request, by_seconds)
        seconds = seconds_of(file.head, file.file.size)
        heard = Heard(task, _text(exchange, seconds), seconds, count_tokens(request.prompt), by_seconds, request)
        if not by_seconds:
            exchange.call.prompt_tokens = heard.audio_tokens + heard.prompt_tokens
            exchange.call.completion_tokens = count_tokens(heard.text)
        if streams:
            await answer_events(exchange, _delta_events(exchange, heard), _done_event(exchange, heard))
        elif request.response_format in ("text", "srt", "vtt"):
            body = GARBAGE_BODY if exchange.directives.garbage else _plain(heard).encode()
            headers = [(b"content-length", b"%d" % len(body))]
            await exchange.transfer(PLAIN_TEXT, [body], headers=headers)
        else:
            await answer_json(exchange, _json(exchange, heard))


def _file(received: Received) -> Upload:
    files = received.uploads("file")
    if len(files) != 1:
        raise UpstreamError(400, "Exactly one 'file' is required, in a multipart form.")
    if not files[0].file.size:
        raise UpstreamError(400, "Audio file might be corrupted or unsupported.")
    return files[0]


def _check_format(request: TranscriptionRequest, by_seconds: bool) -> None:
    form = request.response_format
    diarizes = "diarize" in request.model
    if (form == "diarized_json" and not diarizes) or not (by_seconds or diarizes or form in _TOKEN_FORMATS):
        raise UpstreamError(400, f"response_format '{form}' is not compatible with model '{request.model}'.")


def _text(exchange: Exchange, seconds: float) -> str:
    directives = exchange.directives
    if directives.text is not None:
        return directives.text
    if directives.words is not None:
        return filler(directives.words)
    return f"The sandbox heard {seconds:.1f} seconds of sound."


def _json(exchange: Exchange, heard: Heard) -> dict[str, Any]:
    usage = reported(heard.usage, exchange.directives) if heard.task == "transcribe" else {}
    form = heard.request.response_format
    if form == "json":
        return {"text": heard.text, **usage}
    if form == "diarized_json":
        whole = {"type": "transcript.text.segment", "id": "seg_1", "speaker": "A", "text": heard.text}
        segments = [{**whole, "start": 0.0, "end": heard.seconds}]
        return {"task": heard.task, "duration": heard.seconds, "text": heard.text, "segments": segments, **usage}
    language = LANGUAGE if heard.task == "translate" else heard.request.language or LANGUAGE
    answer = {"task": heard.task, "language": language, "duration": heard.seconds, "text": heard.text, **usage}
    asked = heard.request.timestamp_granularities or ["segment"]
    if "segment" in asked:
        answer["segments"] = [_segment(heard)]
    if "word" in asked:
        answer["words"] = _words(heard)
    return answer


def _segment(heard: Heard) -> dict[str, Any]:
    return {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": heard.seconds,
        "text": heard.text,
        "tokens": list(range(count_tokens(heard.text))),
        "temperature": heard.request.temperature or 0.0,
        "avg_logprob": -0.1,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
    }


def _words(heard: Heard) -> list[dict[str, Any]]:
    words = heard.text.split()
    each = heard.seconds / max(1, len(words))
    return [{"word": word, "start": index * each, "end": (index + 1) * each} for index, word in enumerate(words)]


def _plain(heard: Heard) -> str:
    form = heard.request.response_format
    if form == "text":
        return heard.text + "\n"
    mark = "," if form == "srt" else "."
    times = f"{_clock(0, mark)} --> {_clock(heard.seconds, mark)}"
    return f"1\n{times}\n{heard.text}\n\n" if form == "srt" else f"WEBVTT\n\n{times}\n{heard.text}\n\n"


def _clock(seconds: float, mark: str) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{mark}{milliseconds:03}"


def _delta_events(exchange: Exchange, heard: Heard) -> Iterator[bytes]:
    tokens = split_tokens(heard.text)
    parts = min(exchange.directives.chunks or len(tokens), len(tokens))
    bounds = [len(tokens) * index // parts for index in range(parts + 1)] if parts else []
    for start, end in pairwise(bounds):
        yield event({"type": "transcript.text.delta", "delta": "".join(tokens[start:end])})


def _done_event(exchange: Exchange, heard: Heard) -> bytes:
    value = {"type": "transcript.text.done", "text": heard.text, **reported(heard.usage, exchange.directives)}
    return event(value)
