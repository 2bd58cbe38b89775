"""An answer in canonical form, whole or as a stream of events, and the fold that makes one of the other."""

from enum import StrEnum

import msgspec

from farebox.dialects.canonical.parts import Citation, Json, Part, Reasoning, Refusal, Text, ToolCall
from farebox.dialects.usage import MISSING, Reported

# Names of unknown things that are told per answer; more are a provider's noise.
MAX_UNKNOWN_NAMES = 16


class Finish(StrEnum):
    """Why the model stopped."""

    END = "end"
    LENGTH = "length"
    STOP_SEQUENCE = "stop_sequence"
    TOOL_CALLS = "tool_calls"
    REFUSAL = "refusal"  # refused, or filtered for its content
    PAUSE = "pause"  # a server tool's turn that the client continues (Anthropic)
    CONTEXT_WINDOW = "context_window"
    BROKEN_CALL = "broken_call"  # the model wrote a tool call that is none (Gemini)


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer: one choice (a call with more is only relayed between equal dialects).

    `logprobs` is OpenAI's list of token objects, as decoded JSON. `finish` None: the provider did not say. `unknown`
    names what its reader did not understand: it cannot be carried into another dialect and is named as dropped.
    """

    parts: tuple[Part, ...]
    finish: Finish | None = None
    stop_sequence: str | None = None
    reported: Reported = MISSING
    service_tier: str | None = None
    logprobs: Json = None
    unknown: tuple[str, ...] = ()


class PartStarted(msgspec.Struct, frozen=True, gc=False):
    """A part begins. `part` has what is known already: a tool call's id and name, an opaque block whole."""

    part: Part


class TextDelta(msgspec.Struct, frozen=True, gc=False):
    """More of the open part: text, refusal, thinking, or a tool call's arguments, as the open part says."""

    text: str


class SummaryDelta(msgspec.Struct, frozen=True, gc=False):
    """More of paragraph `index` of the open reasoning's summary."""

    index: int
    text: str


class SealDelta(msgspec.Struct, frozen=True, gc=False):
    """The open part's seal (signature, encrypted content), or more of it."""

    seal: str


class CitationAdded(msgspec.Struct, frozen=True, gc=False):
    """A citation of the open text."""

    citation: Citation


class LogprobsAdded(msgspec.Struct, frozen=True, gc=False):
    """OpenAI's token objects that belong to the last text."""

    content: Json


class PartEnded(msgspec.Struct, frozen=True, gc=False):
    """The open part is complete. Exactly one part is open at a time."""


class Finished(msgspec.Struct, frozen=True, gc=False):
    """The model stopped; no part is open and none follows."""

    finish: Finish
    stop_sequence: str | None = None


class Unknown(msgspec.Struct, frozen=True, gc=False):
    """The provider sent something that this dialect's reader does not know; it is named as dropped once."""

    name: str


ReplyEvent = (
    PartStarted | TextDelta | SummaryDelta | SealDelta | CitationAdded | LogprobsAdded | PartEnded | Finished | Unknown
)


class ReplyFold:
    """Events into the whole answer. Used where an encoder needs the answer at its end, and by tests: a stream folds to
    what the JSON answer would have been."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.finish: Finish | None = None
        self.stop_sequence: str | None = None
        self.logprobs: list[Json] = []
        self.unknown: set[str] = set()
        self._open: Part | None = None
        self._texts: list[str] = []
        self._seals: list[str] = []
        self._summary: list[str] = []
        self._citations: list[Citation] = []

    def feed(self, event: ReplyEvent) -> None:
        """Take one event. Raises ValueError when it does not fit the open part."""
        match event:
            case PartStarted():
                self._close()
                self._open = event.part
            case TextDelta():
                self._texts.append(event.text)
            case SummaryDelta():
                while len(self._summary) <= event.index:
                    self._summary.append("")
                self._summary[event.index] += event.text
            case SealDelta():
                self._seals.append(event.seal)
            case CitationAdded():
                self._citations.append(event.citation)
            case LogprobsAdded():
                self.logprobs += event.content
            case PartEnded():
                self._close()
            case Finished():
                self._close()
                self.finish, self.stop_sequence = event.finish, event.stop_sequence
            case Unknown():
                if len(self.unknown) < MAX_UNKNOWN_NAMES:
                    self.unknown.add(event.name)

    def _close(self) -> None:
        part, text, seal = self._open, "".join(self._texts), "".join(self._seals)
        match part:
            case None:
                if text or seal:
                    raise ValueError("a piece of an answer belongs to no part")
                return
            case Text():
                citations = (*part.citations, *self._citations)
                part = msgspec.structs.replace(part, text=part.text + text, citations=citations)
            case Refusal():
                part = Refusal(part.text + text)
            case Reasoning():
                summary = part.summary or tuple(self._summary)
                part = msgspec.structs.replace(part, text=part.text + text, summary=summary, seal=part.seal + seal)
            case ToolCall():
                part = msgspec.structs.replace(part, arguments=part.arguments + text, seal=part.seal + seal)
            case _:
                pass
        self.parts.append(part)
        self._open = None
        self._texts, self._seals, self._summary, self._citations = [], [], [], []

    def reply(self, reported: Reported = MISSING, service_tier: str | None = None) -> Reply:
        """The answer so far."""
        self._close()
        return Reply(
            parts=tuple(self.parts),
            finish=self.finish,
            stop_sequence=self.stop_sequence,
            reported=reported,
            service_tier=service_tier,
            logprobs=self.logprobs or None,
            unknown=tuple(sorted(self.unknown)),
        )
