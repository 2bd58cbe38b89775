"""OpenAI Responses, without state: nothing is kept for `previous_response_id`."""

from farebox_sandbox.dialects.base import Dialect
from farebox_sandbox.dialects.responses_check import check
from farebox_sandbox.dialects.responses_read import read
from farebox_sandbox.dialects.responses_stream import stream_of
from farebox_sandbox.dialects.responses_write import json_body
from farebox_sandbox.errors import error_body, error_event

RESPONSES = Dialect(
    name="openai_responses",
    id_prefix="resp_",
    read=read,
    check=check,
    json_body=json_body,
    stream=stream_of,
    error_body=error_body,
    error_event=error_event,
)
