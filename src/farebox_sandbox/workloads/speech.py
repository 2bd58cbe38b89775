"""`POST /v1/audio/speech`: sound of a length that follows from the text, as bytes or as events."""

import base64
import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from farebox_sandbox.core import GARBAGE_BODY, Core
from farebox_sandbox.errors import UpstreamError
from farebox_sandbox.exchange import Exchange
from farebox_sandbox.tokens import count_tokens, filler
from farebox_sandbox.workloads.answers import answer_events, event, reported
from farebox_sandbox.workloads.form import receive
from farebox_sandbox.workloads.sound import ENCODINGS, sound

CHARACTERS_PER_SECOND = 15
TOKENS_PER_SECOND = 20  # of sound that goes out
MAX_CHARACTERS = 4096
OVERSIZE_PIECE_BYTES = 2**16


class SpeechRequest(Struct):
    model: str
    input: Annotated[str, Meta(min_length=1, max_length=MAX_CHARACTERS)]
    voice: str | dict[str, Any]
    instructions: str = ""
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: Annotated[float, Meta(ge=0.25, le=4)] = 1.0
    stream_format: Literal["audio", "sse"] = "audio"


class Speech:
    def __init__(self, sandbox: Core) -> None:
        self._sandbox = sandbox

    async def create(self, exchange: Exchange) -> None:
        self._sandbox.authenticate(exchange)
        received = await receive(self._sandbox, exchange)
        request = received.read(SpeechRequest)
        events = request.stream_format == "sse"
        if await self._sandbox.begin(exchange, request.model, received.own, stream=events):
            return
        if events and request.model.startswith("tts-1"):
            raise UpstreamError(400, "This model does not support stream_format 'sse'.")
        seconds = _seconds(exchange, request)
        call = exchange.call
        call.prompt_tokens = count_tokens(request.input) + count_tokens(request.instructions)
        call.completion_tokens = math.ceil(seconds * TOKENS_PER_SECOND)
        pieces = sound(request.response_format, seconds)
        if events:
            await answer_events(exchange, _delta_events(pieces), _done_event(exchange))
        else:
            await exchange.transfer(ENCODINGS[request.response_format].content_type, _disturbed(exchange, pieces))


def _seconds(exchange: Exchange, request: SpeechRequest) -> float:
    directives = exchange.directives
    text = request.input if directives.words is None else filler(directives.words)
    text = text if directives.text is None else directives.text
    return len(text) / CHARACTERS_PER_SECOND / request.speed


def _disturbed(exchange: Exchange, pieces: Iterator[bytes]) -> Iterator[bytes]:
    if exchange.directives.garbage:
        yield GARBAGE_BODY
        return
    yield from pieces
    for place in range(0, exchange.directives.oversize_bytes, OVERSIZE_PIECE_BYTES):
        yield bytes(min(OVERSIZE_PIECE_BYTES, exchange.directives.oversize_bytes - place))


def _delta_events(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        yield event({"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()})


def _done_event(exchange: Exchange) -> bytes:
    call = exchange.call
    usage = {
        "input_tokens": call.prompt_tokens,
        "output_tokens": call.completion_tokens,
        "total_tokens": call.prompt_tokens + call.completion_tokens,
    }
    return event({"type": "speech.audio.done", **reported(usage, exchange.directives)})
