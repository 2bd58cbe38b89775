"""What a call used, in classes that never overlap: what dialects read from a provider and the catalog prices."""

import msgspec


class Usage(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What one call used, in disjoint classes. Raises ValueError on a negative count.

    `input_tokens` leaves out cached, cache-written, audio and image ones; `output_tokens` leaves out reasoning, audio
    and image ones. What a provider does not tell apart is text. `audio_milliseconds` are of sound read or made,
    `video_milliseconds` of film made, `characters` of text spoken, `images` pictures made, `web_searches` searches that
    the provider ran.
    """

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    requests: int = 1
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0
    image_input_tokens: int = 0
    image_output_tokens: int = 0
    images: int = 0
    characters: int = 0
    audio_milliseconds: int = 0
    video_milliseconds: int = 0
    web_searches: int = 0

    def __post_init__(self) -> None:
        # A negative count from a provider would turn a charge into a gift.
        if min(msgspec.structs.astuple(self)) < 0:
            raise ValueError(f"a count of usage is negative: {self!r}")

    @property
    def total_input_tokens(self) -> int:
        """Everything the model read: decides the context tier."""
        return (
            self.input_tokens
            + self.cached_input_tokens
            + self.cache_write_5m_tokens
            + self.cache_write_1h_tokens
            + self.audio_input_tokens
            + self.image_input_tokens
        )

    @property
    def total_output_tokens(self) -> int:
        """Everything the model wrote, reasoning included."""
        return self.output_tokens + self.reasoning_tokens + self.audio_output_tokens + self.image_output_tokens
