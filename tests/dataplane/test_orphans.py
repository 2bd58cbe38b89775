"""Calls whose worker died: released where nothing went upstream, else settled by evidence, or written off."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import msgspec
import pytest

from farebox.base.ids import random_id, show_call, step_id, uuid7
from farebox.base.limits import Recovery
from farebox.base.usage import Usage
from farebox.dataplane.call import Memo, Watermark
from farebox.dataplane.spool import Evidence, Spool
from farebox.dialects.usage import MISSING, Reported
from farebox.ledger.batcher import LAST_STEP, Batcher
from farebox.ledger.commands import Reserve, Settle
from farebox.ledger.lifecycle import HoldState
from farebox.ledger.outcomes import Refusal
from farebox.ledger.owners import QUERIES
from farebox.records.call import CallRow
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.dataplane.outcomes import price
from tests.gateway import Customer, RunningGateway, serve_gateway

HELD_NANOS = 1_000_000
PROMPT_BYTES = 400
WRITE_OFF_SECONDS = 9.0


class DyingWorker:
    """A worker that takes holds and is gone: its session ends, and with it the lock that proved it alive."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.gateway = gateway
        self.owner_id = random_id()
        self._ledger = Batcher(gateway.dsn, owner_id=self.owner_id, process="dying worker")

    async def start(self) -> None:
        await self._ledger.connect()
        self._working = asyncio.create_task(self._ledger.run())

    async def hold(
        self, customer: Customer, *, dispatched: bool = True, mark: Watermark | None = None, memo: str | None = None
    ) -> UUID:
        now_micros = self.gateway.clock()
        hold_id = uuid7(now_micros)
        command = Reserve(
            workspace_id=customer.workspace_id,
            command_id=hold_id,
            now_micros=now_micros,
            hold_id=hold_id,
            key_id=customer.key.record.key_id,
            owner_id=self.owner_id,
            amount_nanos=HELD_NANOS,
            dispatched=dispatched,
            memo=memo or memo_of(customer),
        )
        assert not isinstance(await self._ledger.submit(command), Refusal)
        if mark is not None:
            row = {"workspace_id": customer.workspace_id, "hold_id": str(hold_id)}
            rows = [row | {"progress": msgspec.json.encode(mark).decode()}]
            async with self.gateway.connect() as connection:
                parameters = {"rows": msgspec.json.encode(rows).decode(), "first": hold_id, "last": hold_id}
                await connection.execute(QUERIES["write_progress"], parameters)
        return hold_id

    async def die(self) -> None:
        await self._ledger.close()
        await self._working


def memo_of(customer: Customer, price_version: str = "one/plain@1") -> str:
    memo = Memo(
        key_id=customer.key.record.key_id,
        model_id="plain",
        route_id="one/plain",
        provider_id="one",
        dialect="openai_chat",
        streamed=True,
        price_version=price_version,
        prompt_bytes=PROMPT_BYTES,
        idempotent=False,
    )
    return msgspec.json.encode(memo).decode()


def watermark(*, delivered_bytes: int, reported: Reported = MISSING) -> Watermark:
    return Watermark(
        delivered_bytes=delivered_bytes,
        reported=reported,
        service_tier=None,
        route_id="one/plain",
        provider_id="one",
        price_version="one/plain@1",
    )


def late_evidence(customer: Customer, hold_id: UUID, now_micros: int) -> Evidence:
    """What another process kept on disk of that call."""
    counts: dict[str, Any] = dict.fromkeys(CallRow.__struct_fields__, 0)
    known = {"workspace_id": customer.workspace_id, "call_id": hold_id, "key_id": customer.key.record.key_id}
    route = {"model_id": "plain", "route_id": "one/plain", "provider_id": "one", "price_version": "one/plain@1"}
    facts = {"dialect": "openai_chat", "streamed": True, "idempotent": False, "attempts": "[]", "first_byte_ms": None}
    ending = {
        "status": "settled",
        "rule": "provider_usage",
        "evidence": "A",
        "error_code": None,
        "service_tier": None,
        "units": None,
        "routing": None,
    }
    usage = {"input_tokens": 7, "output_tokens": 3, "held_nanos": HELD_NANOS, "request_counted": True}
    times = {"started_at": now_micros, "finished_at": now_micros}
    row = CallRow(**(counts | known | route | facts | ending | usage | times))
    command = Settle(
        workspace_id=customer.workspace_id,
        command_id=step_id(hold_id, LAST_STEP),
        now_micros=now_micros,
        hold_id=hold_id,
        charge_nanos=price(7, 3),
        revenue_account="usage_revenue:plain",
        cost_nanos=0,
        cost_account="provider_cost:one",
        payable_account="provider_payable:one",
        count_request=True,
    )
    return Evidence(command, row)


@pytest.fixture
async def sweeping(cluster: TestCluster, sandbox: RunningSandbox) -> AsyncIterator[RunningGateway]:
    recovery = Recovery(sweep_seconds=0.2, write_off_after_seconds=WRITE_OFF_SECONDS)
    async with serve_gateway(cluster, sandbox=sandbox, recovery=recovery) as running:
        yield running


async def state_of(customer: Customer, hold_id: UUID) -> HoldState:
    hold = await customer.hold(show_call(hold_id))
    assert hold is not None
    return HoldState(hold.state)


async def in_state(customer: Customer, hold_id: UUID, state: HoldState) -> None:
    async with asyncio.timeout(20):
        while await state_of(customer, hold_id) is not state:
            await asyncio.sleep(0.05)


async def test_every_orphan_ends_by_its_evidence(sweeping: RunningGateway) -> None:
    worker = DyingWorker(sweeping)
    await worker.start()
    names = ("waiting", "estimated", "reported", "silent", "late", "unreadable", "unpriced")
    customers = {name: await sweeping.new_customer() for name in names}
    for customer in customers.values():
        await customer.set_limit(requests=9, usd="9")
    reported = Reported(Usage(input_tokens=100, output_tokens=30))
    holds = {
        "unreadable": await worker.hold(customers["unreadable"], memo="{}"),
        "unpriced": await worker.hold(
            customers["unpriced"],
            memo=memo_of(customers["unpriced"], "one/plain@99"),
            mark=msgspec.structs.replace(watermark(delivered_bytes=9), price_version="one/plain@99"),
        ),
        "waiting": await worker.hold(customers["waiting"], dispatched=False),
        "estimated": await worker.hold(customers["estimated"], mark=watermark(delivered_bytes=80)),
        "reported": await worker.hold(customers["reported"], mark=watermark(delivered_bytes=80, reported=reported)),
        "silent": await worker.hold(customers["silent"]),
        "late": await worker.hold(customers["late"]),
    }
    await asyncio.sleep(0.6)
    for name, hold_id in holds.items():
        state = HoldState.RESERVED if name == "waiting" else HoldState.DISPATCHED
        assert await state_of(customers[name], hold_id) is state, "its owner is alive"
    await worker.die()

    expected = {
        "waiting": ("released", "never_dispatched", "D", 0, False),
        "estimated": ("settled_late", "lost_delivered_estimated", "C", price(PROMPT_BYTES // 4, 80 // 4), True),
        "reported": ("settled_late", "lost_provider_usage", "A", price(100, 30), True),
        "late": ("settled_late", "provider_usage", "A", price(7, 3), True),
        "silent": ("written_off", "lost_undelivered", "D", 0, False),
    }
    await in_state(customers["late"], holds["late"], HoldState.UNKNOWN)
    pending = await customers["silent"].get(f"/api/usage/{show_call(holds['silent'])}")
    assert pending["call"]["status"] == "pending"
    assert await customers["silent"].held_nanos() == HELD_NANOS, "time alone never releases what may have cost"
    evidence = late_evidence(customers["late"], holds["late"], sweeping.clock())
    Spool(sweeping.settings.home.spool).keep(holds["late"], evidence)

    for name, row in expected.items():
        customer = customers[name]
        receipt = await customer.receipt(show_call(holds[name]))
        call = receipt.call
        found = (call.status, receipt.rule, call.evidence, call.charge_nanos, call.request_counted)
        assert found == row, name
        assert await customer.held_nanos() == 0
        assert await customer.balance_nanos() == 10 * 10**9 - call.charge_nanos
        use = await customer.limit_use()
        assert (use.used_requests, use.held_requests, use.used_nanos, use.held_nanos) == (
            (int(bool(call.request_counted)), 0, call.charge_nanos, 0)
        )
        assert (receipt.operator.cost_nanos > 0) == (name in ("estimated", "reported", "silent")), name
    # Orphans that cannot be ended keep their money held, and keep nobody else from being ended.
    for name in ("unreadable", "unpriced"):
        assert await state_of(customers[name], holds[name]) is HoldState.UNKNOWN
    assert (await sweeping.verify()).open_holds == 2
