"""Problems in Anthropic's form: `{"type": "error", "error": {"type", "message", …}, "request_id"}`."""

from typing import Any

import msgspec

from farebox.base.errors import Fault, Problem
from farebox.dialects.anthropic_messages.events import PING, event_bytes
from farebox.dialects.port import Told

# A provider's message may be a whole page; a client needs its beginning.
MAX_MESSAGE_CHARS = 2_000
_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}

_encode = msgspec.json.Encoder().encode
_any = msgspec.json.Decoder()


def error_body(problem: Problem, request_id: str) -> bytes:
    """The body of an error answer."""
    return _encode(_envelope(problem, request_id))


def _envelope(problem: Problem, request_id: str) -> dict[str, Any]:
    entry = problem.entry
    error = {
        "type": _type_of(problem),
        "message": problem.message,
        "param": problem.param,
        "code": problem.code,
        "fault": entry.fault,
        "retryable": problem.retryable,
        "advice": entry.advice,
        "docs": entry.anchor(problem.code),
        **problem.facts,
    }
    return {"type": "error", "error": error, "request_id": request_id}


def _type_of(problem: Problem) -> str:
    entry = problem.entry
    if entry.status == 503 and problem.retryable:
        # Clients wait and send it again, as they do for Anthropic's own 529.
        return "overloaded_error"
    fallback = "invalid_request_error" if entry.fault is Fault.CALLER else "api_error"
    return _TYPES.get(entry.status, fallback)


def error_events(problem: Problem, request_id: str, told: Told, started: bool) -> bytes:
    """The event that ends a stream which failed: the official SDKs raise on its name."""
    return event_bytes("error", _envelope(problem, request_id))


def keep_alive(started: bool) -> bytes:
    """Anthropic's own: clients skip it."""
    return PING


def read_error(body: bytes) -> str | None:
    """The message of a provider's error body, at most `MAX_MESSAGE_CHARS` long; None where it has none."""
    try:
        document = _any.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    error = document.get("error") if isinstance(document, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return message[:MAX_MESSAGE_CHARS] if isinstance(message, str) and message else None
