"""What a call used, in classes that never overlap: what dialects read from a provider and the catalog prices."""

import msgspec


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Whole numbers, zero or more. Input excludes cached and cache-written tokens; output excludes reasoning."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    requests: int = 0
