"""A JSON answer whose bytes pass untouched: its usage, and how much text it delivered."""

import re
from typing import Annotated, Any, Final

import msgspec

from farebox.base.errors import Problem
from farebox.dialects.openai_chat.usage import read_usage
from farebox.dialects.port import Answer


class _Choice(msgspec.Struct, gc=False):
    message: Any = None
    finish_reason: Any = None


class _Body(msgspec.Struct, gc=False):
    choices: Annotated[list[_Choice], msgspec.Meta(min_length=1)]
    usage: Any = None
    service_tier: Any = None


_TIER_NAME = re.compile(r"[A-Za-z0-9._-]{0,64}")
UNREADABLE_TIER = "unreadable"
# Reasons to stop that are failures (OpenRouter and Mistral; DeepSeek): such an answer is none.
FAILED_REASONS: Final = ("error", "insufficient_system_resource")

_body = msgspec.json.Decoder(_Body)
_encode = msgspec.json.Encoder().encode


def read_answer(body: bytes) -> Answer:
    """Raises Problem `upstream_exception` when the body is not a chat completion, or one that failed."""
    try:
        answer = _body.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Problem("upstream_exception", "The provider's answer was not a chat completion.") from error
    if any(choice.finish_reason in FAILED_REASONS for choice in answer.choices):
        raise Problem("upstream_exception", "The provider failed while it answered.")
    return Answer(
        reported=read_usage(answer.usage),
        service_tier=read_tier(answer.service_tier),
        delivered_bytes=sum(delivered_bytes(choice.message) for choice in answer.choices),
    )


def read_tier(value: Any) -> str | None:
    """The service tier that a provider reports. What is no name becomes one that no price knows: it is stored."""
    if not isinstance(value, str):
        return None
    return value if _TIER_NAME.fullmatch(value) else UNREADABLE_TIER


def delivered_bytes(message: Any) -> int:
    """The bytes of generated text in a message or delta: content, reasoning, refusals, tool arguments."""
    if not isinstance(message, dict):
        return 0
    size = 0
    for name, value in message.items():
        if name == "role" or value is None:
            continue
        if isinstance(value, str):
            size += len(value) if value.isascii() else len(value.encode())
        else:
            size += len(_encode(value))
    return size
