"""A canonical request as a Messages body, for a provider whose profile says what it takes."""

from typing import Any

import msgspec

from farebox.base.errors import Problem
from farebox.dialects.anthropic_messages.encode_fields import answer_format, label_fields, sampling_fields, tool_fields
from farebox.dialects.anthropic_messages.losses import Losses
from farebox.dialects.anthropic_messages.write_messages import messages_of
from farebox.dialects.anthropic_messages.write_thinking import thinking_fields
from farebox.dialects.canonical.conversation import Conversation
from farebox.dialects.port import Edits, Encoded

_encode = msgspec.json.Encoder().encode


def encode_request(conversation: Conversation, edits: Edits, stream: bool) -> Encoded:
    """Raises Inexpressible, and Problem `invalid_request` for what is nested too deeply.

    The output limit is always sent: the API wants one.
    """
    losses = Losses(edits.profile.unsupported)
    try:
        body = _body(conversation, edits, losses)
        if stream:
            body["stream"] = True
        return Encoded(_encode(body), losses.sorted)
    except RecursionError as error:
        raise Problem("invalid_request", "The body is nested too deeply.") from error


def _body(conversation: Conversation, edits: Edits, losses: Losses) -> dict[str, Any]:
    system, messages = messages_of(conversation.turns, losses)
    body: dict[str, Any] = {"model": edits.model, "max_tokens": edits.output_limit}
    if system:
        body["system"] = system
    body["messages"] = messages
    body |= tool_fields(conversation, losses)
    thinking = thinking_fields(conversation, losses, output_limit=edits.output_limit, messages=messages)
    if thinking.config is not None:
        body["thinking"] = thinking.config
    form = answer_format(conversation.answer_form, losses)
    output = {"effort": thinking.effort, "format": form}
    if config := {name: value for name, value in output.items() if value is not None}:
        body["output_config"] = config
    body |= sampling_fields(conversation.sampling, losses, thinks=thinking.thinks)
    body |= label_fields(conversation, losses)
    return body
