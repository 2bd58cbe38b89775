"""Sound: bytes of a length that follows from the seconds, made piece by piece; and the length of what came in."""

import math
import struct
from collections.abc import Iterator
from typing import NamedTuple

SAMPLES_PER_SECOND = 24_000  # one channel of 16 bits
PCM_BYTES_PER_SECOND = 2 * SAMPLES_PER_SECOND
PIECE_BYTES = 4096
TONE_HERTZ = 200
USUAL_BYTES_PER_SECOND = 16_000  # of a compressed file: 128 kbit/s

_MP3_FRAME = b"\xff\xfb\x90\x64" + bytes(413)  # MPEG 1 layer III, 128 kbit/s, 44.1 kHz, silence
_MP3_FRAME_SECONDS = 1152 / 44_100
_TONE = struct.pack(
    f"<{SAMPLES_PER_SECOND // TONE_HERTZ}h",
    *(
        round(8000 * math.sin(2 * math.pi * TONE_HERTZ * index / SAMPLES_PER_SECOND))
        for index in range(SAMPLES_PER_SECOND // TONE_HERTZ)
    ),
)


class Encoding(NamedTuple):
    """`magic` begins the bytes of a format that is only told by its beginning."""

    content_type: str
    bytes_per_second: int
    magic: bytes = b""


ENCODINGS = {
    "mp3": Encoding("audio/mpeg", USUAL_BYTES_PER_SECOND),
    "wav": Encoding("audio/wav", PCM_BYTES_PER_SECOND),
    "pcm": Encoding("audio/pcm", PCM_BYTES_PER_SECOND),
    "opus": Encoding("audio/opus", 8000, b"OggS"),
    "aac": Encoding("audio/aac", USUAL_BYTES_PER_SECOND, b"\xff\xf1"),
    "flac": Encoding("audio/flac", 32_000, b"fLaC"),
}


def sound(form: str, seconds: float) -> Iterator[bytes]:
    """A tone as WAV or PCM, silence as MP3, and zeros after the right beginning for any other name in ENCODINGS."""
    if form == "mp3":
        return _cut(_MP3_FRAME, len(_MP3_FRAME) * max(1, math.ceil(seconds / _MP3_FRAME_SECONDS)))
    if form in ("wav", "pcm"):
        data_bytes = 2 * max(1, round(seconds * SAMPLES_PER_SECOND))
        return _cut(_TONE, data_bytes, _wav_header(data_bytes) if form == "wav" else b"")
    encoding = ENCODINGS[form]
    return _cut(bytes(PIECE_BYTES), max(1, round(seconds * encoding.bytes_per_second)), encoding.magic)


def _cut(pattern: bytes, length: int, start: bytes = b"") -> Iterator[bytes]:
    """`start`, and the pattern over and over up to `length`, in pieces of about PIECE_BYTES."""
    piece = pattern * max(1, PIECE_BYTES // len(pattern))
    if start:
        yield start
    for place in range(0, length, len(piece)):
        yield piece[: length - place]


def _wav_header(data_bytes: int) -> bytes:
    shape = struct.pack("<HHIIHH", 1, 1, SAMPLES_PER_SECOND, PCM_BYTES_PER_SECOND, 2, 16)
    return (
        b"RIFF" + struct.pack("<I", 36 + data_bytes) + b"WAVEfmt " + struct.pack("<I", 16) + shape
        + b"data" + struct.pack("<I", data_bytes)
    )  # fmt: skip


def seconds_of(head: bytes, size: int) -> float:
    """How long a file lasts: a WAV file by its header, any other at 128 kbit/s. `head` is its beginning."""
    return _wav_seconds(head, size) or size / USUAL_BYTES_PER_SECOND


def _wav_seconds(head: bytes, size: int) -> float | None:
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    place, bytes_per_second = 12, 0
    while place + 8 <= len(head):
        kind, length = head[place : place + 4], struct.unpack("<I", head[place + 4 : place + 8])[0]
        place += 8
        if kind == b"fmt " and len(head) >= place + 12:
            bytes_per_second = struct.unpack("<I", head[place + 8 : place + 12])[0]
        if kind == b"data" and bytes_per_second:
            # A recorder that streams does not know the length, and writes the largest number.
            return float(min(length, size - place)) / bytes_per_second
        place += length + length % 2
    return None
