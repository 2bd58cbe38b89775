"""Answers with the faults that are a matter of content: for JSON, and for server-sent events."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import msgspec
from msgspec import UNSET

from farebox_sandbox.core import GARBAGE_BODY
from farebox_sandbox.exchange import Exchange, Stream
from farebox_sandbox.faults import Directives

KEEPALIVE = b": sandbox keep-alive\n\n"
GARBAGE_EVENTS = b'data: {"type": "garbage", "half": [\n\nnot a field of any event\n\ndata: \xff\xfe\n\n'


def reported(honest: Any, directives: Directives) -> dict[str, Any]:
    """The `usage` field of an answer: the honest one, the one that a directive says, or none."""
    if directives.no_usage:
        return {}
    return {"usage": honest if directives.usage is UNSET else directives.usage}


def base_url(exchange: Exchange) -> str:
    """Where the client reached the sandbox."""
    host = dict(exchange.scope["headers"]).get(b"host", b"localhost").decode("latin-1")
    return f"{exchange.scope['scheme']}://{host}"


async def answer_json(exchange: Exchange, value: dict[str, Any]) -> None:
    """A JSON answer. Raises ClientGone, HungUp."""
    directives = exchange.directives
    if directives.oversize_bytes:
        value = {**value, "oversize": "x" * directives.oversize_bytes}
    if directives.unknown_event:
        value = {**value, "sandbox_note": "a field of an unknown name"}
    await exchange.answer(200, GARBAGE_BODY if directives.garbage else msgspec.json.encode(value))


def event(value: dict[str, Any], *, named: bool = False) -> bytes:
    """One event; with its type also as the event's name, if the API does so."""
    name = b"event: " + value["type"].encode() + b"\n" if named else b""
    return name + b"data: " + msgspec.json.encode(value) + b"\n\n"


async def answer_events(exchange: Exchange, chunks: Iterable[bytes], last: bytes) -> None:
    """A stream of events; `last` is the one without which it is not complete. Raises ClientGone, HungUp."""
    closing = b"" if exchange.directives.no_finish else last
    await exchange.stream(Stream(b"", _disturbed(iter(chunks), exchange.directives), lambda: closing))


def _disturbed(chunks: Iterator[bytes], directives: Directives) -> Iterator[bytes]:
    if directives.oversize_bytes:
        chunks = _after_first(chunks, event({"type": "oversize", "oversize": "x" * directives.oversize_bytes}))
    if directives.garbage:
        chunks = _after_first(chunks, GARBAGE_EVENTS)
    if directives.unknown_event:
        chunks = _after_first(chunks, event({"type": "sandbox.note", "note": "an event of an unknown name"}))
    if directives.keepalive_comments:
        chunks = (KEEPALIVE + chunk for chunk in chunks)
    return chunks


def _after_first(chunks: Iterator[bytes], extra: bytes) -> Iterator[bytes]:
    first = next(chunks, b"")
    return chain((first, extra) if first else (extra,), chunks)
