"""Everything of a canonical request beside its turns, as fields of this dialect."""

from typing import Any, Final

from farebox.dialects.anthropic_messages.losses import Losses
from farebox.dialects.anthropic_messages.seals import OWN
from farebox.dialects.anthropic_messages.write_blocks import cache_control
from farebox.dialects.canonical.conversation import (
    Conversation,
    CustomTool,
    FunctionTool,
    JsonSchema,
    Sampling,
    ServerTool,
    Tool,
    ToolChoice,
)
from farebox.dialects.namespaces import joined
from farebox.dialects.port import Inexpressible

_TIERS: Final = {"auto": "auto", "standard_only": "standard_only", "default": "standard_only"}
LEAST_TOP_P_OF_THOUGHT: Final = 0.95
_NO_SCHEMA: Final = {"type": "object", "properties": {}}
_CHOICES: Final = {
    "auto": "auto",
    "none": "none",
    "required": "any",
    "named": "tool",
    "allowed_auto": "auto",
    "allowed_required": "any",
}


def tool_fields(conversation: Conversation, losses: Losses) -> dict[str, Any]:
    """`tools` and `tool_choice`. Raises Inexpressible."""
    choice = conversation.tool_choice
    tools = conversation.tools
    if choice is not None and choice.mode.startswith("allowed"):
        # The same tools may be called, because no other one is sent.
        losses.add("allowed_tools")
        names = frozenset(choice.names)
        tools = tuple(tool for tool in tools if _name_of(tool) in names)
    entries = [entry for tool in tools if (entry := _tool(tool, losses)) is not None]
    if not entries:
        if choice is not None and choice.mode not in ("auto", "none", "allowed_auto"):
            raise Inexpressible("tool_choice", "tool_choice")
        return {}
    fields: dict[str, Any] = {"tools": entries}
    if choice is not None and not losses.takes("tool_choice"):
        if choice.mode not in ("auto", "allowed_auto"):
            raise Inexpressible("tool_choice", "tool_choice")
        choice = None
    parallel = conversation.parallel_tool_calls
    if parallel is not None and not losses.takes("parallel_tool_calls"):
        parallel = None
    if choice is None and parallel is None:
        return fields
    entry = _choice(choice or ToolChoice("auto"), tools, entries)
    if parallel is not None and entry["type"] == "none":
        losses.add("parallel_tool_calls")
    elif parallel is not None:
        entry["disable_parallel_tool_use"] = not parallel
    return {**fields, "tool_choice": entry}


def _name_of(tool: Tool) -> str:
    return tool.kind if isinstance(tool, ServerTool) else tool.name


def _choice(choice: ToolChoice, tools: tuple[Tool, ...], entries: list[dict[str, Any]]) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": _CHOICES[choice.mode]}
    if choice.mode == "named":
        wanted = choice.names[0] if choice.names else ""
        for tool in tools:
            if isinstance(tool, FunctionTool) and tool.name == wanted:
                wanted = joined(tool.namespace, tool.name)
                break
        if choice.custom or all(tool.get("name") != wanted for tool in entries):
            raise Inexpressible("tool_choice", "tool_choice")
        entry["name"] = wanted
    return entry


def _tool(tool: Tool, losses: Losses) -> dict[str, Any] | None:
    match tool:
        case CustomTool():
            raise Inexpressible("custom_tools", "tools")
        case ServerTool():
            if tool.origin == OWN and isinstance(tool.value, dict):
                return tool.value
            losses.add(f"server_tool:{tool.kind}")
            return None
    entry: dict[str, Any] = {"name": joined(tool.namespace, tool.name)}
    if tool.description:
        entry["description"] = tool.description
    entry["input_schema"] = _schema(tool.parameters, losses)
    if tool.strict is not None and losses.takes("tool_strict"):
        entry["strict"] = tool.strict
    if tool.cache is not None and losses.takes("cache_control"):
        entry["cache_control"] = cache_control(tool.cache)
    return entry


def _schema(parameters: Any, losses: Losses) -> dict[str, Any]:
    """A schema of an object, which is the only kind that the API takes."""
    if isinstance(parameters, dict):
        return parameters if "type" in parameters else {"type": "object", **parameters}
    if parameters is not None:
        losses.add("field:parameters")
    return _NO_SCHEMA


def sampling_fields(sampling: Sampling, losses: Losses, *, thinks: bool) -> dict[str, Any]:
    """How tokens are drawn. `thinks`: then the API takes no temperature but 1, no `top_k`, and no low `top_p`."""
    for name in ("seed", "presence_penalty", "frequency_penalty", "logit_bias"):
        if getattr(sampling, name) not in (None, ()):
            losses.add(name)
    if sampling.logprobs or sampling.top_logprobs is not None:
        losses.add("logprobs")
    fields = _temperature(sampling.temperature, losses, thinks=thinks)
    # Newer models refuse both together.
    if (top_p := sampling.top_p) is not None and losses.takes("top_p"):
        if fields or (thinks and top_p < LEAST_TOP_P_OF_THOUGHT):
            losses.add("top_p")
        else:
            fields["top_p"] = top_p
    if sampling.top_k is not None and losses.takes("top_k"):
        if thinks:
            losses.add("top_k")
        else:
            fields["top_k"] = sampling.top_k
    stop = [one for one in sampling.stop if one.strip()]
    if len(stop) < len(sampling.stop):
        # The API refuses those without a visible character.
        losses.add("stop")
    if stop and losses.takes("stop"):
        fields["stop_sequences"] = stop
    return fields


def _temperature(wanted: float | None, losses: Losses, *, thinks: bool) -> dict[str, Any]:
    if wanted is None or not losses.takes("temperature"):
        return {}
    # Others go up to 2.
    given = min(max(wanted, 0.0), 1.0)
    if given != wanted or (thinks and given != 1):
        losses.add("temperature")
    return {} if thinks and given != 1 else {"temperature": given}


def answer_format(form: JsonSchema | None, losses: Losses) -> dict[str, Any] | None:
    """The answer's form.

    Without a schema there is none here. It is left out rather than refused: OpenAI takes that form only when the prompt
    itself asks for JSON, so the model still knows.
    """
    if form is None:
        return None
    if not isinstance(form.schema, dict):
        losses.add("answer_form")
        return None
    if not losses.supports("answer_form"):
        raise Inexpressible("answer_form", "response_format")
    if form.description or form.strict is False:
        losses.add("answer_form")
    return {"type": "json_schema", "schema": form.schema}


def label_fields(conversation: Conversation, losses: Losses) -> dict[str, Any]:
    """What is about the request, not in it. Raises Inexpressible."""
    fields: dict[str, Any] = {}
    if conversation.choices > 1:
        raise Inexpressible("n", "n")
    if set(conversation.modalities) - {"text"}:
        raise Inexpressible("modalities", "modalities")
    for name in ("verbosity", "metadata", "cache_key"):
        if getattr(conversation, name):
            losses.add(name)
    if conversation.user and losses.takes("user"):
        fields["metadata"] = {"user_id": conversation.user}
    if conversation.cache is not None and losses.takes("cache_control"):
        fields["cache_control"] = cache_control(conversation.cache)
    if conversation.service_tier:
        tier = _TIERS.get(conversation.service_tier)
        if tier is None:
            losses.add("service_tier")
        elif losses.takes("service_tier"):
            fields["service_tier"] = tier
    for name in conversation.unknown:
        losses.add(f"field:{name}")
    return fields
