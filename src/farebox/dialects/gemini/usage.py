"""Usage as Gemini reports it, into classes that never overlap. Source: `UsageMetadata` of the API reference.

`promptTokenCount` includes the cached tokens; `toolUsePromptTokenCount` is input beside it; `thoughtsTokenCount` stands
beside `candidatesTokenCount`. The `…Details` split a count by modality, so a class of their own is taken out of that
count, never added to it. Counts that are zero may be absent. A model that works in steps reports more than it did
before, never less: of several reports the last one counts.
"""

import re
from typing import Any

from farebox.base.usage import Usage
from farebox.dialects.usage import MALFORMED, MISSING, Nonsense, Reported, count

_Report = dict[str, Any]
_TIER_NAME = re.compile(r"[A-Za-z0-9._-]{0,64}")
UNREADABLE_TIER = "unreadable"


def tier_of(report: Any) -> str | None:
    """The service tier that a report names: the hosts write it in either case. What is no name becomes one that no
    price knows: it is stored."""
    value = report.get("serviceTier") if isinstance(report, dict) else None
    if not isinstance(value, str) or value.lower() == "unspecified":
        return None
    return value.lower() if _TIER_NAME.fullmatch(value) else UNREADABLE_TIER


def read_usage(report: Any, web_searches: int = 0) -> Reported:
    """What a decoded `usageMetadata` says, and the searches that were counted beside it."""
    if report is None:
        return MISSING
    if not isinstance(report, dict):
        return MALFORMED
    try:
        return Reported(_read(report, web_searches))
    except Nonsense:
        return MALFORMED


def _read(report: _Report, web_searches: int) -> Usage:
    if report.get("promptTokenCount") is None:
        raise Nonsense("promptTokenCount")
    prompt, cached = count(report, "promptTokenCount"), count(report, "cachedContentTokenCount")
    tools = count(report, "toolUsePromptTokenCount")
    fresh = prompt - cached
    if fresh < 0:
        raise Nonsense("cachedContentTokenCount")
    audio = _fresh(report, "AUDIO", fresh) + _part(report, "toolUsePromptTokensDetails", "AUDIO", tools)
    image = _fresh(report, "IMAGE", fresh) + _part(report, "toolUsePromptTokensDetails", "IMAGE", tools)
    output, reasoning = _split_output(report, prompt + tools)
    spoken = _part(report, "candidatesTokensDetails", "AUDIO", output)
    drawn = _part(report, "candidatesTokensDetails", "IMAGE", output)
    text_input, text_output = fresh + tools - audio - image, output - spoken - drawn
    if min(text_input, text_output) < 0:
        raise Nonsense("tokensDetails")
    return Usage(
        input_tokens=text_input,
        cached_input_tokens=cached,
        output_tokens=text_output,
        reasoning_tokens=reasoning,
        audio_input_tokens=audio,
        audio_output_tokens=spoken,
        image_input_tokens=image,
        image_output_tokens=drawn,
        web_searches=web_searches,
    )


def _split_output(report: _Report, read: int) -> tuple[int, int]:
    """Visible output and thoughts. Some models count thoughts inside the candidates, and some only in the total: the
    numbers tell."""
    output, thoughts = count(report, "candidatesTokenCount"), count(report, "thoughtsTokenCount")
    total = count(report, "totalTokenCount")
    if 0 < thoughts <= output and read + output == total:
        return output - thoughts, thoughts
    return output, thoughts + max(0, total - read - output - thoughts)


def _fresh(report: _Report, modality: str, fresh: int) -> int:
    """Tokens of a modality in the prompt that were not cached: cached ones are counted once, as cached."""
    whole = _part(report, "promptTokensDetails", modality)
    return min(max(0, whole - _part(report, "cacheTokensDetails", modality)), fresh)


def _part(report: _Report, name: str, modality: str, most: int | None = None) -> int:
    """Tokens of a modality in one of the details, at most `most`. Raises Nonsense."""
    details = report.get(name)
    if details is None:
        return 0
    if not isinstance(details, list):
        raise Nonsense(name)
    found = sum(count(entry, "tokenCount") for entry in details if _is(entry, modality))
    return found if most is None else min(found, most)


def _is(entry: Any, modality: str) -> bool:
    return isinstance(entry, dict) and entry.get("modality") == modality
