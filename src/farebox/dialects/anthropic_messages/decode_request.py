"""A Messages request in canonical form."""

from typing import Any, Final

from farebox.base.errors import Problem
from farebox.dialects.anthropic_messages.blocks import BlockReader, read_cache
from farebox.dialects.anthropic_messages.decode_fields import (
    read_choice,
    read_output,
    read_sampling,
    read_thinking_config,
    read_tools,
    read_user,
)
from farebox.dialects.anthropic_messages.shape import Unknowns, Unreadable, list_at, object_at, text_at
from farebox.dialects.anthropic_messages.versions import SECOND, refuse_removed, version_of
from farebox.dialects.canonical.conversation import Conversation, Role, Turn
from farebox.dialects.canonical.parts import Opaque, Part, Reasoning, Text, ToolCall, ToolResult
from farebox.dialects.request import Request, value_of

_READ: Final[tuple[str, ...]] = (
    *("system", "messages", "tools", "tool_choice", "thinking", "output_config", "output_format", "metadata"),
    *("temperature", "top_p", "top_k", "stop_sequences", "cache_control"),
)
# Read elsewhere, or about how an answer is sent.
_ELSEWHERE: Final = frozenset({"model", "max_tokens", "stream", "service_tier"})


def decode_request(request: Request) -> Conversation:
    """Raises Problem `invalid_request`."""
    try:
        return _decode(request)
    except Unreadable as error:
        message = f"`{error.place}` must be {error.wanted}."
        raise Problem("invalid_request", message, param=error.place) from error
    except RecursionError as error:
        raise Problem("invalid_request", "The body is nested too deeply.") from error


def _decode(request: Request) -> Conversation:
    fields, unknown = request.fields, Unknowns()
    for name, raw in fields.items():
        if name not in _READ and name not in _ELSEWHERE and bytes(raw) not in (b"null", b"false"):
            unknown.add(name)
    values: dict[str, Any] = {name: value_of(fields, name) for name in _READ if name in fields}
    messages = list_at(values.get("messages"), "messages")
    if version_of(request) == SECOND:
        refuse_removed(request, messages)
    effort, form = read_output(values.get("output_config"), values.get("output_format"), unknown)
    choice, parallel = read_choice(values.get("tool_choice"))
    return Conversation(
        origin="anthropic_messages",
        turns=_turns(values.get("system"), messages, unknown),
        tools=read_tools(values.get("tools"), unknown),
        tool_choice=choice,
        parallel_tool_calls=parallel,
        thinking=read_thinking_config(values.get("thinking"), effort, unknown),
        answer_form=form,
        sampling=read_sampling(values),
        user=read_user(values.get("metadata"), unknown),
        cache=read_cache(values, ""),
        service_tier=request.service_tier,
        unknown=unknown.names,
    )


class _Turns:
    """Turns in the making: neighbours of the assistant, and of tools, are one."""

    __slots__ = ("_made",)

    def __init__(self) -> None:
        self._made: list[tuple[Role, list[Part]]] = []

    def add(self, role: Role, parts: list[Part]) -> None:
        """More of the last turn, or a turn of its own. Only an assistant may say nothing."""
        if not parts and role != "assistant":
            return
        if role in ("assistant", "tool") and self._made and self._made[-1][0] == role:
            self._made[-1][1].extend(parts)
        else:
            self._made.append((role, [*parts]))

    def all(self) -> tuple[Turn, ...]:
        """The turns."""
        return tuple([Turn(role, tuple(parts)) for role, parts in self._made])


def _turns(system: Any, messages: list[Any], unknown: Unknowns) -> tuple[Turn, ...]:
    turns = _Turns()
    if system is not None:
        turns.add("system", _system(system, "system", unknown))
    for number, message in enumerate(messages):
        place = f"messages.{number}"
        held = object_at(message, place)
        unknown.add_rest("messages.", held, ("role", "content"))
        role, content = text_at(held, "role", place), held.get("content")
        if role == "system":
            turns.add("system", _system(content, f"{place}.content", unknown))
        elif role == "user":
            _add_user(turns, BlockReader(unknown, trusted=True).content(content, f"{place}.content"), place)
        elif role == "assistant":
            parts = BlockReader(unknown, trusted=True).content(content, f"{place}.content")
            _add_assistant(turns, parts, place)
        else:
            raise Unreadable(f"{place}.role", "user, assistant or system")
    return turns.all()


def _system(value: Any, place: str, unknown: Unknowns) -> list[Part]:
    parts = BlockReader(unknown, trusted=True).content(value, place)
    if not all(isinstance(part, Text | Opaque) for part in parts):
        raise Unreadable(place, "a string or a list of text blocks")
    return parts


def _add_user(turns: _Turns, parts: list[Part], place: str) -> None:
    """A message of a user: the results of tools in it are a turn of their own, before what the user says."""
    if any(isinstance(part, ToolCall | Reasoning) for part in parts):
        raise Unreadable(f"{place}.content", "without `tool_use` and `thinking`, which belong to the assistant")
    results: list[Part] = [part for part in parts if isinstance(part, ToolResult)]
    turns.add("tool", results)
    turns.add("user", [part for part in parts if not isinstance(part, ToolResult)])


def _add_assistant(turns: _Turns, parts: list[Part], place: str) -> None:
    if any(isinstance(part, ToolResult) for part in parts):
        raise Unreadable(f"{place}.content", "without `tool_result`, which belongs to the user")
    turns.add("assistant", parts)
