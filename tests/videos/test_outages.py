"""Providers, databases and processes that are away while a film is made: the job waits, it does not fail."""

import asyncio
from collections import Counter
from typing import Any

import msgspec
import pytest

from farebox.base.clock import MICROS_PER_SECOND
from farebox.base.limits import VideoJobs
from farebox.dataplane.jobs.job import Job
from farebox.dataplane.jobs.states import Move
from farebox.dataplane.videos.poll import Poller
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.gateway import RunningGateway, serve_gateway
from tests.videos.conftest import QUICK
from tests.videos.crashes import new_order, poller_of
from tests.videos.films import Films, films_of, prompt
from tests.videos.shop import SECOND, catalog_text


@pytest.mark.parametrize(
    "fault",
    [{"status": 500}, {"status": 429}, {"garbage": True}, {"drop_before_headers": True}, {"redirect": "http://a.io/"}],
)
@pytest.mark.parametrize("model", ["film", "veo"])
async def test_a_job_outlives_its_providers_outage(
    films: Films, gateway: RunningGateway, fault: dict[str, Any], model: str
) -> None:
    video = await films.order(prompt(job_seconds=0.6), model=model)
    await gateway.set_faults(f"{model}-up", fault)
    try:
        await asyncio.sleep(0.8)
        assert (await films.show(video.id)).status in ("queued", "in_progress")
        assert await films.customer.held_nanos() == 4 * SECOND
    finally:
        await gateway.set_faults(f"{model}-up", {})
    assert (await films.ended(video.id)).status == "completed"
    assert await films.customer.balance_nanos() == 10**10 - 4 * SECOND


async def test_a_job_waits_while_the_providers_key_rests(films: Films, gateway: RunningGateway) -> None:
    video = await films.order(prompt(job_seconds=0.6))
    await gateway.set_faults("film-up", {"status": 401})
    await asyncio.sleep(0.5)
    await gateway.set_faults("film-up", {})
    before = len(await gateway.upstream_calls("film-up"))
    await asyncio.sleep(0.5)
    assert len(await gateway.upstream_calls("film-up")) == before
    assert (await films.show(video.id)).status in ("queued", "in_progress")
    gateway.parts.accounts.woke("sandbox:open")
    assert (await films.ended(video.id)).status == "completed"


async def test_a_provider_that_forgets_a_job_for_a_moment_is_not_believed(
    films: Films, gateway: RunningGateway
) -> None:
    video = await films.order(prompt(job_seconds=0.6))
    await gateway.set_faults("film-up", {"status": 404}, times=3)
    assert (await films.ended(video.id)).status == "completed"


@pytest.mark.parametrize("model", ["film", "veo"])
async def test_a_job_that_its_provider_does_not_know_any_more_is_released(films: Films, model: str) -> None:
    video = await films.order(prompt(job_stuck=True, job_expires_seconds=0.4), model=model)
    ended = await films.ended(video.id)
    assert ended.status == "failed" and ended.error is not None and ended.error.code == "job_expired"
    assert await films.customer.balance() == "10.00" and await films.customer.held_nanos() == 0
    receipt = await films.receipt(video.id)
    assert (receipt.rule, receipt.call.charge_nanos, receipt.operator.cost_nanos) == ("job_expired", 0, 2 * SECOND)
    assert await films.delete(video.id)


async def test_a_job_that_never_ends_is_given_up(cluster: TestCluster, sandbox: RunningSandbox) -> None:
    videos = VideoJobs(poll_seconds=0.1, max_poll_seconds=0.2, max_age_seconds=1.0)
    async with (
        serve_gateway(cluster, sandbox=sandbox, catalog=catalog_text(), videos=videos) as gateway,
        films_of(await gateway.new_customer()) as films,
    ):
        stuck = await films.order(prompt(job_stuck=True))
        error = (await films.ended(stuck.id)).error
        assert error is not None and error.code == "job_expired"
        assert await films.customer.balance() == "10.00" and await films.customer.held_nanos() == 0


async def test_a_job_outlives_the_gateway_that_ordered_it(cluster: TestCluster, sandbox: RunningSandbox) -> None:
    async with serve_gateway(cluster, workers=2, sandbox=sandbox, catalog=catalog_text(), videos=QUICK) as gateway:
        customer = await gateway.new_customer()
        async with films_of(customer, worker=1) as films:
            made = [(await films.order(prompt(job_seconds=6.0), model=model)).id for model in ("film", "veo", "film")]
            failing = (await films.order(prompt(job_seconds=6.0, job_fails={}))).id
        await gateway.restart()
        assert await customer.held_nanos() == 4 * 4 * SECOND
        await asyncio.sleep(0.5)
        await gateway.restart()
        async with films_of(customer) as films:
            for video_id in made:
                assert (await films.ended(video_id)).status == "completed"
                assert len(await films.content(video_id)) > 100_000
            assert (await films.ended(failing)).status == "failed"
        assert await customer.balance_nanos() == 10**10 - 3 * 4 * SECOND and await customer.held_nanos() == 0


async def test_a_provider_that_left_the_catalog_is_waited_for(films: Films, gateway: RunningGateway) -> None:
    video = await films.order(prompt(job_seconds=0.6))
    row = await films.row(video.id)
    assert row is not None
    async with gateway.connect() as connection:
        await connection.execute("UPDATE video_job SET provider_id = 'gone' WHERE job_id = %s", (row.job_id,))
    await asyncio.sleep(0.6)
    assert (await films.show(video.id)).status in ("queued", "in_progress")
    async with gateway.connect() as connection:
        await connection.execute("UPDATE video_job SET provider_id = 'open' WHERE job_id = %s", (row.job_id,))
    assert (await films.ended(video.id)).status == "completed"


class Patient(Poller):
    """Asks nobody: it shows whose jobs it would have open at once when none is answered."""

    async def one(self, job: Job) -> None:
        await asyncio.sleep(60)


async def test_a_provider_that_does_not_answer_leaves_room_for_the_others(
    films: Films, gateway: RunningGateway
) -> None:
    begin = poller_of(gateway)
    later = gateway.clock() + 3_600 * MICROS_PER_SECOND  # the gateway's own poller does not see them
    poller = Patient(
        **{name: getattr(begin, name) for name in ("store", "ledger", "client", "accounts", "catalog", "metrics")},
        clock=lambda: later + 3_600 * MICROS_PER_SECOND,
        settings=VideoJobs(max_concurrent_polls=6),
        _strays_at=float("inf"),
    )
    made = []
    for place, provider in enumerate(["google"] * 9 + ["open"] * 2 + ["second"]):
        job = msgspec.structs.replace(
            new_order(films.customer, boot_id=1), provider_id=provider, next_poll_at=later + place
        )
        await begin.store.insert(job)
        made.append(await begin.store.move(job, Move.ACCEPT, upstream_id="x"))
    try:
        await poller.look()
        assert Counter(poller._working.values()) == {"google": 3, "open": 2, "second": 1}
        await poller.look()
        assert len(poller._working) == 6
    finally:
        for task in poller._working:
            task.cancel()
        async with gateway.connect() as connection:
            ids = [job.job_id for job in made if job is not None]
            await connection.execute("DELETE FROM video_job WHERE job_id = ANY(%s)", (ids,))
