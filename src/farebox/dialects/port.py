"""What the data plane needs of a dialect: the same few functions for each, as a surface (towards clients) and as an
upstream (towards providers). Everything here is pure; a stream is a fold.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple, Protocol

import msgspec

from farebox.base.errors import Problem
from farebox.dialects.canonical.conversation import Conversation
from farebox.dialects.canonical.parts import DialectName
from farebox.dialects.canonical.reply import Reply, ReplyEvent
from farebox.dialects.request import Request
from farebox.dialects.usage import Reported


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """How a provider differs from its dialect, as data. `unsupported` names features (see `docs/reference/dialects.md`)
    that this vendor does not take: they are dropped and named when a request is translated for it.

    `output_limit_field`: where chat wants the output limit. `stream_usage`: whether `stream_options.include_usage` is
    understood. `developer_role`: whether chat knows the role `developer` (else it is sent as `system`).
    """

    output_limit_field: str = "max_tokens"
    stream_usage: bool = True
    developer_role: bool = False
    unsupported: frozenset[str] = frozenset()


class Edits(NamedTuple):
    """What a request gets on its way upstream: the model's id there, the output limit, and how the provider differs."""

    model: str
    output_limit: int
    profile: Profile


class Target(NamedTuple):
    """Where a request goes below the provider's base URL, and the headers that the dialect wants besides the key."""

    path: str
    headers: tuple[tuple[str, str], ...] = ()


class Encoded(NamedTuple):
    """A translated request or answer. `dropped` names what could not be carried: short, `[a-z0-9_.:-]`, sorted."""

    body: bytes
    dropped: tuple[str, ...] = ()


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What the gateway needs of a whole answer whose bytes pass untouched. `delivered_bytes`: of generated text."""

    reported: Reported
    service_tier: str | None
    delivered_bytes: int


class Told(NamedTuple):
    """What an encoder knows of the call: the model as the client named it, a stem for ids (32 hexadecimal digits), the
    moment in seconds since 1970, whether the client asked for a usage event (chat only), and the id that a relayed
    answer has begun with, if any."""

    model: str
    stem: str
    created: int
    wants_usage: bool
    response_id: str = ""


class Fate(Enum):
    """What becomes of one event of the provider's stream."""

    RELAY = "relay"  # on to the client, byte for byte
    WITHHELD = "withheld"  # kept until the bill is settled: usage, end markers
    DROPPED = "dropped"  # a keep-alive, or a field without data, which crashes some clients
    BROKEN = "broken"  # an error event, or something that is no event: the stream has failed


class StreamFold(Protocol):
    """A relayed stream whose bytes pass untouched: what is withheld and what the bill says come from one pass.
    `done`: the end marker was seen."""

    @property
    def delivered_bytes(self) -> int: ...
    @property
    def done(self) -> bool: ...
    @property
    def reported(self) -> Reported: ...
    @property
    def service_tier(self) -> str | None: ...

    def feed(self, event: bytes) -> Fate:
        """Take one whole event."""

    def complete(self, choices: int) -> bool:
        """Whether the answer came whole."""

    def ending(self, facts: Mapping[str, object], told: Told) -> bytes:
        """What was withheld, once the call is settled. `facts` (cost and balance, and counts where the
        provider told none) go into the usage event, where the client asked for one."""


class StreamDecoder(Protocol):
    """A provider's stream into canonical events."""

    done: bool
    reported: Reported
    service_tier: str | None

    def feed(self, event: bytes) -> "list[ReplyEvent]":
        """Take one whole event; empty for keep-alives. Raises Broken."""

    def close(self) -> "list[ReplyEvent]":
        """The bytes are over: what follows from that (a part that was left open ends). Raises nothing."""

    def complete(self) -> bool:
        """Whether the answer came whole."""


class StreamEncoder(Protocol):
    """Canonical events into a client's stream."""

    dropped: set[str]

    def feed(self, events: "Sequence[ReplyEvent]") -> bytes:
        """What the client gets now; the first call begins the stream. Never the end marker."""

    def ending(self, reported: Reported, service_tier: str | None, facts: Mapping[str, object]) -> bytes:
        """What ends the stream, once the call is settled: stop reason and usage where the dialect has them there, and
        the end marker."""


class Broken(Exception):
    """A provider's stream or answer that is none. No part of it goes into the message."""


class Inexpressible(Exception):
    """The target cannot do what the request needs, and leaving it out would change the answer: the route is not asked.
    `feature` is a short name, `param` the client's field."""

    def __init__(self, feature: str, param: str | None = None) -> None:
        super().__init__(feature)
        self.feature = feature
        self.param = param


class Surface(NamedTuple):
    """A dialect towards clients. `scope`: what a key needs. `error_events` and `keep_alive` are told whether the client
    has seen anything of the answer. `forwarded_headers` and `forwarded_query` (`name=value`) are what a provider of the
    same dialect gets of the client's own. `shows_thoughts`: clients expect thoughts that they did not ask to see.

    `native_body`, `read_answer` and `new_fold` are for a provider of the same dialect, whose bytes pass untouched."""

    name: DialectName
    scope: str
    read_request: Callable[[bytes], Request]
    native_body: Callable[[Request, Edits], bytes]
    read_answer: Callable[[bytes], Answer]
    new_fold: Callable[[], StreamFold]
    decode_request: Callable[[Request], Conversation]
    encode_reply: Callable[[Reply, Told], Encoded]
    new_encoder: Callable[[Told], StreamEncoder]
    error_body: Callable[[Problem, str], bytes]
    error_events: Callable[[Problem, str, Told, bool], bytes]
    keep_alive: Callable[[bool], bytes]
    forwarded_headers: tuple[str, ...] = ()
    forwarded_query: tuple[str, ...] = ()
    shows_thoughts: bool = True


class Upstream(NamedTuple):
    """A dialect towards providers."""

    name: DialectName
    target: Callable[[str, bool], Target]
    encode_request: Callable[[Conversation, Edits, bool], Encoded]
    decode_reply: Callable[[bytes], Reply]
    new_decoder: Callable[[], StreamDecoder]
    read_error: Callable[[bytes], str | None]
