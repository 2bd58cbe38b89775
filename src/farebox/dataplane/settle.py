"""Settling: an ended call becomes one ledger command and one receipt, in one transaction, or evidence on disk."""

import asyncio
from typing import NamedTuple

import structlog

from farebox.base.errors import Problem
from farebox.base.ids import show_call, step_id
from farebox.dataplane.call import Call
from farebox.dataplane.parts import Parts
from farebox.dataplane.rules import Bill, Ending, Facts, Verdict, bill_of, judge
from farebox.dataplane.spool import Evidence
from farebox.ledger.batcher import LAST_STEP, LedgerFault, LedgerUnavailable, Rider
from farebox.ledger.commands import Release, Settle
from farebox.ledger.lifecycle import HoldState
from farebox.ledger.outcomes import Answer, Reason, Refusal
from farebox.records.call import CallRow, CallStatus, encode_attempts, encode_audit, usage_columns

RECORD_CALL = "record_call"

_log = structlog.get_logger(__name__)


class Settled(NamedTuple):
    """What the client is told."""

    charge_nanos: int
    available_nanos: int
    verdict: Verdict


async def settle_call(parts: Parts, call: Call, ending: Ending, *, error_code: str | None = None) -> Settled:
    """End the hold and write the receipt. Raises Problem `database_unavailable`; the evidence is then on disk."""
    facts = Facts(ending, call.reported, call.prompt_bytes, call.delivered_bytes, call.may_have_cost)
    verdict = judge(facts)
    call.leave_seat()
    if verdict.usage is not None:
        call.used_tokens = verdict.usage.total_input_tokens + verdict.usage.total_output_tokens
    held_nanos = call.admission.hold_nanos
    bill = bill_of(verdict, call.route, service_tier=call.service_tier, held_nanos=held_nanos)
    finished_at = parts.clock()
    parts.budgets.spent(call.route, bill.cost_nanos)
    command = command_of(call, verdict, bill, finished_at)
    row = row_of(call, verdict, bill, finished_at=finished_at, error_code=error_code)
    try:
        answer = await _submit(parts, call, command, row)
    except (LedgerUnavailable, LedgerFault) as error:
        _keep(parts, call, Evidence(command, row), why=type(error).__name__)
        message = "The call ended but its settlement could not be stored yet. Look the call up before sending it again."
        facts_told = {"call_id": show_call(call.call_id)}
        raise Problem("database_unavailable", message, facts=facts_told, retry_after_seconds=10) from error
    except asyncio.CancelledError:
        # We are told to stop before the ledger answered. Whether it still will is not known, and evidence that is
        # sent a second time settles nothing twice.
        _keep(parts, call, Evidence(command, row), why="stopped while settling")
        raise
    seconds = (finished_at - call.started_at) / 1_000_000
    parts.metrics.ended(model_id=row.model_id, rule=verdict.rule, seconds=seconds)
    return Settled(answer.charge_nanos, answer.available_nanos, verdict)


def _keep(parts: Parts, call: Call, evidence: Evidence, *, why: str) -> None:
    shown = show_call(call.call_id)
    try:
        parts.spool.keep(call.call_id, evidence)
    except OSError as error:
        # The hold stays, and the sweeper ends it by its watermark or its deadline.
        _log.critical("settlement lost", call_id=shown, why=why, disk=type(error).__name__)
        return
    parts.metrics.spooled.inc()
    _log.error("settlement kept on disk", call_id=shown, why=why)


async def _submit(parts: Parts, call: Call, command: Settle | Release, row: CallRow) -> Answer:
    outcome = await parts.ledger.submit(command, Rider(RECORD_CALL, lambda answer: completed(row, answer)))
    if isinstance(outcome, Refusal) and outcome.reason is Reason.HOLD_STATE and outcome.state is HoldState.UNKNOWN:
        # Somebody took us for dead. Nothing is ever released late; a late settlement of nothing is the same.
        late = as_late_settlement(command)
        outcome = await parts.ledger.submit(late, Rider(RECORD_CALL, lambda answer: completed(row, answer)))
    if isinstance(outcome, Refusal):
        raise LedgerFault(f"{outcome.reason} for {show_call(call.call_id)}")
    return outcome if isinstance(outcome, Answer) else outcome.answer


def as_late_settlement(command: Settle | Release) -> Settle:
    """A release as a settlement of nothing, for a hold that is already UNKNOWN."""
    if isinstance(command, Settle):
        return command
    return Settle(
        workspace_id=command.workspace_id,
        command_id=command.command_id,
        now_micros=command.now_micros,
        hold_id=command.hold_id,
        charge_nanos=0,
        revenue_account="usage_revenue",
        cost_nanos=command.cost_nanos,
        cost_account=command.cost_account,
        payable_account=command.payable_account,
        count_request=command.count_request,
        failed_costs=command.failed_costs,
    )


def command_of(call: Call, verdict: Verdict, bill: Bill, now_micros: int) -> Settle | Release:
    """The ledger command of a verdict."""
    provider_id = call.route.provider_id
    payable_account = f"provider_payable:{provider_id}"
    command_id = step_id(call.call_id, LAST_STEP)
    if verdict.usage is None:
        return Release(
            workspace_id=call.workspace_id,
            command_id=command_id,
            now_micros=now_micros,
            hold_id=call.call_id,
            count_request=verdict.count_request,
            cost_nanos=bill.cost_nanos,
            cost_account=f"provider_cost_unbilled:{provider_id}",
            payable_account=payable_account,
            failed_costs=tuple(call.failed_costs),
        )
    return Settle(
        workspace_id=call.workspace_id,
        command_id=command_id,
        now_micros=now_micros,
        hold_id=call.call_id,
        charge_nanos=bill.charge_nanos,
        revenue_account=f"usage_revenue:{call.admission.model.model_id}",
        cost_nanos=bill.cost_nanos,
        cost_account=f"provider_cost:{provider_id}",
        payable_account=payable_account,
        count_request=verdict.count_request,
        failed_costs=tuple(call.failed_costs),
    )


def row_of(call: Call, verdict: Verdict, bill: Bill, *, finished_at: int, error_code: str | None) -> CallRow:
    """The receipt, but for what only the ledger's answer says."""
    usage = verdict.usage
    first_byte_ms = None if call.first_byte_at is None else (call.first_byte_at - call.started_at) // 1_000
    return CallRow(
        workspace_id=call.workspace_id,
        call_id=call.call_id,
        key_id=call.admission.key.key_id,
        model_id=call.admission.model.model_id,
        route_id=call.route.route_id,
        provider_id=call.route.provider_id,
        dialect=call.admission.dialect,
        streamed=call.admission.streamed,
        status="released" if usage is None else "settled",
        rule=verdict.rule,
        evidence=verdict.evidence,
        error_code=error_code,
        price_version=call.route.price.price_version if call.route.price else "",
        service_tier=call.service_tier,
        held_nanos=call.admission.hold_nanos,
        charge_nanos=bill.charge_nanos,
        absorbed_nanos=0,
        cost_nanos=bill.cost_nanos + sum(cost.cost_nanos for cost in call.failed_costs),
        request_counted=verdict.count_request,
        idempotent=call.admission.claim_id is not None,
        attempts=encode_attempts(call.attempts),
        routing=encode_audit(call.audit()),
        started_at=call.started_at,
        finished_at=finished_at,
        first_byte_ms=first_byte_ms,
        **usage_columns(usage),
    )


_STATUS: dict[HoldState | None, CallStatus] = {
    HoldState.SETTLED: "settled",
    HoldState.RELEASED: "released",
    HoldState.SETTLED_LATE: "settled_late",
    HoldState.WRITTEN_OFF: "written_off",
}


def completed(row: CallRow, answer: Answer) -> CallRow:
    """The receipt with what the ledger decided: how the hold ended, and what was charged and absorbed."""
    row.status = _STATUS[answer.state]
    row.charge_nanos = answer.charge_nanos
    row.absorbed_nanos = answer.absorbed_nanos
    return row
