"""OpenAI Responses as server-sent events. Every event has a number, so they are written strictly in their order."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from farebox_sandbox.dialects import responses_write
from farebox_sandbox.dialects.base import Disturbance, disturbed
from farebox_sandbox.exchange import Stream
from farebox_sandbox.reply import Reply
from farebox_sandbox.tokens import Piece, pieces

GARBAGE = (
    b"event: response.output_text.delta\n"
    b'data: {"type": "response.output_text.delta", "delta":\n\nnot a field of any event\n\ndata: \xff\xfe\n\n'
)

_encode = msgspec.json.encode


def stream_of(reply: Reply) -> Stream:
    """The events of a reply, with the faults that are a matter of content."""
    writer = _Writer(reply)
    own = Disturbance(
        oversize=lambda size: writer.text_delta(0, b'"' + b"x" * size + b'"'),
        garbage=GARBAGE,
        keepalive=lambda: b"",  # the writer's: it has a number too
        unknown=lambda: writer.event("response.sandbox_note", note="an event of an unknown type"),
    )
    return Stream(writer.opening(), disturbed(writer.chunks(), reply, own), writer.closing, writer.failure)


class _Writer:
    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._number = 0

    def event(self, name: str, /, **fields: Any) -> bytes:
        """An event with the next number."""
        data = _encode({"type": name, "sequence_number": self._number, **fields})
        self._number += 1
        return b"event: %s\ndata: %s\n\n" % (name.encode(), data)

    def opening(self) -> bytes:
        begun = responses_write.begun(self._reply)
        return self.event("response.created", response=begun) + self.event("response.in_progress", response=begun)

    def closing(self) -> bytes:
        """The last event; with `no_done` there is none."""
        if self._reply.directives.no_done:
            return b""
        name = f"response.{responses_write.status(self._reply)}"
        return self.event(name, response=responses_write.finished(self._reply))

    def failure(self) -> bytes:
        """An `error` event, and the response as failed."""
        directives = self._reply.directives
        message = directives.error_message or "The sandbox was asked to fail in the middle of a stream."
        error = {"code": directives.error_code or "server_error", "message": message}
        failed = {**responses_write.begun(self._reply), "status": "failed", "error": error}
        return self.event("error", **error, param=None) + self.event("response.failed", response=failed)

    def chunks(self) -> Iterator[bytes]:
        for index, item in enumerate(responses_write.items(self._reply)):
            match item["type"]:
                case "reasoning":
                    yield from self._reasoning(index, item)
                case "message":
                    yield from self._message(index, item)
                case "function_call":
                    yield from self._call(index, item, "response.function_call_arguments", "arguments")
                case "custom_tool_call":
                    yield from self._call(index, item, "response.custom_tool_call_input", "input")
                case "web_search_call":
                    yield self._search(index, item)
                case _:
                    yield self._added(index, item) + self._done(index, item)

    def _block(
        self,
        texts: tuple[Piece, ...],
        start: Callable[[], bytes],
        delta: Callable[[bytes], bytes],
        end: Callable[[], bytes],
    ) -> Iterator[bytes]:
        """One chunk for each piece, the first with the start, the last with the end; at least one."""
        last = len(texts) - 1
        for place, (piece, _) in enumerate(texts):
            written = self._keepalive() + (b"" if place else start()) + delta(piece)
            yield written + end() if place == last else written
        if not texts:
            yield self._keepalive() + start() + end()

    def _keepalive(self) -> bytes:
        return self.event("keepalive") if self._reply.directives.keepalive_comments else b""

    def _pieces(self, text: str) -> tuple[Piece, ...]:
        return pieces(text, self._reply.directives.chunks)

    def _added(self, index: int, item: dict[str, Any]) -> bytes:
        return self.event("response.output_item.added", output_index=index, item=item)

    def _done(self, index: int, item: dict[str, Any]) -> bytes:
        return self.event("response.output_item.done", output_index=index, item=item)

    def _delta(self, name: str, shared: bytes, piece: bytes, more: bytes = b"") -> bytes:
        """A delta in one join: `shared` and `more` are encoded fields."""
        number = b"%d" % self._number
        self._number += 1
        head = b"event: %b\ndata: " % name.encode()
        fields = b'{"type":"%b","sequence_number":%b,%b,"delta":%b%b}\n\n' % (
            name.encode(),
            number,
            shared,
            piece,
            more,
        )
        return head + fields

    def text_delta(self, index: int, piece: bytes) -> bytes:
        """More of the message's text."""
        shared = b'"item_id":"msg_%b","output_index":%d,"content_index":0' % (self._reply.stem.encode(), index)
        if self._reply.ask.logprobs is None:
            return self._delta("response.output_text.delta", shared, piece, b',"logprobs":[]')
        told = responses_write.logprobs(self._reply, msgspec.json.decode(piece, type=str))
        return self._delta("response.output_text.delta", shared, piece, b',"logprobs":' + _encode(told))

    def _message(self, index: int, item: dict[str, Any]) -> Iterator[bytes]:
        part: dict[str, Any] = item["content"][0]
        at = {"item_id": item["id"], "output_index": index, "content_index": 0}
        if part["type"] == "refusal":
            text, empty = part["refusal"], {**part, "refusal": ""}
        else:
            text, empty = part["text"], {**part, "text": "", "annotations": [], "logprobs": []}

        def start() -> bytes:
            added = self._added(index, {**item, "status": "in_progress", "content": []})
            return added + self.event("response.content_part.added", **at, part=empty)

        def delta(piece: bytes) -> bytes:
            if part["type"] == "refusal":
                return self._delta("response.refusal.delta", _encode(at)[1:-1], piece)
            return self.text_delta(index, piece)

        def end() -> bytes:
            done = self._text_done(at, part)
            return done + self.event("response.content_part.done", **at, part=part) + self._done(index, item)

        return self._block(self._pieces(text), start, delta, end)

    def _text_done(self, at: dict[str, Any], part: dict[str, Any]) -> bytes:
        if part["type"] == "refusal":
            return self.event("response.refusal.done", **at, refusal=part["refusal"])
        annotated = [
            self.event("response.output_text.annotation.added", **at, annotation_index=number, annotation=annotation)
            for number, annotation in enumerate(part["annotations"])
        ]
        done = self.event("response.output_text.done", **at, text=part["text"], logprobs=part["logprobs"])
        return b"".join((*annotated, done))

    def _reasoning(self, index: int, item: dict[str, Any]) -> Iterator[bytes]:
        at = {"item_id": item["id"], "output_index": index, "summary_index": 0}
        part = item["summary"][0] if item["summary"] else None
        name = "response.reasoning_summary"

        def start() -> bytes:
            added = self._added(index, {**item, "summary": []})
            return added + (self.event(f"{name}_part.added", **at, part={**part, "text": ""}) if part else b"")

        def delta(piece: bytes) -> bytes:
            return self._delta(f"{name}_text.delta", _encode(at)[1:-1], piece)

        def end() -> bytes:
            done = b""
            if part:
                done = self.event(f"{name}_text.done", **at, text=part["text"])
                done += self.event(f"{name}_part.done", **at, part=part)
            return done + self._done(index, item)

        return self._block(self._pieces(part["text"] if part else ""), start, delta, end)

    def _call(self, index: int, item: dict[str, Any], name: str, field: str) -> Iterator[bytes]:
        at = {"item_id": item["id"], "output_index": index}

        def start() -> bytes:
            opened = {**item, field: ""}
            return self._added(index, {**opened, "status": "in_progress"} if "status" in item else opened)

        def delta(piece: bytes) -> bytes:
            return self._delta(f"{name}.delta", _encode(at)[1:-1], piece)

        def end() -> bytes:
            named = {"name": item["name"]} if field == "arguments" else {}
            return self.event(f"{name}.done", **at, **named, **{field: item[field]}) + self._done(index, item)

        return self._block(self._pieces(item[field]), start, delta, end)

    def _search(self, index: int, item: dict[str, Any]) -> bytes:
        at = {"item_id": item["id"], "output_index": index}
        written = self._keepalive() + self._added(index, {**item, "status": "in_progress"})
        for step in ("in_progress", "searching", "completed"):
            written += self.event(f"response.web_search_call.{step}", **at)
        return written + self._done(index, item)
