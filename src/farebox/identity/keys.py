"""The text of an API key: brand prefix, 160 random bits, checksum. Pure; nothing here may log or show a secret.

    tokeo_ 7k2m…32 letters…q0  x4c91d
    brand  random              CRC-32 of all before it

The checksum tells a typo or a key of another brand without asking the database. Letters are Crockford's base32 in
lower case; nothing else is read, so every single-letter change is noticed.
"""

import secrets
import zlib
from hashlib import sha256

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_BITS_PER_LETTER = 5
_LETTERS = frozenset(_ALPHABET)
# Crockford's letters as the digits that `int(text, 32)` reads: this runs on every request.
_AS_DIGITS = str.maketrans(_ALPHABET, "0123456789abcdefghijklmnopqrstuv")
RANDOM_LETTERS = 32
CHECKSUM_LETTERS = 6
_CHECK_MASK = (1 << CHECKSUM_LETTERS * _BITS_PER_LETTER) - 1
# How much of the random part is shown in lists and logs: enough to tell keys apart, 130 bits stay secret.
VISIBLE_LETTERS = 6


class MalformedKey(ValueError):
    """The text cannot be a key of this brand. Its message never has the text in it."""

    reason = "malformed"


def new_secret(prefix: str) -> str:
    """A fresh key of that brand prefix. Show it once, store `read_secret` of it, keep it nowhere."""
    body = prefix + _letters(secrets.randbits(RANDOM_LETTERS * _BITS_PER_LETTER), RANDOM_LETTERS)
    return body + _checksum(body)


def read_secret(prefix: str, text: str) -> bytes:
    """The SHA-256 of a key, under which it is stored. Raises MalformedKey without asking anybody."""
    if not text.startswith(prefix):
        raise MalformedKey(f"its keys start with {prefix}")
    if len(text) != len(prefix) + RANDOM_LETTERS + CHECKSUM_LETTERS or not _LETTERS.issuperset(text[len(prefix) :]):
        raise MalformedKey("the key has a letter too many, too few or of another alphabet")
    if int(text[-CHECKSUM_LETTERS:].translate(_AS_DIGITS), 32) != _check_number(text[:-CHECKSUM_LETTERS]):
        raise MalformedKey("the key has a typing error")
    return sha256(text.encode()).digest()


def visible_prefix(secret: str) -> str:
    """What may be shown of a key: its brand prefix and six letters."""
    return secret[: VISIBLE_LETTERS - RANDOM_LETTERS - CHECKSUM_LETTERS]


def _checksum(body: str) -> str:
    return _letters(_check_number(body), CHECKSUM_LETTERS)


def _check_number(body: str) -> int:
    # The low 30 bits of CRC-32; a test proves that no change of one letter hides in the two bits that are left out.
    return zlib.crc32(body.encode()) & _CHECK_MASK


def _letters(number: int, count: int) -> str:
    return "".join(_ALPHABET[number >> _BITS_PER_LETTER * place & 31] for place in reversed(range(count)))
