"""Gemini's streamGenerateContent as server-sent events: each is a response with more parts and the usage so far."""

from collections.abc import Iterator
from typing import Any

import msgspec

from farebox_sandbox.dialects import gemini_write
from farebox_sandbox.dialects.base import KEEPALIVE_COMMENT, Disturbance, disturbed, reported
from farebox_sandbox.dialects.logprobs import average, logprobs_of
from farebox_sandbox.exchange import Stream
from farebox_sandbox.reply import Reply
from farebox_sandbox.tokens import count_tokens, pieces

GARBAGE = b'data: {"candidates": [{"content":\n\nnot a field of any event\n\ndata: \xff\xfe\n\n'

_encode = msgspec.json.encode


def stream_of(reply: Reply) -> Stream:
    """The events of a reply, with the faults that are a matter of content. There is no end marker."""
    if reply.directives.refusal == "":
        return Stream(b"", iter(()), lambda: b"data: " + gemini_write.json_body(reply) + b"\n\n")
    writer = _Writer(reply)
    own = Disturbance(
        oversize=lambda size: writer.chunk(0, b'{"text":"' + b"x" * size + b'"}'),
        garbage=GARBAGE,
        keepalive=lambda: KEEPALIVE_COMMENT,
        unknown=lambda: writer.chunk(0, b'{"sandboxNote":{"note":"a part of an unknown kind"}}'),
    )
    return Stream(b"", disturbed(writer.chunks(), reply, own), writer.closing)


class _Writer:
    """Counts what has been said, because each event tells the usage so far."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._tail = b"," + _encode(gemini_write.names(reply))[1:] + b"\n\n"
        self._thoughts = 0
        self._tokens = 0

    def chunks(self) -> Iterator[bytes]:
        for choice in range(self._reply.ask.choices):
            yield from self._thought_chunks(choice)
            yield from self._text_chunks(choice)
            for part, call in zip(
                gemini_write.call_parts(self._reply, choice), self._reply.answer.tool_calls, strict=True
            ):
                self._tokens += count_tokens(call.name) + count_tokens(call.arguments)
                yield self.chunk(choice, _encode(part))

    def _thought_chunks(self, choice: int) -> Iterator[bytes]:
        if not gemini_write.thought_parts(self._reply):
            self._thoughts += self._reply.answer.reasoning_tokens
            return
        for piece, tokens in pieces(self._reply.answer.reasoning, self._reply.directives.chunks):
            self._thoughts += tokens
            yield self.chunk(choice, b'{"text":' + piece + b',"thought":true}')

    def _text_chunks(self, choice: int) -> Iterator[bytes]:
        for piece, tokens in pieces(self._reply.answer.content or "", self._reply.directives.chunks):
            self._tokens += tokens
            yield self.chunk(choice, b'{"text":' + piece + b"}", self._logprobs(piece))

    def _logprobs(self, piece: bytes) -> bytes:
        alternatives = self._reply.ask.logprobs
        if alternatives is None:
            return b""
        tokens = logprobs_of(msgspec.json.decode(piece, type=str), alternatives)
        told = {"avgLogprobs": average(tokens), "logprobsResult": gemini_write.logprobs_result(tokens)}
        return b"," + _encode(told)[1:-1]

    def chunk(self, choice: int, part: bytes, more: bytes = b"") -> bytes:
        head = b'data: {"candidates":[{"content":{"parts":['
        return b"".join((head, part, b'],"role":"model"}', more, b',"index":%d}]' % choice, self._usage(), self._tail))

    def _usage(self) -> bytes:
        if self._reply.directives.no_usage:
            return b""
        honest = gemini_write.usage_at(self._reply, self._tokens, self._thoughts)
        return b',"usageMetadata":' + _encode(reported(self._reply, lambda _: honest))

    def closing(self) -> bytes:
        """The last event of each candidate: an empty text with the signature, and the reason."""
        reply = self._reply
        part: dict[str, Any] = {"text": "", **gemini_write.text_signature(reply)}
        content = {"parts": [part], "role": "model"}
        last = []
        for choice in range(reply.ask.choices):
            body: dict[str, Any] = {"candidates": [{"content": content, **gemini_write.ending(reply), "index": choice}]}
            if not reply.directives.no_usage:
                body["usageMetadata"] = reported(reply, gemini_write.usage)
            last.append(b"data: " + _encode({**body, **gemini_write.names(reply)}) + b"\n\n")
        return b"".join(last)
