"""A stream of chat chunks into canonical events, with the habits of many vendors: a first chunk with nothing but the
role, calls without an index, usage in every chunk, null deltas, thoughts under several names."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from farebox.dialects.canonical.parts import Reasoning, Refusal, Text
from farebox.dialects.canonical.reply import CitationAdded, Finished, LogprobsAdded, ReplyEvent, Unknown
from farebox.dialects.openai_chat.answer import FAILED_REASONS, read_tier
from farebox.dialects.openai_chat.content import read_citations, read_image, read_part
from farebox.dialects.openai_chat.decode_reply import tokens_of
from farebox.dialects.openai_chat.finish import read_finish
from farebox.dialects.openai_chat.lanes import Lanes
from farebox.dialects.openai_chat.shape import Unreadable, list_at, object_at, plain_name, text_at
from farebox.dialects.openai_chat.stream_calls import CallPieces
from farebox.dialects.openai_chat.stream_thoughts import ThoughtPieces
from farebox.dialects.openai_chat.usage import read_usage
from farebox.dialects.port import Broken
from farebox.dialects.sse import data_of
from farebox.dialects.usage import MISSING, Reported

_TEXT: Final = Text("")
_REFUSAL: Final = Refusal("")


class _Choice(msgspec.Struct, gc=False):
    index: Any = 0
    delta: dict[str, Any] | None = None
    finish_reason: Any = None
    native_finish_reason: Any = None
    stop_reason: Any = None
    logprobs: Any = None


class _Chunk(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None
    service_tier: Any = None


_chunk = msgspec.json.Decoder(_Chunk)


class ChatDecoder:
    """One stream. Keeps what waits in its lanes (`MAX_HELD_CHARS`) and a small record of each call (`MAX_CALLS`)."""

    __slots__ = (
        "_calls",
        "_events",
        "_finished",
        "_lanes",
        "_text_chars",
        "_text_start",
        "_thoughts",
        "done",
        "reported",
        "service_tier",
    )

    def __init__(self) -> None:
        self.done = False
        self.reported: Reported = MISSING
        self.service_tier: str | None = None
        self._lanes = Lanes()
        self._calls = CallPieces(self._lanes)
        self._thoughts = ThoughtPieces(self._lanes)
        self._events = 0
        self._finished = False
        self._text_chars = 0
        self._text_start = 0

    def feed(self, event: bytes) -> list[ReplyEvent]:
        """Take one whole event; empty for keep-alives. Raises Broken."""
        data = data_of(event)
        if data is None:
            return []
        if data == b"[DONE]":
            self.done = True
            if self._events:
                self._finish("stop", None)
            return self._lanes.take()
        try:
            chunk = _chunk.decode(data)
            if chunk.error is not None:
                raise Broken
            self._read(chunk)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, Unreadable) as error:
            raise Broken from error
        return self._lanes.take()

    def close(self) -> list[ReplyEvent]:
        """The bytes are over: open parts end. Raises nothing."""
        self._lanes.finish()
        return self._lanes.take()

    def complete(self) -> bool:
        """Whether the answer came whole: a reason to finish, or the end marker after at least one chunk."""
        return self._finished

    def _read(self, chunk: _Chunk) -> None:
        self._events += 1
        if chunk.service_tier is not None:
            self.service_tier = read_tier(chunk.service_tier) or self.service_tier
        if chunk.usage is not None:
            self.reported = read_usage(chunk.usage)
        for choice in chunk.choices or ():
            if choice.index not in (0, None):
                self._name("field:choices")
                continue
            if choice.finish_reason in FAILED_REASONS:
                raise Broken
            if choice.delta:
                self._read_delta(choice.delta)
            if choice.logprobs and not self._finished and (tokens := tokens_of(choice.logprobs)):
                self._lanes.events.append(LogprobsAdded(tokens))
            if choice.finish_reason:
                self._finish(choice.finish_reason, choice)

    def _finish(self, reason: Any, choice: _Choice | None) -> None:
        native, sequence = (choice.native_finish_reason, choice.stop_reason) if choice is not None else (None, None)
        finished = read_finish(reason, native, sequence, has_calls=self._calls.count > 0)
        if self._finished or finished is None:
            return
        self._finished = True
        self._lanes.finish()
        self._lanes.events.append(Finished(*finished))

    def _name(self, name: str) -> None:
        self._lanes.events.append(Unknown(name))

    def _read_delta(self, delta: dict[str, Any]) -> None:
        if self._finished:
            if any(value for name, value in delta.items() if name != "role"):
                self._name("event:after_finish")
            return
        if len(delta) == 1 and (text := delta.get("content")) and isinstance(text, str):
            self._say(text)
            return
        if not _THOUGHTS.isdisjoint(delta):
            self._thoughts.read(delta)
        for name, value in delta.items():
            if value is None or value == "":
                continue
            reader = _READERS.get(name)
            if reader is not None:
                reader(self, value, delta)
            elif name not in _PASSED_OVER:
                self._name(f"field:{plain_name(name)}")

    # ── one field of a delta each ─────────────────────────────────────────────────────────────────────────────────

    def _say(self, text: str) -> None:
        last = self._lanes.last
        if last is None or last.kind != "text":
            self._text_start = self._text_chars
        self._lanes.speak("text", _TEXT, text)
        self._text_chars += len(text)

    def _content(self, value: Any, delta: dict[str, Any]) -> None:
        if isinstance(value, str):
            if _is_thought(delta):
                self._thoughts.say(value)
            else:
                self._say(value)
            return
        for number, entry in enumerate(list_at(value, "content")):
            part = read_part(entry, f"content[{number}]")
            match part:
                case Text():
                    self._say(part.text)
                case Reasoning():
                    self._thoughts.say(part.text)
                case Refusal():
                    self._lanes.speak("refusal", _REFUSAL, part.text)
                case _:
                    self._lanes.start("whole", part)

    def _refusal(self, value: Any, delta: dict[str, Any]) -> None:
        self._lanes.speak("refusal", _REFUSAL, text_at(value, "refusal"))

    def _tool_calls(self, value: Any, delta: dict[str, Any]) -> None:
        for entry in list_at(value, "tool_calls"):
            self._calls.read(object_at(entry, "tool_calls"))

    def _function_call(self, value: Any, delta: dict[str, Any]) -> None:
        self._calls.read({"index": "function_call", "function": object_at(value, "function_call")})

    def _images(self, value: Any, delta: dict[str, Any]) -> None:
        for entry in list_at(value, "images"):
            self._lanes.start("whole", read_image(object_at(entry, "images"), "images"))

    def _annotations(self, value: Any, delta: dict[str, Any]) -> None:
        lane = self._lanes.last
        for citation in read_citations(value):
            if lane is None or lane.kind != "text":
                # The text is complete already; a citation cannot be added to it any more.
                self._name("citations")
                return
            moved = citation
            if self._text_start and citation.start is not None and citation.end is not None:
                start, end = citation.start - self._text_start, citation.end - self._text_start
                moved = msgspec.structs.replace(citation, start=max(0, start), end=max(0, end))
            self._lanes.add(lane, CitationAdded(moved))


_Reader = Callable[[ChatDecoder, Any, dict[str, Any]], None]
_READERS: Final[dict[str, _Reader]] = {
    "content": ChatDecoder._content,
    "refusal": ChatDecoder._refusal,
    "tool_calls": ChatDecoder._tool_calls,
    "function_call": ChatDecoder._function_call,
    "images": ChatDecoder._images,
    "annotations": ChatDecoder._annotations,
}
_THOUGHTS: Final = frozenset({"reasoning_content", "reasoning", "reasoning_details"})
_PASSED_OVER: Final = frozenset({"role", "extra_content", *_THOUGHTS})


def _is_thought(delta: dict[str, Any]) -> bool:
    """Whether Gemini's compatible endpoint marks the content as a thought."""
    extra = delta.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    return isinstance(google, dict) and google.get("thought") is True
