"""A streamed answer of the same dialect as a fold: its events pass untouched, the end marker waits for the bill."""

from collections.abc import Mapping
from typing import Any

import msgspec

from farebox.dialects.anthropic_messages.answer import bytes_of
from farebox.dialects.anthropic_messages.events import MESSAGE_STOP
from farebox.dialects.anthropic_messages.usage import counts_output, merged, read_usage, tier_of
from farebox.dialects.port import Fate, Told
from farebox.dialects.sse import data_of
from farebox.dialects.usage import MISSING, Reported


class _Event(msgspec.Struct, gc=False):
    type: str


class _Delta(msgspec.Struct, gc=False):
    text: Any = None
    partial_json: Any = None
    thinking: Any = None
    stop_reason: Any = None


class _Block(msgspec.Struct, gc=False):
    type: str
    delta: _Delta


class _Message(msgspec.Struct, gc=False):
    usage: Any = None


class _Start(msgspec.Struct, gc=False):
    message: _Message


class _End(msgspec.Struct, gc=False):
    delta: _Delta
    usage: Any = None


_event = msgspec.json.Decoder(_Event)
_block = msgspec.json.Decoder(_Block)
_start = msgspec.json.Decoder(_Start)
_end = msgspec.json.Decoder(_End)
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class MessagesFold:
    """Everything known of a stream so far. It holds the end marker and the reports of usage: memory is bounded by twice
    the largest event that the splitter lets pass."""

    __slots__ = (
        "_report",
        "_started",
        "_stop_event",
        "_stopped",
        "_unfinished",
        "delivered_bytes",
        "done",
        "reported",
        "service_tier",
    )

    def __init__(self) -> None:
        self.delivered_bytes = 0
        self.done = False
        self.reported: Reported = MISSING
        self.service_tier: str | None = None
        self._report: Any = None
        self._unfinished = True
        self._started = False
        self._stopped = False
        self._stop_event = MESSAGE_STOP

    def feed(self, event: bytes) -> Fate:
        """Take one whole event. Types that are not known are relayed; nothing is after the end marker."""
        data = data_of(event)
        # Some compatible servers end with `[DONE]`, which is no event of this dialect.
        if not data or self.done or data == b"[DONE]":
            return Fate.DROPPED
        try:
            return self._fold(data, event)
        except _UNREADABLE:
            return Fate.BROKEN

    def _fold(self, data: bytes, event: bytes) -> Fate:
        kind = _event.decode(data).type
        if kind == "content_block_delta":
            delta = _block.decode(data).delta
            self.delivered_bytes += bytes_of(delta.text) + bytes_of(delta.partial_json) + bytes_of(delta.thinking)
        elif kind == "message_start":
            self._started = True
            self._take(_start.decode(data).message.usage, unfinished=True)
        elif kind == "message_delta":
            end = _end.decode(data)
            self._stopped = self._stopped or end.delta.stop_reason is not None
            self._take(end.usage)
        elif kind == "message_stop":
            self.done, self._stop_event = True, event
            return Fate.WITHHELD
        elif kind == "error":
            return Fate.BROKEN
        return Fate.RELAY

    def _take(self, report: Any, *, unfinished: bool = False) -> None:
        self._report = merged(self._report, report)
        self._unfinished = self._unfinished and (unfinished or not counts_output(report))
        self.reported = read_usage(self._report, unfinished=self._unfinished)
        self.service_tier = tier_of(self._report)

    def complete(self, choices: int) -> bool:
        """Whether the answer came whole: its end marker after a beginning, or why the model stopped."""
        return (self.done and self._started) or self._stopped

    def ending(self, facts: Mapping[str, object], told: Told) -> bytes:
        """The end marker, untouched: usage was relayed before it. One of our own where the provider forgot it."""
        return self._stop_event
