"""Orders that are refused, fail, or are sent twice: what is refused leaves nothing, what failed is released."""

import asyncio
from typing import Any

import pytest

from farebox.base.limits import RequestLimits
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.gateway import Customer, RunningGateway, serve_gateway
from tests.videos.conftest import QUICK
from tests.videos.films import Films, films_of, prompt
from tests.videos.shop import SECOND, catalog_text

ORDER = {"model": "film", "prompt": prompt(job_seconds=0.2)}


async def post(customer: Customer, body: Any = None, **headers: str) -> tuple[int, Any, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with customer.post("/v1/videos", ORDER if body is None else body, headers=named) as response:
        return response.status, await response.json(), response.headers


async def jobs_of(customer: Customer) -> list[tuple[Any, ...]]:
    return await customer.gateway.rows(
        "SELECT state, rule, unbilled_nanos, route_id FROM video_job WHERE workspace_id = %s ORDER BY job_id",
        customer.workspace_id,
    )


async def test_without_money_nothing_is_ordered_and_the_status_is_402(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer(balance_usd="0.39")
    before = len(await gateway.upstream_calls("film-up"))
    status, body, headers = await post(customer)
    error = body["error"]
    assert (status, error["code"], error["required_usd"], error["available_usd"]) == (
        402, "insufficient_balance", "0.40", "0.39",
    )  # fmt: skip
    assert headers["X-Farebox-Balance-After-USD"] == "0.39"
    assert await jobs_of(customer) == [] and len(await gateway.upstream_calls("film-up")) == before


async def test_limits_hold_for_jobs_while_they_run(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    await customer.set_limit(requests=1)
    async with films_of(customer) as films:
        video = await films.order(prompt(job_seconds=1.5))
        status, body, _ = await post(customer)
        assert (status, body["error"]["code"], body["error"]["held_requests"]) == (429, "quota_exhausted", 1)
        await films.ended(video.id)
    await customer.set_limit(usd="0.50")
    status, body, _ = await post(customer)
    assert (status, body["error"]["code"]) == (402, "budget_exhausted")
    assert len(await jobs_of(customer)) == 1


@pytest.mark.parametrize(
    "changed, code, param",
    [
        ({"prompt": None}, "invalid_request", "prompt"),
        ({"seconds": "0"}, "invalid_request", "seconds"),
        ({"seconds": 2.5}, "invalid_request", "seconds"),
        ({"size": "wide"}, "invalid_request", "size"),
        ({"n": 2}, "invalid_request", "n"),
        ({"seconds": "61"}, "request_limit_exceeded", "seconds"),
        ({"input_reference": {"file_id": "file-1"}}, "invalid_request", "input_reference"),
        ({"input_reference": {"image_url": "http://insecure.example/a.png"}}, "invalid_request", "input_reference"),
        ({"input_reference": "data:image/png;base64,AAAA"}, "invalid_request", "input_reference"),
        ({"model": "veo", "size": "1024x1792"}, "invalid_request", "size"),
        ({"model": "veo", "input_reference": {"image_url": "https://a.io/a"}}, "invalid_request", "input_reference"),
        ({"model": "talk"}, "invalid_request", "model"),
        ({"model": "unheard"}, "model_not_found", "model"),
    ],
)  # fmt: skip
async def test_what_cannot_be_made_is_refused_before_anything_is_held(
    gateway: RunningGateway, changed: dict[str, Any], code: str, param: str
) -> None:
    customer = await gateway.new_customer()
    status, body, _ = await post(customer, {**ORDER, **changed})
    assert status in (400, 404) and (body["error"]["code"], body["error"]["param"]) == (code, param)
    assert await jobs_of(customer) == [] and await customer.call_ids() == []


async def test_limits_of_a_request_and_scopes(cluster: TestCluster, sandbox: RunningSandbox) -> None:
    limits = RequestLimits(max_prompt_chars=10, max_media_bytes=100)
    picture = {"image_url": "data:image/png;base64,iVBORw0KGgo" + "A" * 201}
    async with serve_gateway(cluster, sandbox=sandbox, catalog=catalog_text(), videos=QUICK, limits=limits) as gateway:
        customer = await gateway.new_customer()
        for body, param in (
            ({"model": "film", "prompt": "x" * 11}, "prompt"),
            ({"model": "film", "prompt": "x", "input_reference": picture}, "input_reference"),
        ):
            status, answer, _ = await post(customer, body)
            assert (status, answer["error"]["code"], answer["error"]["param"]) == (400, "request_limit_exceeded", param)
        talker = customer.with_key(await customer.new_key(scopes=frozenset({"chat.completions"})))
        for status, answer, _ in (await post(talker, {"model": "film", "prompt": "x"}),):
            assert (status, answer["error"]["code"]) == (403, "insufficient_scope")
        assert (await talker.get("/v1/videos", status=403))["error"]["required_scope"] == "videos"


async def test_an_order_is_placed_once_under_one_key(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    slow = {**ORDER, "prompt": prompt(job_seconds=1.5)}
    status, first, _ = await post(customer, slow, idempotency_key="a")
    again = await post(customer, {"seconds": "4", **slow}, idempotency_key="a")
    assert (status, again[0], again[1]["error"]["code"]) == (200, 409, "idempotency_running")
    assert again[1]["error"]["call_id"] == first["call_id"]
    other = await post(customer, {**ORDER, "seconds": "5"}, idempotency_key="a")
    assert (other[0], other[1]["error"]["code"]) == (409, "idempotency_conflict")
    async with films_of(customer) as films:
        await films.ended(first["id"])
    done = await post(customer, slow, idempotency_key="a")
    assert (done[0], done[1]["error"]["code"]) == (409, "idempotency_finished")
    assert len(await jobs_of(customer)) == 1


async def test_of_ten_at_once_under_one_key_one_is_placed(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    before = len(await gateway.upstream_calls("film-up"))
    answers = await asyncio.gather(*(post(customer, idempotency_key="b") for _ in range(10)))
    assert sorted(status for status, _, _ in answers) == [200] + [409] * 9
    assert len([c for c in await gateway.upstream_calls("film-up") if c["seconds"]]) >= 1
    assert len(await jobs_of(customer)) == 1 and len(await customer.call_ids()) == 1
    [placed] = [answer for status, answer, _ in answers if status == 200]
    async with films_of(customer) as films:
        await films.ended(placed["id"])
    assert len(await gateway.upstream_calls("film-up")) > before


@pytest.mark.parametrize("model", ["film", "veo"])
async def test_a_providers_refusal_is_told_and_released(films: Films, gateway: RunningGateway, model: str) -> None:
    before = await films.customer.balance_nanos()
    text = prompt(status=400, error_message="too violent", error_code="nope")
    status, body, headers = await post(films.customer, {"model": model, "prompt": text})
    assert status == 400 and "too violent" in body["error"]["message"]
    assert headers["X-Farebox-Cost-USD"] == "0.00" and headers["X-Farebox-Balance-After-USD"] == "10.00"
    assert await films.customer.balance_nanos() == before and await films.customer.held_nanos() == 0
    [(state, rule, unbilled, _)] = await jobs_of(films.customer)
    assert (state, rule, unbilled) == ("failed", "upstream_rejected", 0)
    receipt = await films.receipt((await films.customer.get("/v1/videos"))["data"][0]["id"])
    assert (receipt.rule, receipt.call.error_code) == ("upstream_rejected", "upstream_rejected")


@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"status": 429}, {"status": 401}, {"redirect": "http://x.example/"}]
)
async def test_the_next_provider_is_asked_while_nobody_has_the_order(
    films: Films, gateway: RunningGateway, fault: dict[str, Any]
) -> None:
    await gateway.set_faults("spare-up", fault, times=1)
    status, video, _ = await post(films.customer, {**ORDER, "model": "spare"})
    for worker in gateway.workers:
        worker.parts.accounts.woke("sandbox:open")
    assert status == 200
    assert (await films.ended(video["id"])).status == "completed"
    assert await jobs_of(films.customer) == [("completed", "job_completed", 0, "second/spare")]
    receipt = await films.receipt(video["id"])
    assert [attempt.provider for attempt in receipt.attempts] == ["open", "second"]
    assert receipt.call.charge_nanos == 4 * SECOND


@pytest.mark.parametrize(
    "fault, status, code",
    [
        ({"delay_seconds": 3.0}, 504, "upstream_timeout"),
        ({"drop_before_headers": True}, 502, "upstream_exception"),
        ({"garbage": True}, 502, "upstream_exception"),
        ({"cut_at_byte": 5}, 502, "upstream_exception"),
    ],
)
async def test_an_order_that_a_provider_may_have_is_not_placed_again(
    films: Films, gateway: RunningGateway, fault: dict[str, Any], status: int, code: str
) -> None:
    second = len(await gateway.upstream_calls("hasty-up-2"))
    await gateway.set_faults("hasty-up", fault, times=1)
    answer = await post(films.customer, {**ORDER, "model": "hasty"})
    await gateway.set_faults("hasty-up", {})
    assert (answer[0], answer[1]["error"]["code"]) == (status, code)
    assert len(await gateway.upstream_calls("hasty-up-2")) == second
    assert await films.customer.balance() == "10.00" and await films.customer.held_nanos() == 0
    [(state, rule, unbilled, _)] = await jobs_of(films.customer)
    assert (state, unbilled) == ("failed", 2 * SECOND)  # there may be a film, which the operator pays for
    assert rule == ("upstream_timeout" if status == 504 else "upstream_failed")


async def test_when_all_providers_are_at_their_limits_the_client_waits(films: Films, gateway: RunningGateway) -> None:
    for model in ("spare-up", "spare-up-2"):
        await gateway.set_faults(model, {"status": 429, "retry_after_seconds": 7}, times=1)
    status, body, headers = await post(films.customer, {**ORDER, "model": "spare"})
    assert (status, body["error"]["code"], headers["retry-after"]) == (429, "rate_limit_exceeded", "7")
    [(state, rule, unbilled, _)] = await jobs_of(films.customer)
    assert (state, rule, unbilled) == ("failed", "upstream_limited", 0)
