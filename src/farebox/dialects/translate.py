"""A stream on its way from a provider to a client: passed on byte for byte where both speak the same dialect, else
through canonical events. The relay sees no difference.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from farebox.dialects.canonical.reply import MAX_UNKNOWN_NAMES, ReplyEvent, SummaryDelta, TextDelta, Unknown
from farebox.dialects.port import Broken, Fate, StreamDecoder, StreamEncoder, StreamFold, Told
from farebox.dialects.usage import Reported


class Passage(Protocol):
    """One stream. `dropped`: what the provider sent that the client's dialect cannot say."""

    @property
    def delivered_bytes(self) -> int: ...
    @property
    def done(self) -> bool: ...
    @property
    def reported(self) -> Reported: ...
    @property
    def service_tier(self) -> str | None: ...
    @property
    def dropped(self) -> set[str]: ...

    def feed(self, event: bytes) -> bytes:
        """Take one whole event of the provider; returns what the client gets now. Raises Broken."""

    def close(self) -> bytes:
        """The provider's bytes are over, without an error of the transfer."""

    def complete(self, choices: int) -> bool:
        """Whether the answer came whole."""

    def ending(self, facts: Mapping[str, object], reported: Reported) -> bytes:
        """What ends the client's stream, once the call is settled; `reported` is what it was charged for."""


class Untouched:
    """A stream whose events pass byte for byte."""

    __slots__ = ("_fold", "_told")

    def __init__(self, fold: StreamFold, told: Told) -> None:
        self._fold = fold
        self._told = told

    @property
    def delivered_bytes(self) -> int:
        """Bytes of generated text so far."""
        return self._fold.delivered_bytes

    @property
    def done(self) -> bool:
        """Whether the provider's end marker was seen."""
        return self._fold.done

    @property
    def reported(self) -> Reported:
        """What the provider said it used."""
        return self._fold.reported

    @property
    def service_tier(self) -> str | None:
        """The tier that the provider reported."""
        return self._fold.service_tier

    @property
    def dropped(self) -> set[str]:
        """Nothing: the bytes are the provider's."""
        return set()

    @property
    def response_id(self) -> str:
        """The id that the provider's answer began with, where the dialect's errors must repeat it."""
        return getattr(self._fold, "response_id", "")

    def feed(self, event: bytes) -> bytes:
        """The event, or nothing when it is withheld. Raises Broken."""
        fate = self._fold.feed(event)
        if fate is Fate.RELAY:
            return event
        if fate is Fate.BROKEN:
            raise Broken
        return b""

    def close(self) -> bytes:
        """Nothing more to say."""
        return b""

    def complete(self, choices: int) -> bool:
        """Whether the answer came whole."""
        return self._fold.complete(choices)

    def ending(self, facts: Mapping[str, object], reported: Reported) -> bytes:
        """What was withheld."""
        return self._fold.ending(facts, self._told)


class Translation:
    """A stream that speaks one dialect upstream and another to the client."""

    __slots__ = ("_decoder", "_encoder", "_unknown", "delivered_bytes")

    def __init__(self, decoder: StreamDecoder, encoder: StreamEncoder) -> None:
        self._decoder = decoder
        self._encoder = encoder
        self._unknown: set[str] = set()
        self.delivered_bytes = 0

    @property
    def done(self) -> bool:
        """Whether the provider's end marker was seen."""
        return self._decoder.done

    @property
    def reported(self) -> Reported:
        """What the provider said it used."""
        return self._decoder.reported

    @property
    def service_tier(self) -> str | None:
        """The tier that the provider reported."""
        return self._decoder.service_tier

    @property
    def dropped(self) -> set[str]:
        """What the provider sent that this client's dialect cannot say."""
        return self._encoder.dropped | self._unknown

    def feed(self, event: bytes) -> bytes:
        """Take one whole event of the provider; returns what the client gets now. Raises Broken."""
        return self._encode(self._decoder.feed(event))

    def close(self) -> bytes:
        """The provider's bytes are over."""
        return self._encode(self._decoder.close())

    def complete(self, choices: int) -> bool:
        """Whether the answer came whole."""
        return self._decoder.complete()

    def ending(self, facts: Mapping[str, object], reported: Reported) -> bytes:
        """What ends the client's stream, once the call is settled."""
        return self._encoder.ending(reported, self.service_tier, facts)

    def _encode(self, events: Sequence[ReplyEvent]) -> bytes:
        if not events:
            return b""
        for event in events:
            if isinstance(event, TextDelta | SummaryDelta):
                text = event.text
                self.delivered_bytes += len(text) if text.isascii() else len(text.encode())
            elif isinstance(event, Unknown) and len(self._unknown) < MAX_UNKNOWN_NAMES:
                self._unknown.add(event.name)
        return self._encoder.feed(events)
