"""The hold of a call: the worst-case price taken out of the balance, durable before anything goes upstream."""

import asyncio
from hashlib import blake2b, sha256
from uuid import UUID

import structlog

from farebox.base.errors import Problem
from farebox.base.ids import show_call, step_id
from farebox.dataplane.admit import Admission
from farebox.dataplane.asgi import Pairs, header
from farebox.dataplane.call import Call
from farebox.dataplane.parts import Headers, Parts
from farebox.dataplane.refusals import empty_limit_of, problem_of
from farebox.dataplane.tell import balance_headers
from farebox.ledger.batcher import LAST_STEP, LedgerBusy, LedgerFault, LedgerUnavailable
from farebox.ledger.commands import Release, Reserve
from farebox.ledger.outcomes import Outcome, Refusal

# A client's name for a request; longer ones are a mistake.
MAX_IDEMPOTENCY_KEY_CHARS = 255

_log = structlog.get_logger(__name__)


class Refused(Exception):
    """The hold was refused: the problem, and the monitor headers that go with it."""

    def __init__(self, problem: Problem, headers: Pairs) -> None:
        super().__init__(problem.code)
        self.problem = problem
        self.headers = headers


def with_claim(admission: Admission, headers: Headers, body: bytes) -> Admission:
    """The admission with its Idempotency-Key, if the client sent one. Raises Problem `invalid_request`."""
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


async def take_hold(parts: Parts, call: Call, *, owner_id: int | None = None) -> None:
    """Take the worst-case price out of the balance, durably. Raises Refused or Problem.

    `owner_id`: who looks after the hold; None: this worker, so that it is an orphan when the worker dies.
    """
    admission = call.admission
    command = Reserve(
        workspace_id=call.workspace_id,
        command_id=call.call_id,
        now_micros=call.started_at,
        hold_id=call.call_id,
        key_id=admission.key.holder_id,
        owner_id=parts.owner_id if owner_id is None else owner_id,
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
