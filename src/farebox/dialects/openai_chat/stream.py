"""A streamed answer whose chunks pass untouched, as a fold: what the client sees and what the bill says come from one
pass over the events."""

from collections.abc import Mapping
from typing import Any

import msgspec

from farebox.dialects.openai_chat.answer import FAILED_REASONS, delivered_bytes, read_tier
from farebox.dialects.openai_chat.usage import counts_of, read_usage
from farebox.dialects.port import Fate, Told
from farebox.dialects.sse import data_of, event_of
from farebox.dialects.usage import MISSING, Reported

DONE_EVENT = b"data: [DONE]\n\n"


class _Choice(msgspec.Struct, gc=False):
    index: Any = 0
    delta: Any = None
    finish_reason: Any = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None
    service_tier: Any = None


_chunk = msgspec.json.Decoder(_Chunk)
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode


class ChatFold:
    """Everything known of a stream so far. `delivered_bytes` counts generated text, `finished` its complete choices.

    Keeps one event (the usage), so its memory is bounded by the largest event that the splitter lets pass, and
    `MAX_CHOICES` numbers.
    """

    MAX_CHOICES = 1_024

    __slots__ = ("delivered_bytes", "done", "events", "finished", "reported", "service_tier", "usage_event")

    def __init__(self) -> None:
        self.delivered_bytes = 0
        self.events = 0
        self.finished: set[int] = set()
        self.done = False
        self.reported: Reported = MISSING
        self.service_tier: str | None = None
        self.usage_event: bytes | None = None

    def feed(self, event: bytes) -> Fate:
        """Take one whole event."""
        data = data_of(event)
        if data is None:
            return Fate.DROPPED
        if data == b"[DONE]":
            self.done = True
            return Fate.WITHHELD
        try:
            chunk = _chunk.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return Fate.BROKEN
        if chunk.error is not None:
            return Fate.BROKEN
        return self._fold(chunk, event)

    def _fold(self, chunk: _Chunk, event: bytes) -> Fate:
        self.events += 1
        if isinstance(chunk.service_tier, str):
            self.service_tier = read_tier(chunk.service_tier)
        if chunk.usage is not None:
            self.reported = read_usage(chunk.usage)
        for choice in chunk.choices or ():
            if choice.finish_reason in FAILED_REASONS:
                return Fate.BROKEN
            self.delivered_bytes += delivered_bytes(choice.delta)
            ended = choice.finish_reason is not None and isinstance(choice.index, int)
            if ended and len(self.finished) < self.MAX_CHOICES:
                self.finished.add(choice.index)
        if chunk.usage is not None and not chunk.choices:
            self.usage_event = event
            return Fate.WITHHELD
        return Fate.RELAY

    def complete(self, choices: int) -> bool:
        """Whether the answer came whole: the end marker after at least one chunk, or a reason for every choice."""
        return (self.done and self.events > 0) or len(self.finished) >= choices

    def ending(self, facts: Mapping[str, object], told: Told) -> bytes:
        """The usage event, if the client asked for it, and the end marker."""
        if not told.wants_usage:
            return DONE_EVENT
        if self.usage_event is None and self.reported.usage is not None:
            # The provider told its usage beside the text; the client asked for an event of its own.
            facts = {**counts_of(self.reported.usage), **facts}
        return _usage_event(self.usage_event, facts, model=told.model) + DONE_EVENT


def _usage_event(event: bytes | None, facts: Mapping[str, object], *, model: str) -> bytes:
    """The usage event that ends a stream, with cost and balance added to its `usage`; made up where there was none."""
    fields: dict[str, Any] = {}
    data = data_of(event) if event is not None else None
    if data is not None:
        fields.update(_fields.decode(data))
    usage = _any.decode(fields["usage"]) if "usage" in fields else {}
    usage = usage if isinstance(usage, dict) else {}
    fields.setdefault("object", "chat.completion.chunk")
    fields.setdefault("model", model)
    fields.setdefault("choices", [])
    return event_of(_encode({**fields, "usage": {**usage, **facts}}))
