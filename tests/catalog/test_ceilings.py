"""The most that a call of each workload can use: worked out by hand, and never below what such a call reports."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from farebox.base.errors import Problem
from farebox.base.usage import Usage
from farebox.catalog.ceilings import (
    embedding_ceiling,
    image_ceiling,
    server_tool_tokens,
    speech_ceiling,
    transcription_ceiling,
    video_ceiling,
)
from farebox.catalog.model import Model
from farebox.catalog.rules import Ceiling, charge_nanos, most_nanos
from farebox.catalog.toml_file import read_catalog_file


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


DEFAULT = read_catalog_file(Path(__file__).parents[2] / "deployments" / "default" / "catalog.toml")

# What calls report that ask for as much as they can: published counts of pictures, 15 letters of speech a second at
# 1,250 tokens a minute, 1,000 tokens a minute of sound heard.
LARGE_CALLS: dict[str, tuple[Callable[[Model], Ceiling], Usage, str | None]] = {
    "text-embedding-3-small": (
        lambda m: embedding_ceiling(m, [32_000, 200]),
        Usage(input_tokens=8_192 + 50),
        None,
    ),
    "gpt-image-1": (
        lambda m: image_ceiling(m, prompt_bytes=900, images=2, variant="1024x1536/high", input_images=1),
        Usage(input_tokens=240, image_input_tokens=6_900, image_output_tokens=2 * 6_240, images=2),
        "1024x1536/high",
    ),
    "dall-e-3": (
        lambda m: image_ceiling(m, prompt_bytes=900, images=1, variant="1792x1024/hd"),
        Usage(images=1),
        "1792x1024/hd",
    ),
    "whisper-1": (lambda m: transcription_ceiling(m, seconds=601), Usage(audio_milliseconds=600_400), None),
    "gpt-4o-mini-transcribe": (
        lambda m: transcription_ceiling(m, seconds=600, prompt_bytes=100),
        Usage(input_tokens=30, audio_input_tokens=10_000, output_tokens=1_900, audio_milliseconds=600_000),
        None,
    ),
    "tts-1": (lambda m: speech_ceiling(m, characters=4_096, text_bytes=5_000), Usage(characters=4_096), None),
    "gpt-4o-mini-tts": (
        lambda m: speech_ceiling(m, characters=2_000, text_bytes=2_100),
        Usage(input_tokens=520, audio_output_tokens=2_800, characters=2_000),
        None,
    ),
    "sora-2-pro": (lambda m: video_ceiling(m, seconds=12), Usage(video_milliseconds=12_000), "1792x1024"),
    "veo-3.1": (lambda m: video_ceiling(m, seconds=8), Usage(video_milliseconds=8_000), "3840x2160"),
    "omni-moderation-latest": (lambda m: embedding_ceiling(m, [500]), Usage(input_tokens=120), None),
}


@pytest.mark.parametrize("model_id", LARGE_CALLS)
def test_the_hold_of_the_default_catalog_covers_a_large_call(model_id: str) -> None:
    ceiling_of, usage, variant = LARGE_CALLS[model_id]
    (tiers,) = (DEFAULT.prices[key].tiers for key, route in DEFAULT.routes.items() if route.model_id == model_id)
    hold = most_nanos(tiers, ceiling_of(DEFAULT.models[model_id]), variant=variant)
    assert charge_nanos(tiers, usage, variant) <= hold
    assert (hold == 0) == (model_id == "omni-moderation-latest")


def test_the_default_catalog_sells_every_workload() -> None:
    sold = {DEFAULT.models[DEFAULT.routes[key].model_id].workload for key in DEFAULT.prices}
    assert sold == {"text", "embedding", "image", "audio", "video", "moderation"}
