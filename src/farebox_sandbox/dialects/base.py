"""What a text dialect provides, and what all of them do alike."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from msgspec import UNSET

from farebox_sandbox.ask import Ask
from farebox_sandbox.errors import ErrorBody, ErrorEvent
from farebox_sandbox.exchange import Exchange, Stream
from farebox_sandbox.reply import Reply

KEEPALIVE_COMMENT = b": sandbox keep-alive\n\n"


class Dialect(NamedTuple):
    """`read` makes a request of a body; it raises msgspec.DecodeError or UpstreamError. `check` refuses a request
    whose history was altered on its way, with UpstreamError 400. `key_headers`: where a key may be besides the Bearer
    token. `id_prefix`: of answers. `request_id_header`: beside `x-request-id`.
    `wrong_key`: status, message and code of the answer to one."""

    name: str
    id_prefix: str
    read: Callable[[bytes, Exchange], Ask]
    check: Callable[[Ask], None]
    json_body: Callable[[Reply], bytes]
    stream: Callable[[Reply], Stream]
    error_body: ErrorBody
    error_event: ErrorEvent
    key_headers: tuple[bytes, ...] = ()
    request_id_header: bytes | None = None
    wrong_key: tuple[int, str, str | None] = (401, "Incorrect API key provided.", None)


def check_nothing(_: Ask) -> None:
    """For a dialect in which nothing comes back signed."""


class Disturbance(NamedTuple):
    """The faults of a stream in the dialect's own form. `oversize` is one huge piece of text."""

    oversize: Callable[[int], bytes]
    garbage: bytes
    keepalive: Callable[[], bytes]
    unknown: Callable[[], bytes]


def disturbed(chunks: Iterator[bytes], reply: Reply, own: Disturbance) -> Iterator[bytes]:
    """The chunks with the faults that are a matter of content."""
    directives = reply.directives
    if directives.oversize_bytes:
        chunks = _after_first(chunks, lambda: own.oversize(directives.oversize_bytes))
    if directives.garbage:
        chunks = _after_first(chunks, lambda: own.garbage)
    if directives.unknown_event:
        chunks = _after_first(chunks, own.unknown)
    if directives.keepalive_comments:
        chunks = (own.keepalive() + chunk for chunk in chunks)
    return chunks


def _after_first(chunks: Iterator[bytes], extra: Callable[[], bytes]) -> Iterator[bytes]:
    first = next(chunks, b"")
    if first:
        yield first
    yield extra()
    yield from chunks


def framed(pieces: Iterable[bytes], *, start: bytes, end: bytes) -> Iterator[bytes]:
    """The pieces of a block with its start before the first and its end after the last: neither is paced by itself."""
    remaining = iter(pieces)
    held = start + next(remaining, b"")
    for piece in remaining:
        yield held
        held = piece
    yield held + end


def reported(reply: Reply, honest: Callable[[Reply], Any]) -> Any:
    """What the answer says it used: the honest count, or whatever the `usage` directive says instead."""
    usage = reply.directives.usage
    return honest(reply) if usage is UNSET else usage
