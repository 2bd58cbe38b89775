"""Thoughts of other origins in a conversation that goes on with Anthropic.

A client that changes the model in the middle of a conversation sends back what it has: thoughts whose seal is an
envelope of ours. Anthropic refuses a signature that is not its own, so these blocks stay here; nothing else changes.
"""

from typing import Any

import msgspec

from farebox.dialects.envelope import unseal
from farebox.dialects.request import Fields, raw, value_of

# How an envelope begins, as JSON.
_MARK = b'"gw1.'


def without_foreign_thoughts(fields: Fields) -> msgspec.Raw | None:
    """The messages without those blocks; None where there are none, so that the bytes stay as they came."""
    given = fields.get("messages")
    if given is None or _MARK not in bytes(given):
        return None
    messages = value_of(fields, "messages")
    if not isinstance(messages, list):
        return None
    kept = [message for message in map(_without, messages) if message is not None]
    return None if kept == messages else raw(kept)


def _without(message: Any) -> Any:
    content = message.get("content") if isinstance(message, dict) else None
    if not isinstance(content, list):
        return message
    kept = [block for block in content if not _is_foreign(block)]
    if len(kept) == len(content):
        return message
    return {**message, "content": kept} if kept else None


def _is_foreign(block: Any) -> bool:
    kind = block.get("type") if isinstance(block, dict) else None
    name = {"thinking": "signature", "redacted_thinking": "data"}.get(kind) if isinstance(kind, str) else None
    seal = block.get(name) if name is not None else None
    return isinstance(seal, str) and unseal(seal) is not None
