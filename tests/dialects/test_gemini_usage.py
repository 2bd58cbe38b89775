"""Gemini's counts into classes that never overlap, checked by hand."""

from typing import Any

import pytest
from hypothesis import given

from farebox.base.usage import Usage
from farebox.dialects.gemini.usage import read_usage
from farebox.dialects.usage import MALFORMED, MISSING
from tests.dialects.gemini_strategies import usages
from tests.dialects.gemini_writer import usage_metadata


def tokens(**by_modality: int) -> list[dict[str, Any]]:
    return [{"modality": name.upper(), "tokenCount": count} for name, count in by_modality.items()]


TABLE: list[tuple[str, dict[str, Any], Usage]] = [
    ("zero is a report", {"promptTokenCount": 0}, Usage()),
    ("counts that are zero are absent", {"promptTokenCount": 8, "totalTokenCount": 8}, Usage(input_tokens=8)),
    (
        "cached is inside the prompt",
        {"promptTokenCount": 100, "cachedContentTokenCount": 60, "candidatesTokenCount": 5},
        Usage(input_tokens=40, cached_input_tokens=60, output_tokens=5),
    ),
    (
        "thoughts are beside the answer",
        {"promptTokenCount": 1, "candidatesTokenCount": 5, "thoughtsTokenCount": 7, "totalTokenCount": 13},
        Usage(input_tokens=1, output_tokens=5, reasoning_tokens=7),
    ),
    (
        "thoughts inside the answer, as the total shows",
        {"promptTokenCount": 1, "candidatesTokenCount": 12, "thoughtsTokenCount": 7, "totalTokenCount": 13},
        Usage(input_tokens=1, output_tokens=5, reasoning_tokens=7),
    ),
    (
        "thoughts that only the total shows",
        {"promptTokenCount": 1, "candidatesTokenCount": 5, "totalTokenCount": 13},
        Usage(input_tokens=1, output_tokens=5, reasoning_tokens=7),
    ),
    (
        "what tools gave back is input",
        {"promptTokenCount": 10, "toolUsePromptTokenCount": 30, "candidatesTokenCount": 5, "totalTokenCount": 45},
        Usage(input_tokens=40, output_tokens=5),
    ),
    (
        "sound and pictures are taken out of the prompt",
        {"promptTokenCount": 100, "promptTokensDetails": tokens(text=20, audio=50, image=30)},
        Usage(input_tokens=20, audio_input_tokens=50, image_input_tokens=30),
    ),
    (
        "films and documents are text",
        {"promptTokenCount": 100, "promptTokensDetails": tokens(text=20, video=50, document=30)},
        Usage(input_tokens=100),
    ),
    (
        "cached sound is counted once, as cached",
        {
            "promptTokenCount": 100,
            "cachedContentTokenCount": 60,
            "promptTokensDetails": tokens(text=30, audio=70),
            "cacheTokensDetails": tokens(text=10, audio=50),
        },
        Usage(input_tokens=20, cached_input_tokens=60, audio_input_tokens=20),
    ),
    (
        "cached sound that is not told apart stays within what was not cached",
        {"promptTokenCount": 100, "cachedContentTokenCount": 60, "promptTokensDetails": tokens(audio=70)},
        Usage(cached_input_tokens=60, audio_input_tokens=40),
    ),
    (
        "pictures and speech that a model made",
        {"promptTokenCount": 1, "candidatesTokenCount": 90, "candidatesTokensDetails": tokens(image=50, audio=30)},
        Usage(input_tokens=1, output_tokens=10, audio_output_tokens=30, image_output_tokens=50),
    ),
    (
        "pictures that tools gave back",
        {
            "promptTokenCount": 10,
            "toolUsePromptTokenCount": 30,
            "toolUsePromptTokensDetails": tokens(image=25, text=5),
        },
        Usage(input_tokens=15, image_input_tokens=25),
    ),
]


@pytest.mark.parametrize(("case", "report", "usage"), TABLE, ids=[case for case, _, _ in TABLE])
def test_every_token_is_in_one_class(case: str, report: dict[str, Any], usage: Usage) -> None:
    assert read_usage(report).usage == usage, case


@given(usage=usages)
def test_every_class_survives_the_way_through_geminis_report(usage: Usage) -> None:
    assert read_usage(usage_metadata(usage)).usage == usage


def test_searches_are_counted_beside_the_tokens() -> None:
    assert read_usage({"promptTokenCount": 1}, 3).usage == Usage(input_tokens=1, web_searches=3)


@pytest.mark.parametrize(
    "report",
    [
        [],
        "7",
        {},
        {"candidatesTokenCount": 5},
        {"promptTokenCount": -1},
        {"promptTokenCount": "7"},
        {"promptTokenCount": True},
        {"promptTokenCount": 1, "thoughtsTokenCount": 10**12},
        {"promptTokenCount": 1, "cachedContentTokenCount": 2},
        {"promptTokenCount": 1, "promptTokensDetails": 7},
        {"promptTokenCount": 9, "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": "9"}]},
        {"promptTokenCount": 9, "promptTokensDetails": tokens(audio=9, image=9)},
    ],
)
def test_nonsense_is_malformed_and_never_a_bill(report: Any) -> None:
    assert read_usage(report) == MALFORMED


def test_no_report_is_missing() -> None:
    assert read_usage(None) == MISSING
