"""Identifiers.

Calls, holds, entries and commands carry UUIDv7 (RFC 9562 §5.7): ordered by time, so that tables partition by
month on the id itself and a lookup by id reads one partition. Workspaces, keys and limits carry random 62-bit
integers: short in every index, and they tell nobody how many there are.
"""

import secrets
from uuid import UUID

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford base32: no i, l, o, u
_VALUES = {letter: value for value, letter in enumerate(_ALPHABET)}
_SHORT_LETTERS = 13
# The low four bits of a hold's id are zero; its commands are named by filling them in.
_STEP_MASK = 0xF


class IdError(ValueError):
    """The text is not an identifier of the expected kind."""


def uuid7(now_micros: int) -> UUID:
    """A fresh time-ordered id whose low four bits are zero (see `step_id`). Of two moments of one millisecond the later
    one has the greater id, too: what one request does stands in the record in the order in which it was done."""
    milliseconds, micros = divmod(now_micros, 1_000)
    high, low = micros << 2 | secrets.randbits(2), secrets.randbits(62) & ~_STEP_MASK
    return UUID(int=(milliseconds << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low)


def uuid7_floor(milliseconds: int) -> UUID:
    """The smallest id that a UUIDv7 of that moment can have: the edge of a partition."""
    return UUID(int=milliseconds << 80)


def micros_of(identifier: UUID) -> int:
    """The moment a UUIDv7 was made, to the millisecond."""
    return (identifier.int >> 80) * 1_000


def step_id(identifier: UUID, step: int) -> UUID:
    """The id of step 0..15 of a hold's life: the same id with its low four bits filled in."""
    if not 0 <= step <= _STEP_MASK:
        raise IdError(f"step {step} is outside 0..15")
    return UUID(int=(identifier.int & ~_STEP_MASK) | step)


def random_id() -> int:
    """A random positive 62-bit integer."""
    return secrets.randbits(62) | 1


def show_short(prefix: str, number: int) -> str:
    """`show_short("ws", 5)` -> `ws_0000000000005`"""
    letters = []
    for _ in range(_SHORT_LETTERS):
        number, value = divmod(number, 32)
        letters.append(_ALPHABET[value])
    return f"{prefix}_{''.join(reversed(letters))}"


def read_short(prefix: str, text: str) -> int:
    """The inverse of `show_short`. Raises IdError."""
    body = text.removeprefix(f"{prefix}_").lower()
    if len(body) != _SHORT_LETTERS or any(letter not in _VALUES for letter in body):
        raise IdError(f"{text!r} is not an id like {prefix}_{'0' * (_SHORT_LETTERS - 1)}1")
    number = 0
    for letter in body:
        number = number * 32 + _VALUES[letter]
    if number >= 1 << 62:
        raise IdError(f"{text!r} is not an id of ours")
    return number


def show_call(identifier: UUID) -> str:
    """`call_` and 32 hexadecimal digits."""
    return f"call_{identifier.hex}"


def read_call(text: str) -> UUID:
    """The inverse of `show_call`. Raises IdError."""
    try:
        return UUID(hex=text.removeprefix("call_"))
    except ValueError as error:
        raise IdError(f"{text!r} is not a call id") from error
