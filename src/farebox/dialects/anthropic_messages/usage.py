"""Usage as the Messages API reports it, into classes that never overlap, and back.

Cached and cache-written tokens stand beside `input_tokens`; thinking is inside `output_tokens`. A stream reports twice:
at its start, and at its end in cumulative counts that win wherever they are present.
"""

import re
from typing import Any

from farebox.base.usage import Usage
from farebox.dialects.usage import MALFORMED, MAX_REPORTED_TOKENS, MISSING, Nonsense, Reported, count

_TIER_NAME = re.compile(r"[A-Za-z0-9._-]{0,64}")
UNREADABLE_TIER = "unreadable"
# What is kept of a report; the rest is not looked at.
_KEPT = (
    "input_tokens",
    "output_tokens",
    "output_tokens_details",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "cache_creation",
    "server_tool_use",
    "service_tier",
    "speed",
    "iterations",
)


def merged(before: Any, report: Any) -> Any:
    """Two reports of one stream as one. What is no report replaces nothing, unless there was none."""
    if not isinstance(report, dict):
        return report if before is None else before
    kept = {name: report[name] for name in _KEPT if report.get(name) is not None}
    return {**before, **kept} if isinstance(before, dict) else kept


def counts_output(report: Any) -> bool:
    """Whether a report says how much was written."""
    return isinstance(report, dict) and report.get("output_tokens") is not None


def read_usage(report: Any, *, unfinished: bool = False) -> Reported:
    """Read a decoded `usage` object. Explicit zeros are a report like any other. `unfinished`: the answer goes on."""
    if report is None:
        return MISSING
    if not isinstance(report, dict):
        return MALFORMED
    try:
        return Reported(_usage(report), unfinished=unfinished)
    except Nonsense:
        return MALFORMED


def _usage(report: dict[str, Any]) -> Usage:
    fresh, output = count(report, "input_tokens", -1), count(report, "output_tokens", -1)
    if fresh < 0 or output < 0:
        raise Nonsense("input_tokens")
    cached = count(report, "cache_read_input_tokens")
    written, written_1h = _written(report)
    # The details only explain the total, which is what is billed.
    thinking = min(count(report.get("output_tokens_details"), "thinking_tokens"), output)
    for entry in _compactions(report):
        fresh, output = fresh + count(entry, "input_tokens"), output + count(entry, "output_tokens")
        cached += count(entry, "cache_read_input_tokens")
        more, more_1h = _written(entry)
        written, written_1h = written + more, written_1h + more_1h
    if max(fresh, output, cached, written) > MAX_REPORTED_TOKENS:
        raise Nonsense("iterations")
    return Usage(
        input_tokens=fresh,
        cached_input_tokens=cached,
        cache_write_5m_tokens=written - written_1h,
        cache_write_1h_tokens=written_1h,
        output_tokens=output - thinking,
        reasoning_tokens=thinking,
        web_searches=count(report.get("server_tool_use"), "web_search_requests"),
    )


def _written(report: dict[str, Any]) -> tuple[int, int]:
    """Tokens written to the cache, and how many of them for an hour."""
    split = report.get("cache_creation")
    short, long = count(split, "ephemeral_5m_input_tokens"), count(split, "ephemeral_1h_input_tokens")
    total = count(report, "cache_creation_input_tokens", short + long)
    return total, min(long, total)


def _compactions(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Summaries that the provider made on the way: it bills them, and leaves them out of the counts at the top."""
    entries = report.get("iterations")
    if not isinstance(entries, list):
        return []
    return [entry for entry in entries if isinstance(entry, dict) and entry.get("type") == "compaction"]


def tier_of(report: Any) -> str | None:
    """The service tier that a report names. Fast mode has prices of its own, so it is a tier of its own: `fast`. What
    is no name becomes one that no price knows: it is stored."""
    if not isinstance(report, dict):
        return None
    value = "fast" if report.get("speed") == "fast" else report.get("service_tier")
    if not isinstance(value, str):
        return None
    return value if _TIER_NAME.fullmatch(value) else UNREADABLE_TIER


def counts_of(usage: Usage | None) -> dict[str, Any]:
    """The inverse of `read_usage`, zeros for None: official clients refuse a message without counts."""
    usage = usage or Usage()
    short, long = usage.cache_write_5m_tokens, usage.cache_write_1h_tokens
    counts: dict[str, Any] = {
        "input_tokens": usage.input_tokens + usage.audio_input_tokens + usage.image_input_tokens,
        "cache_creation_input_tokens": short + long,
        "cache_read_input_tokens": usage.cached_input_tokens,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "output_tokens": usage.total_output_tokens,
    }
    if usage.reasoning_tokens:
        counts["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    if usage.web_searches:
        counts["server_tool_use"] = {"web_search_requests": usage.web_searches, "web_fetch_requests": 0}
    return counts
