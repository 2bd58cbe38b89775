"""Files to download, whole or in part: films with the type and the beginning of an MP4 file."""

import hashlib
import re
from collections.abc import Iterator
from functools import lru_cache

from farebox_sandbox.core import GARBAGE_BODY
from farebox_sandbox.exchange import Exchange

FILM_BYTES_PER_SECOND = 32_768
PIECE_BYTES = 65_536
CACHED_FILMS = 16

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@lru_cache(CACHED_FILMS)
def film(seed: str, seconds: int) -> bytes:
    """The boxes of an MP4 file; what is in them follows from the seed, and no player can show it."""
    block = hashlib.shake_256(seed.encode("utf-8", "surrogatepass")).digest(1024)
    kind = _box(b"ftyp", b"isom\x00\x00\x02\x00isomiso2mp41")
    return kind + _box(b"mdat", block * (seconds * FILM_BYTES_PER_SECOND // len(block)))


def _box(kind: bytes, content: bytes) -> bytes:
    return (8 + len(content)).to_bytes(4, "big") + kind + content


async def send_file(exchange: Exchange, content_type: str, data: bytes) -> None:
    """A file, or the one range of it that was asked for: 200, 206 or 416. Raises ClientGone, HungUp."""
    if exchange.directives.garbage:
        data = GARBAGE_BODY
    asked = dict(exchange.scope["headers"]).get(b"range", b"").decode("latin-1")
    headers = [(b"accept-ranges", b"bytes")]
    match = _RANGE.fullmatch(asked)
    status, part = 200, data
    if match is not None and (match[1] or match[2]):
        start, end = _bounds(match[1], match[2], len(data))
        if start >= end:
            headers.append((b"content-range", b"bytes */%d" % len(data)))
            body = exchange.error_body(416, "The requested range is not in the file.", None)
            return await exchange.answer(416, body, headers)
        headers.append((b"content-range", b"bytes %d-%d/%d" % (start, end - 1, len(data))))
        status, part = 206, data[start:end]
    headers.append((b"content-length", b"%d" % len(part)))
    return await exchange.transfer(content_type, _pieces(part), status=status, headers=headers)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """Start and end of a range; `-500` are the last 500 bytes. Empty when the file has none of it."""
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size


def _pieces(data: bytes) -> Iterator[bytes]:
    for place in range(0, len(data), PIECE_BYTES):
        yield data[place : place + PIECE_BYTES]
