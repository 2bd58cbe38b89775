"""Pieces of tool calls in a stream: which call each belongs to, whatever vendors do with indices and ids."""

from typing import Any

from farebox.dialects.canonical.parts import Opaque, ToolCall
from farebox.dialects.canonical.reply import TextDelta, Unknown
from farebox.dialects.openai_chat.calls import arguments_of, signature_of
from farebox.dialects.openai_chat.lanes import Lane, Lanes
from farebox.dialects.openai_chat.shape import object_at, optional_text_at, plain_name, text_at
from farebox.dialects.port import Broken

# More calls in one answer are a provider gone wrong.
MAX_CALLS = 1_024


class CallPieces:
    """The calls of one stream. A call is known by its index; without one, by its id; without both, a piece with a name
    begins a call and one without goes to the latest."""

    __slots__ = ("_by_id", "_by_index", "_lanes", "_latest", "count")

    def __init__(self, lanes: Lanes) -> None:
        self.count = 0
        self._lanes = lanes
        self._by_index: dict[int | str, Lane] = {}
        self._by_id: dict[str, Lane] = {}
        self._latest: Lane | None = None

    def read(self, entry: dict[str, Any]) -> None:
        """One entry of `tool_calls`. Raises Unreadable and Broken."""
        kind = entry.get("type") or ("custom" if "custom" in entry else "function")
        if kind not in ("function", "custom"):
            self._lanes.start("whole", Opaque("openai_chat", plain_name(text_at(kind, "type")), entry))
            return
        inner = entry.get(kind)
        inner = {} if inner is None else object_at(inner, kind)
        name = optional_text_at(inner.get("name"), "name")
        piece = arguments_of(inner.get("input" if "input" in inner else "arguments"), kind)
        call_id = optional_text_at(entry.get("id"), "id")
        index = entry.get("index")
        lane = self._known(index, call_id, name)
        signature = signature_of(entry)
        if lane is None:
            lane = self._begin(call_id, name, custom=kind == "custom", signature=signature)
            if isinstance(index, int | str):
                self._by_index[index] = lane
            if call_id:
                self._by_id[call_id] = lane
            self._latest = lane
        elif signature and isinstance(lane.part, ToolCall) and signature != lane.part.seal:
            # The call has begun without an owner of its seal; Google signs a call where it begins.
            self._lanes.events.append(Unknown("field:thought_signature"))
        if piece:
            self._lanes.add(lane, TextDelta(piece))

    def _known(self, index: Any, call_id: str, name: str) -> Lane | None:
        if isinstance(index, int | str):
            lane = self._by_index.get(index)
            # Some vendors give every call the index 0.
            other = lane is not None and name and call_id and lane.part.call_id != call_id  # type: ignore[union-attr]
            return None if other else lane
        if call_id:
            return self._by_id.get(call_id)
        return None if name else self._latest

    def _begin(self, call_id: str, name: str, *, custom: bool, signature: str) -> Lane:
        if not name or self.count >= MAX_CALLS:
            raise Broken
        call_id = call_id or f"call_{self.count}"
        self.count += 1
        origin = "openai_chat" if signature else None
        return self._lanes.start(
            "call",
            ToolCall(call_id, name, "", custom=custom, seal=signature, origin=origin),  # type: ignore[arg-type]
        )
