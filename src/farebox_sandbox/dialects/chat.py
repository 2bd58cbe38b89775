"""OpenAI chat completions."""

from farebox_sandbox.dialects.base import Dialect, check_nothing
from farebox_sandbox.dialects.chat_read import read
from farebox_sandbox.dialects.chat_stream import stream_of
from farebox_sandbox.dialects.chat_write import json_body
from farebox_sandbox.errors import error_body, error_event

CHAT = Dialect(
    name="openai_chat",
    id_prefix="chatcmpl-",
    read=read,
    check=check_nothing,
    json_body=json_body,
    stream=stream_of,
    error_body=error_body,
    error_event=error_event,
)
