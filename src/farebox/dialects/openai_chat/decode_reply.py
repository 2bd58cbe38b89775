"""A chat completion into canonical form."""

from typing import Annotated, Any

import msgspec

from farebox.base.errors import Problem
from farebox.dialects.canonical.parts import Part, ToolCall
from farebox.dialects.canonical.reply import MAX_UNKNOWN_NAMES, Reply
from farebox.dialects.openai_chat.answer import FAILED_REASONS, read_tier
from farebox.dialects.openai_chat.finish import read_finish
from farebox.dialects.openai_chat.message import ASSISTANT_FIELDS, read_assistant
from farebox.dialects.openai_chat.shape import Unreadable, plain_name
from farebox.dialects.openai_chat.usage import read_usage


class _Choice(msgspec.Struct, gc=False):
    message: dict[str, Any] | None = None
    finish_reason: Any = None
    native_finish_reason: Any = None
    stop_reason: Any = None
    logprobs: Any = None


class _Body(msgspec.Struct, gc=False):
    choices: Annotated[list[_Choice], msgspec.Meta(min_length=1)]
    usage: Any = None
    service_tier: Any = None


_body = msgspec.json.Decoder(_Body)


def decode_reply(body: bytes) -> Reply:
    """Raises Problem `upstream_exception` when the body is not a chat completion, or one that failed."""
    try:
        answer = _body.decode(body)
        choice = answer.choices[0]
        parts = read_assistant(choice.message or {}, "message", call_number=0, trusted=False)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, Unreadable) as error:
        raise Problem("upstream_exception", "The provider's answer was not a chat completion.") from error
    if choice.finish_reason in FAILED_REASONS:
        raise Problem("upstream_exception", "The provider failed while it answered.")
    return reply_of(choice, parts, answer)


def reply_of(choice: _Choice, parts: list[Part], answer: _Body) -> Reply:
    """The answer around the parts of its first choice."""
    finished = read_finish(
        choice.finish_reason,
        choice.native_finish_reason,
        choice.stop_reason,
        has_calls=any(isinstance(part, ToolCall) for part in parts),
    )
    return Reply(
        parts=tuple(parts),
        finish=finished[0] if finished else None,
        stop_sequence=finished[1] if finished else None,
        reported=read_usage(answer.usage),
        service_tier=read_tier(answer.service_tier),
        logprobs=tokens_of(choice.logprobs),
        unknown=tuple(sorted(f"field:{plain_name(name)}" for name in _unknown_of(choice.message or {})))[
            :MAX_UNKNOWN_NAMES
        ],
    )


def _unknown_of(message: dict[str, Any]) -> list[str]:
    return [name for name, value in message.items() if name not in ASSISTANT_FIELDS and value not in (None, "", [])]


def tokens_of(logprobs: Any) -> list[Any] | None:
    """The token objects of `logprobs`: those of the content, then those of a refusal."""
    if not isinstance(logprobs, dict):
        return None
    tokens: list[Any] = []
    for name in ("content", "refusal"):
        value = logprobs.get(name)
        if isinstance(value, list):
            tokens += value
    return tokens or None
