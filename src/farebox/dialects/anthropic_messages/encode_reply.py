"""A canonical answer as a whole message."""

from typing import Any, Final

import msgspec

from farebox.base.errors import Problem
from farebox.dialects.anthropic_messages.citations import own_citations
from farebox.dialects.anthropic_messages.finish import stop_reason
from farebox.dialects.anthropic_messages.losses import Losses
from farebox.dialects.anthropic_messages.seals import OWN, call_seal_block, ends_in_foreign_seal, reasoning_block
from farebox.dialects.anthropic_messages.usage import counts_of
from farebox.dialects.anthropic_messages.write_blocks import object_of
from farebox.dialects.canonical.parts import Opaque, Part, Reasoning, Refusal, Text, ToolCall
from farebox.dialects.canonical.reply import Finish, Reply
from farebox.dialects.namespaces import joined
from farebox.dialects.port import Encoded, Told
from farebox.dialects.usage import Reported

# What the SDK's types allow as a tier; the other words of others mean an ordinary call.
TIERS: Final = {"standard": "standard", "default": "standard", "priority": "priority", "batch": "batch"}

_encode = msgspec.json.Encoder().encode


def encode_reply(reply: Reply, told: Told) -> Encoded:
    """A message with every field that the SDK asks for. Raises Problem for an answer that is nested too deeply."""
    losses = Losses()
    if reply.logprobs:
        losses.add("logprobs")
    if reply.finish is Finish.BROKEN_CALL:
        losses.add("field:stop_reason")
    parts = reply.parts
    while ends_in_foreign_seal(parts):
        losses.add("foreign_reasoning")
        parts = parts[:-1]
    has_calls = any(isinstance(part, ToolCall) for part in reply.parts)
    refused = any(isinstance(part, Refusal) for part in reply.parts)
    message = {
        **message_of(told),
        "content": [block for part in parts for block in _blocks(part, losses, told)],
        "stop_reason": stop_reason(reply.finish, has_calls=has_calls, refused=refused),
        "stop_sequence": reply.stop_sequence,
        "usage": usage_of(reply.reported, reply.service_tier),
    }
    try:
        return Encoded(_encode(message), losses.sorted)
    except RecursionError as error:
        raise Problem("upstream_exception", "The provider's answer was nested too deeply.") from error


def message_of(told: Told) -> dict[str, Any]:
    """A message that has no content yet."""
    return {
        "id": f"msg_{told.stem}",
        "type": "message",
        "role": "assistant",
        "model": told.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def usage_of(reported: Reported, service_tier: str | None) -> dict[str, Any]:
    """The counts, and the tier where it has a name in this dialect."""
    counts = counts_of(reported.usage)
    tier = TIERS.get(service_tier or "")
    return counts if tier is None else {**counts, "service_tier": tier}


def call_id_of(call: ToolCall, told: Told, number: int) -> str:
    """The id of a call; a provider without ids gets one of ours."""
    return call.call_id or f"toolu_{told.stem}_{number}"


def _blocks(part: Part, losses: Losses, told: Told) -> list[dict[str, Any]]:
    match part:
        case Text():
            return [_text(part, losses)]
        case Refusal():
            return [{"type": "text", "text": part.text}]
        case Reasoning():
            return [block] if (block := reasoning_block(part)) is not None else []
        case ToolCall():
            return _call(part, losses, told)
        case Opaque() if part.origin == OWN and isinstance(part.value, dict):
            return [part.value]
    losses.add(f"part:{part.kind if isinstance(part, Opaque) else type(part).__name__}")
    return []


def _text(part: Text, losses: Losses) -> dict[str, Any]:
    block: dict[str, Any] = {"type": "text", "text": part.text}
    own = own_citations(part.citations)
    if len(own) < len(part.citations):
        losses.add("citations")
    return {**block, "citations": own} if own else block


def _call(part: ToolCall, losses: Losses, told: Told) -> list[dict[str, Any]]:
    arguments = object_of(part.arguments)
    if arguments is None:
        losses.add("field:arguments")
        arguments = {"arguments": part.arguments}
    call_id = call_id_of(part, told, 0)
    name = joined(part.namespace, part.name)
    block = {"type": "tool_use", "id": call_id, "name": name, "input": arguments}
    return [call_seal_block(call_id, part.origin, part.seal), block] if part.seal else [block]
