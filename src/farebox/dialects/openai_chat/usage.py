"""Usage as OpenAI-compatible providers report it, into classes that never overlap.

OpenAI counts cached and audio tokens inside `prompt_tokens`, reasoning and audio inside `completion_tokens`. Some
compatible vendors report reasoning beside the completion, visible only in `total_tokens`; that is read from the
numbers, not from names. Image tokens of a prompt are input like any other: chat models do not price them apart.
"""

from typing import Any

from farebox.base.usage import Usage
from farebox.dialects.usage import MALFORMED, MAX_REPORTED_TOKENS, MISSING, Nonsense, Reported, count

__all__ = ["MALFORMED", "MAX_REPORTED_TOKENS", "MISSING", "Reported", "counts_of", "read_usage"]


def read_usage(report: Any) -> Reported:
    """Read a decoded `usage` object. Explicit zeros are a report like any other."""
    if report is None:
        return MISSING
    if not isinstance(report, dict):
        return MALFORMED
    try:
        usage = _usage(report)
    except Nonsense:
        return MALFORMED
    return MALFORMED if usage is None else Reported(usage)


def _usage(report: dict[str, Any]) -> Usage | None:
    prompt, completion = count(report, "prompt_tokens", -1), count(report, "completion_tokens", -1)
    inputs, outputs = report.get("prompt_tokens_details"), report.get("completion_tokens_details")
    cached = count(inputs, "cached_tokens", _cached_elsewhere(report))
    written = count(inputs, "cache_write_tokens")
    heard, spoken = count(inputs, "audio_tokens"), count(outputs, "audio_tokens")
    reasoning = count(outputs, "reasoning_tokens")
    total = count(report, "total_tokens", -1)
    searches = count(report.get("server_tool_use"), "web_search_requests")
    if prompt < 0 or completion < 0 or cached + written > prompt or heard > prompt:
        return None
    # Sound that was cached is reported twice; it is counted once, as cached.
    heard = min(heard, prompt - cached - written)
    output, reasoning = _split_output(prompt, completion, reasoning, total=total)
    if output < spoken:
        return None
    return Usage(
        input_tokens=prompt - cached - written - heard,
        cached_input_tokens=cached,
        cache_write_5m_tokens=written,
        output_tokens=output - spoken,
        reasoning_tokens=reasoning,
        audio_input_tokens=heard,
        audio_output_tokens=spoken,
        web_searches=searches,
    )


def _cached_elsewhere(report: dict[str, Any]) -> int:
    """Cached tokens where vendors report them beside OpenAI's details: DeepSeek, Moonshot."""
    return count(report, "prompt_cache_hit_tokens", count(report, "cached_tokens"))


def _split_output(prompt: int, completion: int, reasoning: int, *, total: int) -> tuple[int, int]:
    """Visible output and reasoning. A total above prompt + completion means reasoning was reported beside it."""
    beside = total - prompt - completion
    if beside > 0:
        return completion, max(beside, reasoning)
    return completion - reasoning, reasoning


def counts_of(usage: Usage) -> dict[str, object]:
    """The inverse of `read_usage`: OpenAI's counts, where the other classes are inside prompt and completion.

    Both lifetimes of written cache are one count here, and searches are told as OpenRouter tells them.
    """
    prompt, completion = usage.total_input_tokens, usage.total_output_tokens
    written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    inputs = {"cached_tokens": usage.cached_input_tokens}
    outputs = {"reasoning_tokens": usage.reasoning_tokens}
    counts: dict[str, object] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": inputs,
        "completion_tokens_details": outputs,
    }
    if written:
        inputs["cache_write_tokens"] = written
    if usage.audio_input_tokens:
        inputs["audio_tokens"] = usage.audio_input_tokens
    if usage.audio_output_tokens:
        outputs["audio_tokens"] = usage.audio_output_tokens
    if usage.web_searches:
        counts["server_tool_use"] = {"web_search_requests": usage.web_searches}
    return counts
