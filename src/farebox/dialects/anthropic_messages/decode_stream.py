"""A provider's stream of named events into canonical ones."""

from typing import Any, Final

import msgspec

from farebox.dialects.anthropic_messages.blocks import BlockReader
from farebox.dialects.anthropic_messages.citations import read_citation
from farebox.dialects.anthropic_messages.finish import read_finish
from farebox.dialects.anthropic_messages.seals import OWN
from farebox.dialects.anthropic_messages.shape import Unknowns, Unreadable, plain_name
from farebox.dialects.anthropic_messages.usage import counts_output, merged, read_usage, tier_of
from farebox.dialects.canonical.parts import Opaque, Reasoning, Text, ToolCall
from farebox.dialects.canonical.reply import (
    CitationAdded,
    Finish,
    Finished,
    PartEnded,
    PartStarted,
    ReplyEvent,
    SealDelta,
    TextDelta,
    Unknown,
)
from farebox.dialects.port import Broken
from farebox.dialects.sse import data_of
from farebox.dialects.usage import MISSING, Reported


class _Delta(msgspec.Struct, gc=False):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    signature: str | None = None
    citation: Any = None
    stop_reason: str | None = None
    stop_sequence: str | None = None


class _Message(msgspec.Struct, gc=False):
    usage: Any = None


class _Event(msgspec.Struct, gc=False):
    type: str
    index: int = -1
    delta: _Delta | None = None
    content_block: Any = None
    message: _Message | None = None
    usage: Any = None


class _Type(msgspec.Struct, gc=False):
    type: str


class _RawDelta(msgspec.Struct, gc=False):
    delta: dict[str, Any]


_KNOWN: Final = frozenset(
    {
        *("message_start", "message_delta", "message_stop", "ping", "error"),
        *("content_block_start", "content_block_delta", "content_block_stop"),
    }
)
# What a part takes, by its class.
_TAKES: Final[dict[type, tuple[str, ...]]] = {
    Text: ("text_delta", "citations_delta"),
    Reasoning: ("thinking_delta", "signature_delta"),
    ToolCall: ("input_json_delta",),
}
_event = msgspec.json.Decoder(_Event)
_type = msgspec.json.Decoder(_Type)
_raw_delta = msgspec.json.Decoder(_RawDelta)
_any = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class MessagesDecoder:
    """Reads one stream. It holds the open part without its text, the report of usage, and at most `MAX_OPAQUE_CHARS` of
    a block that only this dialect understands, besides the largest event that the splitter lets pass."""

    MAX_OPAQUE_CHARS = 4_000_000

    __slots__ = (
        *("_has_arguments", "_index", "_open", "_pieces", "_pieces_chars", "_report", "_started", "_stopped"),
        "_unfinished",
        *("done", "reported", "service_tier"),
    )

    def __init__(self) -> None:
        self.done = False
        self.reported: Reported = MISSING
        self.service_tier: str | None = None
        self._report: Any = None
        self._unfinished = True
        self._started = False
        self._stopped = False
        self._open: Text | Reasoning | ToolCall | Opaque | None = None
        self._index = -1
        self._has_arguments = False
        self._pieces: list[str] = []
        self._pieces_chars = 0

    def feed(self, event: bytes) -> list[ReplyEvent]:
        """Take one whole event; empty for keep-alives. Raises Broken."""
        data = data_of(event)
        if not data or self.done or data == b"[DONE]":
            return []
        try:
            decoded = _event.decode(data)
        except _UNREADABLE as error:
            return _unknown_type(data, error)
        try:
            return self._read(decoded, data)
        except (Unreadable, *_UNREADABLE) as error:
            raise Broken from error

    def _read(self, event: _Event, data: bytes) -> list[ReplyEvent]:
        match event.type:
            case "content_block_delta":
                if event.delta is None or self._open is None or event.index != self._index:
                    raise Broken
                return self._delta(event.delta, data)
            case "content_block_start":
                return self._start(event)
            case "content_block_stop":
                return self._stop()
            case "message_start":
                self._started = True
                self._take(event.message.usage if event.message is not None else None, unfinished=True)
            case "message_delta":
                self._take(event.usage)
                return self._finish(event.delta)
            case "message_stop":
                self.done = True
                return self._stop()
            case "error":
                raise Broken
            case "ping":
                pass
            case _:
                return [Unknown(plain_name(f"event:{event.type}"))]
        return []

    def _take(self, report: Any, *, unfinished: bool = False) -> None:
        self._report = merged(self._report, report)
        self._unfinished = self._unfinished and (unfinished or not counts_output(report))
        self.reported = read_usage(self._report, unfinished=self._unfinished)
        self.service_tier = tier_of(self._report)

    # ── parts ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _start(self, event: _Event) -> list[ReplyEvent]:
        events = self._stop()  # some compatible servers forget the end of a block
        block = event.content_block
        if isinstance(block, dict) and block.get("type") == "tool_use" and block.get("input") is None:
            block["input"] = {}
        found = BlockReader(Unknowns(), trusted=False).block(block, "content_block")
        part = found[0] if len(found) == 1 else None
        if not isinstance(part, Text | Reasoning | ToolCall | Opaque):
            raise Broken
        self._index, self._has_arguments = event.index, False
        self._pieces, self._pieces_chars = [], 0
        self._open = part
        if isinstance(part, Opaque):
            return events  # it is told when it is whole
        told = msgspec.structs.replace(part, arguments="") if isinstance(part, ToolCall) else part
        return [*events, PartStarted(told)]

    def _delta(self, delta: _Delta, data: bytes) -> list[ReplyEvent]:
        kind, part = delta.type, self._open
        if isinstance(part, Opaque):
            self._open = self._grown(part, delta, data)
            return []
        assert part is not None, "a delta belongs to the open part"
        if kind not in _TAKES[type(part)]:
            if kind in ("text_delta", "thinking_delta", "input_json_delta", "signature_delta", "citations_delta"):
                raise Broken
            return [Unknown(plain_name(f"event:{kind}"))]
        if kind == "citations_delta":
            if not isinstance(delta.citation, dict):
                raise Broken
            return [CitationAdded(read_citation(delta.citation))]
        if kind == "signature_delta":
            return [SealDelta(delta.signature)] if delta.signature else []
        text = (
            delta.text if kind == "text_delta" else delta.thinking if kind == "thinking_delta" else delta.partial_json
        )
        if text is None:
            raise Broken
        self._has_arguments = self._has_arguments or bool(text)
        return [TextDelta(text)] if text else []

    def _grown(self, part: Opaque, delta: _Delta, data: bytes) -> Opaque:
        """A block that is only understood here: the input of a server tool in pieces, or fields that are replaced."""
        if delta.type == "input_json_delta":
            self._pieces.append(delta.partial_json or "")
            self._pieces_chars += len(self._pieces[-1])
            if self._pieces_chars > self.MAX_OPAQUE_CHARS:
                raise Broken
            return part
        fields = {name: value for name, value in _raw_delta.decode(data).delta.items() if name != "type"}
        return Opaque(OWN, part.kind, {**part.value, **fields})

    def _stop(self) -> list[ReplyEvent]:
        part, self._open = self._open, None
        if part is None:
            return []
        if isinstance(part, Opaque):
            if arguments := "".join(self._pieces):
                part = Opaque(OWN, part.kind, {**part.value, "input": _any.decode(arguments)})
            self._pieces = []
            return [PartStarted(part), PartEnded()]
        if isinstance(part, ToolCall) and not self._has_arguments:
            # A tool without arguments: its input was whole from the beginning.
            return [TextDelta(part.arguments), PartEnded()]
        return [PartEnded()]

    # ── the end ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _finish(self, delta: _Delta | None) -> list[ReplyEvent]:
        if delta is None or delta.stop_reason is None or self._stopped:
            return []
        self._stopped = True
        finish = read_finish(delta.stop_reason)
        events = self._stop()
        if finish is None:
            events.append(Unknown("field:stop_reason"))
        return [*events, Finished(finish or Finish.END, delta.stop_sequence)]

    def close(self) -> list[ReplyEvent]:
        """The bytes are over: a part that was left open ends. One that is no block without its rest is left out."""
        try:
            return self._stop()
        except _UNREADABLE:
            return []

    def complete(self) -> bool:
        """Whether the answer came whole: its end marker after a beginning, or why the model stopped."""
        return (self.done and self._started) or self._stopped


def _unknown_type(data: bytes, error: Exception) -> list[ReplyEvent]:
    """An event that has not the shape of ours: unknown where its type is, else the stream is broken. Raises Broken."""
    try:
        kind = _type.decode(data).type
    except _UNREADABLE:
        raise Broken from error
    if kind in _KNOWN:
        raise Broken from error
    return [Unknown(plain_name(f"event:{kind}"))]
