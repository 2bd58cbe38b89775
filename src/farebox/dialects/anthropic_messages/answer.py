"""A JSON answer whose bytes pass untouched: its usage, and how much text it delivered."""

from typing import Any

import msgspec

from farebox.base.errors import Problem
from farebox.dialects.anthropic_messages.usage import read_usage, tier_of
from farebox.dialects.port import Answer

_any = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode


def message_in(body: bytes) -> dict[str, Any]:
    """The message object of an answer. Raises Problem `upstream_exception` when it is none."""
    try:
        message = _any.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Problem("upstream_exception", "The provider's answer was not a message object.") from error
    if not isinstance(message, dict) or not isinstance(message.get("content"), list):
        raise Problem("upstream_exception", "The provider's answer was not a message object.")
    return message


def read_answer(body: bytes) -> Answer:
    """Raises Problem `upstream_exception` when the body is not a message."""
    message = message_in(body)
    report = message.get("usage")
    return Answer(
        reported=read_usage(report),
        service_tier=tier_of(report),
        delivered_bytes=sum(_delivered_bytes(block) for block in message["content"]),
    )


def _delivered_bytes(block: Any) -> int:
    """The bytes of generated text in a block: text, thinking, and the input of tools."""
    if not isinstance(block, dict):
        return 0
    size = bytes_of(block.get("text")) + bytes_of(block.get("thinking"))
    if block.get("input") is not None:
        size += len(_encode(block["input"]))
    return size


def bytes_of(text: Any) -> int:
    """The length of a text in UTF-8; nothing for what is no text."""
    if not isinstance(text, str):
        return 0
    return len(text) if text.isascii() else len(text.encode())
