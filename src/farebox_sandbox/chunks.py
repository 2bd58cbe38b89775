"""A reply as server-sent events.

What all chunks of a stream share is encoded once, and the pieces of a text are cached as JSON strings: in the steady
state a chunk is one join of bytes. `opening` goes out first, `chunks` are paced and counted, `closing` ends the stream.
"""

from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import msgspec

from farebox_sandbox.reply import FINGERPRINT, Reply
from farebox_sandbox.tokens import Piece, count_tokens, pieces
from farebox_sandbox.usage import usage_of

DONE = b"data: [DONE]\n\n"
KEEPALIVE = b": sandbox keep-alive\n\n"
GARBAGE = b'data: {"id": "chatcmpl-garbage", "choices": [\n\nnot a field of any event\n\ndata: \xff\xfe\n\n'

_encode = msgspec.json.encode


class Stream(NamedTuple):
    opening: bytes
    chunks: Iterator[bytes]
    closing: bytes


class _Envelope:
    """Builds the chunks of one stream."""

    def __init__(self, reply: Reply) -> None:
        shared = {
            "id": reply.id,
            "object": "chat.completion.chunk",
            "created": reply.created,
            "model": reply.model,
            "system_fingerprint": FINGERPRINT,
        }
        if reply.directives.service_tier is not None:
            shared["service_tier"] = reply.directives.service_tier
        self._start = b"data: " + _encode(shared)[:-1]
        self._reply = reply
        self._heads = [self._start + b',"choices":[{"index":%d,"delta":' % index for index in range(reply.choices)]
        self._null_usage = b',"usage":null' if reply.include_usage and not reply.directives.no_usage else b""
        self._tail = b',"logprobs":null,"finish_reason":null}]' + self._null_usage + b"}\n\n"
        self._usage_every_chunk = reply.directives.usage_every_chunk
        self._delivered_tokens = 0

    def chunk(self, choice: int, delta: Piece) -> bytes:
        """A chunk in the middle of a choice."""
        if self._usage_every_chunk:
            return self._chunk_with_usage(choice, delta)
        return b"".join((self._heads[choice], delta[0], self._tail))

    def _chunk_with_usage(self, choice: int, delta: Piece) -> bytes:
        self._delivered_tokens += delta[1]
        reply = self._reply
        reasoning = min(self._delivered_tokens, reply.answer.reasoning_tokens * reply.choices)
        usage = _encode(usage_of(reply.prompt_tokens, self._delivered_tokens, reasoning))
        tail = b',"logprobs":null,"finish_reason":null}],"usage":' + usage + b"}\n\n"
        return b"".join((self._heads[choice], delta[0], tail))

    def finish(self, choice: int) -> bytes:
        """The last chunk of a choice."""
        reply = self._reply
        usage = self._null_usage
        if reply.directives.usage_every_chunk:
            usage = b',"usage":' + _encode(reply.usage)
        end = b',"logprobs":null,"finish_reason":' + _encode(reply.finish_reason) + b"}]"
        return b"".join((self._heads[choice], b"{}", end, usage, b"}\n\n"))

    def usage(self) -> bytes:
        """The chunk without choices that ends a stream that asked for usage."""
        return b"".join((self._start, b',"choices":[],"usage":', _encode(self._reply.usage), b"}\n\n"))


def stream_of(reply: Reply) -> Stream:
    """The events of a reply, with the faults that are a matter of content."""
    envelope = _Envelope(reply)
    directives = reply.directives
    choices = range(reply.choices)
    role = _encode({"role": "assistant", "content": None if reply.answer.tool_calls else ""})
    chunks: Iterator[bytes] = (
        envelope.chunk(choice, delta)
        for deltas in zip(*(_deltas(reply, choice) for choice in choices), strict=True)
        for choice, delta in enumerate(deltas)
    )
    if reply.choices == 1:
        chunks = (envelope.chunk(0, delta) for delta in _deltas(reply, 0))
    closing = [] if directives.no_finish else [envelope.finish(choice) for choice in choices]
    if reply.include_usage and not directives.no_usage and not directives.usage_every_chunk:
        closing.append(envelope.usage())
    if not directives.no_done:
        closing.append(DONE)
    opening = b"".join(envelope.chunk(choice, (role, 0)) for choice in choices)
    return Stream(opening, _disturbed(chunks, envelope, reply), b"".join(closing))


def _deltas(reply: Reply, choice: int) -> Iterator[Piece]:
    answer, count = reply.answer, reply.directives.chunks
    for piece, tokens in pieces(answer.reasoning, count):
        yield b'{"reasoning_content":' + piece + b"}", tokens
    for piece, tokens in pieces(answer.content or "", count):
        yield b'{"content":' + piece + b"}", tokens
    for position, call in enumerate(answer.tool_calls):
        opened = {
            "index": position,
            "id": reply.tool_call_id(choice, position),
            "type": "function",
            "function": {"name": call.name, "arguments": ""},
        }
        yield _encode({"tool_calls": [opened]}), count_tokens(call.name)
        start = b'{"tool_calls":[{"index":%d,"function":{"arguments":' % position
        for piece, tokens in pieces(call.arguments, count):
            yield start + piece + b"}}]}", tokens


def _disturbed(chunks: Iterator[bytes], envelope: _Envelope, reply: Reply) -> Iterator[bytes]:
    directives = reply.directives
    if directives.oversize_bytes:
        huge = b'{"content":"' + b"x" * directives.oversize_bytes + b'"}'
        chunks = _after_first(chunks, envelope.chunk(0, (huge, 0)))
    if directives.garbage:
        chunks = _after_first(chunks, GARBAGE)
    if directives.keepalive_comments:
        chunks = (KEEPALIVE + chunk for chunk in chunks)
    return chunks


def _after_first(chunks: Iterator[bytes], extra: bytes) -> Iterator[bytes]:
    first = next(chunks, b"")
    return chain((first, extra) if first else (extra,), chunks)
