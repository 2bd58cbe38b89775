"""The ledger alone: its batcher, customers' books, and pairs of a hold and its settlement."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from uuid import UUID

from farebox.base.clock import monotone_clock
from farebox.base.ids import random_id, step_id, uuid7
from farebox.dataplane.settle import RECORD_CALL
from farebox.ledger.batcher import LAST_STEP, Batcher, Rider
from farebox.ledger.commands import Command, Credit, OpenBook, Reserve, SetLimit, Settle
from farebox.ledger.outcomes import Effects
from farebox.records.call import RECORD_CALL_SQL

# Never empty within a benchmark.
CREDIT_NANOS = 10**15
HOLD_NANOS, CHARGE_NANOS, COST_NANOS = 1_000, 500, 100
KEY_ID = 3
OWNER_ID = random_id()
MEMO = (
    '{"key_id":3,"model_id":"bench-1","route_id":"bench/bench-1","provider_id":"bench","dialect":"openai_chat",'
    '"streamed":false,"price_version":"2025-01-01T00:00:00Z","prompt_bytes":42,"idempotent":false}'
)
_DAY, _MONTH = 1, 2

clock = monotone_clock()
RiderOf = Callable[[int, UUID], Rider | None]


@asynccontextmanager
async def working_ledger(dsn: str) -> AsyncIterator[Batcher]:
    """A connected batcher that works."""
    ledger = Batcher(dsn, owner_id=OWNER_ID, rider_statements={RECORD_CALL: RECORD_CALL_SQL})
    await ledger.connect()
    working = asyncio.create_task(ledger.run())
    try:
        yield ledger
        await ledger.close()
        await working
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working


async def open_books(ledger: Batcher, workspaces: Sequence[int], *, limits: bool = False) -> None:
    """Open the books and fill them; with `limits`, requests and dollars per day and month on the key and above it."""
    for workspace_id in workspaces:
        await accepted(ledger, OpenBook(workspace_id=workspace_id, command_id=uuid7(clock()), now_micros=clock()))
        await accepted(ledger, _credit(workspace_id))
        for key_id in (0, KEY_ID) if limits else ():
            for span in (_DAY, _MONTH):
                await accepted(ledger, _limit(workspace_id, key_id, span))


async def accepted(ledger: Batcher, command: Command, rider: Rider | None = None) -> None:
    """Submit a command that must be accepted."""
    outcome = await ledger.submit(command, rider)
    if not isinstance(outcome, Effects):
        raise RuntimeError(f"the ledger answered {outcome!r}")


def _credit(workspace_id: int) -> Credit:
    return Credit(
        workspace_id=workspace_id,
        command_id=uuid7(clock()),
        now_micros=clock(),
        amount_nanos=CREDIT_NANOS,
        source_account="manual_credit",
        reason="benchmark",
        actor="bench",
    )


def _limit(workspace_id: int, key_id: int, span: int) -> SetLimit:
    return SetLimit(
        workspace_id=workspace_id,
        command_id=uuid7(clock()),
        now_micros=clock(),
        key_id=key_id,
        span=span,
        max_requests=10**9,
        max_nanos=CREDIT_NANOS,
    )


@dataclass
class Pairs:
    """What `run_pairs` measured; latencies are of single commands."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)

    @property
    def pairs(self) -> int:
        """Holds that were made and settled."""
        return len(self.latencies) // 2


async def run_pairs(
    ledger: Batcher,
    workspaces: Sequence[int],
    *,
    waiting: int,
    seconds: float = math.inf,
    pairs: float = math.inf,
    rider_of: RiderOf | None = None,
) -> Pairs:
    """`waiting` clients reserve and settle without a pause, spread over the workspaces, so long or so many."""
    found = Pairs()
    left = pairs
    began_at = time.perf_counter()
    stop_at = began_at + seconds

    async def client(number: int) -> None:
        nonlocal left
        workspace_id = workspaces[number % len(workspaces)]
        while left > 0 and time.perf_counter() < stop_at:
            left -= 1
            await _pair(ledger, workspace_id, found.latencies, rider_of)

    await asyncio.gather(*(client(number) for number in range(waiting)))
    found.seconds = time.perf_counter() - began_at
    return found


async def _pair(ledger: Batcher, workspace_id: int, latencies: list[float], rider_of: RiderOf | None) -> None:
    hold_id = uuid7(clock())
    began_at = time.perf_counter()
    await accepted(ledger, _reserve(workspace_id, hold_id))
    held_at = time.perf_counter()
    await accepted(ledger, _settle(workspace_id, hold_id), rider_of(workspace_id, hold_id) if rider_of else None)
    latencies += (held_at - began_at, time.perf_counter() - held_at)


def _reserve(workspace_id: int, hold_id: UUID) -> Reserve:
    return Reserve(
        workspace_id=workspace_id,
        command_id=hold_id,
        now_micros=clock(),
        hold_id=hold_id,
        key_id=KEY_ID,
        owner_id=OWNER_ID,
        amount_nanos=HOLD_NANOS,
        dispatched=True,
        memo=MEMO,
    )


def _settle(workspace_id: int, hold_id: UUID) -> Settle:
    return Settle(
        workspace_id=workspace_id,
        command_id=step_id(hold_id, LAST_STEP),
        now_micros=clock(),
        hold_id=hold_id,
        charge_nanos=CHARGE_NANOS,
        revenue_account="usage_revenue:bench-1",
        cost_nanos=COST_NANOS,
        cost_account="provider_cost:bench",
        payable_account="provider_payable:bench",
        count_request=True,
    )
