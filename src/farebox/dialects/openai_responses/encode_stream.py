"""Canonical events as a client's stream of a response."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from farebox.dialects.canonical.parts import Part, Reasoning, Refusal, Text, ToolCall
from farebox.dialects.canonical.reply import (
    CitationAdded,
    Finish,
    Finished,
    LogprobsAdded,
    PartEnded,
    PartStarted,
    ReplyEvent,
    SealDelta,
    SummaryDelta,
    TextDelta,
)
from farebox.dialects.openai_responses.encode_reply import message_value, other_value
from farebox.dialects.openai_responses.finish import ended_fields
from farebox.dialects.openai_responses.items import reasoning_value, seal_on_call
from farebox.dialects.openai_responses.losses import Losses
from farebox.dialects.openai_responses.response import Ids, response_of
from farebox.dialects.openai_responses.usage import counts_of, tool_usage_of
from farebox.dialects.openai_responses.writers import CallWriter, Lines, ReasoningWriter, TextWriter
from farebox.dialects.port import Broken, Told
from farebox.dialects.usage import Reported, openai_tier

# An answer of that size is none: a million tokens are some five million characters.
MAX_HELD_CHARS = 64_000_000
# What an item or a part takes beside its text, so that many empty ones are bounded too.
ITEM_CHARS = 1_000


class ResponsesEncoder:
    """One stream. It holds the items of the answer, because the last event repeats them: at most `MAX_HELD_CHARS` of
    what was generated, where an item counts as `ITEM_CHARS` more, and some three times that while the last event is
    made. A stream that goes beyond is Broken."""

    __slots__ = (
        *("_begun", "_finish", "_held_chars", "_ids", "_items", "_lines", "_losses", "_message", "_refused"),
        *("_told", "_writer", "dropped"),
    )

    def __init__(self, told: Told) -> None:
        self._told = told
        self._ids = Ids(told.stem)
        self._lines = Lines()
        self._losses = Losses()
        self.dropped = self._losses.names
        self._items: list[dict[str, Any]] = []
        self._message: dict[str, Any] | None = None  # open, with its complete parts
        self._writer: TextWriter | CallWriter | ReasoningWriter | None = None
        self._held_chars = 0
        self._finish: Finish | None = None
        self._begun = self._refused = False

    def feed(self, events: Sequence[ReplyEvent]) -> bytes:
        """What the client gets now; the first call begins the stream. Never the last event. Raises Broken."""
        self._begin()
        for event in events:
            if type(event) is TextDelta:
                if self._writer is not None:
                    self._hold(event.text)
                    self._writer.text(event.text)
            else:
                self._take(event)
        return self._lines.take()

    def ending(self, reported: Reported, service_tier: str | None, facts: Mapping[str, object]) -> bytes:
        """The last event: the whole answer, and its usage with the facts of the bill."""
        self._begin()
        self._end_all()
        fields = ended_fields(self._finish, refused_in_words=self._refused)
        usage = {**facts, **counts_of(reported.usage)}
        fields |= {"output": self._items, "usage": usage, "service_tier": openai_tier(service_tier)}
        if reported.usage is not None:
            fields |= tool_usage_of(reported.usage)
        self._lines.add(f"response.{fields['status']}", response=response_of(self._told, **fields))
        return self._lines.take()

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            response = response_of(self._told, "in_progress")
            self._lines.add("response.created", response=response)
            self._lines.add("response.in_progress", response=response)

    def _hold(self, text: str) -> None:
        self._count(len(text))

    def _count(self, chars: int) -> None:
        self._held_chars += chars
        if self._held_chars > MAX_HELD_CHARS:
            raise Broken("an answer without end")

    def _take(self, event: ReplyEvent) -> None:
        writer = self._writer
        match event:
            case PartStarted():
                self._end_part()
                self._start(event.part)
            case PartEnded():
                self._end_part()
            case Finished():
                self._finish = event.finish
                self._end_all()
            case SummaryDelta() if isinstance(writer, ReasoningWriter):
                self._hold(event.text)
                writer.summary(event.index, event.text)
            case SealDelta() if isinstance(writer, ReasoningWriter | CallWriter):
                self._hold(event.seal)
                writer.seal(event.seal)
            case CitationAdded() if isinstance(writer, TextWriter):
                self._count(100)
                writer.citation(event.citation)
            case LogprobsAdded() if isinstance(writer, TextWriter):
                self._count(100 * len(event.content))
                writer.tokens(event.content)
            case LogprobsAdded():
                self._losses.add("logprobs")
            case _:
                pass

    def _start(self, part: Part) -> None:
        self._count(ITEM_CHARS)
        if isinstance(part, Text | Refusal):
            self._refused |= isinstance(part, Refusal)
            message = self._open_message()
            place = {
                "item_id": message["id"],
                "output_index": len(self._items),
                "content_index": len(message["content"]),
            }
            self._hold(part.text)
            self._writer = TextWriter(part, place, self._lines, self._losses)
            return
        self._close_message("completed")
        if isinstance(part, Reasoning):
            self._hold(part.text)
            self._writer = ReasoningWriter(part, len(self._items), self._ids, self._lines)
        elif isinstance(part, ToolCall):
            self._hold(part.arguments)
            self._add_seal(part)
            self._writer = CallWriter(part, len(self._items), self._ids, self._lines)
        else:
            value = other_value(part, self._ids, len(self._items), self._losses)
            if value is not None:
                self._count(len(msgspec.json.encode(value)))
                self._add_item(value)

    def _add_seal(self, call: ToolCall) -> None:
        """The reasoning item that has the seal of a call."""
        encrypted = seal_on_call(call)
        if encrypted:
            self._hold(encrypted)
            self._add_item(reasoning_value(self._ids.make("rs", len(self._items)), [], [], encrypted))

    def _add_item(self, item: dict[str, Any]) -> None:
        """An item that comes whole."""
        index = len(self._items)
        self._lines.add("response.output_item.added", output_index=index, item=item)
        self._lines.add("response.output_item.done", output_index=index, item=item)
        self._items.append(item)

    def _open_message(self) -> dict[str, Any]:
        if self._message is None:
            index = len(self._items)
            self._message = message_value(self._ids.make("msg", index), "in_progress", [])
            self._lines.add("response.output_item.added", output_index=index, item=self._message)
        return self._message

    def _close_message(self, status: str) -> None:
        if self._message is not None:
            self._message["status"] = status
            self._lines.add("response.output_item.done", output_index=len(self._items), item=self._message)
            self._items.append(self._message)
            self._message = None

    def _end_part(self) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        if isinstance(writer, TextWriter):
            assert self._message is not None, "a text is in a message"
            self._message["content"].append(writer.end())
            return
        self._items.append(writer.end())
        if isinstance(writer, CallWriter) and (sealed := writer.late_seal()) is not None:
            self._add_seal(sealed)

    def _end_all(self) -> None:
        self._end_part()
        self._close_message(str(ended_fields(self._finish, refused_in_words=self._refused)["status"]))
