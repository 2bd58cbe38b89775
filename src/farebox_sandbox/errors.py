"""Errors in OpenAI's shape: `{"error": {"message", "type", "param", "code"}}`."""

from collections.abc import Callable

import msgspec

from farebox_sandbox.faults import Directives

ErrorBody = Callable[[int, str | None, str | None], bytes]
"""From a status, a message and a code (None: the usual ones) to the JSON body."""
ErrorEvent = Callable[[Directives], bytes]
"""What `error_mid_stream` sends."""

MID_STREAM_STATUS = 500  # what an error inside a 200 stream would have been

_KINDS = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    403: ("insufficient_permissions", None),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


class UpstreamError(Exception):
    """A refusal of the sandbox itself. `code` None: the usual one of the status."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code


def error_body(status: int, message: str | None = None, code: str | None = None) -> bytes:
    """The JSON body of an error."""
    kind, usual_code = _KINDS.get(status, ("invalid_request_error" if status < 500 else "server_error", None))
    text = message if message is not None else f"The sandbox was asked to answer {status}."
    error = {"message": text, "type": kind, "param": None, "code": code or usual_code}
    return msgspec.json.encode({"error": error})


def error_event(directives: Directives) -> bytes:
    """The event that `error_mid_stream` sends."""
    message = directives.error_message or "The sandbox was asked to fail in the middle of a stream."
    return b"data: " + error_body(MID_STREAM_STATUS, message, directives.error_code) + b"\n\n"
