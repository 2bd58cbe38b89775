"""The most that a call of each workload can use: worked out by hand, and never below what such a call reports."""

from typing import Any

import pytest

from farebox.base.errors import Problem
from farebox.catalog.ceilings import (
    embedding_ceiling,
    image_ceiling,
    server_tool_tokens,
    speech_ceiling,
    transcription_ceiling,
    video_ceiling,
)
from farebox.catalog.model import Model
from farebox.catalog.rules import Ceiling


def model(**fields: Any) -> Model:
    return Model(model_id="m", display_name="M", **{"template_overhead_tokens": 0, **fields})


def test_each_text_to_embed_is_bounded_by_its_bytes_and_by_the_context() -> None:
    small = model(workload="embedding", context_tokens=100, template_overhead_tokens=8)
    assert embedding_ceiling(small, [10, 92, 5_000]) == Ceiling(input_tokens=18 + 100 + 100)
    assert embedding_ceiling(small, []) == Ceiling()


PAINTER = model(
    workload="image",
    max_images=4,
    media_ceiling_tokens={"image": 7_000},
    image_output_ceiling_tokens={"1024x1024/low": 272, "1024x1024/high": 4_160, "1536x1024/high": 6_208},
)


@pytest.mark.parametrize(
    ("variant", "tokens"), [("1024x1024/low", 272), ("1024x1024/high", 4_160), ("auto/auto", 6_208), (None, 6_208)]
)
def test_pictures_are_bounded_by_their_variant_or_by_the_largest(variant: str | None, tokens: int) -> None:
    found = image_ceiling(PAINTER, prompt_bytes=30, images=3, variant=variant)
    assert found == Ceiling(input_tokens=30, images=3, image_output_tokens=3 * tokens)


def test_pictures_to_edit_are_read_and_only_where_the_model_takes_them() -> None:
    found = image_ceiling(PAINTER, prompt_bytes=30, images=1, variant="1024x1024/low", input_images=2)
    assert (found.image_input_tokens, found.image_output_tokens) == (14_000, 272)
    with pytest.raises(Problem) as caught:
        image_ceiling(model(workload="image"), prompt_bytes=1, images=1, variant=None, input_images=1)
    assert (caught.value.code, caught.value.param) == ("invalid_request", "image")


def test_speech_is_bounded_by_its_characters() -> None:
    by_character = model(workload="audio")
    assert speech_ceiling(by_character, characters=20, text_bytes=24) == Ceiling(
        input_tokens=24, characters=20, audio_milliseconds=30_000
    )
    by_token = model(workload="audio", audio_output_tokens_per_character=8, max_output_tokens=500)
    assert speech_ceiling(by_token, characters=20, text_bytes=24).audio_output_tokens == 160
    assert speech_ceiling(by_token, characters=2_000, text_bytes=2_000).audio_output_tokens == 500


def test_sound_to_write_down_is_bounded_by_its_seconds() -> None:
    by_token = model(workload="audio", audio_input_tokens_per_second=20, max_output_tokens=2_000)
    assert transcription_ceiling(by_token, seconds=90, prompt_bytes=5) == Ceiling(
        input_tokens=5, audio_input_tokens=1_800, output_tokens=2_000, audio_milliseconds=90_000
    )
    by_minute = model(workload="audio")
    assert transcription_ceiling(by_minute, seconds=90) == Ceiling(audio_milliseconds=90_000)


def test_a_film_is_bounded_by_its_seconds() -> None:
    assert video_ceiling(model(workload="video", max_video_seconds=12), seconds=12).video_milliseconds == 12_000


def test_what_a_providers_own_tools_find_is_read_as_input() -> None:
    searcher = model(
        context_tokens=100_000,
        server_tool_ceilings={"web_search": 5, "code_execution": 2},
        server_tool_ceiling_tokens={"web_search": 8_000},
    )
    assert server_tool_tokens(searcher, ()) == 0
    assert server_tool_tokens(searcher, ("web_search",)) == 40_000
    # nobody said how much it adds, so each use may fill the context
    assert server_tool_tokens(searcher, ("web_search", "code_execution")) == 240_000


MUSIC = model(workload="audio", audio_output_tokens_per_character=8)
SCRIBE = model(workload="audio", audio_input_tokens_per_second=20)


@pytest.mark.parametrize(
    ("ask", "code", "param"),
    [
        (lambda: image_ceiling(PAINTER, prompt_bytes=1, images=5, variant=None), "request_limit_exceeded", "n"),
        (lambda: speech_ceiling(MUSIC, characters=4_097, text_bytes=4_097), "request_limit_exceeded", "input"),
        (lambda: transcription_ceiling(SCRIBE, seconds=14_401), "request_limit_exceeded", "file"),
        (lambda: video_ceiling(model(workload="video"), seconds=61), "request_limit_exceeded", "seconds"),
        (lambda: speech_ceiling(SCRIBE, characters=1, text_bytes=1), "invalid_request", "model"),
        (lambda: transcription_ceiling(MUSIC, seconds=1), "invalid_request", "model"),
    ],
)
def test_what_has_no_ceiling_or_is_above_it_is_refused(ask: Any, code: str, param: str) -> None:
    with pytest.raises(Problem) as caught:
        ask()
    assert (caught.value.code, caught.value.param) == (code, param)
