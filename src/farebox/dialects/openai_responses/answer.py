"""A JSON answer: its usage, and how much text it delivered."""

from typing import Any

import msgspec

from farebox.base.errors import Problem
from farebox.dialects.openai_responses.usage import read_tier, read_usage
from farebox.dialects.port import Answer

_any = msgspec.json.Decoder()


def response_in(body: bytes) -> dict[str, Any]:
    """The response object of an answer. Raises Problem `upstream_exception` when it is none, or one that failed."""
    try:
        response = _any.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Problem("upstream_exception", "The provider's answer was not a response object.") from error
    if not isinstance(response, dict) or not isinstance(response.get("output"), list):
        raise Problem("upstream_exception", "The provider's answer was not a response object.")
    if response.get("status") in ("failed", "cancelled", "queued", "in_progress"):
        raise Problem("upstream_exception", "The provider did not complete its answer.")
    return response


def read_answer(body: bytes) -> Answer:
    """Raises Problem `upstream_exception` when the body is not a response that came to its end."""
    response = response_in(body)
    return Answer(
        reported=read_usage(response),
        service_tier=read_tier(response.get("service_tier")),
        delivered_bytes=sum(_delivered_bytes(item) for item in response["output"]),
    )


def _delivered_bytes(item: Any) -> int:
    """The bytes of generated text in an item: text, refusals, reasoning, arguments, code."""
    if not isinstance(item, dict):
        return 0
    size = sum(_bytes_of(item.get(name)) for name in ("arguments", "input", "code"))
    for name in ("content", "summary"):
        parts = item.get(name)
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict):
                size += _bytes_of(part.get("text")) + _bytes_of(part.get("refusal"))
    return size


def _bytes_of(text: Any) -> int:
    if not isinstance(text, str):
        return 0
    return len(text) if text.isascii() else len(text.encode())
