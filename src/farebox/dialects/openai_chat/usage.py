"""Usage as OpenAI-compatible providers report it, into classes that never overlap.

OpenAI counts cached tokens inside `prompt_tokens` and reasoning inside `completion_tokens`. Some compatible vendors
report reasoning beside the completion, visible only in `total_tokens`; that is read from the numbers, not from names.
"""

from typing import Any

import msgspec

from farebox.base.usage import Usage

# Above any context window there is: a larger count is a mistake and would only drain a balance.
MAX_REPORTED_TOKENS = 20_000_000


class Reported(msgspec.Struct, frozen=True, gc=False):
    """What a provider said it used: `usage` is None when it said nothing (`missing`) or nonsense (`malformed`)."""

    usage: Usage | None
    malformed: bool = False


MISSING = Reported(None)
MALFORMED = Reported(None, malformed=True)


def read_usage(report: Any) -> Reported:
    """Read a decoded `usage` object. Explicit zeros are a report like any other."""
    if report is None:
        return MISSING
    if not isinstance(report, dict):
        return MALFORMED
    prompt, completion = _count(report, "prompt_tokens"), _count(report, "completion_tokens")
    input_details, output_details = report.get("prompt_tokens_details"), report.get("completion_tokens_details")
    cached = _count(input_details, "cached_tokens", 0)
    written = _count(input_details, "cache_write_tokens", 0)
    reasoning = _count(output_details, "reasoning_tokens", 0)
    total = _count(report, "total_tokens", -1)
    if None in (prompt, completion, cached, written, reasoning, total):
        return MALFORMED
    assert prompt is not None and completion is not None and total is not None
    assert cached is not None and written is not None and reasoning is not None
    if cached + written > prompt:
        return MALFORMED
    output, reasoning = _split_output(prompt, completion, reasoning, total)
    if output < 0:
        return MALFORMED
    return Reported(
        Usage(
            input_tokens=prompt - cached - written,
            cached_input_tokens=cached,
            cache_write_5m_tokens=written,
            output_tokens=output,
            reasoning_tokens=reasoning,
            requests=1,
        )
    )


def counts_of(usage: Usage) -> dict[str, object]:
    """The inverse of `read_usage`: OpenAI's counts, where cached and reasoning tokens are inside the others."""
    prompt, completion = usage.total_input_tokens, usage.total_output_tokens
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": usage.cached_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def _split_output(prompt: int, completion: int, reasoning: int, total: int) -> tuple[int, int]:
    """Visible output and reasoning. A total above prompt + completion means reasoning was reported beside it."""
    beside = total - prompt - completion
    if beside > 0:
        return completion, max(beside, reasoning)
    return completion - reasoning, reasoning


def _count(report: Any, name: str, default: int | None = None) -> int | None:
    """A token count, `default` where it is absent, None where it is nonsense."""
    value = report.get(name) if isinstance(report, dict) else None
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_REPORTED_TOKENS:
        return None
    return value
