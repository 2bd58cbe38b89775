"""A ledger with calls in it, made the way the data plane makes them: by commands, with the receipt as a rider."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import msgspec

from farebox.base.ids import random_id, step_id, uuid7
from farebox.base.money import parse_usd
from farebox.identity.audit import RECORD_EVENTS, RECORD_EVENTS_SQL
from farebox.ledger.batcher import Batcher, Rider
from farebox.ledger.commands import (
    Credit,
    ExpirePromotion,
    GrantPromotion,
    Lose,
    OpenBook,
    Release,
    Reserve,
    SetLimit,
    Settle,
    WriteOff,
)
from farebox.ledger.outcomes import Answer, Effects
from farebox.records.call import RECORD_CALL_SQL, Attempt, CallRow, HoldMemo, encode_attempts

NOW = 1_795_000_000_000_000
"""2026-11-18T11:06:40Z"""
SECOND = 1_000_000
DAY = 86_400 * SECOND


class Books:
    """Makes workspaces, money and calls. Each call starts one second after the one before."""

    def __init__(self, batcher: Batcher) -> None:
        self.batcher = batcher
        self.now = NOW

    def tick(self, micros: int = SECOND) -> int:
        """The next moment."""
        self.now += micros
        return self.now

    async def submit(self, command: Any, rider: Rider | None = None) -> Answer:
        outcome = await self.batcher.submit(command, rider)
        assert isinstance(outcome, Effects), outcome
        return outcome.answer

    def _ids(self, workspace_id: int, command_id: UUID | None = None) -> dict[str, Any]:
        now = self.tick()
        return {"workspace_id": workspace_id, "command_id": command_id or uuid7(now), "now_micros": now}

    async def open(self, *, usd: str = "10") -> int:
        """A new workspace with that much cash."""
        workspace_id = random_id()
        await self.submit(OpenBook(**self._ids(workspace_id)))
        if parse_usd(usd):
            await self.credit(workspace_id, usd)
        return workspace_id

    async def credit(self, workspace_id: int, usd: str, reason: str = "") -> None:
        amount = parse_usd(usd)
        await self.submit(
            Credit(
                **self._ids(workspace_id), amount_nanos=amount, source_account="manual_credit", reason=reason, actor="t"
            )
        )

    async def grant(self, workspace_id: int, usd: str, *, expires_in: int | None = None, priority: int = 0) -> int:
        ids = self._ids(workspace_id)
        expires_at = None if expires_in is None else self.now + expires_in
        answer = await self.submit(
            GrantPromotion(
                **ids,
                amount_nanos=parse_usd(usd),
                priority=priority,
                expires_at_micros=expires_at,
                reason="",
                actor="t",
            )
        )
        return answer.account_id

    async def expire(self, workspace_id: int, grant_id: int) -> None:
        await self.submit(ExpirePromotion(**self._ids(workspace_id), account_id=grant_id))

    async def limit(
        self, workspace_id: int, key_id: int, span: int, *, requests: int | None = None, usd: str | None = None
    ) -> None:
        maximum = None if usd is None else parse_usd(usd)
        ids = self._ids(workspace_id)
        await self.submit(SetLimit(**ids, key_id=key_id, span=span, max_requests=requests, max_nanos=maximum))

    async def hold(self, workspace_id: int, *, key_id: int = 7, usd: str = "0.05", model_id: str = "m") -> UUID:
        """A call that runs."""
        ids = self._ids(workspace_id)
        memo = HoldMemo(key_id=key_id, model_id=model_id, route_id="p/m", provider_id="p", dialect="openai_chat")
        await self.submit(
            Reserve(
                **ids,
                hold_id=ids["command_id"],
                key_id=key_id,
                owner_id=1,
                amount_nanos=parse_usd(usd),
                dispatched=True,
                memo=msgspec.json.encode(memo).decode(),
            )
        )
        return UUID(str(ids["command_id"]))

    async def lose(self, workspace_id: int, hold_id: UUID) -> None:
        """Its worker died."""
        command_id = step_id(hold_id, 1)
        await self.submit(
            Lose(workspace_id=workspace_id, command_id=command_id, now_micros=self.tick(), hold_id=hold_id)
        )

    async def settle(self, workspace_id: int, hold_id: UUID, *, charge_nanos: int = 31_000_000, **row: Any) -> CallRow:
        """End it with a charge; further fields are the row's."""
        ids = self._ids(workspace_id, step_id(hold_id, 15))
        command = Settle(
            **ids,
            hold_id=hold_id,
            charge_nanos=charge_nanos,
            revenue_account="usage_revenue:m",
            cost_nanos=row.get("cost_nanos", 24_000_000),
            cost_account="provider_cost:p",
            payable_account="provider_payable:p",
            count_request=True,
        )
        made = call_row(workspace_id, hold_id, finished_at=self.now, **{"charge_nanos": charge_nanos, **row})
        await self.submit(command, _rider(made))
        return made

    async def release(self, workspace_id: int, hold_id: UUID, **row: Any) -> None:
        """End it without a charge."""
        ids = self._ids(workspace_id, step_id(hold_id, 15))
        made = call_row(
            workspace_id,
            hold_id,
            **{
                "status": "released",
                "rule": "upstream_failed",
                "evidence": "D",
                "charge_nanos": 0,
                "cost_nanos": 0,
                "requests": 0,
                "finished_at": self.now,
                **row,
            },
        )
        await self.submit(Release(**ids, hold_id=hold_id, count_request=False), _rider(made))

    async def write_off(self, workspace_id: int, hold_id: UUID) -> None:
        """Give an UNKNOWN one up, without a record."""
        ids = self._ids(workspace_id, step_id(hold_id, 15))
        await self.submit(WriteOff(**ids, hold_id=hold_id, cost_nanos=0, cost_account="", payable_account=""))

    async def call(self, workspace_id: int, *, key_id: int = 7, model_id: str = "m", **row: Any) -> UUID:
        """A call from reserve to settle."""
        hold_id = await self.hold(workspace_id, key_id=key_id, model_id=model_id)
        await self.settle(workspace_id, hold_id, key_id=key_id, model_id=model_id, **row)
        return hold_id


def _rider(row: CallRow) -> Rider:
    def completed(answer: Answer) -> CallRow:
        return msgspec.structs.replace(row, charge_nanos=answer.charge_nanos, absorbed_nanos=answer.absorbed_nanos)

    return Rider("record_call", completed)


def call_row(workspace_id: int, call_id: UUID, **changes: Any) -> CallRow:
    """A receipt of an ordinary call."""
    row = CallRow(
        workspace_id=workspace_id,
        call_id=call_id,
        key_id=7,
        model_id="m",
        route_id="p/m",
        provider_id="p",
        dialect="openai_chat",
        streamed=False,
        status="settled",
        rule="provider_usage",
        evidence="A",
        error_code=None,
        price_version="p/m@1",
        service_tier=None,
        input_tokens=0,
        cached_input_tokens=0,
        cache_write_5m_tokens=0,
        cache_write_1h_tokens=0,
        output_tokens=0,
        reasoning_tokens=0,
        requests=1,
        held_nanos=50_000_000,
        charge_nanos=0,
        absorbed_nanos=0,
        cost_nanos=24_000_000,
        request_counted=True,
        idempotent=False,
        attempts=encode_attempts([Attempt("p/m", "p", "answered", 200, 12)]),
        started_at=(call_id.int >> 80) * 1_000,
        finished_at=0,
        first_byte_ms=9,
    )
    return msgspec.structs.replace(row, **changes)


@asynccontextmanager
async def running_books(dsn: str) -> AsyncIterator[Books]:
    """Books on a database."""
    owner_id = secrets.randbits(62)
    riders = {"record_call": RECORD_CALL_SQL, RECORD_EVENTS: RECORD_EVENTS_SQL}
    batcher = Batcher(dsn, owner_id=owner_id, rider_statements=riders)
    task = asyncio.create_task(batcher.run())
    try:
        yield Books(batcher)
    finally:
        await batcher.close()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
