"""What the data plane gets of this dialect."""

from typing import Final

from farebox.dialects.openai_responses.answer import read_answer
from farebox.dialects.openai_responses.decode_reply import decode_reply
from farebox.dialects.openai_responses.decode_request import decode_request
from farebox.dialects.openai_responses.decode_stream import ResponsesDecoder
from farebox.dialects.openai_responses.encode_reply import encode_reply
from farebox.dialects.openai_responses.encode_request import encode_request
from farebox.dialects.openai_responses.encode_stream import ResponsesEncoder
from farebox.dialects.openai_responses.errors import error_body, error_events, keep_alive, read_error
from farebox.dialects.openai_responses.request import native_body, read_request
from farebox.dialects.openai_responses.stream import ResponsesFold
from farebox.dialects.port import Surface, Target, Upstream


def target(model: str, stream: bool) -> Target:
    """Where a request goes: its body says the rest."""
    return Target("/responses")


SURFACE: Final = Surface(
    name="openai_responses",
    scope="responses",
    read_request=read_request,
    native_body=native_body,
    read_answer=read_answer,
    new_fold=ResponsesFold,
    decode_request=decode_request,
    encode_reply=encode_reply,
    new_encoder=ResponsesEncoder,
    error_body=error_body,
    error_events=error_events,
    keep_alive=keep_alive,
    shows_thoughts=False,
)

UPSTREAM: Final = Upstream(
    name="openai_responses",
    target=target,
    encode_request=encode_request,
    decode_reply=decode_reply,
    new_decoder=ResponsesDecoder,
    read_error=read_error,
)
