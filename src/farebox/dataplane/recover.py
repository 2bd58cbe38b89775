"""Orphans: calls whose worker died. What was never dispatched is released; the rest becomes UNKNOWN and is settled by
the evidence there is, or written off to the operator at a deadline.

Everything here reads the domain's own rows and sends ledger commands with fixed ids, so that two sweepers, or one that
dies half-way, settle nothing twice.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec
import psycopg
import structlog

from farebox.base.clock import MICROS_PER_SECOND, Clock
from farebox.base.ids import show_call, step_id
from farebox.base.limits import Recovery
from farebox.catalog.model import Route
from farebox.catalog.rules import Price
from farebox.dataplane.call import Memo, Watermark
from farebox.dataplane.rules import Ending, Facts, bill_of, judge
from farebox.dataplane.settle import RECORD_CALL, as_late_settlement, completed
from farebox.dataplane.spool import Spool
from farebox.dialects.usage import MISSING
from farebox.ledger.batcher import LAST_STEP, Batcher, LedgerFault, Rider
from farebox.ledger.commands import Command, Lose, Release, Settle, WriteOff
from farebox.ledger.lifecycle import HoldState
from farebox.ledger.outcomes import Reason, Refusal
from farebox.ledger.owners import Orphan, find_gone_owners, orphans_of
from farebox.records.call import CallRow, usage_columns

Connection = psycopg.AsyncConnection[tuple[object, ...]]
LoadPrice = Callable[[Connection, str], Awaitable[Price]]

# The step that marks a hold UNKNOWN; the one that ends it is LAST_STEP.
LOSE_STEP = 14

_log = structlog.get_logger(__name__)
_memos = msgspec.json.Decoder(Memo)
_watermarks = msgspec.json.Decoder(Watermark)


class Sweep(NamedTuple):
    """What one sweep did."""

    spooled: int = 0
    released: int = 0
    lost: int = 0
    settled: int = 0
    written_off: int = 0


class Recoverer:
    """Finds and ends orphans."""

    def __init__(
        self, *, ledger: Batcher, spool: Spool, clock: Clock, recovery: Recovery, load_price: LoadPrice
    ) -> None:
        self._ledger = ledger
        self._spool = spool
        self._clock = clock
        self._recovery = recovery
        self._load_price = load_price

    async def sweep(self, connection: Connection) -> Sweep:
        """Send evidence from disk, then look after every hold whose owner is gone."""
        spooled = await self.send_spooled()
        released = lost = settled = written_off = 0
        gone = await find_gone_owners(connection)
        if gone:
            for orphan in await orphans_of(connection, gone, (HoldState.RESERVED,)):
                released += await self._one(orphan, self._release(orphan))
            for orphan in await orphans_of(connection, gone, (HoldState.DISPATCHED,)):
                lost += await self._one(orphan, self._lose(orphan))
                # At once, so that it never waits behind orphans that wait for their deadline.
                settled += await self._one(orphan, self._settle_by_watermark(connection, orphan))
            for orphan in await orphans_of(connection, gone, (HoldState.UNKNOWN,)):
                if await self._one(orphan, self._settle_by_watermark(connection, orphan)):
                    settled += 1
                elif self._overdue(orphan):
                    written_off += await self._one(orphan, self._write_off(connection, orphan))
        sweep = Sweep(spooled, released, lost, settled, written_off)
        if any(sweep):
            _log.info("orphans", **sweep._asdict())
        return sweep

    async def _one(self, orphan: Orphan, ending: Awaitable[bool]) -> bool:
        """An orphan that cannot be ended (its memo or its price cannot be read) must not keep the others from it."""
        try:
            return await ending
        except (LookupError, ValueError, LedgerFault) as error:
            _log.error("orphan left alone", call_id=show_call(orphan.hold_id), why=type(error).__name__)
            return False

    async def send_spooled(self) -> int:
        """Send what this machine kept on disk; sending it twice settles it once. Returns how many were done."""
        sent = 0
        for path, evidence in self._spool.waiting():
            row, command = evidence.row, evidence.command
            try:
                outcome = await self._ledger.submit(command, _rider(row))
                if isinstance(outcome, Refusal) and outcome.state is HoldState.UNKNOWN:
                    outcome = await self._ledger.submit(as_late_settlement(command), _rider(row))
            except LedgerFault as error:
                _log.error("evidence left on disk", call_id=show_call(row.call_id), why=type(error).__name__)
                continue
            if isinstance(outcome, Refusal) and outcome.reason not in _OVERTAKEN:
                _log.error("evidence refused", call_id=show_call(row.call_id), reason=outcome.reason)
                continue
            path.unlink(missing_ok=True)
            sent += 1
        return sent

    async def _release(self, orphan: Orphan) -> bool:
        command = Release(
            workspace_id=orphan.workspace_id,
            command_id=step_id(orphan.hold_id, LAST_STEP),
            now_micros=self._clock(),
            hold_id=orphan.hold_id,
            count_request=False,
        )
        return await self._accepted(
            command, _row(orphan, _memos.decode(orphan.memo), self._clock(), "never_dispatched")
        )

    async def _lose(self, orphan: Orphan) -> bool:
        command = Lose(
            workspace_id=orphan.workspace_id,
            command_id=step_id(orphan.hold_id, LOSE_STEP),
            now_micros=self._clock(),
            hold_id=orphan.hold_id,
        )
        return await self._accepted(command, None)

    async def _settle_by_watermark(self, connection: Connection, orphan: Orphan) -> bool:
        """Charge what the stream had delivered; False when nothing is known to have been."""
        if orphan.progress is None:
            return False
        mark = _watermarks.decode(orphan.progress)
        memo = _memos.decode(orphan.memo)
        memo = msgspec.structs.replace(
            memo, route_id=mark.route_id, provider_id=mark.provider_id, price_version=mark.price_version
        )
        verdict = judge(Facts(Ending.LOST, mark.reported, memo.prompt_bytes, mark.delivered_bytes, True))
        if verdict.usage is None:
            return False
        route = await self._route(connection, memo)
        bill = bill_of(verdict, route, service_tier=mark.service_tier, held_nanos=orphan.amount_nanos)
        now_micros = self._clock()
        command = Settle(
            workspace_id=orphan.workspace_id,
            command_id=step_id(orphan.hold_id, LAST_STEP),
            now_micros=now_micros,
            hold_id=orphan.hold_id,
            charge_nanos=bill.charge_nanos,
            revenue_account=f"usage_revenue:{memo.model_id}",
            cost_nanos=bill.cost_nanos,
            cost_account=f"provider_cost:{memo.provider_id}",
            payable_account=f"provider_payable:{memo.provider_id}",
            count_request=verdict.count_request,
        )
        row = _row(orphan, memo, now_micros, verdict.rule)
        row.evidence, row.service_tier = verdict.evidence, mark.service_tier
        row.cost_nanos, row.request_counted = bill.cost_nanos, verdict.count_request
        for name, value in usage_columns(verdict.usage).items():
            setattr(row, name, value)
        return await self._accepted(command, row)

    def _overdue(self, orphan: Orphan) -> bool:
        waited_micros = self._clock() - orphan.reserved_at
        return waited_micros > self._recovery.write_off_after_seconds * MICROS_PER_SECOND

    async def _write_off(self, connection: Connection, orphan: Orphan) -> bool:
        """The deadline: the customer pays nothing, the operator carries what the provider may bill."""
        memo = _memos.decode(orphan.memo)
        verdict = judge(Facts(Ending.LOST, MISSING, memo.prompt_bytes, 0, True))
        route = await self._route(connection, memo)
        bill = bill_of(verdict, route, service_tier=None, held_nanos=orphan.amount_nanos)
        now_micros = self._clock()
        command = WriteOff(
            workspace_id=orphan.workspace_id,
            command_id=step_id(orphan.hold_id, LAST_STEP),
            now_micros=now_micros,
            hold_id=orphan.hold_id,
            cost_nanos=bill.cost_nanos,
            cost_account=f"provider_cost_unbilled:{memo.provider_id}",
            payable_account=f"provider_payable:{memo.provider_id}",
        )
        row = _row(orphan, memo, now_micros, verdict.rule)
        row.cost_nanos = bill.cost_nanos
        return await self._accepted(command, row)

    async def _route(self, connection: Connection, memo: Memo) -> Route:
        price = await self._load_price(connection, memo.price_version)
        return Route(
            route_id=memo.route_id,
            model_id=memo.model_id,
            provider_id=memo.provider_id,
            upstream_model=memo.model_id,
            price=price,
        )

    async def _accepted(self, command: Command, row: CallRow | None) -> bool:
        outcome = await self._ledger.submit(command, None if row is None else _rider(row))
        return not isinstance(outcome, Refusal)


# Somebody else ended the hold first, with other evidence; the first word stands.
_OVERTAKEN = frozenset({Reason.COMMAND_CONFLICT, Reason.HOLD_STATE, Reason.HOLD_NOT_FOUND})


def _rider(row: CallRow) -> Rider:
    return Rider(RECORD_CALL, lambda answer: completed(row, answer))


def _row(orphan: Orphan, memo: Memo, now_micros: int, rule: str) -> CallRow:
    """The receipt of an orphan that is charged nothing; the caller fills in what it knows better."""
    return CallRow(
        workspace_id=orphan.workspace_id,
        call_id=orphan.hold_id,
        key_id=memo.key_id,
        model_id=memo.model_id,
        route_id=memo.route_id,
        provider_id=memo.provider_id,
        dialect=memo.dialect,
        streamed=memo.streamed,
        status="released",
        rule=rule,
        evidence="D",
        error_code="internal_error",
        price_version=memo.price_version,
        service_tier=None,
        input_tokens=0,
        cached_input_tokens=0,
        cache_write_5m_tokens=0,
        cache_write_1h_tokens=0,
        output_tokens=0,
        reasoning_tokens=0,
        requests=0,
        held_nanos=orphan.amount_nanos,
        charge_nanos=0,
        absorbed_nanos=0,
        cost_nanos=0,
        request_counted=False,
        idempotent=memo.idempotent,
        attempts="[]",
        started_at=orphan.reserved_at,
        finished_at=now_micros,
        first_byte_ms=None,
    )
