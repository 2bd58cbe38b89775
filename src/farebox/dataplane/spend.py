"""The paid call, in order: who and what (`admit`), hold, forward, settle, tell.

Nothing goes upstream before the hold is durable, and whatever happens afterwards ends in exactly one settlement or
release: on success, error, cancel and disconnect here, on a crash in `recover.py`.
"""

import asyncio
from hashlib import blake2b, sha256
from uuid import UUID

import structlog

from farebox.base.errors import Problem
from farebox.base.ids import show_call, step_id
from farebox.base.money import format_usd
from farebox.dataplane.admit import Admission, admit
from farebox.dataplane.asgi import Pairs, call_headers, header, problem_headers, read_body, send_problem, send_whole
from farebox.dataplane.call import Call
from farebox.dataplane.forward import CallFailed, Forwarding, Relayed
from farebox.dataplane.parts import Headers, Parts, Receive, Send
from farebox.dataplane.refusals import empty_limit_of, problem_of
from farebox.dataplane.relay import Relay
from farebox.dataplane.rules import Ending
from farebox.dataplane.settle import Settled, settle_call
from farebox.dataplane.tell import balance_headers, held_headers, settled_headers
from farebox.dialects.openai_chat.answer import read_answer
from farebox.dialects.openai_chat.errors import error_body, error_event
from farebox.dialects.openai_chat.request import read_request
from farebox.dialects.openai_chat.stream import DONE_EVENT, usage_event_with
from farebox.dialects.openai_chat.usage import counts_of
from farebox.identity.authenticate import require_scope
from farebox.ledger.batcher import LAST_STEP, LedgerBusy, LedgerFault, LedgerUnavailable
from farebox.ledger.commands import Release, Reserve
from farebox.ledger.outcomes import Outcome, Refusal
from farebox.providers.client import FailureKind, UpstreamFailure

SCOPE = "chat.completions"
# A client's name for a request; longer ones are a mistake.
MAX_IDEMPOTENCY_KEY_CHARS = 255

_log = structlog.get_logger(__name__)


class Refused(Exception):
    """The hold was refused: the problem, and the monitor headers that go with it."""

    def __init__(self, problem: Problem, headers: Pairs) -> None:
        super().__init__(problem.code)
        self.problem = problem
        self.headers = headers


async def chat_completions(parts: Parts, headers: Headers, *, receive: Receive, send: Send, call_id: UUID) -> None:
    """Serve one `POST /v1/chat/completions`. Raises Problem and Refused before anything was sent."""
    started_at = parts.clock()
    key = await parts.authenticate(headers)
    require_scope(key, SCOPE)
    body = await read_body(receive, headers, parts.bounds)
    request = read_request(body)
    admission = admit(parts.catalog(), parts.limits, parts.accounts.state, key=key, request=request)
    admission = _with_claim(admission, headers, body)
    if not parts.calls.take():
        raise Problem("capacity_exhausted", "This gateway is at its limit of concurrent calls.", retry_after_seconds=1)
    parts.metrics.open_calls.inc()
    try:
        call = Call(call_id, admission, started_at, admission.routes[0])
        await _hold(parts, call)
        if request.stream:
            await _stream(parts, call, receive, send)
        else:
            await _answer(parts, call, send)
    finally:
        parts.calls.give_back()
        parts.metrics.open_calls.dec()


def _with_claim(admission: Admission, headers: Headers, body: bytes) -> Admission:
    name = header(headers, b"idempotency-key")
    if not name:
        return admission
    if len(name) > MAX_IDEMPOTENCY_KEY_CHARS:
        limit = MAX_IDEMPOTENCY_KEY_CHARS
        raise Problem("invalid_request", f"`Idempotency-Key` is longer than {limit} characters.")
    return admission._replace(claim_id=_digest(name), claim_body_hash=_digest(body, secret=name))


def _digest(data: bytes, *, secret: bytes = b"") -> UUID:
    """128 bits. The body's are keyed with the Idempotency-Key, of which only a hash is stored: who has the database
    can then not even confirm a guess at a prompt."""
    key = sha256(secret).digest() if secret else b""
    return UUID(bytes=blake2b(data, digest_size=16, key=key).digest())


# ── hold ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _hold(parts: Parts, call: Call) -> None:
    """Take the worst-case price out of the balance, durably. Raises Refused or Problem."""
    admission = call.admission
    command = Reserve(
        workspace_id=call.workspace_id,
        command_id=call.call_id,
        now_micros=call.started_at,
        hold_id=call.call_id,
        key_id=admission.key.key_id,
        owner_id=parts.owner_id,
        amount_nanos=admission.hold_nanos,
        dispatched=True,
        memo=call.memo(),
        claim_id=admission.claim_id,
        claim_body_hash=admission.claim_body_hash,
    )
    outcome = await _submitted(parts, command)
    if isinstance(outcome, Refusal):
        raise _refused(parts, outcome)


async def _submitted(parts: Parts, command: Reserve) -> Outcome:
    try:
        waiting = parts.ledger.enqueue(command)
    except LedgerBusy as error:
        message = "Too many calls are waiting for their hold."
        raise Problem("capacity_exhausted", message, retry_after_seconds=1) from error
    try:
        return await asyncio.shield(waiting)
    except LedgerUnavailable as error:
        message = "The ledger cannot be reached, so nothing was started and nothing is charged."
        raise Problem("database_unavailable", message, retry_after_seconds=5) from error
    except LedgerFault as error:
        _log.error("reserve failed", call_id=show_call(command.hold_id), why=str(error))
        raise Problem("internal_error", "The reservation could not be made; nothing is charged.") from error
    except asyncio.CancelledError:
        await _undo(parts, command, waiting)
        raise


async def _undo(parts: Parts, command: Reserve, waiting: "asyncio.Future[Outcome]") -> None:
    """We were told to stop while the hold was on its way: let it arrive, then give it back."""
    try:
        outcome = await waiting
    except (LedgerBusy, LedgerUnavailable, LedgerFault):
        return
    if not isinstance(outcome, Refusal):
        await parts.ledger.submit(
            Release(
                workspace_id=command.workspace_id,
                command_id=step_id(command.hold_id, LAST_STEP),
                now_micros=parts.clock(),
                hold_id=command.hold_id,
                count_request=False,
            )
        )


def _refused(parts: Parts, refusal: Refusal) -> Refused:
    problem = problem_of(refusal, top_up_url=parts.brand.top_up_url)
    headers = balance_headers(
        parts.brand,
        available_nanos=refusal.balance_nanos,
        low_balance_nanos=parts.low_balance_nanos,
        refusal=problem.code,
        empty_limit=empty_limit_of(refusal, parts.clock()),
    )
    return Refused(problem, headers if problem.entry.status in (402, 429) else [])


# ── a whole answer ────────────────────────────────────────────────────────────────────────────────────────────────


async def _answer(parts: Parts, call: Call, send: Send) -> None:
    """Forward, settle, then send the answer with its cost. The client's leaving changes nothing: it is billed."""
    failed: CallFailed | None = None
    body = b""
    try:
        body = await _whole_answer(parts, call)
    except CallFailed as failure:
        failed = failure
    except asyncio.CancelledError:
        await asyncio.shield(_settle_stopped(parts, call))
        raise
    except Exception as error:
        failed = _bug(call, error)
    headers = call_headers(parts.brand, call.call_id)
    try:
        settled = await settle_call(
            parts,
            call,
            failed.ending if failed else Ending.ANSWERED,
            error_code=failed.problem.code if failed else None,
        )
    except Problem as problem:
        await send_problem(send, problem, headers, call.call_id)
        return
    if failed is not None:
        await _send_failure(parts, send, failed, headers=headers, call=call, settled=settled)
        return
    headers += _settled(parts, settled)
    headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send_whole(send, 200, headers, body)


async def _whole_answer(parts: Parts, call: Call) -> bytes:
    """The first whole answer of a route: while nothing has reached the client, the next route may still serve."""
    forwarding = Forwarding(parts, call)
    while True:
        response = await forwarding.open()
        try:
            async with asyncio.timeout(forwarding.left_seconds):
                body = await response.body(parts.bounds.max_response_bytes)
            answer = read_answer(body)
        except TimeoutError:
            forwarding.failed(FailureKind.TOTAL_TIMEOUT)
        except UpstreamFailure as failure:
            forwarding.failed(failure.kind)
        except Problem:
            forwarding.broke("garbage")
        else:
            call.first_byte_at = parts.clock()
            call.reported, call.service_tier = answer.reported, answer.service_tier
            call.delivered_bytes = answer.delivered_bytes
            return body
        finally:
            response.close()


def _bug(call: Call, error: Exception) -> CallFailed:
    _log.error(
        "call failed inside the gateway", call_id=show_call(call.call_id), why=type(error).__name__, exc_info=False
    )
    problem = Problem("internal_error", "The gateway failed; the reservation was released.")
    return CallFailed(Ending.STOPPED, problem)


async def _settle_stopped(parts: Parts, call: Call) -> None:
    try:
        await settle_call(parts, call, Ending.STOPPED, error_code="internal_error")
    except Problem:
        return  # the evidence is on disk


def _settled(parts: Parts, settled: Settled) -> Pairs:
    return settled_headers(
        parts.brand,
        charge_nanos=settled.charge_nanos,
        available_nanos=settled.available_nanos,
        low_balance_nanos=parts.low_balance_nanos,
    )


async def _send_failure(
    parts: Parts, send: Send, failed: CallFailed, *, headers: Pairs, call: Call, settled: Settled
) -> None:
    """An error with its status: the provider's own words where it found fault with the request, else ours."""
    pairs = [*headers, *_settled(parts, settled)]
    relayed: Relayed | None = failed.relayed
    if relayed is None:
        await send_problem(send, failed.problem, pairs, call.call_id)
        return
    body = relayed.body or error_body(failed.problem, show_call(call.call_id))
    pairs += problem_headers(failed.problem, len(body))
    await send_whole(send, relayed.status, pairs, body)


# ── a stream ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def _stream(parts: Parts, call: Call, receive: Receive, send: Send) -> None:
    """Relay, settle, then send the end marker; an abnormal end is an explicit error chunk."""
    headers = call_headers(parts.brand, call.call_id)
    held = held_headers(parts.brand, call.admission.hold_nanos)
    relay = Relay(parts, call, [*headers, *held], receive=receive, send=send)
    failed: CallFailed | None = None
    ending = Ending.STOPPED
    try:
        ending = await relay.run()
    except CallFailed as failure:
        failed, ending = failure, failure.ending
    except asyncio.CancelledError:
        await asyncio.shield(_stop_stream(parts, call, relay, send=send, headers=headers))
        raise
    except Exception as error:
        failed = _bug(call, error)
    problem = failed.problem if failed else relay.failure
    try:
        settled = await settle_call(parts, call, ending, error_code=problem.code if problem else None)
    except Problem as unsettled:
        await _end_stream(relay, unsettled, send, headers=headers, call=call)
        return
    if failed is not None and not relay.started:
        await _send_failure(parts, send, failed, headers=headers, call=call, settled=settled)
    elif problem is not None:
        await relay.finish(error_event(problem, show_call(call.call_id)))
    else:
        await relay.finish(_last_events(call, relay, settled))


async def _stop_stream(parts: Parts, call: Call, relay: Relay, *, send: Send, headers: Pairs) -> None:
    """We are told to stop: settle, and say so, because a stream that only ends looks whole to most clients."""
    await _settle_stopped(parts, call)
    problem = Problem("internal_error", "The gateway was stopped before the answer was complete; it is not charged.")
    await _end_stream(relay, problem, send, headers=headers, call=call)


async def _end_stream(relay: Relay, problem: Problem, send: Send, *, headers: Pairs, call: Call) -> None:
    if relay.started:
        await relay.finish(error_event(problem, show_call(call.call_id)))
    else:
        await send_problem(send, problem, headers, call.call_id)


def _last_events(call: Call, relay: Relay, settled: Settled) -> bytes:
    """What was withheld until the settlement: the usage event, if the client asked for it, and the end marker."""
    if not call.admission.request.wants_usage:
        return DONE_EVENT
    facts: dict[str, object] = {
        "cost_usd": format_usd(settled.charge_nanos),
        "balance_after_usd": format_usd(settled.available_nanos),
    }
    if relay.fold.usage_event is None and settled.verdict.usage is not None:
        # The provider told its usage beside the text, or not at all; the client asked for an event of its own.
        facts = counts_of(settled.verdict.usage) | facts
    return usage_event_with(relay.fold.usage_event, facts, model=call.admission.model.model_id) + DONE_EVENT
