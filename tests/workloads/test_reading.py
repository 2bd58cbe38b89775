"""The pure readers: whatever JSON comes is read or refused clearly, and streams fold alike however they are cut."""

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.errors import Problem
from farebox.base.usage import Usage
from farebox.dialects.openai_media.fold import MediaFold, Streamed
from farebox.dialects.openai_media.form import Form
from farebox.dialects.openai_media.images import (
    read_images,
    read_images_answer,
    read_images_usage,
    variant_of,
)
from farebox.dialects.openai_media.speech import read_speech, read_speech_usage
from farebox.dialects.openai_media.texts import (
    read_embeddings,
    read_embeddings_answer,
    read_moderation,
    read_moderation_answer,
    read_texts_usage,
)
from farebox.dialects.openai_media.transcripts import read_sound_usage, read_transcript
from farebox.dialects.port import Fate
from farebox.dialects.sse import EventSplitter
from farebox.dialects.usage import MISSING, Reported

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
NAMES = st.sampled_from(
    (
        *("model", "input", "prompt", "n", "size", "quality", "stream", "image", "images", "mask", "type", "text"),
        *("usage", "image_url", "url", "data", "results", "duration", "seconds", "input_tokens", "output_tokens"),
        *("input_tokens_details", "output_tokens_details", "input_token_details", "audio_tokens", "image_tokens"),
        *("prompt_tokens", "total_tokens", "frame_count", "output_format", "instructions", "stream_format", "svg"),
        *("delta", "audio", "error", "languages"),
    )
)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5))
OBJECTS = st.dictionaries(NAMES, JSON, max_size=8)
CHECKED = (read_embeddings, read_moderation, read_images, read_speech)
ANSWERS: tuple[Callable[[bytes], object], ...] = (
    read_embeddings_answer,
    read_moderation_answer,
    read_images_answer,
    lambda body: read_transcript(body, Form(b"x")),
)


@given(OBJECTS | JSON)
def test_whatever_json_comes_is_read_or_refused(value: Any) -> None:
    body = json.dumps(value).encode()
    for read in CHECKED:
        try:
            read(body)
        except Problem as problem:
            assert problem.entry.status == 400
    for read_answer in ANSWERS:
        try:
            read_answer(body)
        except Problem as problem:
            assert problem.code == "upstream_exception"


@given(st.binary(max_size=60))
def test_whatever_bytes_come_are_refused(body: bytes) -> None:
    for read in (*CHECKED, *ANSWERS):
        with pytest.raises(Problem):
            read(b"[" + body)


@pytest.mark.parametrize("depth", [1_000, 200_000])
def test_nothing_is_too_deep_to_be_refused(depth: int) -> None:
    body = b'{"model":"m","input":' + b"[" * depth + b"]" * depth + b',"prompt":' + b"[" * depth + b"]" * depth + b"}"
    for read in CHECKED:
        with pytest.raises(Problem):
            read(body)


@pytest.mark.parametrize(
    ("speed", "percent"), [(0.01, 25), (1, 100), (1.5, 150), (1e300, 400), (10**400, 400), ("fast", 100), (True, 100)]
)
def test_the_speed_of_speech_is_one_that_there_is(speed: Any, percent: int) -> None:
    asked = read_speech(json.dumps({"model": "m", "input": "x", "speed": speed}).encode())
    assert asked.speed_percent == percent


@given(JSON)
def test_a_report_of_usage_is_one_or_is_not(report: Any) -> None:
    for read in (read_texts_usage, read_images_usage, read_speech_usage, lambda found: read_sound_usage(found)[0]):
        found = read(report)
        assert found.usage is None or not found.malformed
        assert (found == MISSING) == (report is None) or read.__name__ == "<lambda>"


@pytest.mark.parametrize(
    ("report", "usage"),
    [
        ({"input_tokens": 50, "output_tokens": 100}, Usage(input_tokens=50, image_output_tokens=100)),
        (
            {
                "input_tokens": 50,
                "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
                "output_tokens": 100,
                "output_tokens_details": {"image_tokens": 90, "text_tokens": 10},
            },
            Usage(input_tokens=10, image_input_tokens=40, image_output_tokens=90, output_tokens=10),
        ),
        # Of 40 tokens of a picture 35 were cached, and 5 of the text: counted once, as cached.
        (
            {
                "input_tokens": 50,
                "input_tokens_details": {"text_tokens": 10, "image_tokens": 40, "cached_tokens": 40},
                "output_tokens": 1,
            },
            Usage(cached_input_tokens=40, image_input_tokens=10, image_output_tokens=1),
        ),
        ({"input_tokens": 5, "input_tokens_details": {"image_tokens": 6}, "output_tokens": 1}, None),
        ({"input_tokens": 5, "output_tokens": 1, "output_tokens_details": {"text_tokens": 2}}, None),
    ],
)
def test_no_class_of_a_pictures_usage_is_counted_twice(report: Any, usage: Usage | None) -> None:
    found = read_images_usage(report)
    assert found.usage == usage and found.malformed == (usage is None)
    if usage is not None:
        assert usage.total_input_tokens == report["input_tokens"]
        assert usage.total_output_tokens == report["output_tokens"]


PRICES = {"1024x1024/low": 1, "1024x1024/high": 3, "2048x2048/low": 2, "hd": 5, "512x512": 1}


@pytest.mark.parametrize(
    ("size", "quality", "name"),
    [
        ("1024x1024", "high", "1024x1024/high"),
        ("1024x1024", "hd", "hd"),
        ("512x512", "low", "512x512"),
        ("512x512", None, "512x512"),
        ("1024x1024", None, "1024x1024/low"),
        (None, "high", "1024x1024/high"),
        (None, "low", "1024x1024/low"),
        (None, "hd", "hd"),
        ("4096x4096", "max", "4096x4096/max"),
        ("4096x4096", None, "4096x4096"),
        (None, "max", None),
        (None, None, None),
    ],
)
def test_the_variant_that_a_price_knows(size: str | None, quality: str | None, name: str | None) -> None:
    assert variant_of(size, quality, PRICES) == name


def test_a_price_without_variants_has_none_of_them() -> None:
    assert variant_of("1024x1024", None, {}) is None
    assert variant_of(None, "high", {}) is None


CAPTIONS = {
    "srt": "1\n00:00:00,000 --> 00:01:02,500\nhello\n\n2\n00:01:03,000 --> 01:00:04,250\nyou\n\n",
    "vtt": "WEBVTT\n\nNOTE x\n\n00:00.000 --> 01:02.500\nhello\n\n00:00:03.000 --> 01:00:04.250 align:start\nyou\n",
}


@pytest.mark.parametrize("kind", CAPTIONS)
def test_the_last_caption_says_how_long_the_sound_is(kind: str) -> None:
    form = Form(b"b")
    form.fields["response_format"] = [kind]
    heard = read_transcript(CAPTIONS[kind].encode(), form)
    assert heard.captioned_milliseconds == 3_604_250
    assert heard.milliseconds is None and heard.tokens == MISSING


PICTURE = (
    b'event: image_generation.partial_image\ndata: {"type":"image_generation.partial_image","b64_json":"QQ=="}\n\n'
    b": a comment\n\n"
    b'data: {"type":"something.new"}\n\n'
    b'event: image_generation.completed\ndata: {"type":"image_generation.completed","b64_json":"QUI=","size":"1x1",'
    b'"quality":"low","usage":{"input_tokens":1,"output_tokens":2}}\n\n'
    b"data: [DONE]\n\n"
)
SPEECH = (
    b'data: {"type":"speech.audio.delta","audio":"QUJD"}\n\n'
    b'data: {"type":"speech.audio.delta","audio":"RA=="}\n\n'
    b'data: {"type":"speech.audio.done","usage":{"input_tokens":3,"output_tokens":4}}\n\n'
)
TRANSCRIPT = (
    'data: {"type":"transcript.text.delta","delta":"Grüße "}\n\n'
    'data: {"type":"transcript.text.segment","text":"Grüße dir","start":0.0,"end":1.5}\n\n'
    'data: {"type":"transcript.text.delta","delta":"dir"}\n\n'
    'data: {"type":"transcript.text.done","text":"Grüße dir","usage":{"type":"duration","seconds":1.5}}\n\n'
).encode()


def fold(chunks: list[bytes]) -> tuple[list[Fate], MediaFold, bytes]:
    def measure(streamed: Streamed) -> tuple[Reported, str | None]:
        return Reported(Usage(characters=streamed.characters)), None

    found, splitter, fates, relayed = MediaFold(measure), EventSplitter(100_000), [], b""
    for chunk in chunks:
        for event in splitter.feed(chunk):
            fates.append(found.feed(event))
            relayed += event if fates[-1] is Fate.RELAY else b""
    return fates, found, relayed


@given(st.sampled_from([PICTURE, SPEECH, TRANSCRIPT]), st.lists(st.integers(0, 600), max_size=12), st.booleans())
def test_a_stream_folds_alike_however_it_is_cut(stream: bytes, places: list[int], crlf: bool) -> None:
    stream = stream.replace(b"\n", b"\r\n") if crlf else stream
    bounds = sorted({0, len(stream), *(min(place, len(stream)) for place in places)})
    chunks = [stream[start:end] for start, end in pairwise(bounds)]
    fates, found, relayed = fold(chunks)
    whole_fates, whole, whole_relayed = fold([stream])
    assert (fates, relayed, found.ending({}, None)) == (whole_fates, whole_relayed, whole.ending({}, None))  # type: ignore[arg-type]
    assert found.done and found.complete(1)
    assert found.delivered_bytes == whole.delivered_bytes > 0
    assert b".completed" not in relayed and b".done" not in relayed
    assert found.streamed.usage is not None


@pytest.mark.parametrize("stream", [PICTURE, SPEECH, TRANSCRIPT])
def test_a_stream_without_its_last_event_is_not_whole(stream: bytes) -> None:
    events = [event + b"\n\n" for event in stream.split(b"\n\n") if event]
    kept = [event for event in events if b".completed" not in event and b".done" not in event]
    _, found, _ = fold(kept)
    assert not found.complete(1)
    assert (found.delivered_bytes == 0) == (stream is PICTURE)


@given(OBJECTS)
def test_whatever_event_comes_has_one_fate(value: Any) -> None:
    (fate,), found, _ = fold([b"data: " + msgspec.json.encode(json.loads(json.dumps(value))) + b"\n\n"])
    assert fate in (Fate.RELAY, Fate.BROKEN) and not found.done


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"error":{"message":"x"}}', b'{"type":"error"}', b"\xff"])
def test_an_error_or_garbage_breaks_a_stream(data: bytes) -> None:
    assert fold([b"data: " + data + b"\n\n"])[0] == [Fate.BROKEN]


def test_a_second_end_breaks_a_stream() -> None:
    assert fold([SPEECH + SPEECH])[0][-1] is Fate.BROKEN
