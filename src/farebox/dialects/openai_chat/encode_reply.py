"""A canonical answer as a chat completion, for a client."""

from typing import Any

import msgspec

from farebox.dialects.canonical.parts import Audio, Citation, Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall
from farebox.dialects.canonical.reply import Finish, Reply
from farebox.dialects.namespaces import joined
from farebox.dialects.openai_chat.calls import call_entry, client_signature, extra_content
from farebox.dialects.openai_chat.content import annotation, image_part
from farebox.dialects.openai_chat.finish import finish_fields
from farebox.dialects.openai_chat.reasoning import details_of, shown_text
from farebox.dialects.openai_chat.shape import plain_name
from farebox.dialects.openai_chat.usage import counts_of
from farebox.dialects.port import Encoded, Inexpressible, Told
from farebox.dialects.usage import openai_tier

_encode = msgspec.json.Encoder().encode


def encode_reply(reply: Reply, told: Told) -> Encoded:
    """A body for the client; nothing of a reply is refused, what chat cannot say is named."""
    message = _Message(told)
    for part in reply.parts:
        message.add(part)
    finish = reply.finish or (Finish.TOOL_CALLS if message.calls else Finish.END)
    choice = {
        "index": 0,
        "message": message.fields(),
        "logprobs": {"content": reply.logprobs, "refusal": None} if reply.logprobs else None,
        **finish_fields(finish, reply.stop_sequence),
    }
    body: dict[str, Any] = {
        "id": f"chatcmpl-{told.stem}",
        "object": "chat.completion",
        "created": told.created,
        "model": told.model,
        "choices": [choice],
    }
    if reply.reported.usage is not None:
        body["usage"] = counts_of(reply.reported.usage)
    if reply.service_tier is not None:
        body["service_tier"] = openai_tier(reply.service_tier)
    return Encoded(_encode(body), tuple(sorted(message.dropped)))


class _Message:
    """Collects the fields of the one message."""

    def __init__(self, told: Told) -> None:
        self.dropped: set[str] = set()
        self.calls: list[dict[str, Any]] = []
        self._told = told
        self._texts: list[str] = []
        self._length = 0
        self._refusals: list[str] = []
        self._reasoning: list[str] = []
        self._details: list[dict[str, Any]] = []
        self._annotations: list[dict[str, Any]] = []
        self._images: list[dict[str, Any]] = []
        self._audio: Any = None
        self._reasoning_parts = 0

    def add(self, part: Part) -> None:
        match part:
            case Text():
                self._cite(part.text, part.citations)
                self._texts.append(part.text)
                self._length += len(part.text)
            case Refusal():
                self._refusals.append(part.text)
            case Reasoning():
                self._reasoning.append(shown_text(part))
                self._details += details_of(part, self._reasoning_parts)
                self._reasoning_parts += 1
            case ToolCall():
                self.calls.append(client_call(part))
            case Image():
                self._show(part)
            case Audio():
                self._audio = audio_of(part, self._told)
            case Opaque(origin="openai_chat", kind="audio"):
                self._audio = part.value
            case _:
                self.dropped.add(part_name(part))

    def _cite(self, text: str, citations: tuple[Citation, ...]) -> None:
        for citation in citations:
            entry = annotation(citation, offset=self._length, length=len(text))
            if entry is None:
                self.dropped.add("citations")
            else:
                self._annotations.append(entry)

    def _show(self, part: Image) -> None:
        try:
            self._images.append(image_part(part))
        except Inexpressible as error:
            self.dropped.add(error.feature)

    def fields(self) -> dict[str, Any]:
        nothing_else = not (self.calls or self._refusals or self._audio)
        content = "".join(self._texts) if self._texts or nothing_else else None
        message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": "".join(self._refusals) or None}
        optional = {
            "annotations": self._annotations,
            "reasoning_content": "\n\n".join(filter(None, self._reasoning)),
            "reasoning_details": self._details,
            "images": self._images,
            "tool_calls": self.calls,
            "audio": self._audio,
        }
        return message | {name: value for name, value in optional.items() if value}


def client_call(call: ToolCall) -> dict[str, Any]:
    """A whole tool call with its seal, as a client gets it."""
    entry = call_entry(call, joined(call.namespace, call.name))
    if call.seal:
        entry["extra_content"] = extra_content(client_signature(call.origin, call.seal))
    return entry


def audio_of(part: Audio, told: Told) -> dict[str, Any]:
    """Spoken content; it cannot be referred to later, so it expires at once."""
    return {"id": f"audio_{told.stem}", "data": part.data, "expires_at": told.created, "transcript": ""}


def part_name(part: Part) -> str:
    """How a part that is left out is named."""
    return f"part:{plain_name(part.kind)}" if isinstance(part, Opaque) else f"part:{type(part).__name__.lower()}"


__all__ = ["audio_of", "client_call", "encode_reply", "part_name"]
