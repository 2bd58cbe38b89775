"""The input items of a request as turns in normal form."""

from typing import Any

import msgspec

from farebox.base.errors import Problem
from farebox.dialects.canonical.conversation import Role, Turn
from farebox.dialects.canonical.parts import (
    DialectName,
    Document,
    Image,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from farebox.dialects.openai_responses.content import read_parts
from farebox.dialects.openai_responses.items import opened, read_model_item, read_opaque
from farebox.dialects.openai_responses.reading import Unknowns, Wrong, text_at
from farebox.dialects.port import Inexpressible

_MESSAGE_FIELDS = ("type", "id", "role", "content", "status")
_RESULT_FIELDS = ("type", "id", "status", "call_id", "output")
_RESULTS = ("function_call_output", "custom_tool_call_output")
_INPUT_ROLES: dict[str, Role] = {"user": "user", "system": "system", "developer": "developer"}
# Items that the client makes and that are no results of its own tools; the model makes the others.
_CLIENT_ITEMS = ("additional_tools", "mcp_approval_response", "configuration_update", "compaction_trigger")

_encode = msgspec.json.Encoder().encode


def read_input(value: Any, instructions: str | None, unknown: Unknowns) -> tuple[Turn, ...]:
    """Instructions and input as turns. Raises Problem `invalid_request`."""
    turns = _Turns(unknown)
    if instructions:
        turns.add("system", (Text(instructions),))
    if isinstance(value, str):
        turns.add("user", (Text(value),))
        return turns.all()
    for number, item in enumerate(value):
        try:
            turns.read(item)
        except Wrong as error:
            where = f"input[{number}].{error.where}"
            raise Problem("invalid_request", f"`{where}` must be {error.wanted}.", param=where) from error
    return turns.all()


class _Turns:
    """Turns in the making. Seals of calls travel beside them and are put back at the end."""

    __slots__ = ("_call_seals", "_parts", "_role", "_turns", "_unknown")

    def __init__(self, unknown: Unknowns) -> None:
        self._turns: list[Turn] = []
        self._role: Role | None = None
        self._parts: list[Part] = []
        self._call_seals: dict[str, tuple[DialectName, str]] = {}
        self._unknown = unknown

    def read(self, item: dict[str, Any]) -> None:
        """Take one item. Raises Wrong."""
        kind = text_at(item, "type") if item.get("type") is not None else "message"
        if kind == "message":
            self._read_message(item)
        elif kind in _RESULTS:
            self._unknown.add_rest("input.", item, _RESULT_FIELDS)
            self.add("tool", (_result(item, self._unknown, custom=kind.startswith("custom")),))
        elif kind.endswith("_output") or kind in _CLIENT_ITEMS:
            self.add("user", (read_opaque(item),))
        else:
            self._read_model_item(item)

    def _read_message(self, item: dict[str, Any]) -> None:
        self._unknown.add_rest("input.", item, _MESSAGE_FIELDS)
        role = text_at(item, "role")
        parts = read_parts(item.get("content"), self._unknown)
        if role == "assistant":
            self.add("assistant", parts)
        elif role not in _INPUT_ROLES:
            raise Wrong("role", "`user`, `assistant`, `system` or `developer`")
        elif parts:
            self.add(_INPUT_ROLES[role], parts)

    def _read_model_item(self, item: dict[str, Any]) -> None:
        part = read_model_item(item, self._unknown)
        if isinstance(part, Reasoning):
            found = opened(part)
            if not isinstance(found, Reasoning):
                self._call_seals[found[1].call_id] = (found[0], found[1].seal)
                return
            part = found
        self.add("assistant", (part,))

    def add(self, role: Role, parts: tuple[Part, ...]) -> None:
        """More of an assistant's or the tools' turn, or a turn of its own."""
        if role != self._role or role not in ("assistant", "tool"):
            self._close()
            self._role = role
        self._parts += parts

    def _close(self) -> None:
        if self._role is not None:
            self._turns.append(Turn(self._role, tuple(self._parts)))
            self._parts = []

    def all(self) -> tuple[Turn, ...]:
        """The turns, each seal on its call."""
        self._close()
        self._role = None
        if not self._call_seals:
            return tuple(self._turns)
        return tuple([self._with_seals(turn) for turn in self._turns])

    def _with_seals(self, turn: Turn) -> Turn:
        if turn.role != "assistant":
            return turn
        return Turn("assistant", tuple([self._with_seal(part) for part in turn.parts]))

    def _with_seal(self, part: Part) -> Part:
        if not isinstance(part, ToolCall) or (found := self._call_seals.get(part.call_id)) is None:
            return part
        return msgspec.structs.replace(part, origin=found[0], seal=found[1])


def _result(item: dict[str, Any], unknown: Unknowns, *, custom: bool) -> ToolResult:
    output = item.get("output")
    # Nothing is written as an empty text, and read as nothing.
    parts = read_parts(output, unknown) if output != "" else ()
    return ToolResult(text_at(item, "call_id"), tuple([_result_part(part) for part in parts]), custom=custom)


def _result_part(part: Part) -> Text | Image | Document:
    match part:
        case Text() | Image() | Document():
            return part
        case Refusal():
            return Text(part.text)
        case Opaque():
            # What a tool found is read by the model in any form.
            return Text(_encode(part.value).decode())
    raise Inexpressible(f"part:{type(part).__name__.lower()}", "input")
