"""How much to think, as fields of this dialect.

`thinking` is `adaptive`, or `enabled` with a budget of at least 1,024 tokens and below the output limit, or `disabled`;
`output_config.effort` stands beside it. Source: Anthropic's pages on thinking and on effort.
"""

from typing import Any, Final, NamedTuple

from farebox.dialects.anthropic_messages.losses import Losses
from farebox.dialects.anthropic_messages.seals import OWN
from farebox.dialects.canonical.conversation import Conversation, Thinking

MIN_BUDGET_TOKENS: Final = 1_024
_EFFORTS: Final = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}
# Budgets for models that know no adaptive thinking; half of the output limit stays for the answer.
_BUDGETS: Final = {"minimal": 1_024, "low": 2_048, "medium": 8_192, "high": 16_384, "xhigh": 24_576, "max": 32_768}
_DISPLAYS: Final = {
    "summarized": "summarized",
    "omitted": "omitted",
    "updates": "updates",
    "auto": "summarized",
    "concise": "summarized",
    "detailed": "summarized",
}


class Written(NamedTuple):
    """`thinking` and `output_config.effort`; `thinks`: whether the model is told to think."""

    config: dict[str, Any] | None = None
    effort: str | None = None

    @property
    def thinks(self) -> bool:
        return self.config is not None and self.config["type"] != "disabled"


def thinking_fields(
    conversation: Conversation, losses: Losses, *, output_limit: int, messages: list[dict[str, Any]]
) -> Written:
    """What is sent for a wish to think. Where the API would refuse it, it is left out by name."""
    wish = conversation.thinking
    if wish is None:
        return Written()
    effort = _EFFORTS.get(wish.effort) if wish.effort else None
    if wish.effort and wish.effort not in (effort, "none"):
        losses.add("reasoning_effort")
    config = _config(wish, losses, output_limit=output_limit, is_own=conversation.origin == OWN)
    choice = conversation.tool_choice
    if config is not None and config["type"] != "disabled":
        is_forced = choice is not None and choice.mode in ("required", "named", "allowed_required")
        if is_forced or (config["type"] == "enabled" and _calls_without_thoughts(messages)):
            # The API thinks only before free choices, and with a budget only where it thought before the last calls.
            losses.add("thinking_budget" if wish.budget_tokens is not None else "reasoning_effort")
            config = None
    if wish.summary:
        config = _shown(config, wish.summary, losses)
    return Written(config, effort if effort is not None and losses.takes("reasoning_effort") else None)


def _config(wish: Thinking, losses: Losses, *, output_limit: int, is_own: bool) -> dict[str, Any] | None:
    if wish.disabled or wish.effort == "none":
        return {"type": "disabled"}
    budget = wish.budget_tokens
    if budget is not None and MIN_BUDGET_TOKENS <= budget < output_limit:
        return {"type": "enabled", "budget_tokens": budget}
    if budget is not None:
        losses.add("thinking_budget")
    elif not wish.adaptive and (is_own or wish.effort is None):
        # In this dialect an effort alone does not ask for thoughts; in the others it does.
        return None
    if losses.supports("adaptive_thinking"):
        return {"type": "adaptive"}
    budget = min(_BUDGETS.get(wish.effort or "medium", 8_192), output_limit // 2)
    if budget < MIN_BUDGET_TOKENS:
        losses.add("reasoning_effort")
        return None
    return {"type": "enabled", "budget_tokens": budget}


def _shown(config: dict[str, Any] | None, summary: str, losses: Losses) -> dict[str, Any] | None:
    display = _DISPLAYS.get(summary)
    if config is None or config["type"] == "disabled" or display is None:
        losses.add("reasoning_summary")
        return config
    if summary in ("concise", "detailed"):
        losses.add("reasoning_summary")
    return {**config, "display": display}


def _calls_without_thoughts(messages: list[dict[str, Any]]) -> bool:
    """Whether the last message of the assistant called tools without a thought before it."""
    last: list[dict[str, Any]] = next(
        (message["content"] for message in reversed(messages) if message["role"] == "assistant"), []
    )
    kinds = [block.get("type") for block in last]
    return "tool_use" in kinds and kinds[0] not in ("thinking", "redacted_thinking")
