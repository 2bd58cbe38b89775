"""What a call used, in classes that never overlap: what dialects read from a provider and the catalog prices."""

import msgspec


class Usage(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What one call used, in disjoint classes: `input_tokens` leaves out cached and cache-written ones,
    `output_tokens` leaves out reasoning. Raises ValueError on a negative count."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    requests: int = 1

    def __post_init__(self) -> None:
        # A negative count from a provider would turn a charge into a gift.
        if (
            self.input_tokens < 0
            or self.cached_input_tokens < 0
            or self.cache_write_5m_tokens < 0
            or self.cache_write_1h_tokens < 0
            or self.output_tokens < 0
            or self.reasoning_tokens < 0
            or self.requests < 0
        ):
            raise ValueError(f"a count of usage is negative: {self!r}")

    @property
    def total_input_tokens(self) -> int:
        """Everything the model read: decides the context tier."""
        return self.input_tokens + self.cached_input_tokens + self.cache_write_5m_tokens + self.cache_write_1h_tokens

    @property
    def total_output_tokens(self) -> int:
        """Everything the model wrote, reasoning included."""
        return self.output_tokens + self.reasoning_tokens
