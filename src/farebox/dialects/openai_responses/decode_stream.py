"""A provider's stream into canonical events."""

from typing import Any

import msgspec

from farebox.dialects.canonical.parts import Reasoning, Refusal, Text
from farebox.dialects.canonical.reply import (
    CitationAdded,
    Finished,
    LogprobsAdded,
    PartEnded,
    PartStarted,
    ReplyEvent,
    SummaryDelta,
    TextDelta,
    Unknown,
)
from farebox.dialects.openai_responses.content import read_citation, read_part
from farebox.dialects.openai_responses.finish import read_finish
from farebox.dialects.openai_responses.items import CALL_TYPES, read_call
from farebox.dialects.openai_responses.losses import plain
from farebox.dialects.openai_responses.reading import Unknowns, Wrong, list_of, object_of, optional_text_at, text_at
from farebox.dialects.openai_responses.stream import FAILED_TYPES, TERMINAL_TYPES
from farebox.dialects.openai_responses.usage import read_tier, read_usage
from farebox.dialects.openai_responses.whole import (
    Sent,
    rest_of_call,
    rest_of_part,
    rest_of_reasoning,
    whole_item,
    whole_part,
)
from farebox.dialects.port import Broken
from farebox.dialects.sse import data_of
from farebox.dialects.usage import MISSING, Reported

# More is no answer: places in it, and items that came while another was being written.
MAX_INDEX = 10_000
MAX_SUMMARIES = 1_000
MAX_WAITING_ITEMS = 64

# What only says how far something is: the texts and items themselves come in other events.
_PROGRESS = frozenset(
    {
        "keepalive",
        "response.created",
        "response.in_progress",
        "response.queued",
        "response.output_text.done",
        "response.refusal.done",
        "response.reasoning_text.done",
        "response.reasoning_summary_part.added",
        "response.reasoning_summary_part.done",
        "response.reasoning_summary_text.done",
        "response.function_call_arguments.done",
        "response.custom_tool_call_input.done",
    }
)
_PROGRESS_OF_TOOLS = (
    "response.web_search_call.",
    "response.file_search_call.",
    "response.code_interpreter_call",
    "response.image_generation_call.",
    "response.mcp_",
    "response.shell_call",
)


class _Event(msgspec.Struct, gc=False):
    type: str
    delta: Any = None
    output_index: Any = 0
    content_index: Any = 0
    summary_index: Any = 0
    logprobs: Any = None
    item: Any = None
    part: Any = None
    annotation: Any = None
    response: Any = None
    error: Any = None


_event = msgspec.json.Decoder(_Event)


class ResponsesDecoder:
    """One stream. It holds counts, and items that came whole while another was open: at most `MAX_WAITING_ITEMS`, each
    no larger than an event. Texts are passed on, never held.

    Deltas of one item at a time become events; an item beside it comes whole when it is done. What deltas left out is
    taken from the event that ends the part, the item or the response, so that servers which send no deltas, or no
    beginnings, are understood too.
    """

    __slots__ = (
        *("_called", "_content_index", "_item_index", "_kind", "_refused", "_seen", "_sent", "_waiting"),
        *("done", "reported", "service_tier"),
    )

    def __init__(self) -> None:
        self.done = False
        self.reported: Reported = MISSING
        self.service_tier: str | None = None
        self._item_index = -1  # of the item whose parts come now
        self._content_index = 0  # of its open part, or of the next one
        self._kind = ""  # of the open part: `text`, `refusal`, `call`, `reasoning`
        self._sent = Sent()  # of the open part
        self._seen: set[int] = set()  # output indexes that came whole
        self._waiting: list[tuple[int, dict[str, Any]]] = []
        self._called = self._refused = False

    def feed(self, event: bytes) -> list[ReplyEvent]:
        """Take one whole event; empty for keep-alives. Raises Broken."""
        data = data_of(event)
        if not data or self.done or data == b"[DONE]":
            return []
        try:
            return self._read(_event.decode(data))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, Wrong) as error:
            raise Broken("not an event of a response") from error

    def close(self) -> list[ReplyEvent]:
        """The bytes are over: a part that is open ends."""
        return [*self._end()]

    def complete(self) -> bool:
        """Whether the answer came whole."""
        return self.done

    def _read(self, event: _Event) -> list[ReplyEvent]:
        match event.type:
            case "response.output_text.delta":
                events = self._delta(event, "text")
                if events and event.logprobs:
                    events.append(self._tokens(event.logprobs))
                return events
            case "response.function_call_arguments.delta" | "response.custom_tool_call_input.delta":
                return self._delta(event, "call")
            case "response.reasoning_summary_text.delta":
                return self._summary(event)
            case "response.reasoning_text.delta":
                return self._delta(event, "reasoning")
            case "response.refusal.delta":
                return self._delta(event, "refusal")
            case "response.output_item.added":
                return self._added(_index(event.output_index), object_of(event.item, "item"))
            case "response.output_item.done":
                return self._item_done(_index(event.output_index), object_of(event.item, "item"))
            case "response.content_part.added" | "response.content_part.done":
                return self._part(event, object_of(event.part, "part"))
            case "response.output_text.annotation.added":
                return self._annotation(event)
        return self._other(event)

    def _other(self, event: _Event) -> list[ReplyEvent]:
        kind = event.type
        if kind in TERMINAL_TYPES:
            return self._terminal(kind, object_of(event.response, "response"))
        if kind in FAILED_TYPES or event.error is not None:
            raise Wrong("type", "an event of an answer that goes on")
        if kind in _PROGRESS or kind.startswith(_PROGRESS_OF_TOOLS):
            return []
        return [Unknown(f"event:{plain(kind)}")]

    def _delta(self, event: _Event, kind: str) -> list[ReplyEvent]:
        text = event.delta
        if not isinstance(text, str):
            raise Wrong("delta", "a string")
        events = [] if self._is_open(event, kind) else self._begin(event, kind)
        if self._is_open(event, kind):
            self._sent.chars += len(text)
            events.append(TextDelta(text))
        return events

    def _is_open(self, event: _Event, kind: str) -> bool:
        """Whether an event belongs to the open part of the open item. Only messages have several parts."""
        if self._kind != kind or event.output_index != self._item_index:
            return False
        return kind in ("call", "reasoning") or event.content_index == self._content_index

    def _begin(self, event: _Event, kind: str) -> list[ReplyEvent]:
        """A part of the open item begins, by its first delta if nothing announced it. Nothing where another item is
        open: that one comes whole."""
        index, content_index = _index(event.output_index), _index(event.content_index)
        if kind == "call" or not self._take(index):
            return []  # a call without a beginning has no name yet
        if kind == "reasoning":
            return [] if self._kind else self._start("reasoning", PartStarted(Reasoning(origin="openai_responses")))
        if self._kind in ("call", "reasoning") or content_index < self._content_index:
            return []
        events = self._end()
        self._content_index = content_index
        self._refused |= kind == "refusal"
        return events + self._start(kind, PartStarted(Text("") if kind == "text" else Refusal("")))

    def _take(self, index: int) -> bool:
        """Make an item the open one, where there is none. False for any other."""
        if self._item_index < 0 and index not in self._seen:
            self._item_index, self._content_index = index, 0
        return self._item_index == index

    def _start(self, kind: str, started: PartStarted) -> list[ReplyEvent]:
        self._kind, self._sent = kind, Sent()
        return [started]

    def _end(self) -> list[ReplyEvent]:
        if not self._kind:
            return []
        if self._kind in ("text", "refusal"):
            self._content_index += 1
        self._kind = ""
        return [PartEnded()]

    def _summary(self, event: _Event) -> list[ReplyEvent]:
        text, number = event.delta, _index(event.summary_index)
        if not isinstance(text, str) or number >= MAX_SUMMARIES:
            raise Wrong("delta", "a string")
        events = [] if self._is_open(event, "reasoning") else self._begin(event, "reasoning")
        if not self._is_open(event, "reasoning"):
            return events
        self._sent.summaries[number] = self._sent.summaries.get(number, 0) + len(text)
        return [*events, SummaryDelta(number, text)]

    def _tokens(self, logprobs: Any) -> ReplyEvent:
        tokens = list_of(logprobs, "logprobs")
        self._sent.tokens += len(tokens)
        return LogprobsAdded(tokens)

    def _annotation(self, event: _Event) -> list[ReplyEvent]:
        if event.annotation is None or not self._is_open(event, "text"):
            return []
        self._sent.citations += 1
        return [CitationAdded(read_citation(event.annotation))]

    def _added(self, index: int, item: dict[str, Any]) -> list[ReplyEvent]:
        if self._item_index >= 0 or not self._take(index):
            return []
        kind = text_at(item, "type")
        if kind in CALL_TYPES:
            self._called = True
            call = msgspec.structs.replace(read_call(item), arguments="")
            return self._start("call", PartStarted(call))
        if kind == "reasoning":
            item_id = optional_text_at(item, "id")
            return self._start("reasoning", PartStarted(Reasoning(origin="openai_responses", item_id=item_id)))
        return []

    def _part(self, event: _Event, part: dict[str, Any]) -> list[ReplyEvent]:
        """A part of a message begins or is done; done ones tell what deltas did not."""
        kind = {"output_text": "text", "refusal": "refusal"}.get(text_at(part, "type"))
        if kind is None:
            return self._unknown_part(event, part)
        events = [] if self._is_open(event, kind) else self._begin(event, kind)
        if event.type == "response.content_part.done" and self._is_open(event, kind):
            return [*events, *rest_of_part(part, self._sent), *self._end()]
        return events

    def _unknown_part(self, event: _Event, part: dict[str, Any]) -> list[ReplyEvent]:
        """A part of a message that has no place in the canonical form: it comes whole."""
        done = event.type == "response.content_part.done" and not self._kind and self._take(_index(event.output_index))
        if not done or event.content_index != self._content_index:
            return []
        self._content_index += 1
        return whole_part(read_part(part, Unknowns()), part)

    def _item_done(self, index: int, item: dict[str, Any]) -> list[ReplyEvent]:
        if index in self._seen:
            return []
        if self._item_index not in (-1, index):
            if len(self._waiting) >= MAX_WAITING_ITEMS:
                raise Wrong("output_index", "that of the open item")
            self._waiting.append((index, item))
            return []
        events = self._rest(index, item)
        while self._waiting:
            index, item = self._waiting.pop(0)
            events += self._rest(index, item) if index not in self._seen else []
        return events

    def _rest(self, index: int, item: dict[str, Any]) -> list[ReplyEvent]:
        """What is still to be told of an item that is done: all of it, if it is not the open one."""
        kind = text_at(item, "type")
        self._called |= kind in CALL_TYPES
        events: list[ReplyEvent] = []
        is_open = self._item_index == index
        self._seen.add(index)
        if not is_open:
            return whole_item(item, 0, self._note_refusal)
        if self._kind == "call" and kind in CALL_TYPES:
            events += rest_of_call(item, self._sent)
        elif self._kind == "reasoning" and kind == "reasoning":
            events += rest_of_reasoning(item, self._sent)
        elif kind == "message" and self._kind in ("text", "refusal", ""):
            events += self._rest_of_message(item)
        elif self._kind:
            raise Wrong("item", "the item that began")
        else:
            events += whole_item(item, 0, self._note_refusal)
        events += self._end()
        self._item_index = -1
        return events

    def _rest_of_message(self, item: dict[str, Any]) -> list[ReplyEvent]:
        content = item.get("content")
        parts = list_of(content, "content") if content is not None else []
        events: list[ReplyEvent] = []
        if self._kind:
            if self._content_index < len(parts):
                events += rest_of_part(object_of(parts[self._content_index], "content"), self._sent)
            events += self._end()
        return events + whole_item({**item, "content": parts}, self._content_index, self._note_refusal)

    def _note_refusal(self) -> None:
        self._refused = True

    def _terminal(self, kind: str, response: dict[str, Any]) -> list[ReplyEvent]:
        """The last event repeats the whole answer; what no other event told is taken from it."""
        output = response.get("output")
        items = list_of(output, "output") if output is not None else []
        events: list[ReplyEvent] = []
        if 0 <= self._item_index < len(items):
            events += self._item_done(self._item_index, object_of(items[self._item_index], "output"))
        events += self._end()
        self._item_index = -1
        for index, item in [*self._waiting, *enumerate(items)]:
            if index not in self._seen:
                events += self._item_done(index, object_of(item, "output"))
        self.reported = read_usage(response)
        self.service_tier = read_tier(response.get("service_tier"))
        self.done = True
        status = "incomplete" if kind == "response.incomplete" else "completed"
        finish = read_finish({**response, "status": status}, called=self._called, refused=self._refused)
        return [*events, Finished(finish)]


def _index(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_INDEX:
        return value
    raise Wrong("index", "a place in the answer")
