"""The sandbox's own tokenisation.

A token is up to three ASCII letters or digits together with one space before them, or any other single character.
So a token is 1 to 4 bytes of UTF-8, tokens never outnumber bytes, and the tokens of a text join to the text again.
"""

import re
from functools import lru_cache
from itertools import pairwise

import msgspec

_TOKEN = re.compile(r" ?[A-Za-z0-9]{1,3}|[\s\S]")

# Benchmarks ask for the same few answers over and over; both bounds together keep the caches under about 20 MB.
CACHED_TEXTS = 64
CACHED_TEXT_CHARACTERS = 16_384

# Each is one token, alone or after a space, so that N of them make a text of exactly N tokens.
_FILLER = ("the", "fox", "and", "owl", "sat", "in", "old", "oak", "all", "day", "to", "see", "sun")


def split_tokens(text: str) -> tuple[str, ...]:
    """The tokens of a text, in order."""
    return _split_cached(text) if len(text) <= CACHED_TEXT_CHARACTERS else tuple(_TOKEN.findall(text))


@lru_cache(CACHED_TEXTS)
def _split_cached(text: str) -> tuple[str, ...]:
    return tuple(_TOKEN.findall(text))


def count_tokens(text: str) -> int:
    return len(split_tokens(text))


def cut_to_tokens(text: str, limit: int | None) -> str:
    """The text's first `limit` tokens; all of it when there is no limit."""
    # A token has at least one character: a text no longer than the limit needs no look.
    if limit is None or len(text) <= limit:
        return text
    return "".join(split_tokens(text)[:limit])


@lru_cache(CACHED_TEXTS)
def filler(tokens: int) -> str:
    """A text of exactly this many tokens, about 4 bytes each."""
    return " ".join(_FILLER[index % len(_FILLER)] for index in range(tokens))


Piece = tuple[bytes, int]
"""A part of a text as a JSON string, and how many tokens it is."""


def pieces(text: str, count: int | None) -> tuple[Piece, ...]:
    """The text in `count` parts of nearly equal token numbers; without a count, a part for each token."""
    return _pieces_cached(text, count) if len(text) <= CACHED_TEXT_CHARACTERS else _pieces(text, count)


def _pieces(text: str, count: int | None) -> tuple[Piece, ...]:
    tokens = split_tokens(text)
    parts = min(count or len(tokens), len(tokens))
    bounds = [len(tokens) * index // parts for index in range(parts + 1)] if parts else []
    return tuple((msgspec.json.encode("".join(tokens[start:end])), end - start) for start, end in pairwise(bounds))


_pieces_cached = lru_cache(CACHED_TEXTS)(_pieces)
