"""Server-sent events: cutting a byte stream into events and reading their data.

Source: HTML Standard §9.2.6 (event stream interpretation). Events end at a blank line; lines end with LF, CRLF or CR.
"""

import re

_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r")


class EventTooLarge(Exception):
    """An event did not end within the bound."""


class EventSplitter:
    """Feed chunks as they come; get whole events, bytes untouched, terminator included."""

    __slots__ = ("_max_event_bytes", "_rest")

    def __init__(self, max_event_bytes: int) -> None:
        self._rest = b""
        self._max_event_bytes = max_event_bytes

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that this chunk completes. Raises EventTooLarge."""
        data = self._rest + chunk if self._rest else chunk
        if b"\r" in data:
            events, self._rest = _split_any(data)
        elif data.endswith(b"\n\n") and data.count(b"\n\n") == 1:
            events, self._rest = [data], b""
        else:
            *whole, self._rest = data.split(b"\n\n")
            events = [event + b"\n\n" for event in whole]
        if len(self._rest) > self._max_event_bytes or any(len(event) > self._max_event_bytes for event in events):
            raise EventTooLarge
        return events

    @property
    def rest(self) -> bytes:
        """What came after the last whole event."""
        return self._rest


def _split_any(data: bytes) -> tuple[list[bytes], bytes]:
    events, start = [], 0
    for match in _BLANK_LINE.finditer(data):
        # A CRLF pair may still be arriving: "\r\r" at the very end could become "\r" + "\r\n…".
        events.append(data[start : match.end()])
        start = match.end()
    return events, data[start:]


def data_of(event: bytes) -> bytes | None:
    """The data of an event; None for one that only has comments or other fields."""
    if event.startswith(b"data: ") and event.find(b"\n", 6) >= len(event) - 2:
        return event[6:].rstrip(b"\r\n")
    lines = [line[5:].removeprefix(b" ") for line in event.splitlines() if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None


def event_of(data: bytes) -> bytes:
    """An event with that data, which has no line breaks."""
    return b"data: " + data + b"\n\n"


COMMENT_KEEP_ALIVE = b": keep-alive\n\n"
