"""The dialect as an upstream. There is no surface of it, so nothing is ever relayed untouched."""

from typing import Final
from urllib.parse import quote

from farebox.dialects.gemini.decode import GeminiDecoder, decode_reply
from farebox.dialects.gemini.encode_request import encode_request
from farebox.dialects.gemini.errors import read_error
from farebox.dialects.port import Target, Upstream


def target(model: str, stream: bool) -> Target:
    """The model is part of the path; without `alt=sse` a stream would be one long JSON array."""
    path = f"/models/{quote(model, safe='')}"
    return Target(f"{path}:streamGenerateContent?alt=sse" if stream else f"{path}:generateContent")


UPSTREAM: Final = Upstream(
    name="gemini",
    target=target,
    encode_request=encode_request,
    decode_reply=decode_reply,
    new_decoder=GeminiDecoder,
    read_error=read_error,
)
