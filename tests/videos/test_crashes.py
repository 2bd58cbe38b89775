"""Whatever dies wherever: a job is charged exactly once, or its hold comes back whole."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from farebox.base.clock import MICROS_PER_SECOND
from farebox.base.ids import random_id, show_call
from farebox.base.limits import Recovery, VideoJobs
from farebox.dataplane.jobs.job import JOBS_OWNER_ID, show_video
from farebox.dataplane.jobs.states import JobState, Move
from farebox.dataplane.videos.endings import command_of
from farebox.dataplane.videos.poll import STRAY_AFTER_SECONDS, SUBMITTING_MOST_SECONDS
from farebox.ledger.batcher import Batcher, LedgerUnavailable, Rider
from farebox.ledger.commands import Command
from farebox.ledger.lifecycle import HoldState
from farebox.ledger.outcomes import Outcome
from farebox.ledger.owners import QUERIES
from farebox.wiring.settings import Server
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.dataplane.test_orphans import DyingWorker
from tests.gateway import RunningGateway, serve_gateway
from tests.videos.conftest import QUICK
from tests.videos.crashes import HELD, change, hold_of, new_order, poller_of, store_of, work
from tests.videos.films import Films, films_of, prompt
from tests.videos.shop import SECOND, catalog_text

# The elected poller leaves jobs alone, so that the test's own pollers do everything.
STILL = VideoJobs(poll_seconds=3_600.0, max_poll_seconds=3_600.0)


@pytest.fixture(scope="module")
async def still(cluster: TestCluster, sandbox: RunningSandbox) -> AsyncIterator[RunningGateway]:
    recovery = Recovery(sweep_seconds=0.2, write_off_after_seconds=1.0)
    async with serve_gateway(
        cluster, workers=2, sandbox=sandbox, catalog=catalog_text(), videos=STILL, recovery=recovery
    ) as running:
        yield running


@pytest.fixture
async def gateway(still: RunningGateway) -> AsyncIterator[RunningGateway]:
    yield still
    await still.verify()


@pytest.fixture
async def films(gateway: RunningGateway) -> AsyncIterator[Films]:
    async with films_of(await gateway.new_customer()) as found:
        yield found


async def test_nobody_owns_the_owner_of_jobs(gateway: RunningGateway) -> None:
    assert JOBS_OWNER_ID % 2 == 0 and all(random_id() % 2 for _ in range(1_000))
    assert await gateway.rows("SELECT 1 FROM ledger_owner WHERE owner_id = %s", JOBS_OWNER_ID) == []


async def test_two_pollers_at_once_charge_a_job_once(films: Films, gateway: RunningGateway) -> None:
    videos = [await films.order(prompt(job_seconds=0)) for _ in range(6)]
    for video in videos:
        row = await films.row(video.id)
        assert row is not None
        await change(gateway, row.job_id, next_poll_at=0)
    await work(*(poller_of(gateway, worker) for worker in (0, 1, 0, 1)))
    for video in videos:
        assert (await films.show(video.id)).status == "completed"
        assert await films.hold_state(video.id) is HoldState.SETTLED
    assert await films.customer.balance_nanos() == 10**10 - 6 * 4 * SECOND
    entries = await gateway.rows(
        "SELECT count(*), count(DISTINCT hold_id) FROM ledger_entry WHERE workspace_id = %s AND debit_account = %s",
        films.customer.workspace_id,
        "customer_cash",
    )
    assert [(count, holds) for count, holds in entries if holds] == [(6, 6)]


async def test_the_same_job_in_the_hands_of_two_pollers_is_charged_once(films: Films, gateway: RunningGateway) -> None:
    video = await films.order(prompt(job_seconds=0))
    row = await films.row(video.id)
    assert row is not None
    await asyncio.gather(*(poller_of(gateway, worker).one(row) for worker in (0, 1, 0, 1)))
    assert (await films.show(video.id)).status == "completed"
    assert await films.customer.balance_nanos() == 10**10 - 4 * SECOND


async def test_an_order_that_died_before_its_hold_leaves_nothing(films: Films, gateway: RunningGateway) -> None:
    job = new_order(films.customer, boot_id=random_id())
    await store_of(gateway).insert(job)
    await work(poller_of(gateway))
    assert await films.row(show_video(job.job_id)) is None
    assert await films.customer.call_ids() == []


async def test_an_order_that_died_at_its_provider_is_released_and_the_cost_is_the_operators(
    films: Films, gateway: RunningGateway
) -> None:
    worker = DyingWorker(gateway)
    await worker.start()
    await worker.hold(await gateway.new_customer())  # or it would be forgotten at once
    job = new_order(films.customer, boot_id=worker.owner_id)
    await store_of(gateway).insert(job)
    await hold_of(films.customer, job.job_id, reserved_at=job.created_at)
    await work(poller_of(gateway))
    assert (await films.show(show_video(job.job_id))).status == "queued"  # the worker lives
    await worker.die()
    async with asyncio.timeout(20):
        while (await films.show(show_video(job.job_id))).status != "failed":
            await change(gateway, job.job_id, next_poll_at=0)
            await work(poller_of(gateway))
            await asyncio.sleep(0.1)
    video = await films.show(show_video(job.job_id))
    assert video.error is not None and video.error.code == "job_lost"
    assert await films.customer.balance() == "10.00" and await films.customer.held_nanos() == 0
    receipt = await films.receipt(video.id)
    assert (receipt.rule, receipt.call.charge_nanos, receipt.operator.cost_nanos) == ("job_lost", 0, HELD // 2)


async def test_an_order_of_a_living_worker_is_left_alone_for_a_while(films: Films, gateway: RunningGateway) -> None:
    boot_id = gateway.workers[0].boot.boot_id
    young = new_order(films.customer, boot_id=boot_id)
    old = new_order(films.customer, boot_id=boot_id, age_seconds=SUBMITTING_MOST_SECONDS + 1)
    for job in (young, old):
        await store_of(gateway).insert(job)
    await work(poller_of(gateway))
    left = await films.row(show_video(young.job_id))
    assert left is not None and left.state is JobState.SUBMITTING and left.next_poll_at > gateway.clock()
    assert await films.row(show_video(old.job_id)) is None
    await store_of(gateway).forget(young)


async def test_what_was_decided_is_settled_by_whoever_comes_next(films: Films, gateway: RunningGateway) -> None:
    video = await films.order(prompt(job_seconds=0))
    row = await films.row(video.id)
    assert row is not None
    decided = await store_of(gateway).move(row, Move.DECIDE, rule="job_completed", ended_at=gateway.clock())
    assert decided is not None and (await films.show(video.id)).status == "in_progress"
    await change(gateway, row.job_id, next_poll_at=0)
    await work(poller_of(gateway, 0), poller_of(gateway, 1))
    assert (await films.show(video.id)).status == "completed"
    assert await films.customer.balance_nanos() == 10**10 - 4 * SECOND


class LedgerAway(Batcher):
    """A ledger that cannot be reached."""

    async def submit(self, command: Command, rider: Rider | None = None) -> Outcome:
        raise LedgerUnavailable


async def test_without_the_ledger_a_job_waits_and_is_settled_later(films: Films, gateway: RunningGateway) -> None:
    video = await films.order(prompt(job_seconds=0))
    row = await films.row(video.id)
    assert row is not None
    poller = poller_of(gateway)
    poller.ledger = LedgerAway(gateway.dsn, owner_id=random_id())
    await poller.one(row)
    waiting = await films.row(video.id)
    assert waiting is not None and (waiting.state, waiting.rule) == (JobState.SETTLING, "job_completed")
    assert (await films.show(video.id)).status == "in_progress" and await films.customer.held_nanos() == HELD
    await change(gateway, row.job_id, next_poll_at=0)
    await work(poller_of(gateway))
    assert (await films.show(video.id)).status == "completed"


async def test_what_the_ledger_knows_already_is_not_charged_again(films: Films, gateway: RunningGateway) -> None:
    video = await films.order(prompt(job_seconds=0))
    row = await films.row(video.id)
    assert row is not None
    decided = await store_of(gateway).move(row, Move.DECIDE, rule="job_completed", ended_at=gateway.clock())
    assert decided is not None
    poller = poller_of(gateway)
    await poller.one(decided)
    await change(gateway, row.job_id, state="settling")  # as if the process had died before it could say so
    again = await store_of(gateway).find(row.workspace_id, row.job_id)
    assert again is not None
    await poller.one(again)
    assert (await films.show(video.id)).status == "completed"
    assert await films.customer.balance_nanos() == 10**10 - 4 * SECOND
    assert command_of(again, 1) == command_of(decided, 1)


async def test_a_hold_whose_job_is_gone_comes_back(films: Films, gateway: RunningGateway) -> None:
    reserved_at = gateway.clock() - (STRAY_AFTER_SECONDS + 5) * MICROS_PER_SECOND
    job = new_order(films.customer, boot_id=random_id(), age_seconds=STRAY_AFTER_SECONDS + 5)
    await hold_of(films.customer, job.job_id, reserved_at=reserved_at)
    assert await films.customer.held_nanos() == HELD
    await poller_of(gateway).release_strays()
    assert await films.customer.held_nanos() == 0 and await films.customer.balance() == "10.00"


async def test_a_worker_that_was_given_up_while_it_ordered_charges_nothing(
    films: Films, gateway: RunningGateway
) -> None:
    ordering = asyncio.ensure_future(films.customer.post("/v1/videos", _slow_order()).__aenter__())
    async with asyncio.timeout(10):
        while not (rows := await gateway.rows(_ROWS, films.customer.workspace_id)):
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.2)
    row = await films.row(show_video(rows[0][0]))
    assert row is not None and row.state is JobState.SUBMITTING
    await change(gateway, row.job_id, boot_id=random_id(), next_poll_at=0)
    await work(poller_of(gateway, 1))
    response = await ordering
    error = (await response.json())["error"]
    assert (response.status, error["code"], error["call_id"]) == (500, "internal_error", show_call(row.job_id))
    response.release()
    assert await films.customer.balance() == "10.00" and await films.customer.held_nanos() == 0


_ROWS = "SELECT job_id FROM video_job WHERE workspace_id = %s"


def _slow_order() -> dict[str, str]:
    return {"model": "film", "prompt": prompt(delay_seconds=2.5, job_seconds=0)}


async def test_the_sweeper_of_orphans_leaves_jobs_alone(cluster: TestCluster, sandbox: RunningSandbox) -> None:
    recovery = Recovery(sweep_seconds=0.2, write_off_after_seconds=0.5)
    catalog = catalog_text()
    async with serve_gateway(cluster, sandbox=sandbox, catalog=catalog, videos=QUICK, recovery=recovery) as gateway:
        customer = await gateway.new_customer()
        async with films_of(customer) as films:
            video = await films.order(prompt(job_seconds=10.0))
            call_id = video.id.replace("video_", "call_")
        await gateway.restart()
        await asyncio.sleep(4.5)  # longer than the grace of an owner that is gone
        hold = await customer.hold(call_id)
        assert hold is not None and hold.state == HoldState.DISPATCHED
        assert await customer.held_nanos() == HELD
        async with films_of(customer) as films:
            assert (await films.ended(video.id)).status == "completed"
            assert await customer.balance_nanos() == 10**10 - HELD
        assert "owner_id" in QUERIES["orphans"]


async def test_a_stopped_gateway_ends_an_order_that_no_provider_accepted(
    cluster: TestCluster, sandbox: RunningSandbox
) -> None:
    server = Server(graceful_shutdown_seconds=1.0)
    catalog = catalog_text()
    async with serve_gateway(cluster, sandbox=sandbox, catalog=catalog, videos=QUICK, server=server) as gateway:
        customer = await gateway.new_customer()
        order = {"model": "film", "prompt": prompt(delay_seconds=20.0)}
        ordering = asyncio.ensure_future(customer.post("/v1/videos", order).__aenter__())
        async with asyncio.timeout(10):
            while not await customer.held_nanos():
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.2)
        await gateway.restart()
        await asyncio.gather(ordering, return_exceptions=True)
        assert await customer.held_nanos() == 0
        [(state, rule, unbilled)] = await gateway.rows("SELECT state, rule, unbilled_nanos FROM video_job")
        assert (state, rule, unbilled) == ("failed", "gateway_stopped", HELD // 2)
