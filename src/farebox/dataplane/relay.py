"""The stream relay: events from the provider to the client as they come, while everything is counted.

The end marker and the usage event are withheld until the call is settled. Three tasks know a stream: the pump below,
the watch on the client's disconnect (a server does not raise from `send` after one), and the ticker of `streams.py`.
The pump is a task of its own because a task that wakes up resumes each of its waiting callers in turn: here once for
each chunk, and the callers reach up to the server.
"""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import msgspec

from farebox.base.errors import Problem
from farebox.base.ids import show_call
from farebox.dataplane.answer import dropped_pair
from farebox.dataplane.asgi import Exchange, Pairs
from farebox.dataplane.call import Call, Watermark
from farebox.dataplane.forward import CallFailed, Forwarding
from farebox.dataplane.parts import Parts
from farebox.dataplane.rules import Ending
from farebox.dataplane.sending import StreamSending
from farebox.dataplane.streams import Progress
from farebox.dialects.port import Broken
from farebox.dialects.sse import EventSplitter
from farebox.dialects.translate import Passage, Untouched
from farebox.providers.client import FailureKind, UpstreamFailure, UpstreamResponse

# The bound of a last write where no provider was asked and so no idle time is known.
FINISH_SECONDS = 10.0


class Splitter(Protocol):
    """Cuts a provider's bytes into the pieces that a passage takes."""

    @property
    def rest(self) -> bytes: ...
    @property
    def overflowed(self) -> bool: ...
    def feed(self, chunk: bytes) -> list[bytes]: ...


class Framing(NamedTuple):
    """What a stream is made of. `tells_errors`: it has room for keep-alives and for an error as its end; without, a
    stream that breaks off is cut, so that no client takes it for whole."""

    accepts: Callable[[str], bool]
    new_splitter: Callable[[int], Splitter]
    content_type: Callable[[str], bytes]
    tells_errors: bool


EVENTS = Framing(
    accepts=lambda content_type: content_type == "text/event-stream",
    new_splitter=EventSplitter,
    content_type=lambda _: b"text/event-stream; charset=utf-8",
    tells_errors=True,
)
# Most programs show an error's message alone, so it says what to do.
_RELEASED = "the reservation was released. Send it again."
_STREAM_HEADERS = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]


class Relay:
    """One streamed answer on its way to one client."""

    def __init__(
        self,
        parts: Parts,
        call: Call,
        headers: Pairs,
        *,
        exchange: Exchange,
        sending: StreamSending,
        framing: Framing = EVENTS,
    ) -> None:
        self._parts = parts
        self._call = call
        self._headers = headers
        self._receive = exchange.receive
        self._send = exchange.send
        self.sending = sending
        self._framing = framing
        self._content_type = b""
        self._told = call.told(wants_usage=sending.wants_usage)
        self._loop = asyncio.get_running_loop()
        # What a provider may bill for whatever it answers.
        self._at_most = call.reported
        self._begin_attempt()
        self._sent_at = self._loop.time()
        self._sending_since: float | None = None
        self._waited_seconds = 0.0  # for the client to take what it was sent
        self._sender: asyncio.Task[Any] | None = None
        self._interrupted = False
        self._keep_alive: asyncio.Task[None] | None = None
        self._left_at: float | None = None
        self._draining = False
        self._guard: asyncio.Timeout | None = None
        self._abort_kind: FailureKind | None = None
        # Not a function of ours: nothing below refers back to the relay, so that it goes with its stream and does not
        # wait for a full collection, which is rare here.
        self._left = asyncio.Event()
        self._forwarding = Forwarding(parts, call, sending, gone=self._left.is_set)
        self._marked_bytes = 0
        self._attempt_began_at: float | None = None
        self._relayed = False
        self._over = False
        self._dropped_told = False
        self.started = False
        self.failure: Problem | None = None

    def _begin_attempt(self) -> None:
        self.passage: Passage | None = None
        self._splitter = self._framing.new_splitter(self._parts.bounds.max_event_bytes)
        self._heard_at: float | None = None

    # ── the pump ──────────────────────────────────────────────────────────────────────────────────────────────────

    async def run(self) -> Ending:
        """Relay until the answer is over. Raises CallFailed when no route gave one."""
        self._parts.streams.add(self)
        watch = asyncio.create_task(self._watch(), name="client watch")
        try:
            while True:
                response = await self._open()
                if response is None:
                    return Ending.CLIENT_LEFT
                try:
                    ending = await asyncio.create_task(self._pump(response), name="pump")
                finally:
                    self._note_fold()
                    response.close()
                    self._forwarding.neutral()
                if ending is not None:
                    return ending
                self._begin_attempt()
                self._note_fold()  # what this attempt told is none of the next one's
        finally:
            self._over = True
            self._parts.streams.remove(self)
            watch.cancel()
            if self._draining:
                self._parts.drains.give_back()

    async def _open(self) -> UpstreamResponse | None:
        """The next answer; None when the client left meanwhile and nobody needs it to be read. Raises CallFailed."""
        try:
            async with asyncio.timeout(None) as self._guard:
                return await self._forwarding.open()
        except TimeoutError:
            return None
        finally:
            self._guard = None

    async def _pump(self, response: UpstreamResponse) -> Ending | None:
        """One attempt: how the call ended, or None to try the next route because nothing has reached the client."""
        if not self._framing.accepts(response.content_type):
            return self._broken("wrong_content_type")
        if self._left_at is not None and not self._draining:
            return Ending.CLIENT_LEFT
        self._attempt_began_at = self._loop.time()
        self._content_type = self._framing.content_type(response.content_type)
        self.passage = passage = self.sending.passage(self._forwarding.outgoing, self._told)
        try:
            async with asyncio.timeout(None) as self._guard:
                splitter, now = self._splitter, self._loop.time
                while chunk := await response.read():
                    self._heard_at = now()
                    body, whole = _fed(passage, splitter.feed(chunk))
                    if body:
                        await self._pass_on(body)
                    if not whole:
                        return self._broken("garbage")
                    if splitter.overflowed:
                        return self._ended_by(FailureKind.TOO_LARGE)
                    if passage.done:
                        break
                if not await self._finish_reading(passage):
                    return self._broken("garbage")
        except TimeoutError:
            return self._ended_by(self._abort_kind)
        except UpstreamFailure as failure:
            return self._ended_by(failure.kind)
        finally:
            self._guard = self._attempt_began_at = None
        return self._ended_by(FailureKind.CUT)

    def _ended_by(self, kind: FailureKind | None) -> Ending | None:
        """The bytes are over; `kind` is how, if the answer did not come whole (None: we hung up for the client)."""
        self._note_fold()
        if self._complete():
            self._forwarding.served()
            return Ending.ANSWERED if self._left_at is None else Ending.ANSWERED_UNSEEN
        if self._left_at is not None and kind is None:
            return Ending.CLIENT_LEFT
        kind = kind or FailureKind.CUT
        if self._relayed:
            self._forwarding.faulted()
            self._call.attempts[-1] = msgspec.structs.replace(self._call.attempts[-1], outcome=kind.value)
            self.failure = _cut_problem(kind)
            return Ending.TIMED_OUT if kind.timed_out else Ending.CUT
        self._forwarding.failed(kind)
        return None

    def _broken(self, outcome: str) -> Ending | None:
        if self._complete():
            return self._ended_by(None)  # the client has the whole answer; what follows it is not part of one
        if not self._relayed:
            self._note_fold()
            self._forwarding.broke(outcome)
            return None
        self._forwarding.faulted()
        self._call.attempts[-1] = msgspec.structs.replace(self._call.attempts[-1], outcome=outcome)
        self.failure = _cut_problem(FailureKind.CUT)
        return Ending.CUT

    def _complete(self) -> bool:
        return self.passage is not None and self.passage.complete(self._call.admission.choices)

    async def _finish_reading(self, passage: Passage) -> bool:
        """The bytes are over: what they left behind counts too. False when the stream has broken."""
        rest = self._splitter.rest
        if rest.strip():
            body, whole = _fed(passage, [rest + b"\n\n"])
            if body:
                await self._pass_on(body)
            if not whole:
                return False
        if rest := passage.close():
            await self._pass_on(rest)
        return True

    async def _pass_on(self, body: bytes) -> None:
        if self._call.first_byte_at is None:
            self._call.first_byte_at = self._parts.clock()
        self._relayed = True
        await self.write(body)
        # While we wait for the client, the provider cannot be heard: its silence begins afterwards.
        self._heard_at = max(self._heard_at or self._sent_at, self._sent_at)

    def _note_fold(self) -> None:
        passage, call = self.passage, self._call
        if passage is None:
            call.delivered_bytes, call.reported, call.service_tier = 0, self._at_most, None
            return
        call.delivered_bytes, call.reported = passage.delivered_bytes, passage.reported
        call.service_tier = passage.service_tier

    @property
    def untold(self) -> set[str]:
        """What was dropped and did not come into the headers: they went before the route or the answer was known."""
        found = set() if self.passage is None else set(self.passage.dropped)
        return found if self._dropped_told or self.passage is None else found.union(self._forwarding.outgoing.dropped)

    def error_events(self, problem: Problem) -> bytes:
        """What ends a stream that failed, in the client's dialect."""
        surface, told = self.sending.surface, self._told
        if isinstance(self.passage, Untouched):
            told = told._replace(response_id=self.passage.response_id)
        return surface.error_events(problem, show_call(self._call.call_id), told, self._relayed)

    # ── the client's side ─────────────────────────────────────────────────────────────────────────────────────────

    async def write(self, body: bytes, *, last: bool = False) -> None:
        """Send to the client, if it is still there; the headers go before the first byte."""
        if self._keep_alive is not None and not self._keep_alive.done():
            await asyncio.wait([self._keep_alive])
        if self._left_at is None:
            await self._write(body, last=last)

    async def _write(self, body: bytes, *, last: bool = False) -> None:
        self._sending_since = began_at = self._loop.time()
        self._sender = asyncio.current_task()
        try:
            if not self.started:
                self.started = True
                content_type = self._content_type or self._framing.content_type("")
                headers = [*self._headers, (b"content-type", content_type), *_STREAM_HEADERS]
                if self._relayed and self._forwarding.outgoing.dropped:
                    headers.append(dropped_pair(self._parts, self._forwarding.outgoing.dropped))
                    self._dropped_told = True
                await self._send({"type": "http.response.start", "status": 200, "headers": headers})
            await self._send({"type": "http.response.body", "body": body, "more_body": not last})
        except asyncio.CancelledError:
            # `_leave` ends it: who does not read would keep us here, and the provider's answer unread. What a timeout
            # would do for each chunk, for the price of none.
            if not self._interrupted or self._sender is None:
                raise
            self._interrupted = False
            if self._sender.uncancel() > 0:
                raise
        finally:
            self._sender = self._sending_since = None
            self._sent_at = self._loop.time()
            self._waited_seconds += self._sent_at - began_at

    async def finish(self, body: bytes) -> None:
        """Send the last bytes. A client that does not take them in time has a receipt to look at."""
        try:
            async with asyncio.timeout(self._forwarding.waits.idle or FINISH_SECONDS):
                await self.write(body, last=True)
        except TimeoutError:
            return

    async def break_off(self, problem: Problem) -> None:
        """End a stream that failed: by telling so, or by leaving it open, upon which the server cuts the connection."""
        if self._framing.tells_errors:
            await self.finish(self.error_events(problem))

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._leave()

    def _leave(self) -> None:
        """The client is gone: cancel where that stops the provider's billing, else read on to the usage event."""
        if self._left_at is not None or self._over:
            return
        self._left_at = self._loop.time()
        self._left.set()
        if self._sender is not None:
            self._interrupted = True
            self._sender.cancel()
        self._draining = not self._cancel_stops_billing() and self._parts.drains.take()
        if not self._draining:
            self._abort(None)

    def _cancel_stops_billing(self) -> bool:
        provider = self._parts.catalog().providers.get(self._call.route.provider_id)
        return provider is not None and provider.cancel_stops_billing

    # ── the ticker's side ─────────────────────────────────────────────────────────────────────────────────────────

    def tick(self, now_seconds: float) -> None:
        """Once a second: a keep-alive for a client that waits, an end for what has waited too long."""
        waits, bounds = self._forwarding.waits, self._parts.bounds
        if self._left_at is not None and now_seconds - self._left_at > bounds.drain_timeout_seconds:
            self._abort(None)
        elif self._sending_since is not None:
            # The client does not read: after the idle time it is as good as gone.
            if now_seconds - self._sending_since > waits.idle:
                self._leave()
        elif self._attempt_began_at is not None and (kind := self._overdue(self._attempt_began_at, now_seconds)):
            late_seconds = self._forwarding.late_seconds(now_seconds)
            if kind is FailureKind.TOTAL_TIMEOUT and late_seconds <= self._waited_seconds:
                # The provider was in time; who takes so long to read does not get its answer for nothing.
                self._leave()
            else:
                self._abort(kind)
        elif (
            self._framing.tells_errors
            and self._left_at is None
            and now_seconds - self._sent_at >= bounds.keep_alive_seconds
        ):
            self._keep_alive = asyncio.create_task(self._send_keep_alive(), name="keep-alive")

    async def _send_keep_alive(self) -> None:
        if not self._over:
            await self._write(self.sending.surface.keep_alive(self._relayed))

    def _overdue(self, attempt_began_at: float, now_seconds: float) -> FailureKind | None:
        waits = self._forwarding.waits
        if self._forwarding.late_seconds(now_seconds) > 0:
            return FailureKind.TOTAL_TIMEOUT
        if self._heard_at is None:
            return FailureKind.FIRST_BYTE_TIMEOUT if now_seconds - attempt_began_at > waits.first_byte else None
        return FailureKind.IDLE_TIMEOUT if now_seconds - self._heard_at > waits.idle else None

    def _abort(self, kind: FailureKind | None) -> None:
        if self._guard is not None and not self._guard.expired():
            self._abort_kind = kind
            _expire(self._guard)

    def progress(self) -> Progress | None:
        """The watermark, if more was delivered since it was last asked for."""
        passage = self.passage
        if passage is None or passage.delivered_bytes == self._marked_bytes:
            return None
        self._marked_bytes = passage.delivered_bytes
        route = self._call.route
        mark = Watermark(
            delivered_bytes=passage.delivered_bytes,
            reported=passage.reported,
            service_tier=passage.service_tier,
            route_id=route.route_id,
            provider_id=route.provider_id,
            price_version=route.price.price_version if route.price else "",
        )
        return Progress(self._call.workspace_id, self._call.call_id, msgspec.json.encode(mark).decode())


def _fed(passage: Passage, events: list[bytes]) -> tuple[bytes, bool]:
    """What the client gets of these events, and whether none of them was broken."""
    if len(events) == 1:
        try:
            return passage.feed(events[0]), True
        except Broken:
            return b"", False
    pieces, whole = [], True
    for event in events:
        try:
            pieces.append(passage.feed(event))
        except Broken:
            whole = False
            break
    return b"".join(pieces), whole


def _expire(timeout: asyncio.Timeout | None) -> None:
    """End what runs inside; a timeout that ends already is left alone."""
    if timeout is not None and not timeout.expired():
        timeout.reschedule(asyncio.get_running_loop().time())


def _cut_problem(kind: FailureKind) -> Problem:
    if kind.timed_out:
        return Problem("upstream_timeout", f"The provider went silent mid-answer; {_RELEASED}")
    return Problem("upstream_exception", f"The provider's answer broke off; {_RELEASED}")


__all__ = ["CallFailed", "Relay"]
