"""What goes around every answer of the API: a request id, security headers, and HEAD for whatever has GET."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final

from farebox.base.clock import Clock
from farebox.base.ids import uuid7
from farebox.web.security import API_HEADERS

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

REQUEST_ID: Final = "farebox.request_id"
"""The scope's key for the id that the request was given here; what a client sends under that name is not believed."""


class Envelope:
    """An ASGI app around another."""

    def __init__(self, app: App, clock: Clock, *, headers: Sequence[tuple[bytes, bytes]] = API_HEADERS) -> None:
        """`headers`: what every answer has, in place of what the app says under the same names."""
        self._app = app
        self._clock = clock
        self._headers = tuple(headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; other protocols than HTTP pass as they are."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = f"req_{uuid7(self._clock()).hex}"
        answer = _Answer(request_id, self._headers, receive, send, bodiless=scope["method"] == "HEAD")
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        await self._app({**scope, "method": method, REQUEST_ID: request_id}, answer.receive, answer.send)


class _Answer:
    """One answer on its way out."""

    def __init__(
        self,
        request_id: str,
        headers: Sequence[tuple[bytes, bytes]],
        receive: Receive,
        send: Send,
        *,
        bodiless: bool,
    ) -> None:
        shown = request_id.encode()
        self._headers = [(b"x-request-id", shown), (b"request-id", shown), *headers]
        self._receive = receive
        self._send = send
        self._bodiless = bodiless
        self._done = False

    async def receive(self) -> Message:
        # After a HEAD is answered, whoever still makes a body is told that nobody listens.
        return {"type": "http.disconnect"} if self._done else await self._receive()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {name for name, _ in self._headers}
            kept = [pair for pair in message["headers"] if pair[0].lower() not in own]
            await self._send({**message, "headers": [*kept, *self._headers]})
        elif not self._bodiless:
            await self._send(message)
        elif not self._done:
            self._done = True
            await self._send({"type": "http.response.body", "body": b""})
