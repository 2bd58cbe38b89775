"""Speech, transcriptions and translations, with the official SDK as their client."""

import base64
import hashlib
import io
import json
import time
import wave
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import pytest
from openai import AsyncOpenAI

from farebox_sandbox.workloads.sound import seconds_of

from .conftest import Upstream
from .posting import post, post_raw

SPEECH = {"model": "m", "input": "a" * 30, "voice": "alloy"}  # two seconds


def wav(seconds: float, *, rate: int = 8000) -> bytes:
    """A silent WAV file of the given length."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(bytes(2 * round(seconds * rate)))
    return buffer.getvalue()


def events_of(body: bytes) -> list[Any]:
    return [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: {")]


@pytest.mark.parametrize(("speed", "seconds"), [(1.0, 2.0), (2.0, 1.0)])
async def test_speech_lasts_as_long_as_its_text(openai_client: AsyncOpenAI, speed: float, seconds: float) -> None:
    answer = await openai_client.audio.speech.create(
        model="tts-1", voice="alloy", input="a" * 30, response_format="wav", speed=speed
    )
    with wave.open(io.BytesIO(answer.content)) as file:
        assert file.getnframes() / file.getframerate() == seconds
        assert any(file.readframes(100))
    assert seconds_of(answer.content[:100], len(answer.content)) == seconds


@pytest.mark.parametrize(
    ("form", "content_type", "start", "length"),
    [
        ("mp3", "audio/mpeg", b"\xff\xfb", 77 * 417),
        ("pcm", "audio/pcm", b"", 96_000),
        ("opus", "audio/opus", b"OggS", 16_004),
        ("aac", "audio/aac", b"\xff\xf1", 32_002),
        ("flac", "audio/flac", b"fLaC", 64_004),
    ],
)
async def test_speech_has_the_type_and_the_beginning_of_its_format(
    upstream: Upstream, form: str, content_type: str, start: bytes, length: int
) -> None:
    status, shown_type, body = await post_raw(upstream, "audio/speech", {**SPEECH, "response_format": form})
    assert (status, shown_type, body[: len(start)], len(body)) == (200, content_type, start, length)


async def test_speech_is_streamed_piece_by_piece(openai_client: AsyncOpenAI) -> None:
    slow = {"sandbox": {"chunk_delay_seconds": 0.03}}
    started, first, pieces = time.monotonic(), 0.0, []
    async with openai_client.audio.speech.with_streaming_response.create(
        model="m", voice="alloy", input="a" * 30, extra_body=slow
    ) as response:
        assert response.headers["transfer-encoding"] == "chunked"
        async for piece in response.iter_bytes():
            first = first or time.monotonic() - started
            pieces.append(piece)
    assert len(pieces) >= 4
    assert time.monotonic() - started >= first + 0.1


async def test_speech_as_events_ends_with_its_usage(upstream: Upstream) -> None:
    asked = {**SPEECH, "instructions": "softly", "response_format": "pcm"}
    *_, plain = await post_raw(upstream, "audio/speech", asked)
    _, content_type, body = await post_raw(upstream, "audio/speech", {**asked, "stream_format": "sse"})
    *deltas, last = events_of(body)
    assert content_type == "text/event-stream"
    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    assert b"".join(base64.b64decode(event["audio"]) for event in deltas) == plain
    usage = {"input_tokens": 12, "output_tokens": 40, "total_tokens": 52}
    assert last == {"type": "speech.audio.done", "usage": usage}
    assert [(call["prompt_tokens"], call["completion_tokens"]) for call in await upstream.calls()] == [(12, 40)] * 2


async def test_directives_decide_how_much_is_spoken(upstream: Upstream) -> None:
    sizes = []
    for directives in ({"text": "a" * 15}, {"words": 60}):
        asked = {**SPEECH, "response_format": "pcm", "sandbox": directives}
        sizes.append(len((await post_raw(upstream, "audio/speech", asked))[2]))
    assert sizes[0] == 48_000
    assert sizes[1] > 500_000


@pytest.mark.parametrize(
    "fields",
    [{"input": ""}, {"input": "a" * 4097}, {"speed": 5.0}, {"response_format": "ogg"}],
)
async def test_speech_that_no_model_makes_is_refused(openai_client: AsyncOpenAI, fields: dict[str, Any]) -> None:
    with pytest.raises(openai.BadRequestError):
        await openai_client.audio.speech.create(**{"model": "m", "voice": "alloy", "input": "hi", **fields})
    with pytest.raises(openai.BadRequestError):
        await openai_client.audio.speech.create(model="tts-1-hd", voice="alloy", input="hi", stream_format="sse")


async def test_the_bytes_of_speech_can_break(upstream: Upstream) -> None:
    for directives in ({"cut_at_byte": 5000}, {"error_mid_stream": 2}):
        with pytest.raises(aiohttp.ClientPayloadError):
            await post_raw(upstream, "audio/speech", {**SPEECH, "sandbox": directives})
    _, shown_type, body = await post_raw(
        upstream, "audio/speech", {**SPEECH, "sandbox": {"garbage": True, "wrong_content_type": "text/html"}}
    )
    assert (shown_type, b"not json" in body) == ("text/html", True)
    *_, body = await post_raw(upstream, "audio/speech", {**SPEECH, "sandbox": {"oversize_bytes": 100_000}})
    assert len(body) == 77 * 417 + 100_000
    calls = await upstream.calls()
    assert [call["completed"] for call in calls] == [False, False, True, True]
    assert calls[0]["bytes_sent"] == 5000


async def test_a_model_billed_by_tokens_reports_them(openai_client: AsyncOpenAI) -> None:
    answer: Any = await openai_client.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=("a.wav", wav(2.5)), prompt="one two"
    )
    assert answer.text == "The sandbox heard 2.5 seconds of sound."
    usage = answer.usage
    assert (usage.type, usage.input_token_details.audio_tokens, usage.input_token_details.text_tokens) == (
        "tokens",
        25,
        2,
    )
    assert (usage.input_tokens, usage.total_tokens) == (27, 27 + usage.output_tokens)


async def test_a_model_billed_by_time_reports_whole_seconds(openai_client: AsyncOpenAI) -> None:
    answer: Any = await openai_client.audio.transcriptions.create(model="whisper-1", file=("a.wav", wav(2.5)))
    assert (answer.usage.type, answer.usage.seconds) == ("duration", 3)


async def test_a_verbose_answer_has_duration_segments_and_words(openai_client: AsyncOpenAI) -> None:
    answer = await openai_client.audio.transcriptions.create(
        model="whisper-1",
        file=("a.wav", wav(2.0)),
        response_format="verbose_json",
        language="pt",
        timestamp_granularities=["word", "segment"],
    )
    assert (answer.duration, answer.language) == (2.0, "pt")
    assert answer.segments is not None
    assert answer.words is not None
    assert [segment.end for segment in answer.segments] == [2.0]
    assert [word.word for word in answer.words] == answer.text.split()
    assert answer.words[-1].end == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("text", "hello\n"),
        ("srt", "1\n00:00:00,000 --> 00:01:01,500\nhello\n\n"),
        ("vtt", "WEBVTT\n\n00:00:00.000 --> 00:01:01.500\nhello\n\n"),
    ],
)
async def test_plain_formats_are_text(openai_client: AsyncOpenAI, form: Any, expected: str) -> None:
    answer: Any = await openai_client.audio.transcriptions.create(
        model="whisper-1", file=("a.wav", wav(61.5)), response_format=form, extra_body={"sandbox": {"text": "hello"}}
    )
    assert answer == expected


async def test_speakers_are_told_apart_by_the_model_that_can(openai_client: AsyncOpenAI) -> None:
    answer: Any = await openai_client.audio.transcriptions.create(
        model="gpt-4o-transcribe-diarize", file=("a.wav", wav(1.0)), response_format="diarized_json"
    )
    assert [(segment.speaker, segment.end) for segment in answer.segments] == [("A", 1.0)]
    assert answer.usage.type == "tokens"


async def test_a_streamed_transcript_joins_to_the_whole_one(openai_client: AsyncOpenAI) -> None:
    stream: Any = await openai_client.audio.transcriptions.create(
        model="gpt-4o-transcribe", file=("a.wav", wav(1.0)), stream=True
    )
    *deltas, last = [event async for event in stream]
    assert {event.type for event in deltas} == {"transcript.text.delta"}
    assert "".join(event.delta for event in deltas) == last.text
    assert len(deltas) > 3
    assert (last.type, last.usage.input_tokens, last.usage.output_tokens) == ("transcript.text.done", 10, len(deltas))


async def test_whisper_does_not_stream(openai_client: AsyncOpenAI, upstream: Upstream) -> None:
    response = await openai_client.audio.transcriptions.with_raw_response.create(
        model="whisper-1", file=("a.wav", wav(1.0)), stream=True
    )
    assert response.headers["content-type"] == "application/json"
    assert [call["stream"] for call in await upstream.calls("whisper-1")] == [False]


# The SDK warns that the API may go; as long as it is there, gateways have to relay it.
@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
async def test_a_translation_is_english_and_has_no_usage(openai_client: AsyncOpenAI) -> None:
    short = await openai_client.audio.translations.create(model="whisper-1", file=("a.wav", wav(1.0)))
    assert short.model_dump() == {"text": "The sandbox heard 1.0 seconds of sound."}
    verbose = await openai_client.audio.translations.create(
        model="whisper-1", file=("a.wav", wav(1.0)), response_format="verbose_json"
    )
    assert (verbose.duration, verbose.language) == (1.0, "english")


async def test_a_file_of_any_size_is_read_as_a_stream_and_known_by_its_hash(upstream: Upstream) -> None:
    block, blocks = bytes(range(256)) * 4096, 80  # 80 MB: more than a JSON body may have

    async def pieces() -> AsyncIterator[bytes]:
        yield b'--x\r\ncontent-disposition: form-data; name="file"; filename="a.mp3"\r\n\r\n'
        for _ in range(blocks):
            yield block
        yield b'\r\n--x\r\ncontent-disposition: form-data; name="model"\r\n\r\nm\r\n--x--\r\n'

    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = await post(upstream, "audio/transcriptions", pieces(), status=200, **headers)
    size = len(block) * blocks
    assert answer["usage"]["input_token_details"]["audio_tokens"] == -(-size * 10 // 16_000)
    digest = hashlib.sha256()
    for _ in range(blocks):
        digest.update(block)
    (call,) = await upstream.calls()
    expected = {"field": "file", "name": "a.mp3", "content_type": "", "size": size, "sha256": digest.hexdigest()}
    assert call["files"] == [expected]
    assert call["bytes_received"] > size


@pytest.mark.parametrize("form", ["verbose_json", "srt", "diarized_json"])
async def test_formats_that_a_model_does_not_have_are_refused(openai_client: AsyncOpenAI, form: Any) -> None:
    with pytest.raises(openai.BadRequestError):
        await openai_client.audio.transcriptions.create(
            model="gpt-4o-transcribe", file=("a.wav", wav(1.0)), response_format=form
        )


async def test_a_file_is_needed_and_must_not_be_empty(upstream: Upstream) -> None:
    await post(upstream, "audio/transcriptions", {"model": "m"}, status=400)
    form = aiohttp.FormData({"model": "m"})
    form.add_field("file", b"", filename="a.wav")
    await post(upstream, "audio/transcriptions", form, status=400)


def test_the_length_of_a_wav_file_is_in_its_header() -> None:
    whole = wav(3.0)
    assert seconds_of(whole[:60], len(whole)) == 3.0
    streamed = whole[:40] + b"\xff\xff\xff\xff" + whole[44:]
    assert seconds_of(streamed[:60], len(streamed)) == 3.0
    noted = whole[:12] + b"LIST\x03\x00\x00\x00abc\x00" + whole[12:]
    assert seconds_of(noted, len(noted)) == 3.0
    for other in (b"", b"ID3", b"RIFF", b"RIFF0000WAVE", whole[:20], whole[:38]):
        assert seconds_of(other, 32_000) == 2.0
