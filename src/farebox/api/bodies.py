"""Small JSON bodies, read field by field. What is not known is refused by its name: a misspelt wish that nobody heeds
would be a broken promise."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from farebox.base.clock import parse_rfc3339
from farebox.base.errors import Problem

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_any = msgspec.json.Decoder()
# The last moment that RFC 3339 has years for is far beyond any that somebody means; this is the year 5138.
MAX_MOMENT_MICROS: Final = 10**17

NULL: Final = b"null"


def fields_of(raw: bytes, known: tuple[str, ...], *, what: str = "The body", within: str = "") -> dict[str, bytes]:
    """The fields of an object, each as its own JSON. `within` stands before the names of fields in `param`.

    Raises Problem(`invalid_request`).
    """
    try:
        fields = _object.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        message = f"{what} is not a JSON object; its fields are {', '.join(known)}."
        raise Problem("invalid_request", message, param=within.rstrip(".") or None) from None
    for name in fields:
        if name not in known:
            raise refuse(f"{within}{name[:40]}", f"is not known; known are {', '.join(known)}")
    return {name: bytes(value) for name, value in fields.items()}


def value_of(raw: bytes, param: str) -> Any:
    """The JSON as a value. Raises Problem(`invalid_request`)."""
    try:
        return _any.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise refuse(param, "is not JSON that can be read") from None


def read_text(raw: bytes, param: str, *, least: int, most: int) -> str:
    """A text of `least` to `most` characters, without blanks around it. Raises Problem(`invalid_request`)."""
    value = value_of(raw, param)
    text = value.strip() if isinstance(value, str) else None
    if text is None or not least <= len(text) <= most or not text.isprintable():
        raise refuse(param, f"is a text of {least} to {most} printable characters")
    return text


def read_texts(raw: bytes, param: str, *, most: int, most_letters: int) -> list[str]:
    """A list of one or more texts. Raises Problem(`invalid_request`)."""
    values = value_of(raw, param)
    if not isinstance(values, list) or not 0 < len(values) <= most:
        raise refuse(param, f"is a list of 1 to {most} texts")
    for value in values:
        if not isinstance(value, str) or not 0 < len(value) <= most_letters or not value.isprintable():
            raise refuse(param, f"is a list of texts, each of 1 to {most_letters} printable characters")
    return values


def read_moment(raw: bytes, param: str) -> int:
    """RFC 3339 as microseconds since 1970 UTC. Raises Problem(`invalid_request`)."""
    value = value_of(raw, param)
    try:
        micros = parse_rfc3339(value) if isinstance(value, str) else -1
    except (ValueError, OverflowError):
        micros = -1
    if not 0 <= micros <= MAX_MOMENT_MICROS:
        raise refuse(param, "is a moment, like 2026-11-20T00:00:00Z")
    return micros


def read_seconds(raw: bytes, param: str, *, most: int) -> int:
    """A whole number of seconds. Raises Problem(`invalid_request`)."""
    value = value_of(raw, param)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise refuse(param, f"is a whole number of seconds from 0 to {most:,}")
    return value


def refuse(param: str, message: str, *, facts: Mapping[str, object] | None = None) -> Problem:
    """A field that cannot be meant."""
    return Problem("invalid_request", f"{param} {message}.", param=param, facts=facts)
