"""Reading requests and sending answers on raw ASGI, within bounds."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from farebox.base.brand import Brand
from farebox.base.errors import Problem
from farebox.base.ids import show_call
from farebox.base.limits import Bounds
from farebox.dataplane.parts import Headers, Receive, Send
from farebox.dialects.port import Surface
from farebox.dialects.registry import CHAT

Pairs = Sequence[tuple[bytes, bytes]]


class Exchange(NamedTuple):
    """One request on its ASGI connection. `query` is the query string as it came; `peer` the socket's other end, None
    where that has no address."""

    headers: Headers
    query: str
    receive: Receive
    send: Send
    peer: str | None = None


def header(headers: Headers, name: bytes) -> bytes | None:
    """The first header of that (lower-case) name."""
    for key, value in headers:
        if key == name:
            return value
    return None


async def read_body(receive: Receive, headers: Headers, bounds: Bounds) -> bytes:
    """The whole body. Raises Problem (`request_too_large`, `request_timeout`, `invalid_request`)."""
    if (header(headers, b"content-encoding") or b"identity") != b"identity":
        raise Problem("invalid_request", "Send the body uncompressed: `content-encoding` is not supported.")
    announced = header(headers, b"content-length")
    if announced is not None and announced.isdigit() and int(announced) > bounds.max_body_bytes:
        raise _too_large(bounds)
    deadline = asyncio.get_running_loop().time() + bounds.body_timeout_seconds
    message = await _next_message(receive, bounds.body_timeout_seconds)
    if not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        return _checked(body, bounds)
    parts = [message.get("body", b"")]
    size = len(parts[0])
    while message.get("more_body", False):
        left_seconds = deadline - asyncio.get_running_loop().time()
        message = await _next_message(receive, left_seconds)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > bounds.max_body_bytes:
            raise _too_large(bounds)
    return b"".join(parts)


def _checked(body: bytes, bounds: Bounds) -> bytes:
    if len(body) > bounds.max_body_bytes:
        raise _too_large(bounds)
    return body


async def _next_message(receive: Receive, timeout_seconds: float) -> dict[str, Any]:
    try:
        async with asyncio.timeout(timeout_seconds):
            message = await receive()
    except TimeoutError as error:
        raise Problem("request_timeout", "The request's body did not arrive in time.") from error
    if message["type"] == "http.disconnect":
        raise ClientLeft
    return message


class ClientLeft(Exception):
    """The client hung up before its request was complete, or before it was its turn."""


def _too_large(bounds: Bounds) -> Problem:
    facts = {"limit_bytes": bounds.max_body_bytes}
    return Problem("request_too_large", f"The body is larger than {bounds.max_body_bytes} bytes.", facts=facts)


def id_headers(call_id: UUID) -> list[tuple[bytes, bytes]]:
    """The headers that name the request on every answer, under the names that SDKs read."""
    shown = show_call(call_id).encode()
    return [(b"x-request-id", shown), (b"request-id", shown)]


def call_headers(brand: Brand, call_id: UUID) -> list[tuple[bytes, bytes]]:
    """The headers that name a call, for which there is or will be a receipt."""
    return [*id_headers(call_id), (brand.header("Call-Id").encode(), show_call(call_id).encode())]


async def send_whole(send: Send, status: int, headers: Pairs, body: bytes) -> None:
    """Send an answer in one piece."""
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def send_problem(send: Send, problem: Problem, headers: Pairs, call_id: UUID, *, surface: Surface = CHAT) -> None:
    """Send an error in the surface's form."""
    body = surface.error_body(problem, show_call(call_id))
    await send_whole(send, problem.entry.status, [*headers, *problem_headers(problem, len(body))], body)


def problem_headers(problem: Problem, length: int) -> list[tuple[bytes, bytes]]:
    """What an error's headers say beyond the call's id. SDKs read both of the last two."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(length).encode())]
    if problem.retry_after_seconds is not None:
        headers.append((b"retry-after", str(problem.retry_after_seconds).encode()))
    if not problem.retryable:
        headers.append((b"x-should-retry", b"false"))
    return headers
