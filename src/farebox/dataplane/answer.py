"""A call that is answered in one piece: forward, settle, then send the answer with its cost.

The client's leaving changes nothing: it is billed.
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

import structlog

from farebox.base.errors import Problem
from farebox.base.ids import show_call
from farebox.dataplane.asgi import Pairs, call_headers, problem_headers, send_problem, send_whole
from farebox.dataplane.call import Call
from farebox.dataplane.forward import CallFailed, Forwarding
from farebox.dataplane.parts import Parts, Send
from farebox.dataplane.rules import Ending
from farebox.dataplane.sending import Outgoing, Sending, dropped_value
from farebox.dataplane.settle import Settled, settle_call
from farebox.dataplane.tell import settled_headers
from farebox.dialects.port import Broken, Surface
from farebox.dialects.registry import MESSAGES
from farebox.dialects.usage import Reported
from farebox.providers.client import FailureKind, UpstreamFailure

_log = structlog.get_logger(__name__)


class Received(NamedTuple):
    """A whole answer as the client gets it, and what the bill needs of it."""

    body: bytes
    reported: Reported
    service_tier: str | None = None
    delivered_bytes: int = 0
    content_type: str = "application/json"
    dropped: tuple[str, ...] = ()


ReadAnswer = Callable[[Outgoing, bytes, str], Received]
"""From what was sent, the provider's body and its content type. Raises Problem or Broken for what is no answer."""


async def answer(parts: Parts, call: Call, send: Send, *, sending: Sending, read: ReadAnswer, surface: Surface) -> None:
    """Serve a call whose hold was taken."""
    failed: CallFailed | None = None
    received: Received | None = None
    try:
        received = await _whole_answer(parts, call, sending, read)
    except CallFailed as failure:
        failed = failure
    except asyncio.CancelledError:
        await asyncio.shield(settle_stopped(parts, call))
        raise
    except Exception as error:
        failed = bug(call, error)
    headers = call_headers(parts.brand, call.call_id)
    try:
        settled = await settle_call(
            parts,
            call,
            failed.ending if failed else Ending.ANSWERED,
            error_code=failed.problem.code if failed else None,
        )
    except Problem as problem:
        await send_problem(send, problem, headers, call.call_id, surface=surface)
        return
    if failed is not None:
        await send_failure(parts, send, failed, call=call, settled=settled, surface=surface)
        return
    assert received is not None
    headers += settled_pairs(parts, settled)
    headers += call.ticket.headers(surface is MESSAGES)
    if received.dropped:
        headers.append(dropped_pair(parts, received.dropped))
    headers.append((b"content-type", received.content_type.encode()))
    headers.append((b"content-length", str(len(received.body)).encode()))
    await send_whole(send, 200, headers, received.body)


async def _whole_answer(parts: Parts, call: Call, sending: Sending, read: ReadAnswer) -> Received:
    """The first whole answer of a route: while nothing has reached the client, the next route may still serve."""
    forwarding = Forwarding(parts, call, sending)
    while True:
        response = await forwarding.open()
        try:
            async with asyncio.timeout(forwarding.left_seconds):
                body = await response.body(parts.bounds.max_response_bytes)
            received = read(forwarding.outgoing, body, response.content_type)
        except TimeoutError:
            forwarding.failed(FailureKind.TOTAL_TIMEOUT)
        except UpstreamFailure as failure:
            forwarding.failed(failure.kind)
        except (Problem, Broken):
            forwarding.broke("garbage")
        else:
            call.first_byte_at = parts.clock()
            call.reported, call.service_tier = received.reported, received.service_tier
            call.delivered_bytes = received.delivered_bytes
            forwarding.served()
            return received
        finally:
            response.close()
            forwarding.neutral()


def bug(call: Call, error: Exception) -> CallFailed:
    """A fault of ours is told as one, without what it was."""
    _log.error(
        "call failed inside the gateway", call_id=show_call(call.call_id), why=type(error).__name__, exc_info=False
    )
    problem = Problem("internal_error", "The gateway failed; the reservation was released.")
    return CallFailed(Ending.STOPPED, problem)


async def settle_stopped(parts: Parts, call: Call) -> None:
    """This process is told to stop: end the hold."""
    try:
        await settle_call(parts, call, Ending.STOPPED, error_code="internal_error")
    except Problem:
        return  # the evidence is on disk


def settled_pairs(parts: Parts, settled: Settled) -> list[tuple[bytes, bytes]]:
    """The monitor headers of a settled call."""
    return settled_headers(
        parts.brand,
        charge_nanos=settled.charge_nanos,
        available_nanos=settled.available_nanos,
        low_balance_nanos=parts.low_balance_nanos,
    )


def dropped_pair(parts: Parts, names: tuple[str, ...]) -> tuple[bytes, bytes]:
    """The header that names what the other dialect could not carry."""
    return parts.brand.header("Dropped").encode(), dropped_value(names)


async def send_failure(
    parts: Parts, send: Send, failed: CallFailed, *, call: Call, settled: Settled, surface: Surface
) -> None:
    """An error with its status: the provider's own words where it found fault with the request, else ours."""
    pairs: Pairs = [*call_headers(parts.brand, call.call_id), *settled_pairs(parts, settled)]
    pairs = [*pairs, *call.ticket.headers(surface is MESSAGES)]
    relayed = failed.relayed
    if relayed is None:
        await send_problem(send, failed.problem, pairs, call.call_id, surface=surface)
        return
    body = relayed.body or surface.error_body(failed.problem, show_call(call.call_id))
    pairs = [*pairs, *problem_headers(failed.problem, len(body))]
    await send_whole(send, relayed.status, pairs, body)
