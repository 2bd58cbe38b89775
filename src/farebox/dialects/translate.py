"""A stream that speaks one dialect upstream and another to the client: decoder, canonical events, encoder.

It is a `StreamFold` like a relayed one, but hands over new bytes instead of passing events on.
"""

from collections.abc import Mapping, Sequence

from farebox.dialects.canonical.reply import ReplyEvent, SummaryDelta, TextDelta, Unknown
from farebox.dialects.port import Broken, StreamDecoder, StreamEncoder
from farebox.dialects.usage import Reported

# Names of unknown events that are told per stream; more are a provider's noise.
MAX_UNKNOWN_NAMES = 16


class Translation:
    """One translated stream. `feed` raises Broken; after it, `delivered_bytes` still says what the client has."""

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

    def complete(self) -> bool:
        """Whether the answer came whole."""
        return self._decoder.complete()

    def ending(self, facts: Mapping[str, object]) -> bytes:
        """What ends the client's stream, once the call is settled."""
        return self._encoder.ending(self.reported, self.service_tier, facts)

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


__all__ = ["Broken", "Translation"]
