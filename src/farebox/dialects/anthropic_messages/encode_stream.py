"""Canonical events into the named events of a Messages stream."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from farebox.dialects.anthropic_messages.citations import own_citations
from farebox.dialects.anthropic_messages.encode_reply import call_id_of, message_of, usage_of
from farebox.dialects.anthropic_messages.events import MESSAGE_STOP, event_bytes
from farebox.dialects.anthropic_messages.finish import stop_reason
from farebox.dialects.anthropic_messages.seals import (
    OWN,
    call_seal_block,
    is_foreign,
    is_redacted,
    shown_text,
    signature_of,
)
from farebox.dialects.anthropic_messages.shape import plain_name
from farebox.dialects.canonical.parts import Citation, Opaque, Part, Reasoning, Refusal, Text, ToolCall
from farebox.dialects.canonical.reply import (
    CitationAdded,
    Finish,
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
from farebox.dialects.port import Told
from farebox.dialects.usage import MISSING, Reported

_encode = msgspec.json.Encoder().encode

_Kind = Literal["text", "thinking", "call"]
# Written by hand, because most of a stream is made of them: the number of the block, and the text as JSON.
_DELTA: Final = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":'
_DELTAS: Final[Mapping[_Kind, bytes]] = {
    "text": _DELTA + b'{"type":"text_delta","text":%b}}\n\n',
    "thinking": _DELTA + b'{"type":"thinking_delta","thinking":%b}}\n\n',
    "call": _DELTA + b'{"type":"input_json_delta","partial_json":%b}}\n\n',
}
_STOP: Final = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'


class MessagesEncoder:
    """Writes one stream. It holds the open part without its text, and its seal up to `MAX_SEAL_CHARS`: the SDKs take a
    signature in one piece. Foreign seals, together as large at most, wait for a block that follows them: none is the
    last (`ends_in_foreign_seal`)."""

    __slots__ = (
        *("_call", "_finish", "_has_calls", "_index", "_kind", "_out", "_paragraph", "_reasoning", "_seals"),
        "_refused",
        *("_seals_chars", "_shows_text", "_started", "_stop_sequence", "_told", "_waiting", "dropped"),
    )

    def __init__(self, told: Told) -> None:
        self.dropped: set[str] = set()
        self._told = told
        self._out: list[bytes] = []
        self._started = False
        self._index = -1
        self._kind: _Kind | None = None
        self._reasoning: Reasoning | None = None
        self._call: ToolCall | None = None
        self._seals: list[str] = []
        self._seals_chars = 0
        self._waiting: list[str] = []
        self._paragraph = -1
        self._shows_text = False
        self._has_calls = self._refused = False
        self._finish: Finish | None = None
        self._stop_sequence: str | None = None

    def feed(self, events: Sequence[ReplyEvent]) -> bytes:
        """What the client gets now; the first call begins the stream."""
        self._begin()
        for event in events:
            if type(event) is TextDelta:
                self._text(event.text)
            else:
                self._take(event)
        return self._taken()

    def _taken(self) -> bytes:
        out = b"".join(self._out)
        self._out.clear()
        return out

    def _begin(self) -> None:
        if not self._started:
            self._started = True
            message = {**message_of(self._told), "usage": usage_of(MISSING, None)}
            self._write("message_start", message=message)

    def _write(self, kind: str, **fields: Any) -> None:
        self._out.append(event_bytes(kind, {"type": kind, **fields}))

    def _take(self, event: ReplyEvent) -> None:
        match event:
            case PartStarted():
                self._end_part()
                self._start(event.part)
            case PartEnded():
                self._end_part()
            case SummaryDelta():
                self._summary(event)
            case SealDelta():
                self._seal(event.seal)
            case CitationAdded():
                self._citation(event.citation)
            case LogprobsAdded():
                self.dropped.add("logprobs")
            case Finished():
                self._end_parts()
                self._finish, self._stop_sequence = event.finish, event.stop_sequence
                if event.finish is Finish.BROKEN_CALL:
                    self.dropped.add("field:stop_reason")

    # ── the beginning of a part ───────────────────────────────────────────────────────────────────────────────────

    def _start(self, part: Part) -> None:
        match part:
            case Text():
                self._open("text", {"type": "text", "text": ""})
                self._text(part.text)
                for citation in part.citations:
                    self._citation(citation)
            case Refusal():
                self._refused = True
                self._open("text", {"type": "text", "text": ""})
                self._text(part.text)
            case Reasoning():
                self._start_reasoning(part)
            case ToolCall():
                self._start_call(part)
            case Opaque() if part.origin == OWN and isinstance(part.value, dict):
                self._whole(part.value)
            case _:
                kind = part.kind if isinstance(part, Opaque) else type(part).__name__
                self.dropped.add(plain_name(f"part:{kind}"))

    def _open(self, kind: _Kind, block: dict[str, Any]) -> None:
        self._release()
        self._index += 1
        self._kind = kind
        self._write("content_block_start", index=self._index, content_block=block)

    def _whole(self, block: dict[str, Any]) -> None:
        """A block without deltas."""
        self._release()
        self._index += 1
        self._write("content_block_start", index=self._index, content_block=block)
        self._out.append(_STOP % self._index)

    def _release(self) -> None:
        """Seals that waited are not the last blocks."""
        waiting, self._waiting = self._waiting, []
        for data in waiting:
            self._whole({"type": "redacted_thinking", "data": data})

    def _start_call(self, call: ToolCall) -> None:
        call_id = call_id_of(call, self._told, self._index + 1)
        if call.seal:
            self._whole(call_seal_block(call_id, call.origin, call.seal))
        self._has_calls = True
        self._call = msgspec.structs.replace(call, call_id=call_id, seal="", arguments="")
        name = joined(call.namespace, call.name)
        self._open("call", {"type": "tool_use", "id": call_id, "name": name, "input": {}})
        self._text(call.arguments)

    def _start_reasoning(self, part: Reasoning) -> None:
        """Its block begins with its first text: without any, it is a redacted one."""
        self._reasoning = msgspec.structs.replace(part, text="", summary=(), seal="")
        self._seal(part.seal)
        if text := shown_text(part):
            self._shows_text, self._paragraph = bool(part.text), len(part.summary) - 1
            self._open_thinking()
            self._delta("thinking", text)

    def _open_thinking(self) -> None:
        self._open("thinking", {"type": "thinking", "thinking": "", "signature": ""})

    # ── what comes in pieces ──────────────────────────────────────────────────────────────────────────────────────

    def _text(self, text: str) -> None:
        if not text:
            return
        if self._reasoning is not None:
            self._shows_text = True
            if self._kind is None:
                self._open_thinking()
        if self._kind is not None:
            self._delta(self._kind, text)

    def _delta(self, kind: _Kind, text: str) -> None:
        self._out.append(_DELTAS[kind] % (self._index, _encode(text)))

    def _summary(self, event: SummaryDelta) -> None:
        if self._reasoning is None or not event.text:
            return
        text = event.text
        if self._kind is None:
            self._open_thinking()
        elif event.index != self._paragraph:
            text = f"\n\n{text}"
        self._paragraph = event.index
        self._delta("thinking", text)

    def _seal(self, seal: str) -> None:
        self._seals_chars += len(seal)
        if self._seals_chars > MAX_SEAL_CHARS:
            self.dropped.add("foreign_reasoning")
            self._seals.clear()
        elif seal:
            self._seals.append(seal)

    def _citation(self, citation: Citation) -> None:
        own = own_citations((citation,))
        if self._kind != "text" or not own:
            self.dropped.add("citations")
            return
        self._write("content_block_delta", index=self._index, delta={"type": "citations_delta", "citation": own[0]})

    # ── the end of a part, and of all ─────────────────────────────────────────────────────────────────────────────

    def _end_part(self) -> None:
        seal, reasoning, call = "".join(self._seals), self._reasoning, self._call
        if reasoning is not None:
            self._end_reasoning(msgspec.structs.replace(reasoning, seal=seal))
        if self._kind is not None:
            self._out.append(_STOP % self._index)
        if call is not None and seal:
            self._whole(call_seal_block(call.call_id, call.origin, seal))
        self._kind = self._reasoning = self._call = None
        self._seals, self._seals_chars, self._paragraph, self._shows_text = [], 0, -1, False

    def _end_parts(self) -> None:
        """No block follows: foreign seals that still wait would be the message's last."""
        self._end_part()
        if self._waiting:
            self._waiting.clear()
            self.dropped.add("foreign_reasoning")

    def _end_reasoning(self, part: Reasoning) -> None:
        is_open = self._kind is not None
        if not is_open and not part.seal:
            return
        signature = signature_of(part, is_summary=is_open and not self._shows_text)
        if not is_open and is_redacted(part):
            if self._index < 0 or not is_foreign(part):
                self._whole({"type": "redacted_thinking", "data": signature})
            elif sum(map(len, self._waiting)) + len(signature) <= MAX_SEAL_CHARS:
                self._waiting.append(signature)
            else:
                self.dropped.add("foreign_reasoning")
            return
        if not is_open:
            self._open_thinking()
        if signature:
            delta = {"type": "signature_delta", "signature": signature}
            self._write("content_block_delta", index=self._index, delta=delta)

    def ending(self, reported: Reported, service_tier: str | None, facts: Mapping[str, object]) -> bytes:
        """Why the model stopped, what it used, and the end marker. `facts` stand beside the counts."""
        self._begin()
        self._end_parts()
        reason = stop_reason(self._finish, has_calls=self._has_calls, refused=self._refused)
        delta = {"stop_reason": reason, "stop_sequence": self._stop_sequence}
        self._write("message_delta", delta=delta, usage={**usage_of(reported, service_tier), **facts})
        self._out.append(MESSAGE_STOP)
        return self._taken()
