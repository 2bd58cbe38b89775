"""A film from the order to the receipt, in both forms that providers have."""

import warnings
from typing import Any

import pytest

from farebox.ledger.lifecycle import HoldState
from tests.gateway import RunningGateway
from tests.videos.films import Films, call_of, prompt
from tests.videos.shop import SECOND, WIDE, WIDE_SECOND, catalog_text

BOTH = pytest.mark.parametrize("model", ["film", "veo"])
# A whole picture is not needed: its kind stands in its first bytes.
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@BOTH
async def test_a_film_costs_what_was_fixed_when_it_was_ordered(films: Films, model: str) -> None:
    before = await films.customer.balance_nanos()
    video = await films.order(model=model, seconds="8")
    assert (video.status, video.object, video.model, video.seconds) == ("queued", "video", model, "8")
    assert await films.customer.held_nanos() == 8 * SECOND
    ended = await films.ended(video.id)
    assert (ended.status, ended.progress, ended.error) == ("completed", 100, None)
    assert ended.completed_at is not None and ended.expires_at is not None
    assert await films.customer.balance_nanos() == before - 8 * SECOND
    assert await films.hold_state(video.id) is HoldState.SETTLED
    receipt = await films.receipt(video.id)
    assert (receipt.rule, receipt.call.charge_nanos, receipt.adjustment_nanos) == ("job_completed", 8 * SECOND, 0)
    assert (receipt.operator.cost_nanos, receipt.service_tier) == (4 * SECOND, "720x1280")


@BOTH
async def test_a_job_that_fails_costs_nothing_and_does_not_count(films: Films, model: str) -> None:
    await films.customer.set_limit(requests=1)
    before = await films.customer.balance_nanos()
    video = await films.order(prompt(job_seconds=0.2, job_fails={"code": "13", "message": "SECRET words"}), model=model)
    ended = await films.ended(video.id)
    assert ended.status == "failed" and ended.error is not None
    assert ended.error.code == "generation_failed" and "SECRET" not in ended.error.message
    assert await films.customer.balance_nanos() == before and await films.customer.held_nanos() == 0
    assert (await films.customer.limit_use()).used_requests == 0
    receipt = await films.receipt(video.id)
    assert (receipt.rule, receipt.call.charge_nanos, receipt.operator.cost_nanos) == ("job_failed", 0, 0)


async def test_a_film_that_is_filtered_says_so(films: Films) -> None:
    video = await films.order(prompt(job_seconds=0.2, job_fails={"filtered": True}), model="veo")
    error = (await films.ended(video.id)).error
    assert error is not None and error.code == "moderation_blocked"
    coded = prompt(job_seconds=0.2, job_fails={"code": "moderation_blocked"})
    error = (await films.ended((await films.order(coded)).id)).error
    assert error is not None and error.code == "moderation_blocked"


async def test_the_size_decides_the_price(films: Films) -> None:
    for size, second in (("1280x720", SECOND), (WIDE, WIDE_SECOND), ("640x480", WIDE_SECOND)):
        before = await films.customer.balance_nanos()
        video = await films.order(seconds="4", size=size)
        assert (await films.ended(video.id)).size == size
        assert before - await films.customer.balance_nanos() == 4 * second


async def test_what_is_not_said_is_what_is_sold(films: Films, gateway: RunningGateway) -> None:
    video = await films.order()
    assert (video.seconds, video.size) == ("4", "720x1280")
    calls = await gateway.upstream_calls("film-up")
    assert [(call["seconds"], call["size"]) for call in calls if call["seconds"]][-1] == ("4", "720x1280")
    await films.ended(video.id)


async def test_a_new_price_does_not_touch_jobs_that_run(films: Films, gateway: RunningGateway) -> None:
    before = await films.customer.balance_nanos()
    video = await films.order(prompt(job_seconds=1.2))
    await gateway.apply_catalog(catalog_text(price="0.90"))
    try:
        assert (await films.ended(video.id)).status == "completed"
        assert await films.customer.balance_nanos() == before - 4 * SECOND
        assert (await films.receipt(video.id)).adjustment_nanos == 0
    finally:
        await gateway.apply_catalog(catalog_text())


async def test_the_sdk_polls_to_the_end(films: Films) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        video = await films.client.videos.create_and_poll(
            prompt=prompt(job_seconds=0.2), model="film", seconds="4", poll_interval_ms=50
        )
    assert video.status == "completed"


@BOTH
async def test_a_picture_goes_along(films: Films, gateway: RunningGateway, model: str) -> None:
    video = await films.order(model=model, input_reference=("a.png", PNG, "image/png"))
    assert (await films.ended(video.id)).status == "completed"
    if model == "film":
        [call] = [call for call in await gateway.upstream_calls("film-up") if call["files"]][-1:]
        assert "input_reference" in str(call["files"])


async def post(films: Films, body: Any, **headers: str) -> tuple[int, Any, Any]:
    async with films.customer.post("/v1/videos", body, headers=headers) as response:
        return response.status, await response.json(), response.headers


async def test_json_is_understood_and_what_is_not_passed_on_is_named(films: Films) -> None:
    body = {"model": "film", "prompt": prompt(job_seconds=0.1), "seconds": 5, "quality": "high", "user": "me"}
    status, video, headers = await post(films, body)
    assert (status, video["seconds"], video["held_usd"]) == (200, "5", "0.50")
    assert headers["X-Farebox-Dropped"] == "field:quality, field:user"
    assert headers["X-Farebox-Held-USD"] == "0.50" and headers["X-Farebox-Call-Id"] == call_of(video["id"])
    assert headers["x-request-id"] == call_of(video["id"])
    await films.ended(video["id"])
    shown = await films.customer.get(f"/v1/videos/{video['id']}")
    assert (shown["cost_usd"], shown["call_id"]) == ("0.50", call_of(video["id"]))
    assert (await films.customer.get(f"/api/usage/{call_of(video['id'])}"))["charge_usd"] == "0.50"


async def test_the_list_is_paged_and_knows_no_foreign_jobs(films: Films, gateway: RunningGateway) -> None:
    made = [(await films.order()).id for _ in range(5)]
    other = await gateway.new_customer()
    assert (await other.get("/v1/videos"))["data"] == []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        pages = await films.client.videos.list(limit=2)
        newest_first = [video.id async for video in pages]
        oldest_first = [video.id async for video in await films.client.videos.list(limit=3, order="asc")]
    assert newest_first == made[::-1] and oldest_first == made
    for query in ("limit=0", "limit=101", "limit=x", "order=up", "after=call_1"):
        assert (await films.customer.get(f"/v1/videos?{query}", status=400))["error"]["code"] == "invalid_request"
    for video_id in made:
        await films.ended(video_id)


async def test_another_workspace_finds_nothing(films: Films, gateway: RunningGateway) -> None:
    video = await films.order()
    stranger = await gateway.new_customer()
    for path in (f"/v1/videos/{video.id}", f"/v1/videos/{video.id}/content"):
        assert (await stranger.get(path, status=404))["error"]["code"] == "not_found"
    async with gateway.session.delete(f"{gateway.base_url}/videos/{video.id}", headers=stranger.headers) as response:
        assert response.status == 404
    colleague = films.customer.with_key(await films.customer.new_key())
    assert (await colleague.get(f"/v1/videos/{video.id}"))["id"] == video.id
    await films.ended(video.id)


async def test_a_job_that_runs_cannot_be_deleted_and_one_that_is_over_can(
    films: Films, gateway: RunningGateway
) -> None:
    video = await films.order(prompt(job_seconds=1.5))
    url = f"{gateway.base_url}/videos/{video.id}"
    async with gateway.session.delete(url, headers=films.customer.headers) as response:
        error = (await response.json())["error"]
        assert (response.status, error["code"], response.headers["retry-after"]) == (409, "job_not_finished", "2")
    assert (await films.ended(video.id)).status == "completed"
    row = await films.row(video.id)
    assert await films.delete(video.id)
    for path in (f"/v1/videos/{video.id}", f"/v1/videos/{video.id}/content"):
        await films.customer.get(path, status=404)
    assert (await films.customer.get("/v1/videos"))["data"] == []
    assert row is not None
    async with gateway.session.get(
        f"{gateway.sandbox.base_url}/videos/{row.upstream_id}",
        headers={"authorization": f"Bearer {gateway.sandbox.api_key}"},
    ) as response:
        assert response.status == 404
    assert (await films.receipt(video.id)).call.charge_nanos == 4 * SECOND


async def test_what_is_not_an_address_of_videos_is_refused_in_openais_form(films: Films) -> None:
    for path in ("/v1/videos/video_1", "/v1/videos/none", "/v1/videos/none/more", "/v1/videos/none/content"):
        assert (await films.customer.get(path, status=404))["error"]["code"] == "not_found"
    async with films.customer.gateway.session.put(
        f"{films.customer.gateway.base_url}/videos", headers=films.customer.headers
    ) as response:
        assert (response.status, response.headers["allow"]) == (405, "GET, HEAD, POST")
        assert (await response.json())["error"]["code"] == "method_not_allowed"
    async with films.customer.gateway.session.head(
        f"{films.customer.gateway.base_url}/videos", headers=films.customer.headers
    ) as response:
        assert response.status == 200


async def test_no_table_has_the_prompt(films: Films, gateway: RunningGateway) -> None:
    marker = "marker-7f3a91"
    first = await films.order(prompt(marker, job_seconds=0.1))
    second = await films.order(prompt(marker, job_seconds=0.1, job_fails={"message": marker}))
    third = await films.order(prompt(marker, job_seconds=0.1, job_fails={"message": marker}), model="veo")
    for video in (first, second, third):
        await films.ended(video.id)
    tables = await gateway.rows(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    for (table,) in tables:
        assert await gateway.rows(f"SELECT 1 FROM {table} t WHERE t::text LIKE %s", f"%{marker}%") == [], table
