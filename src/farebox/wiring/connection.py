"""uvicorn's HTTP protocol with the two bounds it lacks: how long headers may take, and how large they may be.

A client that drips its headers holds a connection for nothing; it is cut. The body has a bound of its own, in the data
plane, because only that knows when a call waits for it.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class GuardedConnection(HttpToolsProtocol):
    """One connection. The class attributes are set by `guarded`."""

    header_timeout_seconds = 10.0
    max_header_bytes = 32_768

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._header_bytes = 0
        self._in_headers = True
        self._too_large = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_timer()

    def data_received(self, data: bytes) -> None:
        """Bounds unfinished headers, which the parser would collect without an end."""
        if self._in_headers:
            self._header_bytes += len(data)
            if self._timer is None and self._idle:
                self._start_timer()
        super().data_received(data)
        # Still in the headers after all of it was parsed: none of it was body.
        if self._in_headers and self._header_bytes > self.max_header_bytes:
            self._cut(_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers = True

    def on_headers_complete(self) -> None:
        self._stop_timer()
        self._in_headers = False
        self._header_bytes = 0
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > self.max_header_bytes:
            self._too_large = True
            raise ValueError("headers too large")  # the parser stops, and `send_400_response` answers
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        # What comes next on this connection is headers again; their clock starts with their first byte.
        self._in_headers = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        if self._too_large:
            self._cut(_TOO_LARGE)
        else:
            super().send_400_response(msg)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    @property
    def _idle(self) -> bool:
        """Whether no request of this connection is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self.header_timeout_seconds, self._cut, _TOO_SLOW)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _cut(self, answer: bytes) -> None:
        self._stop_timer()
        if self.transport.is_closing():
            return
        if not self._idle:
            # An earlier request is still being answered; a second answer in the middle of it would corrupt it.
            self.transport.abort()
            return
        if self._header_bytes or self._too_large:
            self.transport.write(answer)
        self.transport.close()


def guarded(*, header_timeout_seconds: float, max_header_bytes: int) -> type[GuardedConnection]:
    """The protocol class with these bounds."""
    bounds = {"header_timeout_seconds": header_timeout_seconds, "max_header_bytes": max_header_bytes}
    return type("Connection", (GuardedConnection,), bounds)
