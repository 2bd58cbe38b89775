"""A streamed answer of the same dialect as a fold: its events pass untouched, the last one waits for the bill."""

from collections.abc import Mapping
from typing import Any

import msgspec

from farebox.dialects.openai_responses.usage import read_tier, read_usage
from farebox.dialects.port import Fate, Told
from farebox.dialects.sse import data_of
from farebox.dialects.usage import MISSING, Reported

TERMINAL_TYPES = frozenset({"response.completed", "response.incomplete"})
FAILED_TYPES = frozenset({"response.failed", "error"})
# An id is some tens of characters.
MAX_ID_CHARS = 256


class _Event(msgspec.Struct, gc=False):
    type: str
    delta: Any = None
    response: msgspec.Raw = msgspec.Raw(b"null")
    error: Any = None


_event = msgspec.json.Decoder(_Event)
_any = msgspec.json.Decoder()


class ResponsesFold:
    """Everything known of a stream so far. It holds one event, the last: `response.completed` or `.incomplete`, which
    repeats the whole answer and is as large as the splitter of the stream allows."""

    __slots__ = ("_terminal", "delivered_bytes", "done", "reported", "response_id", "service_tier")

    def __init__(self) -> None:
        self.delivered_bytes = 0
        self.done = False
        self.reported: Reported = MISSING
        self.service_tier: str | None = None
        self._terminal = b""
        self.response_id = ""

    def feed(self, event: bytes) -> Fate:
        """Take one whole event. Types that are not known are relayed; nothing is after the last one."""
        data = data_of(event)
        # Some compatible servers end with `[DONE]`, which is no event of this dialect.
        if not data or self.done or data == b"[DONE]":
            return Fate.DROPPED
        try:
            decoded = _event.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return Fate.BROKEN
        kind, delta = decoded.type, decoded.delta
        if isinstance(delta, str) and kind != "response.audio.delta":
            self.delivered_bytes += len(delta) if delta.isascii() else len(delta.encode())
            return Fate.RELAY
        if kind in TERMINAL_TYPES:
            return self._end(decoded.response, event)
        if kind == "response.created":
            self.response_id = _id_of(decoded.response)
        return Fate.BROKEN if kind in FAILED_TYPES or decoded.error is not None else Fate.RELAY

    def _end(self, raw: msgspec.Raw, event: bytes) -> Fate:
        try:
            response = _any.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            response = None
        if not isinstance(response, dict):
            return Fate.BROKEN
        self.reported = read_usage(response)
        self.service_tier = read_tier(response.get("service_tier"))
        self.done, self._terminal = True, event
        return Fate.WITHHELD

    def complete(self, choices: int) -> bool:
        """Whether the answer came whole: its last event said so."""
        return self.done

    def ending(self, facts: Mapping[str, object], told: Told) -> bytes:
        """The last event, untouched: it has its usage already. Empty where none came."""
        return self._terminal


def _id_of(response: msgspec.Raw) -> str:
    """The id of a response object, of a length that an id can have."""
    found = _any.decode(response)
    name = found.get("id") if isinstance(found, dict) else None
    return name if isinstance(name, str) and len(name) <= MAX_ID_CHARS else ""
