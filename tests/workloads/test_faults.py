"""The fault matrix of the workloads that answer in JSON or in events: what the client sees, the rule, and the books."""

import asyncio
from typing import Any, NamedTuple

import pytest

from tests.dataplane.outcomes import Books, Seen, books_of, see, together
from tests.dataplane.test_settlement_page import rows_of_the_page
from tests.gateway import RunningGateway, until
from tests.workloads.raw import RawExchange, RawUpstream
from tests.workloads.shop import IMAGE_OUT, REQUEST, TEXT_IN, USUAL_PICTURE

ASKED: dict[str, tuple[str, dict[str, Any]]] = {
    "embed": ("/v1/embeddings", {"input": "a word or two"}),
    "moderate": ("/v1/moderations", {"input": "a word or two"}),
    "piece": ("/v1/images/generations", {"prompt": "a cat"}),
    "drawn": ("/v1/images/generations", {"prompt": "a cat"}),
    "drawn streamed": ("/v1/images/generations", {"prompt": "a cat", "stream": True, "partial_images": 2}),
}
JSON = ("embed", "moderate", "piece", "drawn")
FAILED = "upstream_failed"


class Fault(NamedTuple):
    """What the provider does, by which rule JSON and a stream end, and by which route."""

    directives: dict[str, Any]
    json: str | None
    stream: str | None = None
    route: str = ""


FAULTS = [
    *(Fault({"status": code}, "upstream_rejected", "upstream_rejected") for code in (400, 404, 413, 422)),
    *(Fault({"status": code}, FAILED, FAILED) for code in (405, 500, 503)),
    Fault({"status": 429, "retry_after_seconds": 7}, "upstream_limited", "upstream_limited"),
    Fault({"redirect": "http://127.0.0.1:9/"}, FAILED, FAILED),
    Fault({"drop_before_headers": True}, FAILED, FAILED),
    Fault({"garbage": True}, FAILED, "upstream_cut"),
    Fault({"cut_at_byte": 0}, FAILED, FAILED),
    Fault({"cut_at_byte": 30}, FAILED, FAILED),
    Fault({"oversize_bytes": 3_200_000}, FAILED, "upstream_cut"),
    Fault({"wrong_content_type": "text/html"}, None, FAILED),
    Fault({"delay_seconds": 5}, "upstream_timeout", "upstream_timeout", ":hasty"),
    Fault({"first_byte_delay_seconds": 5}, "upstream_timeout", "upstream_timeout", ":hasty"),
    Fault({"idle_seconds": 5}, None, "upstream_timeout", ":hasty"),
    Fault({"no_finish": True}, None, "upstream_cut"),
    Fault({"error_mid_stream": 1}, None, "upstream_cut"),
    Fault({"error_mid_stream": 0}, None, FAILED),
]


async def play(gateway: RunningGateway, asked: str, fault: Fault) -> tuple[Seen, Books]:
    customer = await gateway.new_customer()
    await customer.set_limit(requests=100, usd="50")
    path, fields = ASKED[asked]
    body = {**fields, "model": asked.split(maxsplit=1)[0] + fault.route, "sandbox": fault.directives}
    seen = await see(customer.post(path, body))
    return seen, await books_of(customer, seen.call_id)


async def test_an_answer_that_is_not_whole_is_never_charged(gateway: RunningGateway) -> None:
    async def one(asked: str, fault: Fault) -> None:
        seen, books = await play(gateway, asked, fault)
        rule, row = str(books.receipt.rule), rows_of_the_page()[str(books.receipt.rule)]
        what = f"{asked} {fault} {books.receipt.rule} {seen.body[:200]!r}"
        streamed = "streamed" in asked
        expected = fault.stream if streamed else fault.json
        # A stream of events that are no pictures yet has begun, and a JSON answer has not.
        assert rule == expected or (streamed and rule == "upstream_cut" and expected == FAILED), what
        assert (books.receipt.call.charge_nanos, books.receipt.call.evidence) == (0, "D"), what
        assert books.receipt.call.request_counted == row.counts, what
        assert b".completed" not in seen.body and seen.error, what
        if rule == "upstream_rejected":
            assert seen.status == fault.directives["status"], what
        elif rule == "upstream_limited":
            assert (seen.status, seen.headers["retry-after"]) == (429, "7"), what

    cases = [(asked, fault) for fault in FAULTS for asked in ASKED]
    wanted = [(asked, fault) for asked, fault in cases if (fault.stream if "streamed" in asked else fault.json)]
    # After a rate limit the route is left alone for a while: each of these by itself.
    await together(one(*case) for case in wanted if case[1].directives.get("status") != 429)
    for case in wanted:
        if case[1].directives.get("status") == 429:
            await gateway.idle()
            await one(*case)


@pytest.mark.parametrize(
    ("asked", "usage", "rule", "charged"),
    [
        ("embed", {"prompt_tokens": 7, "total_tokens": 7}, "provider_usage", 7 * TEXT_IN),
        ("embed", {"total_tokens": 7}, "provider_usage", 7 * TEXT_IN),
        ("embed", {"prompt_tokens": 0, "total_tokens": 0}, "provider_usage", 0),
        # 13 letters are four tokens.
        ("embed", None, "usage_missing_estimated", 4 * TEXT_IN),
        ("embed", {"prompt_tokens": -1}, "usage_malformed_estimated", 4 * TEXT_IN),
        ("embed", {"prompt_tokens": 10**12}, "usage_malformed_estimated", 4 * TEXT_IN),
        ("embed", "many", "usage_malformed_estimated", 4 * TEXT_IN),
        ("drawn", {"input_tokens": 3, "output_tokens": 10}, "provider_usage", 3 * TEXT_IN + 10 * IMAGE_OUT),
        ("drawn", None, "usage_missing_estimated", 2 * TEXT_IN + 572 * IMAGE_OUT),
        ("drawn", {"input_tokens": 3}, "usage_malformed_estimated", 2 * TEXT_IN + 572 * IMAGE_OUT),
        ("drawn streamed", [], "usage_malformed_estimated", 2 * TEXT_IN + 572 * IMAGE_OUT),
        ("drawn streamed", None, "usage_missing_estimated", 2 * TEXT_IN + 572 * IMAGE_OUT),
    ],
)
async def test_reports_of_usage(gateway: RunningGateway, asked: str, usage: Any, rule: str, charged: int) -> None:
    seen, books = await play(gateway, asked, Fault({"usage": usage}, None))
    assert seen.status == 200
    assert (books.receipt.rule, books.receipt.call.charge_nanos) == (rule, charged)


@pytest.mark.parametrize("split", [{"split_bytes": 1}, {"crlf": True, "split_bytes": 3}, {"keepalive_comments": True}])
async def test_a_stream_may_come_in_any_pieces(gateway: RunningGateway, split: dict[str, Any]) -> None:
    customer = await gateway.new_customer()
    await customer.set_limit(requests=100, usd="50")
    body = {"model": "speak-tokens", "input": "a word", "voice": "alloy", "stream_format": "sse", "sandbox": split}
    seen = await see(customer.post("/v1/audio/speech", body))
    assert seen.events[-1]["type"] == "speech.audio.done"
    assert (await books_of(customer, seen.call_id)).receipt.rule == "provider_usage"


@pytest.mark.parametrize("asked", JSON)
async def test_the_next_route_serves_when_the_first_fails(gateway: RunningGateway, asked: str) -> None:
    upstream = {"embed": "embed-up", "moderate": "mod-up", "piece": "dall-e-up", "drawn": "drawn-up"}[asked]
    await gateway.set_faults(f"{upstream}-second", {"garbage": True}, times=1)
    seen, books = await play(gateway, asked, Fault({}, None, route=":second"))
    assert seen.status == 200
    assert [attempt.outcome for attempt in books.receipt.attempts] == ["garbage", "answered"]
    # What the first one may bill for all the same is a cost: pictures are, an estimate of texts is.
    least = {"embed": 7 * TEXT_IN, "moderate": REQUEST, "piece": USUAL_PICTURE, "drawn": 0}[asked]
    assert books.receipt.operator.cost_nanos >= least


@pytest.mark.parametrize("asked", JSON)
async def test_a_refusal_says_what_is_needed_and_holds_nothing(gateway: RunningGateway, asked: str) -> None:
    poor = await gateway.new_customer(balance_usd="0.000000001")
    path, fields = ASKED[asked]
    seen = await see(poor.post(path, {**fields, "model": asked}))
    assert (seen.status, seen.error["code"]) == (402, "insufficient_balance")
    assert seen.headers["x-farebox-recommended-action"] == "create_deposit"
    assert set(seen.error) >= {"required_usd", "available_usd", "held_usd", "limit"}
    assert await poor.call_ids() == [] and await poor.held_nanos() == 0


async def test_who_leaves_a_stream_of_pictures_pays_when_it_is_finished(
    gateway: RunningGateway, raw: RawUpstream
) -> None:
    go_on = asyncio.Event()

    async def script(exchange: RawExchange) -> None:
        await exchange.read_body()
        await exchange.start("text/event-stream")
        await exchange.chunk(b'data: {"type":"image_generation.partial_image","b64_json":"aa"}\n\n')
        await go_on.wait()
        done = b'"type":"image_generation.completed","usage":{"input_tokens":1,"output_tokens":10}'
        await exchange.chunk(b"data: {" + done + b"}\n\n")
        await exchange.chunk(b"")

    raw.script = script
    customer = await gateway.new_customer()
    await customer.set_limit(requests=100, usd="50")
    body = {"model": "drawn:raw", "prompt": "a cat", "stream": True}
    async with customer.post("/v1/images/generations", body) as response:
        assert await response.content.readany()
    await until(lambda: gateway.parts.drains.taken)
    go_on.set()
    (call,) = await customer.call_ids()
    books = await books_of(customer, call)
    assert books.receipt.rule == "client_left_provider_usage"
    assert books.receipt.call.charge_nanos == TEXT_IN + 10 * IMAGE_OUT


async def test_half_a_picture_is_none(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    await customer.set_limit(requests=100, usd="50")
    body = {"model": "drawn:cancels", "prompt": "a cat", "stream": True, "partial_images": 3}
    body |= {"sandbox": {"chunk_delay_seconds": 0.5}}
    async with customer.post("/v1/images/generations", body) as response:
        assert await response.content.readany()
    (call,) = await customer.call_ids()
    books = await books_of(customer, call)
    assert (books.receipt.rule, books.receipt.call.charge_nanos) == ("client_left_undelivered", 0)


async def test_a_whole_answer_whose_client_left_is_charged(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    await customer.set_limit(requests=100, usd="50")
    body = {"model": "piece", "prompt": "a cat", "sandbox": {"delay_seconds": 0.5}}
    task = asyncio.ensure_future(see(customer.post("/v1/images/generations", body)))
    await until(lambda: gateway.parts.calls.taken)
    await asyncio.sleep(0.1)
    task.cancel()
    (call,) = await customer.call_ids()
    assert (await books_of(customer, call)).receipt.call.charge_nanos == USUAL_PICTURE


async def test_the_addresses_answer_other_methods_as_everywhere(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    for path in ("embeddings", "moderations", "images/generations", "images/edits", "audio/speech"):
        for prefix in ("/v1/", "/"):
            async with gateway.session.get(gateway.url + prefix + path, headers=customer.headers) as response:
                assert (response.status, response.headers["allow"]) == (405, "POST")
    seen = await see(customer.post("/v1/images/variations", {"model": "piece"}))
    assert (seen.status, seen.error["code"]) == (404, "not_found")


async def test_no_form_where_json_is_wanted(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    headers = {"content-type": "multipart/form-data; boundary=x"}
    seen = await see(customer.post("/v1/embeddings", b"--x--", headers=headers))
    assert (seen.status, seen.error["code"]) == (400, "invalid_request")
