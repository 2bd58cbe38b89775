"""Chat completions as server-sent events.

What all chunks of a stream share is encoded once, and the pieces of a text are cached as JSON strings: in the steady
state a chunk is one join of bytes. `opening` goes out first, `chunks` are paced and counted, `closing` ends the stream.
"""

from collections.abc import Iterator

import msgspec

from farebox_sandbox.dialects import chat_write
from farebox_sandbox.dialects.base import KEEPALIVE_COMMENT, Disturbance, disturbed, reported
from farebox_sandbox.exchange import Stream
from farebox_sandbox.reply import Reply
from farebox_sandbox.tokens import Piece, count_tokens, pieces

DONE = b"data: [DONE]\n\n"
GARBAGE = b'data: {"id": "chatcmpl-garbage", "choices": [\n\nnot a field of any event\n\ndata: \xff\xfe\n\n'

_encode = msgspec.json.encode


class _Envelope:
    """Builds the chunks of one stream."""

    def __init__(self, reply: Reply) -> None:
        shared = {
            "id": f"chatcmpl-{reply.stem}",
            "object": "chat.completion.chunk",
            "created": reply.created,
            "model": reply.model,
            "system_fingerprint": chat_write.FINGERPRINT,
        }
        if reply.service_tier is not None:
            shared["service_tier"] = reply.service_tier
        self._start = b"data: " + _encode(shared)[:-1]
        self._reply = reply
        self._heads = [self._start + b',"choices":[{"index":%d,"delta":' % index for index in range(reply.ask.choices)]
        self._null_usage = b',"usage":null' if reply.ask.include_usage and not reply.directives.no_usage else b""
        self._tail = b',"logprobs":null,"finish_reason":null}]' + self._null_usage + b"}\n\n"
        self._usage_every_chunk = reply.directives.usage_every_chunk
        self._delivered_tokens = 0

    def chunk(self, choice: int, delta: Piece) -> bytes:
        """A chunk in the middle of a choice."""
        if self._usage_every_chunk:
            return self._chunk_with_usage(choice, delta)
        return b"".join((self._heads[choice], delta[0], self._tail))

    def chunk_with_logprobs(self, choice: int, delta: bytes, text: str) -> bytes:
        told = _encode(chat_write.logprobs(text, self._reply))
        end = b',"logprobs":' + told + b',"finish_reason":null}]' + self._null_usage + b"}\n\n"
        return b"".join((self._heads[choice], delta, end))

    def _chunk_with_usage(self, choice: int, delta: Piece) -> bytes:
        self._delivered_tokens += delta[1]
        reasoning = min(self._delivered_tokens, self._reply.reasoning_tokens)
        usage = _encode(chat_write.usage_of(self._reply, self._delivered_tokens, reasoning))
        tail = b',"logprobs":null,"finish_reason":null}],"usage":' + usage + b"}\n\n"
        return b"".join((self._heads[choice], delta[0], tail))

    def finish(self, choice: int) -> bytes:
        """The last chunk of a choice."""
        reply = self._reply
        usage = self._null_usage
        if reply.directives.usage_every_chunk:
            usage = b',"usage":' + _encode(reported(reply, chat_write.usage))
        end = b',"logprobs":null,"finish_reason":' + _encode(chat_write.finish_reason(reply)) + b"}]"
        return b"".join((self._heads[choice], b"{}", end, usage, b"}\n\n"))

    def usage(self) -> bytes:
        """The chunk without choices that ends a stream that asked for usage."""
        usage = _encode(reported(self._reply, chat_write.usage))
        return b"".join((self._start, b',"choices":[],"usage":', usage, b"}\n\n"))

    def unknown(self) -> bytes:
        """A chunk without choices that says something new."""
        return self._start + b',"choices":[],"sandbox_note":{"note":"an event of an unknown kind"}}\n\n'


def stream_of(reply: Reply) -> Stream:
    """The events of a reply, with the faults that are a matter of content."""
    envelope = _Envelope(reply)
    directives = reply.directives
    choices = range(reply.ask.choices)
    role = _encode({"role": "assistant", "content": None if reply.answer.content is None else ""})
    chunks: Iterator[bytes]
    if reply.ask.logprobs is not None:
        chunks = _chunks_with_logprobs(envelope, reply)
    elif reply.ask.choices == 1:
        chunks = (envelope.chunk(0, delta) for delta in _deltas(reply, 0))
    else:
        rows = zip(*(_deltas(reply, choice) for choice in choices), strict=True)
        chunks = (envelope.chunk(choice, delta) for deltas in rows for choice, delta in enumerate(deltas))
    closing = [] if directives.no_finish else [envelope.finish(choice) for choice in choices]
    if reply.ask.include_usage and not directives.no_usage and not directives.usage_every_chunk:
        closing.append(envelope.usage())
    if not directives.no_done:
        closing.append(DONE)
    opening = b"".join(envelope.chunk(choice, (role, 0)) for choice in choices)
    own = Disturbance(
        oversize=lambda size: envelope.chunk(0, (b'{"content":"' + b"x" * size + b'"}', 0)),
        garbage=GARBAGE,
        keepalive=lambda: KEEPALIVE_COMMENT,
        unknown=envelope.unknown,
    )
    return Stream(opening, disturbed(chunks, reply, own), lambda: b"".join(closing))


def _deltas(reply: Reply, choice: int) -> Iterator[Piece]:
    answer, count = reply.answer, reply.directives.chunks
    for piece, tokens in pieces(answer.reasoning, count):
        yield b'{"reasoning_content":' + piece + b"}", tokens
    field = b'{"refusal":' if answer.refused else b'{"content":'
    for piece, tokens in pieces(answer.content or "", count):
        yield field + piece + b"}", tokens
    if answer.citations:
        yield _encode({"annotations": chat_write.annotations(answer.citations)}), 0
    yield from _tool_deltas(reply, choice)


def _tool_deltas(reply: Reply, choice: int) -> Iterator[Piece]:
    for position, called in enumerate(chat_write.tool_calls(reply, choice)):
        kind = called["type"]
        field = "arguments" if kind == "function" else "input"
        arguments = called[kind][field]
        opened = {"index": position, **called, kind: {**called[kind], field: ""}}
        yield _encode({"tool_calls": [opened]}), count_tokens(called[kind]["name"])
        start = b'{"tool_calls":[{"index":%d,"%s":{"%s":' % (position, kind.encode(), field.encode())
        for piece, tokens in pieces(arguments, reply.directives.chunks):
            yield start + piece + b"}}]}", tokens


def _chunks_with_logprobs(envelope: _Envelope, reply: Reply) -> Iterator[bytes]:
    """Each piece of the text with its tokens."""
    fields = (b'{"content":', b'{"refusal":')
    for choice in range(reply.ask.choices):
        for delta in _deltas(reply, choice):
            if delta[0].startswith(fields):
                (text,) = msgspec.json.decode(delta[0], type=dict[str, str]).values()
                yield envelope.chunk_with_logprobs(choice, delta[0], text)
            else:
                yield envelope.chunk(choice, delta)
