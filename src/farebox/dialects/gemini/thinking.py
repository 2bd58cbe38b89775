"""How much to think, in Gemini's words. Source: the guide to thinking, and the table of efforts in the guide to
Google's own OpenAI endpoint.

Models up to 2.5 take a budget of tokens, later ones a level (a budget still, but not both). Thinking cannot be turned
off everywhere.
"""

import re
from typing import Any, Final

from farebox.dialects.canonical.conversation import Thinking

_NUMBERED = re.compile(r"gemini-(\d+)")
_LAST_WITH_BUDGETS: Final = 2

# Google's table: `minimal` and `low` are the same budget; the largest budget that every 2.5 model takes is `high`.
_BUDGETS: Final = {"minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576, "xhigh": 24_576, "max": 24_576}
_LEVELS: Final = {
    "minimal": "MINIMAL",
    "low": "LOW",
    "medium": "MEDIUM",
    "high": "HIGH",
    "xhigh": "HIGH",
    "max": "HIGH",
}
# The larger models think always: this is the least they take.
_LEAST_BUDGET_OF_PRO: Final = 128
_LEAST_LEVEL_OF_PRO: Final = "LOW"
_ABOVE_THE_MOST: Final = frozenset(("xhigh", "max"))
_DYNAMIC: Final = -1
_HIDDEN: Final = frozenset(("omitted",))
_PLAIN: Final = frozenset(("auto", "summarized", "omitted"))


def takes_levels(model: str) -> bool:
    """Whether this is a model of generation 3 or later. Those want signed function calls too; an alias without a number
    names a recent model."""
    found = _NUMBERED.search(model)
    return found is None or int(found[1]) > _LAST_WITH_BUDGETS


def thinking_config(thinking: Thinking, model: str, dropped: set[str]) -> dict[str, Any]:
    """`thinkingConfig`; empty where the model's own way was asked for."""
    config = _amount(thinking, model, dropped)
    if thinking.summary is not None:
        config["includeThoughts"] = thinking.summary not in _HIDDEN
        if thinking.summary not in _PLAIN:
            dropped.add("reasoning_summary")
    return config


def _amount(thinking: Thinking, model: str, dropped: set[str]) -> dict[str, Any]:
    if thinking.disabled or thinking.effort == "none":
        return _off(model, dropped)
    if thinking.budget_tokens is not None:
        if thinking.effort is not None:
            dropped.add("reasoning_effort")
        return {"thinkingBudget": thinking.budget_tokens}
    if thinking.effort is not None:
        return _effort(thinking.effort, model, dropped)
    return {"thinkingBudget": _DYNAMIC} if thinking.adaptive else {}


def _off(model: str, dropped: set[str]) -> dict[str, Any]:
    pro = "pro" in model
    if takes_levels(model):
        dropped.add("reasoning_effort")
        return {"thinkingLevel": _LEAST_LEVEL_OF_PRO if pro else "MINIMAL"}
    if pro:
        dropped.add("reasoning_effort")
    return {"thinkingBudget": _LEAST_BUDGET_OF_PRO if pro else 0}


def _effort(effort: str, model: str, dropped: set[str]) -> dict[str, Any]:
    if effort not in _LEVELS:
        dropped.add("reasoning_effort")
        return {}
    if effort in _ABOVE_THE_MOST:
        dropped.add("reasoning_effort")
    if not takes_levels(model):
        return {"thinkingBudget": _BUDGETS[effort]}
    if effort == "minimal" and "pro" in model:
        dropped.add("reasoning_effort")
        return {"thinkingLevel": _LEAST_LEVEL_OF_PRO}
    return {"thinkingLevel": _LEVELS[effort]}
