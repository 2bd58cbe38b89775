"""Gemini generateContent."""

from farebox_sandbox.dialects.base import Dialect
from farebox_sandbox.dialects.gemini_check import check
from farebox_sandbox.dialects.gemini_read import read
from farebox_sandbox.dialects.gemini_stream import stream_of
from farebox_sandbox.dialects.gemini_write import KEY_INVALID, error_body, error_event, json_body

GEMINI = Dialect(
    name="gemini",
    id_prefix="gem_",
    read=read,
    check=check,
    json_body=json_body,
    stream=stream_of,
    error_body=error_body,
    error_event=error_event,
    key_headers=(b"x-goog-api-key",),
    # Google says 400, not 401: a gateway must not take it for its client's fault.
    wrong_key=(400, "API key not valid. Please pass a valid API key.", KEY_INVALID),
)
