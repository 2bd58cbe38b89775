"""Usage as the Responses API reports it, into classes that never overlap, and back.

Cached and cache-written tokens are inside `input_tokens`, reasoning is inside `output_tokens`.
"""

import re
from typing import Any

from farebox.base.usage import Usage
from farebox.dialects.usage import MALFORMED, MISSING, Nonsense, Reported, count

_TIER_NAME = re.compile(r"[A-Za-z0-9._-]{0,64}")
UNREADABLE_TIER = "unreadable"


def read_usage(response: Any) -> Reported:
    """What a decoded response object says that it used. Explicit zeros are a report like any other.

    Searches that OpenAI bills by the piece stand in `tool_usage`, beside `usage`.
    """
    report = response.get("usage") if isinstance(response, dict) else None
    if report is None:
        return MISSING
    if not isinstance(report, dict):
        return MALFORMED
    try:
        return _read(report, response.get("tool_usage"))
    except Nonsense:
        return MALFORMED


def _read(report: dict[str, Any], tool_usage: Any) -> Reported:
    total_input, total_output = count(report, "input_tokens", -1), count(report, "output_tokens", -1)
    cached = count(report.get("input_tokens_details"), "cached_tokens")
    written = count(report.get("input_tokens_details"), "cache_write_tokens")
    reasoning = count(report.get("output_tokens_details"), "reasoning_tokens")
    searches = tool_usage.get("web_search") if isinstance(tool_usage, dict) else None
    if min(total_input, total_output) < 0 or cached + written > total_input or reasoning > total_output:
        return MALFORMED
    return Reported(
        Usage(
            input_tokens=total_input - cached - written,
            cached_input_tokens=cached,
            cache_write_5m_tokens=written,
            output_tokens=total_output - reasoning,
            reasoning_tokens=reasoning,
            web_searches=count(searches, "num_requests"),
        )
    )


def counts_of(usage: Usage | None) -> dict[str, object]:
    """The inverse of `read_usage`, zeros for None: official clients refuse an ended response without counts."""
    usage = usage or Usage()
    total_input, total_output = usage.total_input_tokens, usage.total_output_tokens
    return {
        "input_tokens": total_input,
        "input_tokens_details": {
            "cached_tokens": usage.cached_input_tokens,
            "cache_write_tokens": usage.cache_write_5m_tokens + usage.cache_write_1h_tokens,
        },
        "output_tokens": total_output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": total_input + total_output,
    }


def tool_usage_of(usage: Usage) -> dict[str, object]:
    """`tool_usage` where searches were run; the official types ask for the pictures' counts beside them."""
    if not usage.web_searches:
        return {}
    details = {"image_tokens": 0, "text_tokens": 0}
    pictures = {"input_tokens": 0, "input_tokens_details": details, "output_tokens": 0, "total_tokens": 0}
    return {"tool_usage": {"image_gen": pictures, "web_search": {"num_requests": usage.web_searches}}}


def read_tier(value: Any) -> str | None:
    """The service tier that a provider reports. What is no name becomes one that no price knows: it is stored."""
    if not isinstance(value, str):
        return None
    return value if _TIER_NAME.fullmatch(value) else UNREADABLE_TIER
