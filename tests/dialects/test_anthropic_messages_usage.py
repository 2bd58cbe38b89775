"""What Anthropic reports, in classes that never overlap."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.usage import Usage
from farebox.dialects.anthropic_messages.usage import counts_of, merged, read_usage, tier_of
from farebox.dialects.usage import MALFORMED, MAX_REPORTED_TOKENS, MISSING

# (report, what is charged)
TABLE: list[tuple[dict[str, Any], Usage]] = [
    ({"input_tokens": 5, "output_tokens": 7}, Usage(input_tokens=5, output_tokens=7)),
    ({"input_tokens": 0, "output_tokens": 0}, Usage()),
    (
        {"input_tokens": 5, "output_tokens": 7, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20},
        Usage(input_tokens=5, output_tokens=7, cached_input_tokens=100, cache_write_5m_tokens=20),
    ),
    (
        {
            "input_tokens": 5,
            "output_tokens": 7,
            "cache_creation_input_tokens": 20,
            "cache_creation": {"ephemeral_5m_input_tokens": 8, "ephemeral_1h_input_tokens": 12},
        },
        Usage(input_tokens=5, output_tokens=7, cache_write_5m_tokens=8, cache_write_1h_tokens=12),
    ),
    (
        {"input_tokens": 5, "output_tokens": 7, "cache_creation": {"ephemeral_1h_input_tokens": 12}},
        Usage(input_tokens=5, output_tokens=7, cache_write_1h_tokens=12),
    ),
    (
        {"input_tokens": 5, "output_tokens": 7, "output_tokens_details": {"thinking_tokens": 4}},
        Usage(input_tokens=5, output_tokens=3, reasoning_tokens=4),
    ),
    (
        {"input_tokens": 5, "output_tokens": 7, "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 1}},
        Usage(input_tokens=5, output_tokens=7, web_searches=3),
    ),
    (
        {
            "input_tokens": 5,
            "output_tokens": 7,
            "iterations": [
                {"type": "message", "input_tokens": 5, "output_tokens": 7},
                {"type": "compaction", "input_tokens": 100, "output_tokens": 30, "cache_read_input_tokens": 2},
            ],
        },
        Usage(input_tokens=105, output_tokens=37, cached_input_tokens=2),
    ),
]


@pytest.mark.parametrize(("report", "usage"), TABLE)
def test_a_report_is_read_into_classes_that_do_not_overlap(report: dict[str, Any], usage: Usage) -> None:
    assert read_usage(report).usage == usage
    total = sum(report.get(name) or 0 for name in ("input_tokens", "cache_read_input_tokens"))
    assert usage.total_input_tokens >= total


@pytest.mark.parametrize(
    "report",
    [
        5,
        "x",
        [],
        {},
        {"input_tokens": 1},
        {"output_tokens": 1},
        {"input_tokens": -1, "output_tokens": 1},
        {"input_tokens": True, "output_tokens": 1},
        {"input_tokens": MAX_REPORTED_TOKENS + 1, "output_tokens": 1},
        {"input_tokens": 1, "output_tokens": 1, "cache_read_input_tokens": "5"},
        {"input_tokens": 1, "output_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": -5}},
        {
            "input_tokens": 1,
            "output_tokens": 1,
            "iterations": [{"type": "compaction", "input_tokens": MAX_REPORTED_TOKENS}],
        },
    ],
)
def test_nonsense_is_no_report(report: Any) -> None:
    assert read_usage(report) == MALFORMED
    assert read_usage(None) == MISSING


def test_the_counts_at_the_end_win_where_they_are_present() -> None:
    begin = {"input_tokens": 9, "output_tokens": 1, "cache_creation_input_tokens": 6}
    begin["cache_creation"] = {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 4}  # type: ignore[assignment]
    end = {"output_tokens": 50, "input_tokens": None, "cache_creation_input_tokens": 8}
    expected = Usage(input_tokens=9, output_tokens=50, cache_write_5m_tokens=4, cache_write_1h_tokens=4)
    assert read_usage(merged(merged(None, begin), end)).usage == expected
    assert merged(begin, None) == begin == merged(begin, 5)
    assert read_usage(merged(None, 5)) == MALFORMED
    assert merged(None, None) is None


def test_a_tier_is_a_name_and_fast_mode_is_one() -> None:
    assert tier_of({"service_tier": "priority"}) == "priority"
    assert tier_of({"service_tier": "standard", "speed": "fast"}) == "fast"
    assert tier_of({"service_tier": "x y"}) == "unreadable"
    assert tier_of({}) is tier_of(None) is tier_of({"service_tier": 5}) is None


COUNTS = st.integers(0, 1_000_000)


@given(
    st.builds(
        Usage,
        input_tokens=COUNTS,
        cached_input_tokens=COUNTS,
        cache_write_5m_tokens=COUNTS,
        cache_write_1h_tokens=COUNTS,
        output_tokens=COUNTS,
        reasoning_tokens=COUNTS,
        web_searches=st.integers(0, 99),
    )
)
def test_counts_that_are_written_read_back_the_same(usage: Usage) -> None:
    assert read_usage(counts_of(usage)).usage == usage


def test_unknown_usage_is_written_as_zeros() -> None:
    assert read_usage(counts_of(None)).usage == Usage()
