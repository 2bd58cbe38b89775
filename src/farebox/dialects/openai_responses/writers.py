"""One part or item of a stream while it is written: its beginning, its deltas, its end with the whole."""

from typing import Any

import msgspec

from farebox.dialects.canonical.parts import Citation, Json, Reasoning, Refusal, Text, ToolCall
from farebox.dialects.openai_responses.content import citation_value, tokens_value
from farebox.dialects.openai_responses.encode_reply import finished_call
from farebox.dialects.openai_responses.items import is_own, reasoning_value, sealed_reasoning
from farebox.dialects.openai_responses.losses import Losses
from farebox.dialects.openai_responses.response import Ids
from farebox.dialects.pieces import Pieces

_encode = msgspec.json.Encoder().encode


class Lines:
    """Events in the making, each with the next number."""

    __slots__ = ("_chunks", "_number")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._number = 0

    def add(self, kind: str, **fields: Any) -> None:
        """An event."""
        data = _encode({"type": kind, **fields, "sequence_number": self._number})
        self._chunks.append(b"event: %b\ndata: %b\n\n" % (kind.encode(), data))
        self._number += 1

    def delta(self, head: bytes, text: str) -> None:
        """An event that is the same each time, but for its text and number. `head` is made by `delta_head`."""
        self._chunks.append(b'%b%b,"sequence_number":%d}\n\n' % (head, _encode(text), self._number))
        self._number += 1

    def take(self) -> bytes:
        """What was added since the last time."""
        taken, self._chunks = self._chunks, []
        return b"".join(taken)


def delta_head(kind: str, place: dict[str, Any], **fields: Any) -> bytes:
    """The beginning of a delta event, up to its text."""
    data = _encode({"type": kind, **place, **fields})
    return b'event: %b\ndata: %b,"delta":' % (kind.encode(), data[:-1])


class TextWriter:
    """A text or a refusal in an open message."""

    __slots__ = ("_annotations", "_chars", "_head", "_is_refusal", "_lines", "_losses", "_place", "_texts", "_tokens")

    def __init__(self, part: Text | Refusal, place: dict[str, Any], lines: Lines, losses: Losses) -> None:
        self._is_refusal = isinstance(part, Refusal)
        self._place, self._lines, self._losses = place, lines, losses
        self._texts = Pieces()
        self._annotations: list[dict[str, Any]] = []
        self._tokens: list[Json] = []
        self._chars = 0
        lines.add("response.content_part.added", **place, part=self._value(""))
        if self._is_refusal:
            self._head = delta_head("response.refusal.delta", place)
        else:
            self._head = delta_head("response.output_text.delta", place, logprobs=[])
        self.text(part.text)
        for citation in part.citations if isinstance(part, Text) else ():
            self.citation(citation)

    def text(self, text: str) -> None:
        """More of the text."""
        if text:
            self._texts.add(text)
            self._chars += len(text)
            self._lines.delta(self._head, text)

    def citation(self, citation: Citation) -> None:
        """A source of the text so far."""
        value = None if self._is_refusal else citation_value(citation, self._chars, self._losses)
        if value is None:
            self._losses.add("citations")
            return
        number = len(self._annotations)
        self._annotations.append(value)
        kind = "response.output_text.annotation.added"
        self._lines.add(kind, **self._place, annotation_index=number, annotation=value)

    def tokens(self, content: Json) -> None:
        """Log probabilities of the last text. A text passes at once, so they come in a delta of their own."""
        if self._is_refusal or not isinstance(content, list):
            self._losses.add("logprobs")
            return
        tokens = tokens_value(content)
        self._tokens += tokens
        self._lines.add("response.output_text.delta", **self._place, delta="", logprobs=tokens)

    def end(self) -> dict[str, Any]:
        """The whole part, for its message."""
        text = self._texts.text()
        value = self._value(text)
        if self._is_refusal:
            self._lines.add("response.refusal.done", **self._place, refusal=text)
        else:
            self._lines.add("response.output_text.done", **self._place, text=text, logprobs=self._tokens)
        self._lines.add("response.content_part.done", **self._place, part=value)
        return value

    def _value(self, text: str) -> dict[str, Any]:
        if self._is_refusal:
            return {"type": "refusal", "refusal": text}
        value: dict[str, Any] = {"type": "output_text", "text": text, "annotations": self._annotations}
        return value | {"logprobs": self._tokens} if self._tokens else value


class CallWriter:
    """A call of a tool."""

    __slots__ = ("_call", "_head", "_ids", "_index", "_lines", "_seals", "_texts")

    def __init__(self, call: ToolCall, index: int, ids: Ids, lines: Lines) -> None:
        self._call, self._index, self._ids, self._lines = call, index, ids, lines
        self._texts = Pieces()
        self._seals: list[str] = []
        item = finished_call(msgspec.structs.replace(call, arguments=""), ids, index) | {"status": "in_progress"}
        lines.add("response.output_item.added", output_index=index, item=item)
        place = {"item_id": item["id"], "output_index": index}
        kind = "response.custom_tool_call_input.delta" if call.custom else "response.function_call_arguments.delta"
        self._head = delta_head(kind, place)
        self.text(call.arguments)

    def text(self, text: str) -> None:
        """More of the arguments."""
        if text:
            self._texts.add(text)
            self._lines.delta(self._head, text)

    def seal(self, seal: str) -> None:
        """A seal that came after the call began."""
        self._seals.append(seal)

    def late_seal(self) -> ToolCall | None:
        """The call with a seal that came late, if one did."""
        if not self._seals:
            return None
        return msgspec.structs.replace(self._call, seal="".join(self._seals))

    def end(self) -> dict[str, Any]:
        """The whole item."""
        arguments = self._texts.text()
        item = finished_call(msgspec.structs.replace(self._call, arguments=arguments), self._ids, self._index)
        place = {"item_id": item["id"], "output_index": self._index}
        if self._call.custom:
            self._lines.add("response.custom_tool_call_input.done", **place, input=arguments)
        else:
            name = item["name"]
            self._lines.add("response.function_call_arguments.done", **place, name=name, arguments=arguments)
        self._lines.add("response.output_item.done", output_index=self._index, item=item)
        return item


class ReasoningWriter:
    """A reasoning item. Its own thinking is `content`; that of another provider is shown as a paragraph of the summary,
    which is what clients show."""

    __slots__ = ("_is_summary", "_lines", "_open", "_paragraphs", "_part", "_place", "_seals", "_texts")

    def __init__(self, part: Reasoning, index: int, ids: Ids, lines: Lines) -> None:
        item_id = (part.item_id if is_own(part) else "") or ids.make("rs", index)
        self._part, self._lines = part, lines
        self._place = {"item_id": item_id, "output_index": index}
        self._texts = Pieces()
        self._seals = [part.seal]
        self._is_summary = False
        # Paragraphs by their number in the summary, -1 for thinking, with their heads of deltas.
        self._paragraphs: dict[int, tuple[bytes, Pieces]] = {}
        self._open: int | None = None
        item = reasoning_value(item_id, [], [], "") | {"status": "in_progress"}
        lines.add("response.output_item.added", output_index=index, item=item)
        self.text(part.text)
        for number, text in enumerate(part.summary):
            self.summary(number, text)

    def text(self, text: str) -> None:
        """More of the thinking."""
        if not text:
            return
        if not is_own(self._part):
            self._paragraph(-1, text)
            return
        if not self._texts:
            empty = {"type": "reasoning_text", "text": ""}
            self._lines.add("response.content_part.added", **self._place, content_index=0, part=empty)
        self._texts.add(text)
        self._lines.delta(delta_head("response.reasoning_text.delta", self._place, content_index=0), text)

    def summary(self, number: int, text: str) -> None:
        """More of a paragraph of the summary."""
        self._is_summary = True
        self._paragraph(number, text)

    def seal(self, seal: str) -> None:
        """More of the seal."""
        self._seals.append(seal)

    def _paragraph(self, number: int, text: str) -> None:
        found = self._paragraphs.get(number)
        if found is None:
            self._close_paragraph()
            place = {**self._place, "summary_index": len(self._paragraphs)}
            found = delta_head("response.reasoning_summary_text.delta", place), Pieces()
            self._paragraphs[number], self._open = found, number
            empty = {"type": "summary_text", "text": ""}
            self._lines.add("response.reasoning_summary_part.added", **place, part=empty)
        if text:
            found[1].add(text)
        self._lines.delta(found[0], text)

    def _close_paragraph(self) -> None:
        if self._open is None:
            return
        place = {**self._place, "summary_index": list(self._paragraphs).index(self._open)}
        text = self._paragraphs[self._open][1].text()
        self._lines.add("response.reasoning_summary_text.done", **place, text=text)
        part = {"type": "summary_text", "text": text}
        self._lines.add("response.reasoning_summary_part.done", **place, part=part)
        self._open = None

    def end(self) -> dict[str, Any]:
        """The whole item, with its seal."""
        self._close_paragraph()
        text, place = self._texts.text(), self._place
        if self._texts:
            part = {"type": "reasoning_text", "text": text}
            self._lines.add("response.reasoning_text.done", **place, content_index=0, text=text)
            self._lines.add("response.content_part.done", **place, content_index=0, part=part)
        summary = [texts.text() for _, texts in self._paragraphs.values()]
        reasoning = msgspec.structs.replace(self._part, seal="".join(self._seals))
        encrypted = sealed_reasoning(reasoning, is_summary=self._is_summary)
        item = reasoning_value(str(place["item_id"]), summary, [text] if text else [], encrypted)
        item["status"] = "completed"
        self._lines.add("response.output_item.done", output_index=place["output_index"], item=item)
        return item
