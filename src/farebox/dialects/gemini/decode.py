"""Gemini's answers into canonical events. A whole answer is read as a stream of one event, so both say the same.

Gemini has no end marker and no ends of parts. Its events are whole responses: neighbouring texts are one part, as are
neighbouring thoughts. A reason to stop may stand on an event that others follow, so an answer is complete when a reason
was seen and the transfer then ended properly. Counts are cumulative: the last ones are the bill.
"""

import hashlib
from typing import Any, Final, Literal

import msgspec

from farebox.base.errors import Problem
from farebox.dialects.canonical.parts import Opaque, Reasoning, Text, ToolCall
from farebox.dialects.canonical.reply import (
    CitationAdded,
    Finish,
    Finished,
    LogprobsAdded,
    PartEnded,
    PartStarted,
    Reply,
    ReplyEvent,
    ReplyFold,
    SealDelta,
    TextDelta,
    Unknown,
)
from farebox.dialects.gemini.chunk import Call, Candidate, Chunk, Part, plain, read_chunk, unknown_kinds
from farebox.dialects.gemini.citations import (
    MAX_CITATIONS,
    MAX_CITED_CHARS,
    MAX_SEARCHES,
    Found,
    grounded,
    placed,
    quoted,
    searches,
)
from farebox.dialects.gemini.finish import finish_of
from farebox.dialects.gemini.logprobs import token_objects
from farebox.dialects.gemini.media import part_of
from farebox.dialects.gemini.usage import read_usage, tier_of
from farebox.dialects.pieces import Pieces
from farebox.dialects.port import Broken
from farebox.dialects.sse import data_of
from farebox.dialects.usage import MISSING, Reported

_OWN_PARTS: Final = (
    ("executable_code", "executableCode"),
    ("code_execution_result", "codeExecutionResult"),
    ("tool_call", "toolCall"),
    ("tool_response", "toolResponse"),
    ("file_data", "fileData"),
)
_THOUGHT: Final = Reasoning(origin="gemini")
_NOT_SAID: Final = "FINISH_REASON_UNSPECIFIED"
# Not an answer's end: the request was not taken.
_REFUSED_REQUEST: Final = "MISSING_THOUGHT_SIGNATURE"


class GeminiDecoder:
    """A stream into events.

    Memory: the open text, for its citations, up to `MAX_CITED_CHARS` characters; `MAX_CITATIONS` sources and
    `MAX_SEARCHES` queries, each no larger than one event; the log probabilities of one event.
    """

    __slots__ = (
        "_blocked", "_calls", "_chars", "_closed", "_finish", "_found", "_logprobs", "_open", "_out", "_report",
        "_response_id", "_seal", "_sealed", "_searches", "_texts", "done", "reported", "service_tier",
    )  # fmt: skip

    def __init__(self) -> None:
        self.done = False
        self.reported: Reported = MISSING
        self.service_tier: str | None = None
        self._open: Literal["text", "thought"] | None = None
        self._sealed = False
        self._seal = ""
        self._texts = Pieces()
        self._chars = 0
        self._found: dict[str, Found] = {}
        self._logprobs: list[Any] | None = None
        self._searches: set[str] = set()
        self._calls = 0
        self._finish: str | None = None
        self._blocked = False
        self._closed = False
        self._response_id = ""
        self._report: Any = None
        self._out: list[ReplyEvent] = []

    def feed(self, event: bytes) -> list[ReplyEvent]:
        """Take one whole event. Raises Broken."""
        data = data_of(event)
        return [] if data is None else self.feed_data(data)

    def feed_data(self, data: bytes) -> list[ReplyEvent]:
        """Take one response. Raises Broken."""
        chunk = read_chunk(data)
        self._out = []
        try:
            self._take(chunk, data)
        except RecursionError as error:
            raise Broken from error
        return self._out

    def _take(self, chunk: Chunk, data: bytes) -> None:
        if chunk.response_id and not self._response_id:
            self._response_id = chunk.response_id
        if chunk.candidates:
            self._candidate(chunk.candidates[0], data)
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason:
            self._blocked = True
        self._bill(chunk)

    def close(self) -> list[ReplyEvent]:
        """The bytes are over: the open part ends, and the reason to stop is told."""
        self._out = []
        self._end_part()
        if self._logprobs is not None:
            self._out.append(Unknown("logprobs"))
        if self._found:
            self._out.append(Unknown("citations"))
        if self._finish is not None:
            finish = finish_of(self._finish, called=self._calls > 0)
            if finish is None:
                self._out.append(Unknown(f"finish_reason:{plain(self._finish.lower())}"))
            self._out.append(Finished(finish or Finish.END))
        elif self._blocked:
            self._out.append(Finished(Finish.REFUSAL))
        self._closed = True
        return self._out

    def complete(self) -> bool:
        """Whether a reason to stop was given, and the transfer ended by itself afterwards."""
        return self._closed and (self._finish is not None or self._blocked)

    def _bill(self, chunk: Chunk) -> None:
        if chunk.usage_metadata is not None:
            self._report = chunk.usage_metadata
            self.service_tier = tier_of(self._report) or self.service_tier
        elif not self._searches:
            return
        self.reported = read_usage(self._report, len(self._searches))

    def _candidate(self, candidate: Candidate, data: bytes) -> None:
        self._beside(candidate)
        parts = candidate.content.parts if candidate.content is not None else None
        unknown = False
        for part in parts or ():
            unknown = not self._part(part) or unknown
        if unknown:
            self._out += [Unknown(f"part:{name}") for name in sorted(unknown_kinds(data))]
        if self._logprobs is not None and self._open == "text":
            self._out.append(LogprobsAdded(self._logprobs))
            self._logprobs = None
        if candidate.finish_reason == _REFUSED_REQUEST:
            raise Broken
        if candidate.finish_reason and candidate.finish_reason != _NOT_SAID:
            self._finish = candidate.finish_reason

    def _beside(self, candidate: Candidate) -> None:
        """What stands beside the parts waits until the text that it belongs to is there."""
        found: list[Found] = []
        if candidate.grounding_metadata is not None:
            found += grounded(candidate.grounding_metadata)
            for query in searches(candidate.grounding_metadata):
                if len(self._searches) < MAX_SEARCHES:
                    self._searches.add(query)
        if candidate.citation_metadata is not None:
            found += quoted(candidate.citation_metadata)
        for one in found:
            if len(self._found) < MAX_CITATIONS:
                self._found.setdefault(repr(one), one)  # told again in a later event
        if candidate.logprobs_result is not None:
            self._logprobs = token_objects(candidate.logprobs_result)
            if self._logprobs is None:
                self._out.append(Unknown("logprobs"))
        if candidate.url_context_metadata is not None:
            self._out.append(Unknown("field:url_context_metadata"))

    def _part(self, part: Part) -> bool:
        """Take one part; whether it is of a kind that is known here."""
        signature, known = part.thought_signature or "", True
        if part.text is not None:
            if part.thought:
                self._think(part.text, signature)
                return True
            self._say(part.text)
        elif part.function_call is not None:
            self._call(part.function_call, signature)
            return True
        elif part.inline_data is not None:
            if part.thought:
                self._out.append(Unknown("part:thought_image"))
            else:
                self._whole(part_of(part.inline_data.mime_type, part.inline_data.data))
        elif self._own(part):
            return True
        else:
            known = False
        if signature:
            self._wait_with(signature)
        return known

    def _think(self, text: str, signature: str) -> None:
        if not text and not signature:
            return
        if self._open != "thought" or self._sealed:
            self._begin("thought", _THOUGHT)
        if text:
            self._out.append(TextDelta(text))
        if signature:
            self._out.append(SealDelta(signature))
            self._sealed = True

    def _say(self, text: str) -> None:
        if not text:
            return
        if self._open != "text" or self._seal:
            self._begin("text", Text(""))
        self._out.append(TextDelta(text))
        if self._chars <= MAX_CITED_CHARS:
            self._chars += len(text)
            self._texts.add(text)

    def _wait_with(self, signature: str) -> None:
        """A text's signature ends its part, but metadata of the text may still follow."""
        if self._seal or self._open == "thought":
            self._end_part()
        self._seal = signature

    def _call(self, call: Call, signature: str) -> None:
        self._end_part()
        arguments = _arguments(call)
        call_id = call.id or self._call_id(call.name, arguments)
        self._calls += 1
        origin: Literal["gemini"] | None = "gemini" if signature else None
        self._out += (
            PartStarted(ToolCall(call_id, call.name, "", seal=signature, origin=origin)),
            TextDelta(arguments),
            PartEnded(),
        )
        if call.partial_args:
            self._out.append(Unknown("field:partial_args"))

    def _call_id(self, name: str, arguments: str) -> str:
        """Models up to 2.5 give calls no id. This one is unique among answers, and the same for the same answer."""
        said = f"{self._response_id}\0{self._calls}\0{name}\0{arguments}".encode()
        return f"call_{hashlib.blake2s(said, digest_size=12).hexdigest()}"

    def _own(self, part: Part) -> bool:
        """A part of the provider's own tools: whole and with its signature, for the next turn."""
        for kind, name in _OWN_PARTS:
            value = getattr(part, kind)
            if value is not None:
                whole = {name: value}
                if part.thought_signature:
                    whole["thoughtSignature"] = part.thought_signature
                self._whole(Opaque("gemini", kind, whole))
                return True
        return False

    def _whole(self, part: Any) -> None:
        self._end_part()
        self._out += (PartStarted(part), PartEnded())

    def _begin(self, kind: Literal["text", "thought"], part: Text | Reasoning) -> None:
        self._end_part()
        self._open = kind
        self._out.append(PartStarted(part))

    def _end_part(self) -> None:
        if self._open == "text":
            self._cite()
        if self._open is not None:
            self._out.append(PartEnded())
        self._open, self._sealed = None, False
        if self._seal:
            sealed = Reasoning(seal=self._seal, redacted=True, origin="gemini")
            self._out += (PartStarted(sealed), PartEnded())
            self._seal = ""

    def _cite(self) -> None:
        if self._logprobs is not None:
            self._out.append(LogprobsAdded(self._logprobs))
            self._logprobs = None
        if self._found:
            text = self._texts.text() if self._chars <= MAX_CITED_CHARS else ""
            self._out += [CitationAdded(citation) for citation in placed(self._found.values(), text)]
            self._found = {}
        self._texts, self._chars = Pieces(), 0


def _arguments(call: Call) -> str:
    """The arguments as the model wrote them, without the spaces between. Raises Broken when they are no object."""
    raw = bytes(call.args)
    if not raw or raw == b"null":
        return "{}"
    if not raw.startswith(b"{"):
        raise Broken
    try:
        return msgspec.json.format(raw, indent=-1).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Broken from error


def decode_reply(body: bytes) -> Reply:
    """A whole answer. Raises Problem `upstream_exception` when it is none."""
    decoder, fold = GeminiDecoder(), ReplyFold()
    try:
        for event in (*decoder.feed_data(body), *decoder.close()):
            fold.feed(event)
    except Broken as error:
        raise Problem("upstream_exception", "The provider's answer was not a response of its API.") from error
    if not fold.parts and fold.finish is None:
        raise Problem("upstream_exception", "The provider answered without an answer.")
    return fold.reply(decoder.reported, decoder.service_tier)
