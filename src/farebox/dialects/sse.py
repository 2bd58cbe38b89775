"""Server-sent events: cutting a byte stream into events and reading their data.

Source: HTML Standard §9.2.6 (event stream interpretation). Events end at a blank line; lines end with LF, CRLF or CR.
"""

import re

# Two line ends, each whole: the halves of one CRLF are not two.
_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
# Of the longest end of an event (CRLF CRLF), all but the last byte.
_END_BYTES = 3


class EventSplitter:
    """Feed chunks as they come; get whole events, bytes untouched, terminator included.

    `overflowed`: an event did not end within the bound; it and what follows it are not to be read. How the bytes were
    cut into chunks makes no difference to the events.
    """

    __slots__ = ("_held", "_held_bytes", "_last", "_max_event_bytes", "_rest", "overflowed")

    def __init__(self, max_event_bytes: int) -> None:
        self._rest = b""
        self._held: list[bytes] = []  # what came after `_rest` and ends no event: a large one is put together once
        self._held_bytes = 0
        self._last = b""  # the last bytes of all this, as many as the beginning of an end can have
        self._max_event_bytes = max_event_bytes
        self.overflowed = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that this chunk completes, up to one that is too large."""
        if self._rest and not _ends_event(seen := self._last + chunk):
            self._held.append(chunk)
            self._held_bytes += len(chunk)
            self._last = seen[-_END_BYTES:]
            self.overflowed = len(self._rest) + self._held_bytes > self._max_event_bytes
            return []
        data = self.rest + chunk if self._rest else chunk
        self._held, self._held_bytes = [], 0
        if b"\r" in data:
            events, self._rest = _split_any(data)
        elif data.endswith(b"\n\n") and data.find(b"\n\n") == len(data) - 2:
            events, self._rest = [data], b""
        else:
            *whole, self._rest = data.split(b"\n\n")
            events = [event + b"\n\n" for event in whole]
        self._last = self._rest[-_END_BYTES:]
        most = self._max_event_bytes
        if len(data) > most:
            for number, event in enumerate(events):
                if len(event) > most:
                    self.overflowed = True
                    return events[:number]
            self.overflowed = len(self._rest) > most
        return events

    @property
    def rest(self) -> bytes:
        """What came after the last whole event."""
        return b"".join((self._rest, *self._held)) if self._held else self._rest


def _ends_event(data: bytes) -> bool:
    return _BLANK_LINE.search(data) is not None if b"\r" in data else b"\n\n" in data


def _split_any(data: bytes) -> tuple[list[bytes], bytes]:
    events, start = [], 0
    for match in _BLANK_LINE.finditer(data):
        if match.end() == len(data) and data.endswith(b"\r"):
            break  # its LF may still be on its way
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
