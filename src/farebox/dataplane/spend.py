"""The paid text call, in order: who and what (`admit`), hold, forward, settle, tell. Start reading here.

Nothing goes upstream before the hold is durable, and whatever happens afterwards ends in exactly one settlement or
release: on success, error, cancel and disconnect here, on a crash in `recover.py`.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from uuid import UUID

import msgspec

from farebox.base.errors import Problem
from farebox.base.money import format_usd
from farebox.dataplane.answer import (
    Received,
    answer,
    bug,
    send_failure,
    settle_stopped,
)
from farebox.dataplane.asgi import Exchange, call_headers, read_body, send_problem
from farebox.dataplane.call import Call
from farebox.dataplane.forward import CallFailed
from farebox.dataplane.hold import with_claim
from farebox.dataplane.parts import Parts
from farebox.dataplane.relay import EVENTS, Framing, Relay
from farebox.dataplane.rules import Ending
from farebox.dataplane.sending import Outgoing, StreamSending, dropped_value
from farebox.dataplane.settle import Settled, settle_call
from farebox.dataplane.start import started
from farebox.dataplane.tell import held_headers
from farebox.dataplane.text import read_text_call
from farebox.dialects.canonical.parts import Opaque, Reasoning, Refusal, Text, ToolCall
from farebox.dialects.canonical.reply import Reply
from farebox.dialects.openai_chat.usage import counts_of
from farebox.dialects.port import Surface, Told
from farebox.dialects.registry import CHAT, MESSAGES
from farebox.dialects.usage import Reported
from farebox.identity.authenticate import require_scope


async def serve_text(parts: Parts, surface: Surface, exchange: Exchange, call_id: UUID) -> None:
    """Serve one request of a text dialect. Raises Problem and Refused before anything was sent."""
    started_at = parts.clock()
    key = await parts.authenticate(exchange.headers, exchange.peer)
    require_scope(key, surface.scope)
    body = await read_body(exchange.receive, exchange.headers, parts.bounds)
    admission, sending = await read_text_call(parts, surface, key, body, exchange=exchange)
    call = Call(call_id, with_claim(admission, exchange.headers, body), started_at, admission.routes[0])
    with place(parts):
        async with started(parts, call, receive=exchange.receive):
            if admission.streamed:
                await stream_answer(parts, call, exchange, sending)
            else:
                told = call.told(wants_usage=sending.wants_usage)
                await answer(
                    parts,
                    call,
                    exchange.send,
                    sending=sending,
                    read=lambda outgoing, found, _: read_text_answer(surface, outgoing, found, told),
                    surface=surface,
                )


@contextlib.contextmanager
def place(parts: Parts) -> Iterator[None]:
    """One of this process's places for calls in progress. Raises Problem `capacity_exhausted`."""
    if not parts.calls.take():
        raise Problem("capacity_exhausted", "This gateway is at its limit of concurrent calls.", retry_after_seconds=1)
    parts.metrics.open_calls.inc()
    try:
        yield
    finally:
        parts.calls.give_back()
        parts.metrics.open_calls.dec()


# ── a whole answer ────────────────────────────────────────────────────────────────────────────────────────────────


def read_text_answer(surface: Surface, outgoing: Outgoing, body: bytes, told: Told) -> Received:
    """A provider's whole answer: as it is where the dialects are equal, else translated. Raises Problem or Broken."""
    if outgoing.native:
        found = surface.read_answer(body)
        return Received(body, found.reported, found.service_tier, found.delivered_bytes)
    reply = outgoing.upstream.decode_reply(body)
    encoded = surface.encode_reply(reply, told)
    return Received(
        encoded.body,
        reply.reported,
        reply.service_tier,
        _generated_bytes(reply),
        dropped=(*outgoing.dropped, *encoded.dropped, *reply.unknown),
    )


def _generated_bytes(reply: Reply) -> int:
    size = 0
    for part in reply.parts:
        match part:
            case Text() | Refusal():
                size += len(part.text.encode())
            case Reasoning():
                size += len(part.text.encode()) + sum(len(text.encode()) for text in part.summary)
            case ToolCall():
                size += len(part.name.encode()) + len(part.arguments.encode())
            case Opaque():
                size += len(msgspec.json.encode(part.value))
            case _:
                pass
    return size


# ── a stream ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def stream_answer(
    parts: Parts, call: Call, exchange: Exchange, sending: StreamSending, *, framing: Framing = EVENTS
) -> None:
    """Relay, settle, then send the end marker; an abnormal end is an explicit error event."""
    headers = call_headers(parts.brand, call.call_id)
    held = held_headers(parts.brand, call.admission.hold_nanos)
    rates = call.ticket.headers(sending.surface is MESSAGES)
    relay = Relay(parts, call, [*headers, *held, *rates], exchange=exchange, sending=sending, framing=framing)
    failed: CallFailed | None = None
    ending = Ending.STOPPED
    try:
        ending = await relay.run()
    except CallFailed as failure:
        failed, ending = failure, failure.ending
    except asyncio.CancelledError:
        await asyncio.shield(_stop_stream(parts, call, relay, exchange))
        raise
    except Exception as error:
        failed = bug(call, error)
    problem = failed.problem if failed else relay.failure
    try:
        settled = await settle_call(parts, call, ending, error_code=problem.code if problem else None)
    except Problem as unsettled:
        await _end_stream(parts, call, relay, unsettled, exchange=exchange)
        return
    if failed is not None and not relay.started:
        await send_failure(parts, exchange.send, failed, call=call, settled=settled, surface=sending.surface)
    elif problem is not None:
        await relay.break_off(problem)
    elif relay.passage is not None:
        await relay.finish(_last_events(parts, relay, settled))


async def _stop_stream(parts: Parts, call: Call, relay: Relay, exchange: Exchange) -> None:
    """We are told to stop: settle, and say so, because a stream that only ends looks whole to most clients."""
    await settle_stopped(parts, call)
    problem = Problem("internal_error", "The gateway was stopped before the answer was complete; it is not charged.")
    await _end_stream(parts, call, relay, problem, exchange=exchange)


async def _end_stream(parts: Parts, call: Call, relay: Relay, problem: Problem, *, exchange: Exchange) -> None:
    if relay.started:
        await relay.break_off(problem)
    else:
        headers = call_headers(parts.brand, call.call_id)
        await send_problem(exchange.send, problem, headers, call.call_id, surface=relay.sending.surface)


def _last_events(parts: Parts, relay: Relay, settled: Settled) -> bytes:
    """What was withheld until the settlement: usage, with what it cost where the client asked for it, and the end."""
    facts: dict[str, object] = {
        "cost_usd": format_usd(settled.charge_nanos),
        "balance_after_usd": format_usd(settled.available_nanos),
    }
    passage = relay.passage
    if passage is None:
        return b""  # the client left before there was an answer
    if passage.reported.usage is None and settled.verdict.usage is not None:
        # The provider did not tell its usage; what was charged for is told instead.
        reported = Reported(settled.verdict.usage)
        if relay.sending.surface is CHAT:
            facts = counts_of(settled.verdict.usage) | facts
    else:
        reported = passage.reported
    return _dropped_comment(parts, relay.untold) + passage.ending(facts, reported)


def _dropped_comment(parts: Parts, names: set[str]) -> bytes:
    """What turned out to be lost while the stream ran: its headers are long gone, and every client skips comments."""
    if not names:
        return b""
    return b": " + parts.brand.header("Dropped").lower().encode() + b": " + dropped_value(sorted(names)) + b"\n\n"
