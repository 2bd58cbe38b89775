"""Anthropic Messages, versions 2023-06-01 and 2026-10-21, and its token counting."""

from farebox_sandbox.dialects.base import Dialect
from farebox_sandbox.dialects.messages_check import check
from farebox_sandbox.dialects.messages_read import read, read_count
from farebox_sandbox.dialects.messages_stream import stream_of
from farebox_sandbox.dialects.messages_write import error_body, error_event, json_body

MESSAGES = Dialect(
    name="anthropic_messages",
    id_prefix="msg_",
    read=read,
    check=check,
    json_body=json_body,
    stream=stream_of,
    error_body=error_body,
    error_event=error_event,
    key_headers=(b"x-api-key",),
    request_id_header=b"request-id",
)

COUNT_TOKENS = MESSAGES._replace(read=read_count)
