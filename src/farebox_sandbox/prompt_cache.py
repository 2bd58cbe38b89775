"""Anthropic's prompt cache: what a request marks with `cache_control` is written once and read when it comes again.

There is no least length, unlike at Anthropic's, so that small tests can see it.
"""

import hashlib
import time
from collections import OrderedDict
from typing import NamedTuple

import msgspec

from farebox_sandbox.ask import Ask, Part, Tool, Turn
from farebox_sandbox.usage import prompt_pieces

MAX_PREFIXES = 10_000  # of all models; the oldest are forgotten
LIFE_SECONDS = {"5m": 300.0, "1h": 3600.0}


class CacheUse(NamedTuple):
    """Prompt tokens that were read and written. None is counted twice; the rest of the prompt is plain input."""

    read_tokens: int = 0
    written_5m_tokens: int = 0
    written_1h_tokens: int = 0


NO_CACHE = CacheUse()


class PromptCache:
    """Prefixes by their digest, and until when they live (monotonic seconds)."""

    def __init__(self) -> None:
        self._expiries: OrderedDict[bytes, float] = OrderedDict()

    def use(self, ask: Ask) -> CacheUse:
        """Read the longest known prefix, write what is marked after it, and keep all marked ones alive."""
        prefixes = _prefixes(ask)
        now = time.monotonic()
        known = [one.tokens for one in prefixes if self._expiries.get(one.digest, 0.0) > now]
        read = done = max(known, default=0)
        written = {"5m": 0, "1h": 0}
        for one in prefixes:
            if not one.mark:
                continue
            if one.tokens > done:
                written[one.mark] += one.tokens - done
                done = one.tokens
            self._keep(one.digest, now + LIFE_SECONDS[one.mark])
        return CacheUse(read, written["5m"], written["1h"])

    def _keep(self, digest: bytes, expiry: float) -> None:
        self._expiries[digest] = max(expiry, self._expiries.get(digest, 0.0))
        self._expiries.move_to_end(digest)
        if len(self._expiries) > MAX_PREFIXES:
            self._expiries.popitem(last=False)


class _Prefix(NamedTuple):
    tokens: int
    digest: bytes
    mark: str


def _prefixes(ask: Ask) -> list[_Prefix]:
    """All places where the prompt could be cut, with the marks of some; none when nothing is marked. `ask.cache` marks
    the end."""
    pieces = list(prompt_pieces(ask))
    marks = [_mark(piece) for _, piece in pieces]
    marks[-1] = marks[-1] or ask.cache
    if not any(marks):
        return []
    digest = hashlib.sha256(f"{ask.dialect}\0{ask.model}".encode())
    total = 0
    prefixes = []
    for (tokens, piece), mark in zip(pieces, marks, strict=True):
        total += tokens
        digest.update(_shape(piece))
        prefixes.append(_Prefix(total, digest.digest(), mark))
    return prefixes


def _shape(piece: Tool | Turn | Part | None) -> bytes:
    """A turn is only where its parts begin. A mark that moves on in the next request must not change the digest."""
    if isinstance(piece, Turn):
        return msgspec.json.encode(["turn", piece.role])
    return msgspec.json.encode(piece if piece is None else msgspec.structs.replace(piece, cache=""))


def _mark(piece: Tool | Turn | Part | None) -> str:
    if piece is None or isinstance(piece, Turn):
        return ""
    if isinstance(piece, Part) and not piece.cache:
        return next((one.cache for one in piece.content if one.cache), "")
    return piece.cache
