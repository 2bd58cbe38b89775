"""A chat request into canonical form."""

from collections.abc import Iterator
from typing import Any, cast

import msgspec

from farebox.base.errors import Problem
from farebox.dialects.canonical.conversation import Conversation, JsonSchema, Role, Sampling, Thinking, Turn
from farebox.dialects.canonical.parts import CacheMark, Document, Image, Part, Text, ToolCall, ToolResult
from farebox.dialects.openai_chat.content import read_cache
from farebox.dialects.openai_chat.message import ASSISTANT_FIELDS, read_assistant, read_content
from farebox.dialects.openai_chat.shape import (
    MAX_NAMES,
    Unreadable,
    integer_at,
    list_at,
    number_at,
    object_at,
    optional_text_at,
    plain_name,
    text_at,
)
from farebox.dialects.openai_chat.tools import read_choice, read_tools
from farebox.dialects.request import Fields, Request, value_of

_SPEAKER_FIELDS = frozenset({"role", "content", "name", "cache_control"})
_RESULT_FIELDS = frozenset({"role", "content", "tool_call_id", "name", "cache_control"})
# Read here, by the gateway itself, or without meaning for another provider when it is not set.
_KNOWN_FIELDS = frozenset(
    {
        *("model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "n", "store"),
        *("tools", "functions", "web_search_options", "tool_choice", "function_call", "parallel_tool_calls"),
        *("reasoning_effort", "reasoning", "thinking", "response_format", "verbosity", "modalities", "metadata"),
        *("temperature", "top_p", "top_k", "seed", "presence_penalty", "frequency_penalty", "logit_bias"),
        *("logprobs", "top_logprobs", "stop", "user", "safety_identifier", "prompt_cache_key", "cache_control"),
        "service_tier",
    }
)


def decode_request(request: Request) -> Conversation:
    """Raises Problem `invalid_request`."""
    try:
        return _Reader(request.fields).conversation()
    except Unreadable as error:
        message = f"`{error.param}` must be {error.wanted}."
        raise Problem("invalid_request", message, param=error.param) from error


class _Reader:
    """One request. Keeps what later messages need of earlier ones: calls without a result, which calls are custom."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._unknown: dict[str, None] = {}
        self._calls = 0
        self._custom_ids: set[str] = set()
        self._unanswered: dict[str, list[str]] = {}

    def conversation(self) -> Conversation:
        value = self._value
        for name in self._fields:
            if name not in _KNOWN_FIELDS and value(name) is not None:
                self._leave_out(name)
        if value("store") is True:
            self._leave_out("store")
        return Conversation(
            origin="openai_chat",
            turns=tuple(self._turns()),
            tools=read_tools(value("tools"), value("functions"), value("web_search_options")),
            tool_choice=read_choice(value("tool_choice"), value("function_call")),
            parallel_tool_calls=self._switch("parallel_tool_calls"),
            thinking=self._thinking(),
            answer_form=_read_form(value("response_format")),
            sampling=self._sampling(),
            choices=integer_at(value("n"), "n") or 1,
            verbosity=self._text("verbosity"),
            metadata=self._metadata(),
            user=self._user(),
            cache_key=self._text("prompt_cache_key"),
            cache=self._cache(),
            service_tier=self._text("service_tier"),
            modalities=tuple(text_at(item, "modalities") for item in list_at(value("modalities"), "modalities")),
            unknown=tuple(self._unknown),
        )

    # ── messages ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _turns(self) -> Iterator[Turn]:
        """Turns in normal form: neighbours of the assistant, and of tools, are one turn."""
        first: Turn | None = None
        parts: list[Part] = []
        for number, message in enumerate(list_at(self._value("messages"), "messages")):
            param = f"messages[{number}]"
            turn = self._turn(object_at(message, param), param)
            if first is not None and first.role == turn.role and turn.role in ("assistant", "tool"):
                if turn.name != first.name:
                    self._leave_out("message_name")
                parts += turn.parts
                continue
            if first is not None:
                yield msgspec.structs.replace(first, parts=tuple(parts))
            first, parts = turn, [*turn.parts]
        if first is not None:
            yield msgspec.structs.replace(first, parts=tuple(parts))

    def _turn(self, message: dict[str, Any], param: str) -> Turn:
        role = text_at(message.get("role"), f"{param}.role")
        match role:
            case "system" | "developer" | "user":
                self._look_for_others(message, _SPEAKER_FIELDS)
                parts = read_content(message.get("content"), f"{param}.content") or [Text("")]
            case "assistant":
                self._look_for_others(message, ASSISTANT_FIELDS)
                parts = self._assistant(message, param)
            case "tool" | "function":
                self._look_for_others(message, _RESULT_FIELDS)
                return Turn("tool", (self._result(message, param, by_name=role == "function"),))
            case _:
                raise Unreadable(f"{param}.role", "a known role")
        name = optional_text_at(message.get("name"), f"{param}.name")
        return Turn(cast("Role", role), tuple(_marked(parts, read_cache(message))), name)

    def _assistant(self, message: dict[str, Any], param: str) -> list[Part]:
        parts = read_assistant(message, param, call_number=self._calls, trusted=True)
        for part in parts:
            if isinstance(part, ToolCall):
                self._calls += 1
                self._unanswered.setdefault(part.name, []).append(part.call_id)
                if part.custom:
                    self._custom_ids.add(part.call_id)
        return parts

    def _result(self, message: dict[str, Any], param: str, *, by_name: bool) -> ToolResult:
        if by_name:
            # The old form names the function only: it answers the latest call of it.
            name = text_at(message.get("name"), f"{param}.name")
            waiting = self._unanswered.get(name)
            call_id = waiting.pop() if waiting else f"call_{name}"
        else:
            call_id = text_at(message.get("tool_call_id"), f"{param}.tool_call_id")
            if message.get("name") is not None:
                self._leave_out("message_name")
        content: list[Text | Image | Document] = []
        for part in read_content(message.get("content"), f"{param}.content"):
            if isinstance(part, Text | Image | Document):
                content.append(part)
            else:
                self._leave_out(f"messages.content.{type(part).__name__.lower()}")
        custom = call_id in self._custom_ids
        return ToolResult(call_id, tuple(content), custom=custom, cache=read_cache(message))

    def _look_for_others(self, message: dict[str, Any], known: frozenset[str]) -> None:
        for name, value in message.items():
            if name not in known and value is not None:
                self._leave_out(f"messages.{name}")

    # ── fields ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _value(self, name: str) -> Any:
        return value_of(self._fields, name)

    def _leave_out(self, name: str) -> None:
        if len(self._unknown) < MAX_NAMES:
            self._unknown[plain_name(name)] = None

    def _text(self, name: str) -> str | None:
        value = self._value(name)
        return None if value is None else text_at(value, name)

    def _switch(self, name: str) -> bool | None:
        value = self._value(name)
        if value is not None and not isinstance(value, bool):
            raise Unreadable(name, "true or false")
        return value

    def _user(self) -> str | None:
        """Two names of one thing; the newer one wins, and a different older one is named."""
        old, new = self._text("user"), self._text("safety_identifier")
        if old is not None and new is not None and old != new:
            self._leave_out("user")
        return old if new is None else new

    def _cache(self) -> CacheMark | None:
        mark = self._value("cache_control")
        return read_cache({"cache_control": mark})

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        metadata = self._value("metadata")
        if metadata is None:
            return ()
        found = object_at(metadata, "metadata")
        return tuple((name, text_at(value, "metadata")) for name, value in found.items())

    def _thinking(self) -> Thinking | None:
        """OpenAI's effort, OpenRouter's `reasoning`, and the `thinking` switch of DeepSeek, GLM and Moonshot."""
        effort, reasoning, thinking = self._text("reasoning_effort"), self._value("reasoning"), self._value("thinking")
        if effort is None and reasoning is None and thinking is None:
            return None
        more = {} if reasoning is None else object_at(reasoning, "reasoning")
        switch = {} if thinking is None else object_at(thinking, "thinking")
        if effort is None and more.get("effort") is not None:
            effort = text_at(more["effort"], "reasoning.effort")
        budget = integer_at(more.get("max_tokens"), "reasoning.max_tokens")
        if budget is None:
            budget = integer_at(switch.get("budget_tokens"), "thinking.budget_tokens")
        kind = switch.get("type")
        summary = optional_text_at(more.get("summary"), "reasoning.summary") or None
        switched_on = kind in ("enabled", "adaptive") or more.get("enabled") is True
        return Thinking(
            effort=effort,
            budget_tokens=budget,
            adaptive=switched_on and effort is None and budget is None,
            disabled=kind == "disabled" or more.get("enabled") is False,
            summary="omitted" if more.get("exclude") is True else summary,
        )

    def _sampling(self) -> Sampling:
        value = self._value
        stop = value("stop")
        stops = [stop] if isinstance(stop, str) else list_at(stop, "stop")
        bias = value("logit_bias")
        pairs = {} if bias is None else object_at(bias, "logit_bias")
        return Sampling(
            temperature=number_at(value("temperature"), "temperature"),
            top_p=number_at(value("top_p"), "top_p"),
            top_k=integer_at(value("top_k"), "top_k"),
            seed=integer_at(value("seed"), "seed"),
            presence_penalty=number_at(value("presence_penalty"), "presence_penalty"),
            frequency_penalty=number_at(value("frequency_penalty"), "frequency_penalty"),
            logit_bias=tuple((token, number_at(weight, "logit_bias") or 0.0) for token, weight in pairs.items()),
            logprobs=self._switch("logprobs") or False,
            top_logprobs=integer_at(value("top_logprobs"), "top_logprobs"),
            stop=tuple(text_at(text, "stop") for text in stops),
        )


def _marked(parts: list[Part], mark: CacheMark | None) -> list[Part]:
    """A mark on the whole message is one on its last part that can have one."""
    if mark is not None:
        for number in range(len(parts) - 1, -1, -1):
            if hasattr(parts[number], "cache"):
                parts[number] = msgspec.structs.replace(parts[number], cache=mark)
                break
    return parts


def _read_form(form: Any) -> JsonSchema | None:
    if form is None:
        return None
    form = object_at(form, "response_format")
    match form.get("type"):
        case "text":
            return None
        case "json_object":
            return JsonSchema()
        case "json_schema":
            param = "response_format.json_schema"
            inner = object_at(form.get("json_schema"), param)
            if inner.get("schema") is None:
                return JsonSchema()
            strict = inner.get("strict")
            return JsonSchema(
                schema=inner["schema"],
                name=optional_text_at(inner.get("name"), f"{param}.name"),
                description=optional_text_at(inner.get("description"), f"{param}.description"),
                strict=strict if isinstance(strict, bool) else None,
            )
        case _:
            raise Unreadable("response_format.type", "a known form of answer")
