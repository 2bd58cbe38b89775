"""Pieces of reasoning in a stream: text under either name, and OpenRouter's details with their seals."""

from functools import partial
from typing import Any, Final

from farebox.dialects.canonical.parts import Reasoning
from farebox.dialects.canonical.reply import SummaryDelta, TextDelta
from farebox.dialects.openai_chat.lanes import PIECE_CHARS, Lane, Lanes
from farebox.dialects.openai_chat.reasoning import own_seal, reasoning_text, sealed_field
from farebox.dialects.openai_chat.shape import list_at, object_at

_PLAIN: Final = Reasoning(origin="openai_chat")
_REDACTED: Final = Reasoning(redacted=True, origin="openai_chat")
_UNSAID: Final = object()


class ThoughtPieces:
    """The reasoning of one stream. What is known of the latest part: its index among details, its sealed details."""

    __slots__ = ("_has_text", "_index", "_lane", "_lanes", "_paragraph", "_sealed", "_summary_index")

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._lane: Lane | None = None
        self._forget()

    def _forget(self) -> None:
        self._index: Any = _UNSAID
        self._sealed: list[dict[str, Any]] = []
        self._has_text = False
        self._paragraph = -1
        self._summary_index: Any = _UNSAID

    def read(self, delta: dict[str, Any]) -> None:
        """The thoughts in a delta. Text that details say, the other fields say again. Raises Unreadable and Broken."""
        said = False
        for entry in list_at(delta.get("reasoning_details"), "reasoning_details"):
            said = self._detail(object_at(entry, "reasoning_details")) or said
        if not said and (text := reasoning_text(delta)):
            self.say(text)

    def say(self, text: str) -> None:
        """More of the thinking."""
        lane = self._current()
        if lane is None:
            lane = self._begin(_PLAIN)
        self._has_text = True
        self._lanes.add(lane, TextDelta(text))

    def _current(self) -> Lane | None:
        last = self._lanes.last
        return last if last is not None and last is self._lane else None

    def _begin(self, part: Reasoning) -> Lane:
        self._forget()
        self._lane = self._lanes.start("reasoning", part)
        return self._lane

    def _detail(self, entry: dict[str, Any]) -> bool:
        """Take one detail; whether it said something to show."""
        text, summary = entry.get("text"), entry.get("summary")
        text = text if isinstance(text, str) else ""
        lane = self._lane_of(entry, shows=bool(text) or isinstance(summary, str))
        if text:
            self._has_text = True
            self._lanes.add(lane, TextDelta(text))
        if isinstance(summary, str):
            self._summarise(lane, summary, entry.get("summary_index"))
        if sealed_field(entry):
            self._seal(lane, entry)
        return bool(text or summary)

    def _lane_of(self, entry: dict[str, Any], *, shows: bool) -> Lane:
        index = entry.get("index")
        lane = self._current()
        if lane is not None and self._index is _UNSAID:
            self._index = index
        if lane is None or self._index != index or (index is None and self._sealed):
            lane = self._begin(_PLAIN if shows or "data" not in entry else _REDACTED)
            self._index = index
        return lane

    def _summarise(self, lane: Lane, text: str, number: Any) -> None:
        if self._paragraph < 0 or (number is not None and number != self._summary_index):
            self._paragraph += 1
        self._summary_index = number
        self._lanes.add(lane, SummaryDelta(self._paragraph, text))

    def _seal(self, lane: Lane, entry: dict[str, Any]) -> None:
        field = sealed_field(entry)
        self._lanes.hold(lane, PIECE_CHARS + len(entry[field]))
        last = self._sealed[-1] if self._sealed else None
        if last is not None and (last.get("type"), last.get("id")) == (entry.get("type"), entry.get("id")):
            # A seal in pieces, or said twice.
            if last.get(field) != entry[field]:
                last[field] = str(last.get(field) or "") + entry[field]
        else:
            self._sealed.append(entry)
        lane.seal = partial(own_seal, self._sealed, has_text=self._has_text, has_summary=self._paragraph >= 0)
