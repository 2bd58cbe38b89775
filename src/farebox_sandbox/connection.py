"""One TCP connection: what ASGI does not offer. Pauses that end when the client leaves, and hanging up mid-answer."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# A client that does not read what was written before the hang-up is cut off after this.
FLUSH_SECONDS = 5.0

EXTENSION = "sandbox.connection"


class ClientGone(Exception):
    """The client closed the connection before the answer was complete."""


class HungUp(Exception):
    """The sandbox closed the connection on purpose, before the answer was complete."""


class Connection(HttpToolsProtocol):
    """uvicorn's protocol; each request finds its connection in `scope["extensions"]`."""

    lost = False
    _pause: asyncio.Future[None] | None = None

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {EXTENSION: self}  # type: ignore[dict-item]

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        super().connection_lost(exc)
        if self._pause is not None and not self._pause.done():
            self._pause.set_exception(ClientGone())

    async def pause(self, seconds: float) -> None:
        """Sleep; raises ClientGone as soon as the client leaves. One timer and no task: it paces benchmark streams."""
        if self.lost:
            raise ClientGone
        pause = self._pause = self.loop.create_future()
        timer = self.loop.call_later(seconds, _wake, pause)
        try:
            await pause
        finally:
            timer.cancel()
            self._pause = None

    async def hang_up(self) -> None:
        """Send what was written, then close: inside a body this is a truncated transfer. Always raises HungUp."""
        self.transport.close()
        abort = self.loop.call_later(FLUSH_SECONDS, self.transport.abort)
        try:
            await self.pause(2 * FLUSH_SECONDS)
        except ClientGone:
            pass
        finally:
            abort.cancel()
        raise HungUp


def _wake(pause: asyncio.Future[None]) -> None:
    if not pause.done():
        pause.set_result(None)
