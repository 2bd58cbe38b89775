"""A whole answer as a response object for a client."""

from collections.abc import Sequence
from typing import Any

import msgspec

from farebox.dialects.canonical.parts import (
    Image,
    Inline,
    Json,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from farebox.dialects.canonical.reply import Reply
from farebox.dialects.namespaces import split
from farebox.dialects.openai_responses.content import CONTENT_PREFIX, text_value, tokens_value
from farebox.dialects.openai_responses.finish import ended_fields
from farebox.dialects.openai_responses.items import (
    call_value,
    is_own,
    reasoning_value,
    seal_on_call,
    sealed_reasoning,
)
from farebox.dialects.openai_responses.losses import Losses
from farebox.dialects.openai_responses.response import Ids, response_of
from farebox.dialects.openai_responses.usage import counts_of, tool_usage_of
from farebox.dialects.port import Encoded, Told
from farebox.dialects.usage import openai_tier

_encode = msgspec.json.Encoder().encode


def encode_reply(reply: Reply, told: Told) -> Encoded:
    """The answer with every field that official clients ask for. What no item can hold is named as dropped."""
    losses = Losses()
    output = _Output(Ids(told.stem), losses, reply.logprobs)
    for part in reply.parts:
        output.add(part)
    if output.logprobs:
        losses.add("logprobs")
    usage = reply.reported.usage
    refused_in_words = any(isinstance(part, Refusal) for part in reply.parts)
    fields: dict[str, Any] = ended_fields(reply.finish, refused_in_words=refused_in_words)
    if usage is not None:
        fields |= {"usage": counts_of(usage)} | tool_usage_of(usage)
    if fields["status"] == "incomplete" and output.ends_in_message:
        output.items[-1]["status"] = "incomplete"
    response = response_of(told, output=output.items, service_tier=openai_tier(reply.service_tier), **fields)
    if usage is None:
        # Clients that validate take counts or nothing, but not null.
        del response["usage"]
    return Encoded(_encode(response), losses.sorted)


class _Output:
    """Output items in the making: neighbouring texts are one message."""

    def __init__(self, ids: Ids, losses: Losses, logprobs: Json) -> None:
        self.items: list[dict[str, Any]] = []
        self.logprobs = logprobs
        self._open: dict[str, Any] = {}
        self._ids = ids
        self._losses = losses

    @property
    def ends_in_message(self) -> bool:
        return bool(self.items) and self.items[-1] is self._open

    def add(self, part: Part) -> None:
        match part:
            case Text():
                value = text_value(part, self._losses)
                if self.logprobs:
                    value["logprobs"], self.logprobs = tokens_value(self.logprobs), None
                self._message().append(value)
            case Refusal():
                self._message().append({"type": "refusal", "refusal": part.text})
            case Reasoning():
                self.items.append(self._reasoning(part))
            case ToolCall():
                self._add_call(part)
            case _:
                other = other_value(part, self._ids, len(self.items), self._losses)
                if other is not None:
                    self.items.append(other)

    def _message(self) -> list[dict[str, Any]]:
        if not self.ends_in_message:
            self._open = message_value(self._ids.make("msg", len(self.items)), "completed", [])
            self.items.append(self._open)
        content: list[dict[str, Any]] = self._open["content"]
        return content

    def _reasoning(self, part: Reasoning) -> dict[str, Any]:
        summary, texts = shown(part)
        item_id = part.item_id if is_own(part) else ""
        encrypted = sealed_reasoning(part, is_summary=bool(part.summary))
        return reasoning_value(item_id or self._ids.make("rs", len(self.items)), summary, texts, encrypted)

    def _add_call(self, call: ToolCall) -> None:
        encrypted = seal_on_call(call)
        if encrypted:
            self.items.append(reasoning_value(self._ids.make("rs", len(self.items)), [], [], encrypted))
        self.items.append(finished_call(call, self._ids, len(self.items)))


def shown(part: Reasoning) -> tuple[list[str], list[str]]:
    """Paragraphs of the summary and texts of the thinking. Clients show the summary, so that is where thinking of
    another provider goes, unless it has a summary itself."""
    texts = [part.text] if part.text else []
    if is_own(part) or part.summary:
        return list(part.summary), texts
    return texts, []


def message_value(item_id: str, status: str, content: Sequence[Any]) -> dict[str, Any]:
    """A message of the model."""
    return {"type": "message", "id": item_id, "role": "assistant", "status": status, "content": list(content)}


def finished_call(call: ToolCall, ids: Ids, index: int) -> dict[str, Any]:
    """A call that is complete. Every call has an id that its result can name."""
    item_id = call.item_id or ids.make("ctc" if call.custom else "fc", index)
    if not call.namespace:
        namespace, name = split(call.name)
        call = msgspec.structs.replace(call, namespace=namespace, name=name)
    if not call.call_id:
        call = msgspec.structs.replace(call, call_id=ids.make("call", index))
    value = call_value(call, item_id)
    value["status"] = "completed"
    return value


def other_value(part: Part, ids: Ids, index: int, losses: Losses) -> dict[str, Any] | None:
    """An item for what is neither text nor thinking nor a call: this dialect's own items, and pictures."""
    if isinstance(part, Opaque):
        own = part.origin == "openai_responses" and not part.kind.startswith(CONTENT_PREFIX)
        if own and isinstance(part.value, dict):
            return part.value
        losses.add(f"part:{part.kind}")
        return None
    if isinstance(part, Image) and isinstance(part.source, Inline):
        item_id = ids.make("ig", index)
        return {"type": "image_generation_call", "id": item_id, "status": "completed", "result": part.source.data}
    losses.add(f"part:{type(part).__name__.lower()}")
    return None
