"""How a job ends: first it is written down how, then the ledger is told, then the row says so. Each step may be done
again after a crash, by anybody: what was written down does not change, and the ledger's command has one id for ever.
"""

from typing import Any, NamedTuple
from uuid import UUID

import structlog

from farebox.base.clock import MICROS_PER_SECOND, Clock
from farebox.base.ids import show_call, step_id
from farebox.dataplane.jobs.job import Job
from farebox.dataplane.jobs.states import Move
from farebox.dataplane.jobs.store import JobStore
from farebox.dataplane.metrics import Metrics
from farebox.dataplane.rules import job_rule
from farebox.dataplane.settle import RECORD_CALL, completed
from farebox.dataplane.videos.admit import DIALECT, film_of
from farebox.ledger.batcher import LAST_STEP, Batcher, LedgerFault, Rider
from farebox.ledger.commands import Release, Settle
from farebox.ledger.outcomes import Answer, Reason, Refusal
from farebox.records.call import CallRow, usage_columns

# The rules of jobs that a provider accepted, or may have.
COMPLETED, FAILED, EXPIRED, LOST = "job_completed", "job_failed", "job_expired", "job_lost"
_MOVES = {COMPLETED: Move.COMPLETE, EXPIRED: Move.EXPIRE}
# Somebody else ended the hold first; the first word stands.
_OVERTAKEN = frozenset({Reason.COMMAND_CONFLICT, Reason.HOLD_STATE})

_log = structlog.get_logger(__name__)


class Ended(NamedTuple):
    """A job that is over, and what its workspace has available afterwards (None: the ledger had ended it before)."""

    job: Job
    available_nanos: int | None


class Endings:
    """Ends jobs. Every method raises DatabaseUnavailable, LedgerUnavailable and LedgerFault; asking again is safe."""

    def __init__(self, store: JobStore, ledger: Batcher, *, clock: Clock, metrics: Metrics) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock
        self._metrics = metrics

    async def end(self, job: Job, rule: str, **changes: Any) -> Ended | None:
        """Write down how the job ended, and settle it. None when somebody else was first, or it never had a hold."""
        now_micros = self._clock()
        changes = {"rule": rule, "ended_at": now_micros, "next_poll_at": now_micros + MICROS_PER_SECOND, **changes}
        decided = await self._store.move(job, Move.DECIDE, **changes)
        return None if decided is None else await self.settle(decided)

    async def settle(self, job: Job) -> Ended | None:
        """Tell the ledger what was written down, then let the row say so."""
        assert job.rule is not None, "a job that is settled has a rule"
        row = receipt_of(job)
        outcome = await self._ledger.submit(
            command_of(job, self._clock()), Rider(RECORD_CALL, lambda answer: completed(row, answer))
        )
        if isinstance(outcome, Refusal):
            return await self._refused(job, job.rule, outcome)
        done = await self._store.move(job, _MOVES.get(job.rule, Move.FAIL))
        if done is None:
            return None
        self._metrics.ended(model_id=job.model_id, rule=job.rule, seconds=_seconds_of(job))
        answer = outcome if isinstance(outcome, Answer) else outcome.answer
        return Ended(done, answer.available_nanos)

    async def _refused(self, job: Job, rule: str, refusal: Refusal) -> Ended | None:
        if refusal.reason is Reason.HOLD_NOT_FOUND:
            await self._store.forget(job, unheld=True)
            return None
        if refusal.reason not in _OVERTAKEN:
            raise LedgerFault(f"{refusal.reason} for {show_call(job.job_id)}")
        _log.error("a job's hold was ended by somebody else", call_id=show_call(job.job_id), reason=refusal.reason)
        done = await self._store.move(job, _MOVES.get(rule, Move.FAIL), charge_nanos=0)
        return None if done is None else Ended(done, None)

    async def release_stray(self, workspace_id: int, hold_id: UUID) -> None:
        """Give back a hold whose job is over, or was never written."""
        command = Release(
            workspace_id=workspace_id,
            command_id=step_id(hold_id, LAST_STEP),
            now_micros=self._clock(),
            hold_id=hold_id,
            count_request=False,
        )
        outcome = await self._ledger.submit(command)
        _log.warning("a stray hold", call_id=show_call(hold_id), released=isinstance(outcome, Answer))


def _seconds_of(job: Job) -> float:
    return ((job.ended_at or job.created_at) - job.created_at) / MICROS_PER_SECOND


def command_of(job: Job, now_micros: int) -> Settle | Release:
    """The ledger's command for how a job ended: the same for ever, but for the moment."""
    assert job.rule is not None
    rule = job_rule(job.rule)
    payable_account = f"provider_payable:{job.provider_id}"
    command_id = step_id(job.job_id, LAST_STEP)
    if not rule.charged:
        return Release(
            workspace_id=job.workspace_id,
            command_id=command_id,
            now_micros=now_micros,
            hold_id=job.job_id,
            count_request=rule.count_request,
            cost_nanos=job.unbilled_nanos,
            cost_account=f"provider_cost_unbilled:{job.provider_id}",
            payable_account=payable_account,
        )
    return Settle(
        workspace_id=job.workspace_id,
        command_id=command_id,
        now_micros=now_micros,
        hold_id=job.job_id,
        charge_nanos=job.charge_nanos,
        revenue_account=f"usage_revenue:{job.model_id}",
        cost_nanos=job.cost_nanos,
        cost_account=f"provider_cost:{job.provider_id}",
        payable_account=payable_account,
        count_request=rule.count_request,
    )


def receipt_of(job: Job) -> CallRow:
    """The receipt, but for what only the ledger's answer says."""
    assert job.rule is not None and job.ended_at is not None
    rule = job_rule(job.rule)
    return CallRow(
        workspace_id=job.workspace_id,
        call_id=job.job_id,
        key_id=job.key_id,
        model_id=job.model_id,
        route_id=job.route_id,
        provider_id=job.provider_id,
        dialect=DIALECT,
        streamed=False,
        status="settled" if rule.charged else "released",
        rule=job.rule,
        evidence=rule.evidence,
        error_code=job.error_code,
        price_version=job.price_version,
        service_tier=job.variant,
        held_nanos=job.held_nanos,
        charge_nanos=job.charge_nanos if rule.charged else 0,
        absorbed_nanos=0,
        cost_nanos=job.cost_nanos if rule.charged else job.unbilled_nanos,
        request_counted=rule.count_request,
        idempotent=job.idempotent,
        attempts=job.attempts,
        routing=job.routing,
        started_at=job.created_at,
        finished_at=job.ended_at,
        first_byte_ms=None,
        **usage_columns(film_of(job.seconds) if rule.charged else None),
    )


def paid_nanos(job: Job) -> int:
    """What the customer paid for an ended job, in nano-USD."""
    return job.charge_nanos if job.rule is not None and job_rule(job.rule).charged else 0


__all__ = ["COMPLETED", "EXPIRED", "FAILED", "LOST", "Endings", "command_of", "paid_nanos", "receipt_of"]
