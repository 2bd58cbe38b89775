"""A conversation as a request to a provider that speaks Responses."""

from typing import Any

import msgspec

from farebox.base.errors import Problem
from farebox.dialects.canonical.conversation import Conversation, JsonSchema, Sampling, Thinking
from farebox.dialects.canonical.parts import Reasoning
from farebox.dialects.openai_responses.encode_input import input_of
from farebox.dialects.openai_responses.losses import Losses
from farebox.dialects.openai_responses.tools import choice_value, tool_values
from farebox.dialects.port import Edits, Encoded, Inexpressible

_EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})
_SUMMARIES = {"auto": "auto", "concise": "concise", "detailed": "detailed", "summarized": "auto"}
_VERBOSITIES = frozenset({"low", "medium", "high"})
_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})
# Budgets of thinking, in tokens, that stand for an effort; what is above is `high`.
_LOW_BUDGET, _MEDIUM_BUDGET = 4_096, 16_384
# Longer ids of users are refused.
MAX_USER_CHARS = 128
_encode = msgspec.json.Encoder().encode


def encode_request(conversation: Conversation, edits: Edits, stream: bool) -> Encoded:
    """Nothing is stored at the provider: `store` is false, and where reasoning may occur it is asked for in sealed
    form, so that it survives to the next turn. Raises Inexpressible, and Problem `invalid_request`."""
    losses = Losses(edits.profile.unsupported)
    _refuse(conversation)
    for name in conversation.unknown:
        losses.add(f"field:{name}")
    instructions, items = input_of(conversation.turns, losses)
    body: dict[str, Any] = {
        "model": edits.model,
        "input": items,
        "store": False,
        "max_output_tokens": edits.output_limit,
    }
    if stream:
        body["stream"] = True
    if instructions:
        body["instructions"] = instructions
    _add_tools(body, conversation, losses)
    _add_thinking(body, conversation, losses)
    _add_text(body, conversation, losses)
    _add_sampling(body, conversation.sampling, losses)
    _add_about(body, conversation, losses)
    try:
        return Encoded(_encode(body), losses.sorted)
    except RecursionError as error:
        raise Problem("invalid_request", "The body is nested too deeply.") from error


def _refuse(conversation: Conversation) -> None:
    """What changes the answer when it is left out."""
    if conversation.choices > 1:
        raise Inexpressible("n", "n")
    if conversation.sampling.stop:
        raise Inexpressible("stop", "stop")
    if set(conversation.modalities) - {"text"}:
        raise Inexpressible("modalities", "modalities")


def _add_tools(body: dict[str, Any], conversation: Conversation, losses: Losses) -> None:
    tools = conversation.tools
    if tools:
        values = tool_values(tools, losses, is_origin=conversation.origin == "openai_responses")
        if values:
            body["tools"] = values
    if conversation.tool_choice is not None:
        limited = conversation.tool_choice.mode.startswith("allowed")
        if not (limited and losses.lacks("allowed_tools")):
            body["tool_choice"] = choice_value(conversation.tool_choice, tools)
    if conversation.parallel_tool_calls is not None and not losses.lacks("parallel_tool_calls"):
        body["parallel_tool_calls"] = conversation.parallel_tool_calls


def _add_thinking(body: dict[str, Any], conversation: Conversation, losses: Losses) -> None:
    thinking = conversation.thinking
    reasoning = _reasoning(thinking, losses) if thinking is not None else {}
    if reasoning:
        body["reasoning"] = reasoning
    thought = any(isinstance(part, Reasoning) for turn in conversation.turns for part in turn.parts)
    # Models that never reason refuse the wish for sealed reasoning.
    if (thought or (reasoning and reasoning.get("effort") != "none")) and not losses.lacks("encrypted_reasoning"):
        body["include"] = ["reasoning.encrypted_content"]


def _reasoning(thinking: Thinking, losses: Losses) -> dict[str, str]:
    reasoning: dict[str, str] = {}
    effort = thinking.effort
    if effort is not None and effort not in _EFFORTS:
        losses.add("reasoning_effort")
        effort = None
    if thinking.budget_tokens is not None:
        losses.add("thinking_budget")
        effort = effort or _effort_of(thinking.budget_tokens)
    if thinking.disabled:
        # Not every model knows the effort `none`, and those that do not refuse it.
        losses.add("reasoning_effort")
        effort = None
    if effort is not None and not losses.lacks("reasoning_effort"):
        reasoning["effort"] = effort
    if thinking.summary is not None and thinking.summary != "omitted":
        summary = _SUMMARIES.get(thinking.summary)
        if summary is None:
            losses.add("reasoning_summary")
        elif not losses.lacks("reasoning_summary"):
            reasoning["summary"] = summary
    return reasoning


def _effort_of(budget_tokens: int) -> str:
    if budget_tokens <= _LOW_BUDGET:
        return "low"
    return "medium" if budget_tokens <= _MEDIUM_BUDGET else "high"


def _add_text(body: dict[str, Any], conversation: Conversation, losses: Losses) -> None:
    text: dict[str, Any] = {}
    if conversation.answer_form is not None:
        text["format"] = _format(conversation.answer_form)
    if conversation.verbosity in _VERBOSITIES and not losses.lacks("verbosity"):
        text["verbosity"] = conversation.verbosity
    elif conversation.verbosity is not None:
        losses.add("verbosity")
    if text:
        body["text"] = text


def _format(form: JsonSchema) -> dict[str, Any]:
    if form.schema is None:
        return {"type": "json_object"}
    value: dict[str, Any] = {"type": "json_schema", "name": form.name or "answer", "schema": form.schema}
    if form.description:
        value["description"] = form.description
    if form.strict is not None:
        value["strict"] = form.strict
    return value


def _add_sampling(body: dict[str, Any], sampling: Sampling, losses: Losses) -> None:
    for name in ("temperature", "top_p"):
        value = getattr(sampling, name)
        if value is not None and not losses.lacks(name):
            body[name] = value
    for name in ("top_k", "seed", "presence_penalty", "frequency_penalty", "logit_bias"):
        if getattr(sampling, name) not in (None, ()):
            losses.add(name)
    if sampling.logprobs and not losses.lacks("logprobs"):
        body["include"] = [*body.get("include", ()), "message.output_text.logprobs"]
        if sampling.top_logprobs is not None:
            body["top_logprobs"] = sampling.top_logprobs
    elif sampling.top_logprobs is not None:
        losses.add("logprobs")


def _add_about(body: dict[str, Any], conversation: Conversation, losses: Losses) -> None:
    """What is said about the call and does not change the answer."""
    if conversation.cache is not None:
        losses.add("cache_control")
    if conversation.metadata and not losses.lacks("metadata"):
        body["metadata"] = dict(conversation.metadata)
    if conversation.user is not None:
        if len(conversation.user) > MAX_USER_CHARS:
            losses.add("user")
        elif not losses.lacks("user"):
            body["safety_identifier"] = conversation.user
    if conversation.cache_key is not None and not losses.lacks("cache_key"):
        body["prompt_cache_key"] = conversation.cache_key
    if conversation.service_tier in _TIERS and not losses.lacks("service_tier"):
        body["service_tier"] = conversation.service_tier
    elif conversation.service_tier is not None:
        losses.add("service_tier")
