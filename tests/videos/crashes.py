"""Jobs at the points where a process can die, made of rows and commands as the dead process would have left them."""

import asyncio
from typing import Any
from uuid import UUID

import msgspec

from farebox.base.clock import MICROS_PER_SECOND
from farebox.base.ids import uuid7
from farebox.dataplane.call import Memo
from farebox.dataplane.jobs.job import JOBS_OWNER_ID, Job
from farebox.dataplane.jobs.store import JobStore
from farebox.dataplane.videos.poll import Poller
from farebox.ledger.commands import Reserve
from tests.gateway import Customer, RunningGateway, Worker
from tests.videos.shop import SECOND

HELD = 4 * SECOND


def poller_of(gateway: RunningGateway, worker: int = 0) -> Poller:
    """Another poller beside the one that is elected, as there is one when two processes think that they are."""
    found: Worker = gateway.workers[worker]
    parts = found.parts
    return Poller(
        store=parts.jobs,
        ledger=parts.ledger,
        client=parts.client,
        accounts=parts.accounts,
        catalog=parts.catalog,
        clock=parts.clock,
        settings=parts.video_settings,
        metrics=parts.metrics,
    )


def new_order(customer: Customer, *, boot_id: int, age_seconds: int = 0) -> Job:
    """The row of an order, as it stands before anything else is done."""
    now_micros = customer.gateway.clock() - age_seconds * MICROS_PER_SECOND
    return Job(
        workspace_id=customer.workspace_id,
        job_id=uuid7(now_micros),
        key_id=customer.key.record.key_id,
        model_id="film",
        route_id="open/film",
        provider_id="open",
        price_version="open/film@1",
        variant="720x1280",
        seconds=4,
        idempotent=False,
        held_nanos=HELD,
        charge_nanos=HELD,
        cost_nanos=HELD // 2,
        boot_id=boot_id,
        created_at=now_micros,
        next_poll_at=now_micros,
    )


async def hold_of(customer: Customer, job_id: UUID, *, reserved_at: int) -> None:
    """Take the hold of a job past the gateway."""
    memo = Memo(customer.key.record.key_id, "film", "open/film", "open", "videos", False, "open/film@1", 6, False)
    await customer.gateway.command(
        Reserve,
        command_id=job_id,
        now_micros=reserved_at,
        workspace_id=customer.workspace_id,
        hold_id=job_id,
        key_id=customer.key.record.key_id,
        owner_id=JOBS_OWNER_ID,
        amount_nanos=HELD,
        dispatched=True,
        memo=msgspec.json.encode(memo).decode(),
    )


def store_of(gateway: RunningGateway) -> JobStore:
    return JobStore(gateway.connect)


async def change(gateway: RunningGateway, job_id: UUID, **columns: Any) -> None:
    """Set columns of a job by hand, as time or a crash would."""
    assignments = ", ".join(f"{name} = %s" for name in columns)
    async with gateway.connect() as connection:
        query = f"UPDATE video_job SET {assignments} WHERE job_id = %s"
        await connection.execute(query.encode(), (*columns.values(), job_id))


async def work(*pollers: Poller) -> None:
    """Let pollers look once at the same time, and finish what they took."""
    await asyncio.gather(*(poller.look() for poller in pollers))
    await asyncio.gather(*(task for poller in pollers for task in poller._working))
