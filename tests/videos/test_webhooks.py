"""The signed webhook of a video job, from the order to a receiver that checks it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from farebox.base.limits import Webhooks
from farebox.base.signing import show_signing_key, signature, signing_key
from farebox.dataplane.jobs.states import JobState, Move, WebhookState
from farebox.dataplane.jobs.store import QUERIES
from farebox.dataplane.webhooks.courier import MAX_OF_A_WORKSPACE, wait_seconds
from farebox.storage.pool import Pool
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.gateway import Customer, RunningGateway, serve_gateway, until
from tests.videos.conftest import QUICK
from tests.videos.films import Films, films_of, prompt
from tests.videos.receivers import (
    SECRET,
    Desk,
    Receiver,
    client_of,
    is_signed,
    receiving,
)
from tests.videos.shop import catalog_text

ON = Webhooks(enabled=True, timeout_seconds=2.0, max_attempts=4, allow_private_networks=True)
DELIVERED, FAILED, PENDING = "delivered", "failed", "pending"


@pytest.fixture(scope="module")
async def telling(cluster: TestCluster, sandbox: RunningSandbox) -> AsyncIterator[RunningGateway]:
    """A gateway with webhooks, of two workers."""
    async with serve_gateway(
        cluster,
        workers=2,
        sandbox=sandbox,
        catalog=catalog_text(),
        videos=QUICK,
        webhooks=ON,
        webhook_secret=SECRET,
    ) as running:
        yield running


@pytest.fixture
async def told(telling: RunningGateway) -> AsyncIterator[Films]:
    async with films_of(await telling.new_customer()) as found:
        yield found


@pytest.fixture
async def desk(pool: Pool) -> AsyncIterator[Desk]:
    async with client_of(timeout_seconds=0.5) as client:
        yield Desk(pool, client)


async def secret_of(customer: Customer) -> str:
    found = await customer.get("/api/webhooks")
    assert found["enabled"] is True
    return str(found["secret"])


async def webhook_of(films: Films, video_id: str) -> Any:
    return (await films.customer.get(f"/v1/videos/{video_id}"))["webhook"]


async def webhook_is(films: Films, video_id: str, status: str) -> Any:
    """The job's `webhook`, once it has that status."""
    async with asyncio.timeout(10):
        while (found := await webhook_of(films, video_id))["status"] != status:
            await asyncio.sleep(0.02)
    return found


# ── from the order to the receiver ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "kind, text",
    [
        ("video.completed", prompt(job_seconds=0.2)),
        ("video.failed", prompt(job_seconds=0.2, job_fails={"code": "13", "message": "SECRET words"})),
        ("video.expired", prompt(job_stuck=True, job_expires_seconds=0.4)),
    ],
)
async def test_the_end_of_a_job_is_told_once_and_signed(told: Films, receiver: Receiver, kind: str, text: str) -> None:
    video = await told.order(text, extra_body={"webhook_url": receiver.url})
    [delivery] = await receiver.has(1)
    assert delivery.path == "/hook?a=b"
    assert is_signed(delivery, await secret_of(told.customer))
    other = await told.customer.gateway.new_customer()
    assert not is_signed(delivery, await secret_of(other))
    assert delivery.message_id == f"msg_{video.id.removeprefix('video_')}"
    assert delivery.headers["content-type"] == "application/json"
    assert delivery.headers["user-agent"] == "farebox-webhook"
    assert "authorization" not in delivery.headers and "cookie" not in delivery.headers
    assert await webhook_is(told, video.id, DELIVERED) == {"status": DELIVERED, "attempts": 1}
    shown = await told.customer.get(f"/v1/videos/{video.id}")
    event = delivery.event
    assert (event["type"], set(event)) == (kind, {"type", "timestamp", "data"})
    assert event["data"] == {name: value for name, value in shown.items() if name != "webhook"}
    assert b"SECRET" not in delivery.body
    # Told after it was settled: what the receiver reads about the money is final.
    assert event["data"]["cost_usd"] == ("0.40" if kind == "video.completed" else "0.00")
    row = await told.row(video.id)
    assert row is not None and row.webhook_url is None
    await asyncio.sleep(0.5)
    assert len(receiver.deliveries) == 1


async def test_a_job_without_a_webhook_says_nothing_of_one(told: Films) -> None:
    video = await told.order()
    await told.ended(video.id)
    assert "webhook" not in await told.customer.get(f"/v1/videos/{video.id}")


async def test_a_job_says_that_its_webhook_is_still_to_come(told: Films, receiver: Receiver) -> None:
    video = await told.order(prompt(job_seconds=1.0), extra_body={"webhook_url": receiver.url})
    assert await webhook_of(told, video.id) == {"status": PENDING, "attempts": 0}
    assert not receiver.deliveries
    await webhook_is(told, video.id, DELIVERED)


async def test_what_was_not_told_is_told_after_a_restart(
    cluster: TestCluster, sandbox: RunningSandbox, receiver: Receiver
) -> None:
    receiver.answers = [500]
    async with serve_gateway(
        cluster, sandbox=sandbox, catalog=catalog_text(), videos=QUICK, webhooks=ON, webhook_secret=SECRET
    ) as gateway:
        customer = await gateway.new_customer()
        async with films_of(customer) as films:
            video = await films.order(extra_body={"webhook_url": receiver.url})
            await receiver.has(1)
            assert await webhook_is(films, video.id, PENDING) == {"status": PENDING, "attempts": 1}
        await gateway.restart()
        async with films_of(customer) as films:
            # The wait of seconds is for receivers, not for tests: let it be over.
            async with gateway.connect() as connection:
                await connection.execute("UPDATE video_job SET webhook_next_at = 0")
            assert await webhook_is(films, video.id, DELIVERED) == {"status": DELIVERED, "attempts": 2}
    first, second = receiver.deliveries
    assert first.message_id == second.message_id and first.body == second.body


async def test_a_slow_receiver_delays_no_job(told: Films, receiver: Receiver) -> None:
    async def never(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    receiver.answers = [never] * 4
    for _ in range(4):
        await told.order(prompt(job_seconds=0.1), extra_body={"webhook_url": receiver.url})
    await receiver.has(4)
    video = await told.order(prompt(job_seconds=0.1))
    assert (await told.ended(video.id, seconds=1.5)).status == "completed"


@pytest.mark.parametrize("url", ["http://example.com/", "https://me@example.com/", "https://example.com:80/", "", "x"])
async def test_an_address_that_cannot_be_told_is_refused_before_anything_is_held(told: Films, url: str) -> None:
    body = {"model": "film", "prompt": "x", "webhook_url": url}
    async with told.customer.post("/v1/videos", body) as response:
        error = (await response.json())["error"]
        assert (response.status, error["code"], error["param"]) == (400, "invalid_request", "webhook_url")
    assert await told.customer.call_ids() == []


async def test_without_webhooks_an_address_is_refused(films: Films) -> None:
    body = {"model": "film", "prompt": "x", "webhook_url": "https://example.com/"}
    async with films.customer.post("/v1/videos", body) as response:
        error = (await response.json())["error"]
    assert (response.status, error["param"]) == (400, "webhook_url") and "no webhooks" in error["message"]
    assert await films.customer.call_ids() == []
    found = await films.customer.get("/api/webhooks")
    assert (found["enabled"], found["secret"]) == (False, None)


async def test_the_secret_is_shown_to_keys_that_make_videos_or_manage_keys(told: Films) -> None:
    customer = told.customer
    for scope, status in (("videos", 200), ("keys.manage", 200), ("chat.completions", 403)):
        key = await customer.new_key(scopes=frozenset({scope}))
        found = await customer.with_key(key).get("/api/webhooks", status=status)
        assert ("whsec_" in str(found)) is (status == 200)


async def test_another_address_is_another_order(told: Films, receiver: Receiver) -> None:
    body = {"model": "film", "prompt": prompt(job_seconds=0.1), "webhook_url": receiver.url}
    headers = {"idempotency-key": "a"}
    async with told.customer.post("/v1/videos", body, headers=headers) as response:
        assert response.status == 200
    await receiver.has(1)
    async with told.customer.post("/v1/videos", {**body, "webhook_url": None}, headers=headers) as response:
        assert (await response.json())["error"]["code"] == "idempotency_conflict"


# ── attempts ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_fails_is_tried_again_under_one_id_until_it_arrives(desk: Desk, receiver: Receiver) -> None:
    async def too_late(_: web.Request) -> web.Response:
        await asyncio.sleep(1.0)
        return web.Response()

    receiver.answers = [500, too_late, 503]
    job = await desk.job(receiver.url)
    waits = []
    for attempt in (1, 2, 3):
        await desk.work()
        row = await desk.row(job)
        assert (row.webhook_state, row.webhook_attempts) == (PENDING, attempt)
        await desk.work()  # nothing is due yet
        waits.append(await desk.waited(job))
    assert [4 <= waits[0] <= 6, 16 <= waits[1] <= 24, 64 <= waits[2] <= 96] == [True] * 3
    await desk.work()
    row = await desk.row(job)
    assert (row.webhook_state, row.webhook_attempts, row.webhook_url) == (DELIVERED, 4, None)
    assert len(receiver.deliveries) == 4
    assert {delivery.message_id for delivery in receiver.deliveries} == {f"msg_{job.job_id.hex}"}
    assert len({delivery.headers["webhook-timestamp"] for delivery in receiver.deliveries}) == 4
    secret = show_signing_key(signing_key(SECRET, job.workspace_id))
    assert all(is_signed(delivery, secret) for delivery in receiver.deliveries)


async def test_after_the_last_attempt_it_is_given_up_and_the_address_forgotten(desk: Desk) -> None:
    async with receiving() as closed:
        url = closed.url
    job = await desk.job(url)
    for _ in range(3):
        await desk.work()
        await desk.waited(job)
    await desk.work()
    row = await desk.row(job)
    assert (row.webhook_state, row.webhook_attempts, row.webhook_url) == (FAILED, 4, None)


async def test_a_receiver_that_is_gone_is_believed_at_once(desk: Desk, receiver: Receiver) -> None:
    receiver.answers = [410]
    job = await desk.job(receiver.url)
    await desk.work()
    assert ((await desk.row(job)).webhook_state, len(receiver.deliveries)) == (FAILED, 1)


async def test_a_redirect_is_not_followed(desk: Desk, receiver: Receiver) -> None:
    async def elsewhere(_: web.Request) -> web.Response:
        return web.Response(status=307, headers={"location": "/elsewhere"})

    receiver.answers = [elsewhere]
    job = await desk.job(receiver.url)
    await desk.work()
    assert [delivery.path for delivery in receiver.deliveries] == ["/hook?a=b"]
    assert (await desk.row(job)).webhook_state is WebhookState.PENDING


async def test_two_couriers_tell_once(desk: Desk, receiver: Receiver) -> None:
    jobs = [await desk.job(receiver.url, workspace_id=number) for number in range(1, 13)]
    await desk.work(*(desk.courier() for _ in range(4)))
    assert sorted(delivery.message_id for delivery in receiver.deliveries) == sorted(
        f"msg_{job.job_id.hex}" for job in jobs
    )


async def test_what_one_takes_at_this_moment_another_passes_over(desk: Desk, receiver: Receiver) -> None:
    await desk.job(receiver.url)
    wanted: dict[str, Any] = {"leased_until": desk.now_micros + 1, "most": 5, "most_each": 5, "busy": []}
    async with desk.pool.connection() as connection, connection.transaction():
        query = QUERIES["take_webhooks"]
        assert (await connection.execute(query, {"now_micros": desk.now_micros, **wanted})).rowcount == 1
        async with asyncio.timeout(5):
            assert await desk.store.take_webhooks(desk.now_micros, **wanted) == []


async def test_what_a_dead_process_had_taken_is_told_by_another(desk: Desk, receiver: Receiver) -> None:
    job = await desk.job(receiver.url)
    [taken] = await desk.store.take_webhooks(
        desk.now_micros, leased_until=desk.now_micros + 1_000_000, most=5, most_each=5, busy=()
    )
    await desk.work()
    assert not receiver.deliveries and taken.webhook_attempts == 1
    await desk.waited(job)
    await desk.work()
    assert len(receiver.deliveries) == 1 and (await desk.row(job)).webhook_attempts == 2


async def test_a_process_that_is_told_to_stop_gives_back_what_it_had(desk: Desk, receiver: Receiver) -> None:
    hanging = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        hanging.set()
        await asyncio.sleep(30)
        return web.Response()

    receiver.answers = [hang]
    job = await desk.job(receiver.url)
    running = asyncio.create_task(desk.courier().run())
    await hanging.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    row = await desk.row(job)
    assert (row.webhook_state, row.webhook_attempts, row.webhook_next_at) == (PENDING, 0, desk.now_micros)


async def test_one_that_always_kills_its_process_is_given_up(desk: Desk, receiver: Receiver) -> None:
    job = await desk.job(receiver.url)
    async with desk.pool.connection() as connection:
        await connection.execute("UPDATE video_job SET webhook_attempts = 4")
    await desk.work()
    assert ((await desk.row(job)).webhook_state, receiver.deliveries) == (FAILED, [])


async def test_a_workspace_leaves_room_for_others(desk: Desk, receiver: Receiver) -> None:
    for _ in range(20):
        await desk.job(receiver.url, workspace_id=1)
    other = await desk.job(receiver.url, workspace_id=2)
    await desk.work()
    assert (await desk.row(other)).webhook_state is WebhookState.DELIVERED
    assert len(receiver.deliveries) == MAX_OF_A_WORKSPACE + 1


async def test_of_a_deleted_job_nobody_is_told(desk: Desk, receiver: Receiver) -> None:
    job = await desk.job(receiver.url)
    assert await desk.store.move(await desk.row(job), Move.DELETE) is not None
    await desk.work()
    row = await desk.row(job)
    assert (receiver.deliveries, row.webhook_state, row.webhook_url) == ([], None, None)


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING, JobState.SETTLING])
async def test_nobody_is_told_before_the_end(desk: Desk, receiver: Receiver, state: JobState) -> None:
    await desk.job(receiver.url, state=state)
    await desk.work()
    assert receiver.deliveries == []


def test_waits_grow_to_six_hours_and_no_further() -> None:
    waits = [wait_seconds(attempts) for attempts in range(1, 400)]
    assert waits == sorted(waits[:7]) + waits[7:]
    assert all(0.8 * 21_600 <= wait <= 1.2 * 21_600 for wait in waits[7:])


def test_a_signature_is_that_of_the_specification() -> None:
    key = b"\x9a\x01\x02\x03" * 6
    # Computed with `openssl dgst -sha256 -mac HMAC`.
    expected = "dFne0QeWR9Xx/cYfAxESxM0OtXOPJaEAyEN56jLTkmg="
    assert signature(key, "msg_1", 1_614_265_330, b'{"test": 2432232314}') == f"v1,{expected}"


async def test_the_address_is_not_in_the_log(
    desk: Desk, receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    receiver.answers = [500]
    job = await desk.job(receiver.url)
    await desk.work()
    await until(lambda: receiver.deliveries)
    shown = capsys.readouterr()
    log = shown.out + shown.err
    assert f"call_{job.job_id.hex}" in log and "127.0.0.1" not in log and "/hook" not in log
