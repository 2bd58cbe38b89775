"""Problems in OpenAI's form: `{"error": {"message", "type", "param", "code", …}}`, or as the end of a stream."""

from typing import Any

import msgspec

from farebox.base.errors import Fault, Problem
from farebox.dialects.openai_responses.response import event_bytes, response_of
from farebox.dialects.port import Told
from farebox.dialects.sse import COMMENT_KEEP_ALIVE

_encode = msgspec.json.Encoder().encode
_any = msgspec.json.Decoder()
_TYPES = {401: "authentication_error", 402: "billing_error", 403: "permission_error", 404: "not_found_error"}
# Behind every number of the stream before it, and exact in every client's arithmetic.
_LAST_NUMBER = 2**31 - 1
MAX_MESSAGE_CHARS = 2_000


def error_body(problem: Problem, request_id: str) -> bytes:
    """The body of an error answer."""
    return _encode({"error": _error(problem, request_id)})


def _error(problem: Problem, request_id: str) -> dict[str, Any]:
    entry = problem.entry
    fallback = "invalid_request_error" if entry.fault is Fault.CALLER else "api_error"
    return {
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


def error_events(problem: Problem, request_id: str, told: Told, started: bool) -> bytes:
    """What ends a stream that failed: `response.failed`, which Codex and the official clients understand. Where nothing
    was sent yet, `response.created` goes before it: clients refuse a stream that begins with anything else."""
    failed = response_of(told, "failed", error=_error(problem, request_id))
    if started:
        return event_bytes("response.failed", {"sequence_number": _LAST_NUMBER, "response": failed})
    created = {"sequence_number": 0, "response": response_of(told, "in_progress")}
    ending = {"sequence_number": 1, "response": failed}
    return event_bytes("response.created", created) + event_bytes("response.failed", ending)


def keep_alive(started: bool) -> bytes:
    """A data event, because Codex counts only those as life. Its number is 0: it is none of the answer's events, and
    clients that look for a number find one. Before `response.created` it is a comment: the official SDK's accumulator
    takes no event there, and Codex waits five minutes."""
    return event_bytes("keepalive", {"sequence_number": 0}) if started else COMMENT_KEEP_ALIVE


def read_error(body: bytes) -> str | None:
    """The message of a provider's error answer, None where there is none to read."""
    try:
        document = _any.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    error = document.get("error") if isinstance(document, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return message[:MAX_MESSAGE_CHARS] if isinstance(message, str) and message else None
