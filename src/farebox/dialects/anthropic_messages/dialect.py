"""Messages on the port: as a surface towards clients, as an upstream towards providers."""

from typing import Final

from farebox.dialects.anthropic_messages.answer import read_answer
from farebox.dialects.anthropic_messages.decode_reply import decode_reply
from farebox.dialects.anthropic_messages.decode_request import decode_request
from farebox.dialects.anthropic_messages.decode_stream import MessagesDecoder
from farebox.dialects.anthropic_messages.encode_reply import encode_reply
from farebox.dialects.anthropic_messages.encode_request import encode_request
from farebox.dialects.anthropic_messages.encode_stream import MessagesEncoder
from farebox.dialects.anthropic_messages.errors import error_body, error_events, keep_alive, read_error
from farebox.dialects.anthropic_messages.request import PATH, native_body, read_request
from farebox.dialects.anthropic_messages.stream import MessagesFold
from farebox.dialects.port import Surface, Target, Upstream

# What a translated request is written in; a relayed one has the client's own headers instead.
_TARGET = Target(PATH, (("anthropic-version", "2023-06-01"),))


def target(model: str, stream: bool) -> Target:
    """One path for every model, streamed or not."""
    return _TARGET


SURFACE: Final = Surface(
    name="anthropic_messages",
    scope="messages",
    read_request=read_request,
    native_body=native_body,
    read_answer=read_answer,
    new_fold=MessagesFold,
    decode_request=decode_request,
    encode_reply=encode_reply,
    new_encoder=MessagesEncoder,
    error_body=error_body,
    error_events=error_events,
    keep_alive=keep_alive,
    forwarded_headers=("anthropic-version", "anthropic-beta"),
    forwarded_query=("beta=true",),
)
UPSTREAM: Final = Upstream(
    name="anthropic_messages",
    target=target,
    encode_request=encode_request,
    decode_reply=decode_reply,
    new_decoder=MessagesDecoder,
    read_error=read_error,
)
