"""Problems in OpenAI's form: `{"error": {"message", "type", "param", "code", …}}`, whole or as a chunk of a stream."""

import msgspec

from farebox.base.errors import Fault, Problem
from farebox.dialects.sse import event_of

_encode = msgspec.json.Encoder().encode
_TYPES = {401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error"}


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


def error_event(problem: Problem, request_id: str) -> bytes:
    """The chunk that ends a stream which failed; the official SDKs raise on its top-level `error`."""
    return event_of(error_body(problem, request_id))
