"""A `Problem` as the JSON API tells it."""

from typing import Final

import msgspec

from farebox.base.errors import Problem

Headers = list[tuple[str, str]]

CLIENT_LEFT: Final = "client disconnected prematurely"
"""How the framework says that a client left before its request was whole: nothing to log, and nobody is there to be
answered."""

_TYPES: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


def problem_body(problem: Problem, request_id: str) -> bytes:
    """`{"error": {"message", "type", "code", …}}`, with the problem's facts beside them."""
    entry = problem.entry
    told = {
        "message": problem.message,
        "type": _TYPES.get(entry.status, "api_error" if entry.status >= 500 else "invalid_request_error"),
        "code": problem.code,
        "param": problem.param,
        "fault": entry.fault,
        "retryable": problem.retryable,
        "advice": entry.advice,
        "docs": entry.anchor(problem.code),
        "request_id": request_id,
    }
    # The facts of a problem never replace what every error says.
    return msgspec.json.encode({"error": {**problem.facts, **told}})


def problem_headers(problem: Problem) -> Headers:
    """What an error's headers say beyond what every answer's do."""
    headers = [("content-type", "application/json")]
    if problem.retry_after_seconds is not None:
        headers.append(("retry-after", str(problem.retry_after_seconds)))
    if not problem.retryable:
        headers.append(("x-should-retry", "false"))
    if problem.entry.status == 401:
        headers.append(("www-authenticate", "Bearer"))
    return headers
