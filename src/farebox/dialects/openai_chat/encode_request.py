"""A canonical request as a chat body, for a provider whose profile says what it takes."""

from typing import Any, Final

import msgspec

from farebox.base.errors import Problem
from farebox.dialects.canonical.conversation import (
    Conversation,
    CustomTool,
    FunctionTool,
    JsonSchema,
    ServerTool,
    Thinking,
    Tool,
)
from farebox.dialects.namespaces import joined
from farebox.dialects.openai_chat.content import cache_control
from farebox.dialects.openai_chat.encode_messages import MessageWriter
from farebox.dialects.openai_chat.shape import plain_name
from farebox.dialects.openai_chat.tools import choice_entry, custom_entry, function_entry
from farebox.dialects.port import Edits, Encoded, Inexpressible

_encode = msgspec.json.Encoder().encode

# The schema's name is required; other dialects have none.
SCHEMA_NAME = "answer"
# Efforts for a budget of thinking tokens, where a provider takes efforts only.
_EFFORTS_UP_TO_TOKENS: Final = ((2_048, "low"), (16_384, "medium"))
# Names of `unknown` that are features of their own, not fields.
_OWN_NAMES = frozenset({"prediction", "message_name", "user"})


def encode_request(conversation: Conversation, edits: Edits, stream: bool) -> Encoded:
    """Raises Inexpressible."""
    writer = _Writer(edits)
    writer.dropped |= {name if name in _OWN_NAMES else f"field:{name}" for name in conversation.unknown}
    body: dict[str, Any] = {"model": edits.model, "messages": writer.messages_of(conversation)}
    body |= writer.tools(conversation)
    body |= writer.sampling(conversation)
    body |= writer.manner(conversation)
    body |= writer.labels(conversation)
    body[edits.profile.output_limit_field] = edits.output_limit
    if stream:
        body["stream"] = True
        if edits.profile.stream_usage:
            body["stream_options"] = {"include_usage": True}
    try:
        return Encoded(_encode(body), tuple(sorted(writer.dropped)))
    except RecursionError as error:
        raise Problem("invalid_request", "The body is nested too deeply.") from error


class _Writer:
    """Writes the fields beside the messages; `dropped` names what is left out."""

    def __init__(self, edits: Edits) -> None:
        self._unsupported = edits.profile.unsupported
        self._messages = MessageWriter(edits.profile)
        self.dropped = self._messages.dropped
        self._takes = self._messages.takes

    def messages_of(self, conversation: Conversation) -> list[dict[str, Any]]:
        for turn in conversation.turns:
            self._messages.write(turn)
        return self._messages.messages

    # ── tools ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def tools(self, conversation: Conversation) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        names = {
            tool.name: joined(tool.namespace, tool.name)
            for tool in conversation.tools
            if isinstance(tool, FunctionTool | CustomTool)
        }
        entries = [entry for tool in conversation.tools if (entry := self._tool(tool, fields)) is not None]
        choice = conversation.tool_choice
        if entries:
            fields["tools"] = entries
            if conversation.parallel_tool_calls is not None and self._takes("parallel_tool_calls"):
                fields["parallel_tool_calls"] = conversation.parallel_tool_calls
        if choice is None:
            return fields
        free = ("auto", "none", "allowed_auto") if not entries else ("auto", "allowed_auto")
        if choice.mode not in free and (not entries or "tool_choice" in self._unsupported):
            raise Inexpressible("tool_choice", "tool_choice")
        if choice.mode.startswith("allowed") and "allowed_tools" in self._unsupported:
            raise Inexpressible("allowed_tools", "tool_choice")
        if entries and self._takes("tool_choice"):
            fields["tool_choice"] = choice_entry(choice, conversation.tools, names=names)
        return fields

    def _tool(self, tool: Tool, fields: dict[str, Any]) -> dict[str, Any] | None:
        match tool:
            case FunctionTool():
                return function_entry(
                    tool,
                    name=joined(tool.namespace, tool.name),
                    marks=tool.cache is not None and self._takes("cache_control"),
                    strict=tool.strict is not None and self._takes("tool_strict"),
                )
            case CustomTool():
                if "custom_tools" in self._unsupported:
                    raise Inexpressible("custom_tools", "tools")
                return custom_entry(tool, name=joined(tool.namespace, tool.name))
            case ServerTool(origin="openai_chat", value={"type": str()}) if self._runs(tool):
                return dict(tool.value)
            case ServerTool(origin="openai_chat", kind="web_search", value=dict()) if self._runs(tool):
                fields["web_search_options"] = tool.value
            case ServerTool() if tool.origin != "openai_chat":
                self.dropped.add(f"server_tool:{plain_name(tool.kind)}")
        return None

    def _runs(self, tool: ServerTool) -> bool:
        return self._takes(f"server_tool:{tool.kind}")

    # ── fields ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _given(self, features: dict[str, Any]) -> dict[str, Any]:
        """The fields that are set and that the provider takes; each is named like its feature."""
        return {name: value for name, value in features.items() if value is not None and self._takes(name)}

    def sampling(self, conversation: Conversation) -> dict[str, Any]:
        sampling = conversation.sampling
        if sampling.top_k is not None:
            self.dropped.add("top_k")
        fields = self._given(
            {
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "seed": sampling.seed,
                "presence_penalty": sampling.presence_penalty,
                "frequency_penalty": sampling.frequency_penalty,
                "logit_bias": {token: _number(weight) for token, weight in sampling.logit_bias} or None,
                "logprobs": sampling.logprobs or None,
                "stop": list(sampling.stop) or None,
            }
        )
        if sampling.top_logprobs is not None and self._takes("logprobs"):
            fields["top_logprobs"] = sampling.top_logprobs
        return fields

    def manner(self, conversation: Conversation) -> dict[str, Any]:
        """How the model shall think and answer."""
        if conversation.choices > 1:
            raise Inexpressible("n", "n")
        fields = self._given({"verbosity": conversation.verbosity})
        if conversation.modalities:
            fields |= self._modalities(conversation.modalities)
        if conversation.thinking is not None:
            fields |= self._thinking(conversation.thinking)
        if conversation.answer_form is not None:
            if "answer_form" in self._unsupported:
                raise Inexpressible("answer_form", "response_format")
            fields["response_format"] = _form(conversation.answer_form)
        return fields

    def _modalities(self, modalities: tuple[str, ...]) -> dict[str, Any]:
        # The voice and format of spoken answers have no canonical place: such calls are only relayed.
        if "audio" in modalities or ("modalities" in self._unsupported and set(modalities) != {"text"}):
            raise Inexpressible("modalities", "modalities")
        return self._given({"modalities": list(modalities)})

    def _thinking(self, thinking: Thinking) -> dict[str, Any]:
        effort = thinking.effort
        if thinking.summary not in (None, "auto"):
            self.dropped.add("reasoning_summary")
        if thinking.budget_tokens is not None:
            self.dropped.add("thinking_budget")
            if effort is None and not thinking.disabled:
                effort = _effort_for(thinking.budget_tokens)
        if thinking.disabled and effort is None:
            # Not every model takes the effort `none`, and one that never thinks refuses any.
            self.dropped.add("reasoning_effort")
        return self._given({"reasoning_effort": effort})

    def labels(self, conversation: Conversation) -> dict[str, Any]:
        """What is about the request, not in it."""
        fields = self._given(
            {
                "metadata": dict(conversation.metadata) or None,
                "user": conversation.user,
                "service_tier": conversation.service_tier,
            }
        )
        if conversation.cache_key is not None and self._takes("cache_key"):
            fields["prompt_cache_key"] = conversation.cache_key
        if conversation.cache is not None and self._takes("cache_control"):
            fields["cache_control"] = cache_control(conversation.cache)
        return fields


def _number(value: float) -> float:
    """Biases are whole numbers in OpenAI's schema."""
    return int(value) if value.is_integer() else value


def _effort_for(budget_tokens: int) -> str:
    for most, effort in _EFFORTS_UP_TO_TOKENS:
        if budget_tokens <= most:
            return effort
    return "high"


def _form(form: JsonSchema) -> dict[str, Any]:
    if form.schema is None:
        return {"type": "json_object"}
    schema: dict[str, Any] = {"name": form.name or SCHEMA_NAME, "schema": form.schema}
    if form.description:
        schema["description"] = form.description
    if form.strict is not None:
        schema["strict"] = form.strict
    return {"type": "json_schema", "json_schema": schema}
