"""Anthropic Messages as server-sent events, each with its name."""

from collections.abc import Iterator
from typing import Any

import msgspec

from farebox_sandbox.dialects import messages_write
from farebox_sandbox.dialects.base import Disturbance, disturbed, framed, reported
from farebox_sandbox.exchange import Stream
from farebox_sandbox.reply import Reply
from farebox_sandbox.tokens import pieces

PING = b'event: ping\ndata: {"type": "ping"}\n\n'
UNKNOWN = b'event: sandbox_note\ndata: {"type": "sandbox_note", "note": "an event of an unknown type"}\n\n'
GARBAGE = (
    b"event: content_block_delta\n"
    b'data: {"type": "content_block_delta", "index":\n\nnot a field of any event\n\ndata: \xff\xfe\n\n'
)

# Of a message: the fields of its usage that its end tells, all of them of the whole message.
_FINAL_USAGE = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
    "output_tokens_details",
    "server_tool_use",
)


def stream_of(reply: Reply) -> Stream:
    """The events of a reply, with the faults that are a matter of content."""
    own = Disturbance(
        oversize=lambda size: _delta(0, b'{"type":"text_delta","text":"' + b"x" * size + b'"}'),
        garbage=GARBAGE,
        keepalive=lambda: PING,
        unknown=lambda: UNKNOWN,
    )
    return Stream(_message_start(reply), disturbed(_blocks(reply), reply, own), lambda: _closing(reply))


def _event(name: str, fields: dict[str, Any]) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode({"type": name, **fields}))


def _message_start(reply: Reply) -> bytes:
    message = messages_write.message(reply)
    if not reply.directives.no_usage:
        start = min(1, reply.completion_tokens)
        message["usage"] = reported(reply, lambda reply: messages_write.usage_at(reply, start, 0))
        if reply.answer.searches and isinstance(message["usage"], dict):
            message["usage"].pop("server_tool_use", None)
    return _event("message_start", {"message": message}) + PING


def _closing(reply: Reply) -> bytes:
    ended: dict[str, Any] = {"delta": {"container": None, **messages_write.stop(reply)}}
    if not reply.directives.no_usage:
        usage = reported(reply, messages_write.usage)
        honest = reply.directives.usage is msgspec.UNSET
        ended["usage"] = {name: usage[name] for name in _FINAL_USAGE if name in usage} if honest else usage
    closing = _event("message_delta", ended)
    return closing if reply.directives.no_done else closing + _event("message_stop", {})


def _blocks(reply: Reply) -> Iterator[bytes]:
    for index, block in enumerate(messages_write.content(reply)):
        start, deltas = _opened(reply, index, block)
        stop = _event("content_block_stop", {"index": index})
        yield from framed(
            deltas, start=_event("content_block_start", {"index": index, "content_block": start}), end=stop
        )


def _opened(reply: Reply, index: int, block: dict[str, Any]) -> tuple[dict[str, Any], Iterator[bytes]]:
    """A block as it starts, and the deltas that make it whole."""
    match block["type"]:
        case "text":
            start = {**block, "text": ""} | ({"citations": []} if "citations" in block else {})
            return start, _text_deltas(reply, index, block)
        case "thinking":
            return {**block, "thinking": "", "signature": ""}, _thinking_deltas(reply, index, block)
        case "tool_use":
            arguments = reply.answer.tool_calls[_position(reply, block)].arguments
            return {**block, "input": {}}, _input_deltas(reply, index, arguments)
        case "server_tool_use":
            arguments = msgspec.json.encode(block["input"]).decode()
            return {**block, "input": {}}, _input_deltas(reply, index, arguments)
    return block, iter(())


def _position(reply: Reply, block: dict[str, Any]) -> int:
    ids = [reply.tool_call_id("toolu_", position) for position in range(len(reply.answer.tool_calls))]
    return ids.index(block["id"])


def _text_deltas(reply: Reply, index: int, block: dict[str, Any]) -> Iterator[bytes]:
    for piece, _ in pieces(reply.answer.content or "", reply.directives.chunks):
        yield _delta(index, b'{"type":"text_delta","text":' + piece + b"}")
    for citation in block.get("citations", ()):
        yield _delta(index, msgspec.json.encode({"type": "citations_delta", "citation": citation}))


def _thinking_deltas(reply: Reply, index: int, block: dict[str, Any]) -> Iterator[bytes]:
    for piece, _ in pieces(block["thinking"], reply.directives.chunks):
        yield _delta(index, b'{"type":"thinking_delta","thinking":' + piece + b"}")
    yield _delta(index, msgspec.json.encode({"type": "signature_delta", "signature": block["signature"]}))


def _input_deltas(reply: Reply, index: int, arguments: str) -> Iterator[bytes]:
    for piece, _ in pieces(arguments, reply.directives.chunks):
        yield _delta(index, b'{"type":"input_json_delta","partial_json":' + piece + b"}")


def _delta(index: int, delta: bytes) -> bytes:
    head = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":' % index
    return head + delta + b"}\n\n"
