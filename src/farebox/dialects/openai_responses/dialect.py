"""What the data plane gets of this dialect."""

from typing import Final, NoReturn

from farebox.dialects.openai_responses.answer import read_answer
from farebox.dialects.openai_responses.errors import error_body, error_events, keep_alive, read_error
from farebox.dialects.openai_responses.request import native_body, read_request
from farebox.dialects.openai_responses.stream import ResponsesFold
from farebox.dialects.port import Inexpressible, Surface, Target, Upstream


def target(model: str, stream: bool) -> Target:
    """Where a request goes: its body says the rest."""
    return Target("/responses")


def _untranslated(*_: object) -> NoReturn:
    """Only the same dialect on both sides, so far."""
    raise Inexpressible("translation")


SURFACE: Final = Surface(
    name="openai_responses",
    scope="responses",
    read_request=read_request,
    decode_request=_untranslated,
    encode_reply=_untranslated,
    new_encoder=_untranslated,
    new_fold=ResponsesFold,
    error_body=error_body,
    error_events=error_events,
    keep_alive=keep_alive,
)

UPSTREAM: Final = Upstream(
    name="openai_responses",
    target=target,
    native_body=native_body,
    encode_request=_untranslated,
    read_answer=read_answer,
    decode_reply=_untranslated,
    new_decoder=_untranslated,
    read_error=read_error,
)
