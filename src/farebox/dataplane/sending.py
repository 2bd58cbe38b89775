"""What goes to a provider: the request as it came where the provider speaks the client's dialect, else translated.

Pure. A route whose provider cannot do what the request needs is not asked: `Inexpressible` says what it is.
"""

from typing import NamedTuple, Protocol

import msgspec

from farebox.catalog.model import Model, Provider, Route, profile_of
from farebox.dialects.canonical.conversation import Conversation
from farebox.dialects.port import Edits, Inexpressible, Surface, Target, Told, Upstream
from farebox.dialects.registry import UPSTREAMS
from farebox.dialects.request import Request
from farebox.dialects.translate import Passage, Translation, Untouched
from farebox.providers.client import Body

# Names in the header that tells what was dropped; more would make it longer than some clients read.
MAX_DROPPED_NAMES = 32
# Of the name of a tool that is refused; a client can call it anything.
MAX_TOOL_NAME_CHARS = 64


class Outgoing(NamedTuple):
    """One request as one provider gets it. `native`: both sides speak the same dialect, so the answer's bytes pass."""

    target: Target
    body: Body
    upstream: Upstream
    native: bool
    dropped: tuple[str, ...] = ()


class Sending(Protocol):
    """How the request of a call is put for a route."""

    def prepare(self, route: Route, provider: Provider) -> Outgoing:
        """The request for this route. Raises Inexpressible, or Problem when the request itself is at fault."""


class StreamSending(Sending, Protocol):
    """How a call is put whose answer is a stream of events."""

    @property
    def surface(self) -> Surface: ...

    @property
    def wants_usage(self) -> bool:
        """Whether the client asked for an event with usage."""

    def passage(self, outgoing: Outgoing, told: Told) -> Passage:
        """The way of a stream that answers this request."""


class TextSending:
    """A text request. What was made for a route is kept for when it is sent."""

    def __init__(self, surface: Surface, request: Request, *, model: Model, output_limit: int) -> None:
        self.surface = surface
        self.request = request
        self._model = model
        self._output_limit = output_limit
        self._conversation: Conversation | None = None
        self._last: tuple[str, Outgoing] | None = None

    def prepare(self, route: Route, provider: Provider) -> Outgoing:
        """The request for this route. Raises Inexpressible, or Problem when the request itself is at fault."""
        if self._last is not None and self._last[0] == route.route_id:
            return self._last[1]
        edits = Edits(route.upstream_model, self._output_limit, profile_of(provider, route))
        if self.surface.name in provider.dialects:
            outgoing = self._native(UPSTREAMS[self.surface.name], edits)
        else:
            outgoing = self._in_some_dialect(provider, edits)
        self._last = route.route_id, outgoing
        return outgoing

    @property
    def wants_usage(self) -> bool:
        """Whether the client asked for an event with usage."""
        return self.request.wants_usage

    def _native(self, upstream: Upstream, edits: Edits) -> Outgoing:
        request = self.request
        for tool in request.size.server_tools:
            # The provider bills each use, so without a ceiling there is no worst-case price.
            if tool not in self._model.server_tool_ceilings:
                raise Inexpressible(f"server_tool:{tool[:MAX_TOOL_NAME_CHARS]}", "tools")
        path, defaults = upstream.target(edits.model, request.stream)
        headers = {**dict(defaults), **dict(request.headers)}
        target = Target(f"{path}?{request.query}" if request.query else path, tuple(headers.items()))
        return Outgoing(target, self.surface.native_body(request, edits), upstream, native=True)

    def _in_some_dialect(self, provider: Provider, edits: Edits) -> Outgoing:
        """In the first dialect of the provider that can say it. Raises Inexpressible by what the first one misses."""
        missing: Inexpressible | None = None
        for name in provider.dialects:
            try:
                return self._translated(UPSTREAMS[name], edits)
            except Inexpressible as error:
                missing = missing or error
        assert missing is not None, "a provider speaks a dialect"
        raise missing

    def _translated(self, upstream: Upstream, edits: Edits) -> Outgoing:
        if self._conversation is None:
            self._conversation = _with_thoughts(self.surface.decode_request(self.request), self.surface)
        encoded = upstream.encode_request(self._conversation, edits, self.request.stream)
        target = upstream.target(edits.model, self.request.stream)
        return Outgoing(target, encoded.body, upstream, native=False, dropped=encoded.dropped)

    def passage(self, outgoing: Outgoing, told: Told) -> Passage:
        """The way of a stream that answers this request."""
        if outgoing.native:
            return Untouched(self.surface.new_fold(), told)
        return Translation(outgoing.upstream.new_decoder(), self.surface.new_encoder(told))


def _with_thoughts(conversation: Conversation, surface: Surface) -> Conversation:
    """Where a client's dialect shows thoughts unasked, another provider must be asked to show them."""
    thinking = conversation.thinking
    if not surface.shows_thoughts or thinking is None or thinking.summary is not None:
        return conversation
    if thinking.disabled or thinking.effort == "none":
        return conversation
    return msgspec.structs.replace(conversation, thinking=msgspec.structs.replace(thinking, summary="auto"))


def dropped_value(names: tuple[str, ...] | list[str]) -> bytes:
    """The names as a header's value: whatever a client called its fields, nothing but plain names gets in."""
    clean = sorted({"".join(c for c in name if c.isascii() and (c.isalnum() or c in "_.:-"))[:64] for name in names})
    return ", ".join(name for name in clean[:MAX_DROPPED_NAMES] if name).encode()
