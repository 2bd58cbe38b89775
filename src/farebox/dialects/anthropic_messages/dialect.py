"""Messages on the port: as a surface towards clients, as an upstream towards providers."""

from typing import Any, Final, NoReturn

from farebox.dialects.anthropic_messages.answer import read_answer
from farebox.dialects.anthropic_messages.errors import error_body, error_events, keep_alive, read_error
from farebox.dialects.anthropic_messages.request import PATH, native_body, read_request
from farebox.dialects.anthropic_messages.stream import MessagesFold
from farebox.dialects.port import Inexpressible, Surface, Target, Upstream

# What a translated request is written in; a relayed one has the client's own headers instead.
_TARGET = Target(PATH, (("anthropic-version", "2023-06-01"),))


def target(model: str, stream: bool) -> Target:
    """One path for every model, streamed or not."""
    return _TARGET


def _untranslated(*_: Any) -> NoReturn:
    """Messages are only relayed between equal dialects."""
    raise Inexpressible("translation")


SURFACE: Final = Surface(
    name="anthropic_messages",
    scope="messages",
    read_request=read_request,
    decode_request=_untranslated,
    encode_reply=_untranslated,
    new_encoder=_untranslated,
    new_fold=MessagesFold,
    error_body=error_body,
    error_events=error_events,
    keep_alive=keep_alive,
    forwarded_headers=("anthropic-version", "anthropic-beta"),
    forwarded_query=("beta=true",),
)
UPSTREAM: Final = Upstream(
    name="anthropic_messages",
    target=target,
    native_body=native_body,
    encode_request=_untranslated,
    read_answer=read_answer,
    decode_reply=_untranslated,
    new_decoder=_untranslated,
    read_error=read_error,
)
