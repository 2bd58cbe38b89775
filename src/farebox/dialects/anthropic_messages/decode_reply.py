"""A whole message as a canonical answer."""

from typing import Any

from farebox.base.errors import Problem
from farebox.dialects.anthropic_messages.answer import message_in
from farebox.dialects.anthropic_messages.blocks import BlockReader
from farebox.dialects.anthropic_messages.finish import read_finish
from farebox.dialects.anthropic_messages.shape import Unknowns, Unreadable
from farebox.dialects.anthropic_messages.usage import read_usage, tier_of
from farebox.dialects.canonical.parts import Opaque, Part, Reasoning, Text, ToolCall
from farebox.dialects.canonical.reply import Finish, Reply


def decode_reply(body: bytes) -> Reply:
    """Raises Problem `upstream_exception` for what is no message."""
    message = message_in(body)
    try:
        parts = answer_parts(message["content"])
    except (Unreadable, RecursionError) as error:
        raise Problem("upstream_exception", "The provider's answer was not a message object.") from error
    reason, sequence = message.get("stop_reason"), message.get("stop_sequence")
    finish = (read_finish(reason) or Finish.END) if isinstance(reason, str) else None
    return Reply(
        parts=parts,
        finish=finish,
        stop_sequence=sequence if isinstance(sequence, str) else None,
        reported=read_usage(message.get("usage")),
        service_tier=tier_of(message.get("usage")),
    )


def answer_parts(content: Any) -> tuple[Part, ...]:
    """The blocks of an answer. Raises Unreadable for those that only stand in requests."""
    parts = BlockReader(Unknowns(), trusted=False).content(content, "content")
    if not all(isinstance(part, Text | Reasoning | ToolCall | Opaque) for part in parts):
        raise Unreadable("content", "what a model answers")
    return tuple(parts)
