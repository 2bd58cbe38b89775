"""Usage as providers report it, by hand: classes that never overlap, and what makes no sense."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.usage import Usage
from farebox.dialects.openai_chat.usage import MALFORMED, MAX_REPORTED_TOKENS, MISSING, counts_of, read_usage


def report(
    prompt: Any, completion: Any, total: Any = None, *, cached: Any = None, written: Any = None, reasoning: Any = None
) -> dict[str, Any]:
    details = {"cached_tokens": cached, "cache_write_tokens": written}
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": total,
        "prompt_tokens_details": details,
        "completion_tokens_details": {"reasoning_tokens": reasoning},
    }


def details(*, heard: Any = None, spoken: Any = None, cached: Any = None) -> dict[str, Any]:
    return {
        "prompt_tokens_details": {"audio_tokens": heard, "cached_tokens": cached},
        "completion_tokens_details": {"audio_tokens": spoken},
    }


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        (report(10, 5, 15), Usage(input_tokens=10, output_tokens=5)),
        (report(0, 0, 0), Usage()),
        (report(10, 5), Usage(input_tokens=10, output_tokens=5)),
        ({"prompt_tokens": 10, "completion_tokens": 5}, Usage(input_tokens=10, output_tokens=5)),
        # cached and written tokens are inside the prompt
        (report(10, 5, 15, cached=4), Usage(input_tokens=6, cached_input_tokens=4, output_tokens=5)),
        (report(10, 5, 15, cached=10), Usage(cached_input_tokens=10, output_tokens=5)),
        (
            report(10, 5, 15, cached=4, written=3),
            Usage(input_tokens=3, cached_input_tokens=4, cache_write_5m_tokens=3, output_tokens=5),
        ),
        # reasoning inside the completion, as OpenAI counts it
        (report(10, 5, 15, reasoning=3), Usage(input_tokens=10, output_tokens=2, reasoning_tokens=3)),
        (report(10, 5, 15, reasoning=5), Usage(input_tokens=10, reasoning_tokens=5)),
        # reasoning beside it: only the total tells
        (report(10, 5, 35, reasoning=20), Usage(input_tokens=10, output_tokens=5, reasoning_tokens=20)),
        (report(10, 5, 35), Usage(input_tokens=10, output_tokens=5, reasoning_tokens=20)),
        (report(10, 0, 30, reasoning=20), Usage(input_tokens=10, reasoning_tokens=20)),
        # a total that is too small says nothing
        (report(10, 5, 3), Usage(input_tokens=10, output_tokens=5)),
        (report(10, 5, 15) | {"prompt_tokens_details": None}, Usage(input_tokens=10, output_tokens=5)),
        # sound is inside both
        (
            report(10, 5, 15) | details(heard=4, spoken=3),
            Usage(input_tokens=6, audio_input_tokens=4, output_tokens=2, audio_output_tokens=3),
        ),
        (
            report(10, 5, 35) | details(heard=4, spoken=3, cached=8),
            Usage(
                cached_input_tokens=8,
                audio_input_tokens=2,
                output_tokens=2,
                audio_output_tokens=3,
                reasoning_tokens=20,
            ),
        ),
        # cached tokens as DeepSeek and Moonshot report them; a search as OpenRouter does
        (
            report(10, 5, 15) | {"prompt_cache_hit_tokens": 4},
            Usage(input_tokens=6, cached_input_tokens=4, output_tokens=5),
        ),
        (report(10, 5, 15) | {"cached_tokens": 4}, Usage(input_tokens=6, cached_input_tokens=4, output_tokens=5)),
        (
            report(10, 5, 15, cached=3) | {"cached_tokens": 4},
            Usage(input_tokens=7, cached_input_tokens=3, output_tokens=5),
        ),
        (
            report(10, 5, 15) | {"server_tool_use": {"web_search_requests": 2}},
            Usage(input_tokens=10, output_tokens=5, web_searches=2),
        ),
        (report(10, 5, 15) | {"cost": 0.5, "more": {"x": 1}}, Usage(input_tokens=10, output_tokens=5)),
    ],
)
def test_usage_is_read_into_classes_that_never_overlap(reported: Any, usage: Usage) -> None:
    found = read_usage(reported)
    assert (found.usage, found.malformed) == (usage, False)


@pytest.mark.parametrize(
    "reported",
    [
        *("x", 5, [], {}, True, {"completion_tokens": 5}, {"prompt_tokens": 5}),
        *(report(-1, 5), report(5, -1), report(1.0, 5), report("1", 5), report(True, 5), report(5, 1, -1)),
        *(report(MAX_REPORTED_TOKENS + 1, 5), report(5, MAX_REPORTED_TOKENS + 1), report(5, 5, 10**30)),
        *(report(5, 5, cached=6), report(5, 5, cached=3, written=3), report(5, 5, cached=-1), report(5, 5, cached="1")),
        *(report(5, 5) | details(heard=6), report(5, 5) | details(spoken=6), report(5, 5) | details(heard=-1)),
        *(report(5, 5, 10, reasoning=6), report(5, 5, reasoning=-1), report(5, 5, reasoning=0.5)),
    ],
)
def test_nonsense_is_no_usage(reported: Any) -> None:
    assert read_usage(reported) == MALFORMED


def test_no_report_is_missing_and_not_malformed() -> None:
    assert read_usage(None) == MISSING


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["cached_tokens", "reasoning_tokens", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
_names = st.sampled_from([*report(1, 1), "x"])


@given(st.dictionaries(_names, _json | st.integers(0, 50)))
def test_whatever_is_reported_gives_usage_or_none_and_never_more_than_was_said(reported: dict[str, Any]) -> None:
    usage = read_usage(reported).usage
    if usage is not None:
        assert usage.total_input_tokens == reported["prompt_tokens"]
        said = max(reported["completion_tokens"], (reported.get("total_tokens") or 0) - reported["prompt_tokens"])
        details = reported.get("completion_tokens_details")
        beside = (details.get("reasoning_tokens") or 0) if isinstance(details, dict) else 0
        assert usage.total_output_tokens <= said + beside


_classes = ["input_tokens", "cached_input_tokens", "cache_write_5m_tokens", "audio_input_tokens", "web_searches"]
_classes += ["output_tokens", "reasoning_tokens", "audio_output_tokens"]


@given(st.fixed_dictionaries({name: st.integers(0, 99) for name in _classes}))
def test_counts_told_to_a_client_read_back_as_the_same_usage(counts: dict[str, int]) -> None:
    usage = Usage(**counts)
    assert read_usage(counts_of(usage)).usage == usage
