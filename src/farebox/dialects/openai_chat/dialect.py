"""Chat completions on the port: as a surface towards clients, as an upstream towards providers."""

from typing import Final

from farebox.dialects.openai_chat.answer import read_answer
from farebox.dialects.openai_chat.decode_reply import decode_reply
from farebox.dialects.openai_chat.decode_request import decode_request
from farebox.dialects.openai_chat.decode_stream import ChatDecoder
from farebox.dialects.openai_chat.encode_reply import encode_reply
from farebox.dialects.openai_chat.encode_request import encode_request
from farebox.dialects.openai_chat.encode_stream import ChatEncoder
from farebox.dialects.openai_chat.errors import error_body, error_events, keep_alive, read_error
from farebox.dialects.openai_chat.request import native_body, read_request
from farebox.dialects.openai_chat.stream import ChatFold
from farebox.dialects.port import Surface, Target, Upstream

_TARGET = Target("/chat/completions")


def target(model: str, stream: bool) -> Target:
    """One path for every model, streamed or not."""
    return _TARGET


SURFACE: Final = Surface(
    name="openai_chat",
    scope="chat.completions",
    read_request=read_request,
    native_body=native_body,
    read_answer=read_answer,
    new_fold=ChatFold,
    decode_request=decode_request,
    encode_reply=encode_reply,
    new_encoder=ChatEncoder,
    error_body=error_body,
    error_events=error_events,
    keep_alive=keep_alive,
)
UPSTREAM: Final = Upstream(
    name="openai_chat",
    target=target,
    encode_request=encode_request,
    decode_reply=decode_reply,
    new_decoder=ChatDecoder,
    read_error=read_error,
)
