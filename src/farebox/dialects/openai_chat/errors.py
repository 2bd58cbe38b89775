"""Problems in OpenAI's form: `{"error": {"message", "type", "param", "code", …}}`, whole or as a chunk of a stream."""

from typing import Any

import msgspec

from farebox.base.errors import Fault, Problem
from farebox.dialects.port import Told
from farebox.dialects.sse import COMMENT_KEEP_ALIVE, event_of

# A provider's message may be a whole page; a client needs its beginning.
MAX_MESSAGE_CHARS = 2_000
_TYPES = {401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error"}

_encode = msgspec.json.Encoder().encode
_any = msgspec.json.Decoder()


def error_body(problem: Problem, request_id: str) -> bytes:
    """The body of an error answer."""
    entry = problem.entry
    fallback = "invalid_request_error" if entry.fault is Fault.CALLER else "api_error"
    error = {
        "message": problem.message,
        "type": _TYPES.get(entry.status, fallback),
        "param": problem.param,
        "code": problem.code,
        "fault": entry.fault,
        "retryable": problem.retryable,
        "advice": entry.advice,
        "docs": entry.anchor(problem.code),
        "request_id": request_id,
        **problem.facts,
    }
    return _encode({"error": error})


def error_events(problem: Problem, request_id: str, told: Told, started: bool) -> bytes:
    """The chunk that ends a stream which failed; the official SDKs raise on its top-level `error`."""
    return event_of(error_body(problem, request_id))


def keep_alive(started: bool) -> bytes:
    """A comment: the official SDKs skip it, where an event without data crashes them."""
    return COMMENT_KEEP_ALIVE


def read_error(body: bytes) -> str | None:
    """The message of a provider's error body, at most `MAX_MESSAGE_CHARS` long; None where it has none.

    OpenAI says `{"error": {"message"}}`; compatible vendors also `{"error": "…"}`, `{"message"}`, `{"detail"}`, and
    Google a list of one.
    """
    try:
        found: Any = _any.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if isinstance(found, list) and found:
        found = found[0]
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and found.get(name) is not None:
            found = found[name]
    return found[:MAX_MESSAGE_CHARS] if isinstance(found, str) and found else None
