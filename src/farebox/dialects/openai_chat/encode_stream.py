"""Canonical events as a stream of chat chunks, for a client."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from farebox.dialects.canonical.parts import Audio, Citation, Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall
from farebox.dialects.canonical.reply import (
    CitationAdded,
    Finished,
    LogprobsAdded,
    PartEnded,
    PartStarted,
    ReplyEvent,
    SealDelta,
    SummaryDelta,
    TextDelta,
)
from farebox.dialects.envelope import MAX_SEAL_CHARS
from farebox.dialects.namespaces import joined
from farebox.dialects.openai_chat.calls import call_entry, client_signature, extra_content
from farebox.dialects.openai_chat.content import annotation, image_part
from farebox.dialects.openai_chat.encode_reply import audio_of, part_name
from farebox.dialects.openai_chat.finish import finish_fields
from farebox.dialects.openai_chat.reasoning import seal_details, summary_detail, text_detail
from farebox.dialects.openai_chat.stream import DONE_EVENT
from farebox.dialects.openai_chat.usage import counts_of
from farebox.dialects.port import Inexpressible, Told
from farebox.dialects.usage import Reported, openai_tier

_encode = msgspec.json.Encoder().encode
_MIDDLE = b',"logprobs":null,"finish_reason":null}]'


class ChatEncoder:
    """One stream. Keeps the open part without its text, its citations' places and its seal (`MAX_SEAL_CHARS`)."""

    __slots__ = (
        "_calls",
        "_chars",
        "_citations",
        "_head",
        "_open",
        "_paragraph",
        "_part_start",
        "_said",
        "_seal",
        "_started",
        "_tail",
        "_thoughts",
        "_told",
        "dropped",
    )

    def __init__(self, told: Told) -> None:
        self.dropped: set[str] = set()
        self._told = told
        self._started = False
        self._open: Part | None = None
        self._said = False  # whether the open reasoning has text
        self._seal = ""
        self._paragraph = -1
        self._calls = self._citations = -1
        self._thoughts = -1
        self._chars = self._part_start = 0
        self._head = b"data: " + _encode(_envelope(told))[:-1] + b',"choices":[{"index":0,"delta":'
        self._tail = b',"usage":null}\n\n' if told.wants_usage else b"}\n\n"

    def feed(self, events: Sequence[ReplyEvent]) -> bytes:
        """What the client gets now; the first call begins the stream with the role."""
        chunks = []
        if not self._started:
            self._started = True
            chunks.append(self._chunk({"role": "assistant", "content": ""}))
        for event in events:
            match event:
                case TextDelta():
                    chunks.append(self._text(event.text))
                case PartStarted():
                    chunks.append(self._start(event.part))
                case PartEnded():
                    chunks.append(self._end())
                case SummaryDelta():
                    chunks.append(self._summary(event))
                case SealDelta():
                    self._keep_seal(event.seal)
                case CitationAdded():
                    chunks.append(self._cite(event.citation))
                case LogprobsAdded():
                    logprobs = {"content": event.content, "refusal": None}
                    chunks.append(self._chunk_with({"content": ""}, {"logprobs": logprobs, "finish_reason": None}))
                case Finished():
                    fields = finish_fields(event.finish, event.stop_sequence)
                    chunks.append(self._chunk_with({}, {"logprobs": None, **fields}))
                case _:
                    pass  # what the provider sent and nobody knows is named by the translation
        return b"".join(chunks)

    def ending(self, reported: Reported, service_tier: str | None, facts: Mapping[str, object]) -> bytes:
        """The usage event, if the client asked for it, and the end marker."""
        start = b"" if self._started else self.feed(())
        if not self._told.wants_usage:
            return start + DONE_EVENT
        counts = counts_of(reported.usage) if reported.usage is not None else {}
        fields: dict[str, Any] = {**_envelope(self._told), "choices": [], "usage": {**counts, **facts} or None}
        if service_tier is not None:
            fields["service_tier"] = openai_tier(service_tier)
        return start + b"data: " + _encode(fields) + b"\n\n" + DONE_EVENT

    # ── chunks ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _chunk(self, delta: dict[str, Any]) -> bytes:
        return b"".join((self._head, _encode(delta), _MIDDLE, self._tail))

    def _chunk_with(self, delta: dict[str, Any], rest: dict[str, Any]) -> bytes:
        return b"".join((self._head, _encode(delta), b",", _encode(rest)[1:], b"]", self._tail))

    # ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _start(self, part: Part) -> bytes:
        before = self._end() if self._open is not None else b""
        self._open, self._seal, self._said, self._paragraph = part, "", False, -1
        match part:
            case Text():
                self._part_start = self._chars
                cited = b"".join(self._cite(citation) for citation in part.citations)
                return before + (self._text(part.text) if part.text else b"") + cited
            case Refusal():
                return before + (self._text(part.text) if part.text else b"")
            case Reasoning():
                self._thoughts += 1
                self._seal = part.seal
                summary = (SummaryDelta(number, text) for number, text in enumerate(part.summary))
                shown = b"".join(self._summary(piece) for piece in summary)
                return before + shown + (self._text(part.text) if part.text else b"")
            case ToolCall():
                self._calls += 1
                return before + self._chunk({"tool_calls": [self._call(part)]})
            case _:
                return before + self._whole(part)

    def _text(self, text: str) -> bytes:
        match self._open:
            case Text():
                self._chars += len(text)
                return b"".join((self._head, b'{"content":', _encode(text), b"}", _MIDDLE, self._tail))
            case Refusal():
                return self._chunk({"refusal": text})
            case Reasoning():
                self._said = True
                details = [text_detail(text, self._thoughts)]
                return self._chunk({"reasoning_content": text, "reasoning_details": details})
            case ToolCall(custom=False):
                call = {"index": self._calls, "function": {"arguments": text}}
                return self._chunk({"tool_calls": [call]})
            case ToolCall():
                return self._chunk({"tool_calls": [{"index": self._calls, "custom": {"input": text}}]})
            case _:
                return b""

    def _summary(self, piece: SummaryDelta) -> bytes:
        gap = "\n\n" if self._paragraph >= 0 and piece.index != self._paragraph else ""
        self._paragraph = piece.index
        details = [summary_detail(piece.text, piece.index, self._thoughts)]
        return self._chunk({"reasoning_content": gap + piece.text, "reasoning_details": details})

    def _call(self, call: ToolCall) -> dict[str, Any]:
        entry = {"index": self._calls, **call_entry(call, joined(call.namespace, call.name))}
        if call.seal:
            entry["extra_content"] = extra_content(client_signature(call.origin, call.seal))
        return entry

    def _keep_seal(self, seal: str) -> None:
        if len(self._seal) + len(seal) > MAX_SEAL_CHARS:
            self.dropped.add("seal")
        else:
            self._seal += seal

    def _cite(self, citation: Citation) -> bytes:
        entry = annotation(citation, offset=self._part_start, length=self._chars - self._part_start)
        if entry is None:
            self.dropped.add("citations")
            return b""
        self._citations += 1
        # The official SDK's accumulator merges lists of later chunks by an `index`, and refuses one without.
        return self._chunk({"annotations": [{"index": self._citations, **entry}]})

    def _end(self) -> bytes:
        part, self._open = self._open, None
        match part:
            case Reasoning():
                sealed = msgspec.structs.replace(part, seal=self._seal)
                has_summary = self._paragraph >= 0
                details = seal_details(sealed, self._thoughts, has_text=self._said, has_summary=has_summary)
                return self._chunk({"reasoning_details": details}) if details else b""
            case ToolCall() if self._seal:
                # A seal that came after the call began; one that was known then is sent already.
                signature = client_signature(part.origin, part.seal + self._seal)
                return self._chunk({"tool_calls": [{"index": self._calls, "extra_content": extra_content(signature)}]})
            case _:
                return b""

    def _whole(self, part: Part) -> bytes:
        match part:
            case Image():
                try:
                    return self._chunk({"images": [image_part(part)]})
                except Inexpressible as error:
                    self.dropped.add(error.feature)
                    return b""
            case Audio():
                return self._chunk({"audio": audio_of(part, self._told)})
            case Opaque(origin="openai_chat", kind="audio"):
                return self._chunk({"audio": part.value})
            case _:
                self.dropped.add(part_name(part))
                return b""


def _envelope(told: Told) -> dict[str, Any]:
    """What all chunks of a stream share."""
    return {
        "id": f"chatcmpl-{told.stem}",
        "object": "chat.completion.chunk",
        "created": told.created,
        "model": told.model,
    }
