"""What Gemini says in an error body: `{"error": {"code", "message", "status", "details"}}`, or a list of one such."""

from typing import Any

import msgspec

MAX_MESSAGE_CHARS = 2_000

_any = msgspec.json.Decoder()


def read_error(body: bytes) -> str | None:
    """The message of an error body, at most `MAX_MESSAGE_CHARS` long; None where it has none."""
    try:
        found: Any = _any.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(found, list) and found:
        found = found[0]
    error = found.get("error") if isinstance(found, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return message[:MAX_MESSAGE_CHARS] if isinstance(message, str) and message else None
