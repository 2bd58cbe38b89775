"""The dialect as an upstream. There is no surface of it, so nothing is ever relayed untouched."""

from typing import Any, Final, NoReturn
from urllib.parse import quote

from farebox.dialects.gemini.decode import GeminiDecoder, decode_reply
from farebox.dialects.gemini.encode_request import encode_request
from farebox.dialects.gemini.errors import read_error
from farebox.dialects.port import Target, Upstream


def target(model: str, stream: bool) -> Target:
    """The model is part of the path; without `alt=sse` a stream would be one long JSON array."""
    path = f"/models/{quote(model, safe='')}"
    return Target(f"{path}:streamGenerateContent?alt=sse" if stream else f"{path}:generateContent")


def _never_native(*_: Any) -> NoReturn:
    """A request can only be native where a surface speaks the same dialect."""
    raise NotImplementedError("no client speaks this dialect, so no request or answer passes untouched")


UPSTREAM: Final = Upstream(
    name="gemini",
    target=target,
    native_body=_never_native,
    encode_request=encode_request,
    read_answer=_never_native,
    decode_reply=decode_reply,
    new_decoder=GeminiDecoder,
    read_error=read_error,
)
