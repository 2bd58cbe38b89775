"""Clients that leave, at any byte, and clients that do not read."""

import asyncio
from typing import Any, NamedTuple

import msgspec

from farebox.base.limits import Bounds
from farebox.records.receipt import Receipt
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.dataplane.outcomes import books_of, price, see, together
from tests.dataplane.recorder import Recorder
from tests.dataplane.shop import catalog_text
from tests.gateway import Customer, RunningGateway, serve_gateway, until

WORDS = 24


class Line(NamedTuple):
    """A bare connection, to read as much as a test wants and to hang up."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def hang_up(self) -> None:
        self.writer.transport.abort()

    async def headers(self) -> dict[str, str]:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        pairs = [line.partition(": ") for line in head.split("\r\n")[1:] if line]
        return {name.lower(): value for name, _, value in pairs}


async def call(customer: Customer, *, model: str, limit: int = 65_536, **fields: Any) -> Line:
    """Send a streamed call on a connection of its own."""
    host, _, port = customer.gateway.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=limit)
    body = {"model": model, "stream": True, "messages": [{"role": "user", "content": "Reply exactly: hi"}], **fields}
    data = msgspec.json.encode(body)
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: {customer.headers['authorization']}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    writer.write(head.encode() + data)
    return Line(reader, writer)


async def begun(customer: Customer) -> str:
    """The customer's only call, once it has its hold; a client that leaves before that leaves nothing behind."""
    async with asyncio.timeout(10):
        while not (ids := await customer.call_ids()):
            await asyncio.sleep(0.01)
    return ids[0]


async def only_receipt(customer: Customer) -> Receipt:
    """The receipt of the only call of a customer, once it is settled."""
    return await customer.receipt(await begun(customer))


async def leave_at(gateway: RunningGateway, place: int, *, model: str) -> Receipt:
    customer = await gateway.new_customer()
    await customer.set_limit(requests=100, usd="50")
    faults = {"words": WORDS, "chunk_delay_seconds": 0.01}
    line = await call(customer, model=model, sandbox=faults)
    if place:
        await line.reader.readexactly(place)
    else:
        await begun(customer)
    line.hang_up()
    receipt = await only_receipt(customer)
    await books_of(customer, (await customer.call_ids())[0])
    assert receipt.call.request_counted, "a client that leaves keeps its request"
    return receipt


PLACES = [0, 1, 100, 600, *range(700, 5_000, 331)]


async def test_where_cancelling_does_not_stop_the_bill_the_answer_is_read_to_its_usage(gateway: RunningGateway) -> None:
    for receipt in await together(leave_at(gateway, place, model="plain") for place in PLACES):
        assert receipt.rule in ("client_left_provider_usage", "provider_usage")
        assert receipt.call.charge_nanos >= price(0, WORDS) and receipt.call.evidence == "A"
    calls = await gateway.upstream_calls("plain-upstream")
    assert not any(call["client_disconnected"] for call in calls[-len(PLACES) :])


async def test_where_cancelling_stops_the_bill_only_what_was_delivered_is_charged(gateway: RunningGateway) -> None:
    receipts = await together(leave_at(gateway, place, model="cancels") for place in PLACES)
    whole = price(14, WORDS)
    for receipt in receipts:
        assert receipt.rule in ("client_left_estimated", "client_left_undelivered")
        assert receipt.call.charge_nanos < whole
        assert (receipt.call.charge_nanos == 0) == (receipt.rule == "client_left_undelivered")
    assert receipts[-1].call.charge_nanos > receipts[4].call.charge_nanos
    calls = await gateway.upstream_calls("cancels-upstream")
    assert all(call["client_disconnected"] for call in calls[-len(PLACES) :])


async def test_a_client_that_leaves_before_the_headers_is_cancelled_where_that_stops_the_bill(
    gateway: RunningGateway,
) -> None:
    customer = await gateway.new_customer()
    line = await call(customer, model="cancels", sandbox={"delay_seconds": 30})
    await begun(customer)
    await asyncio.sleep(0.05)
    line.hang_up()
    async with asyncio.timeout(5):
        receipt = await only_receipt(customer)
    assert (receipt.rule, receipt.call.charge_nanos) == ("client_left_undelivered", 0)
    assert receipt.operator.cost_nanos > 0, "the provider had the request"


async def test_no_further_route_is_tried_for_a_client_that_left(gateway: RunningGateway) -> None:
    await gateway.set_faults("pair-both-1", {"delay_seconds": 0.4, "status": 500})
    customer = await gateway.new_customer()
    line = await call(customer, model="pair-both")
    await begun(customer)
    await asyncio.sleep(0.05)
    line.hang_up()
    receipt = await only_receipt(customer)
    await gateway.set_faults("pair-both-1", {})
    assert (receipt.rule, receipt.call.request_counted) == ("upstream_failed", False)
    assert len(receipt.attempts) == 1 and not await gateway.upstream_calls("pair-both-2")


async def test_a_json_call_whose_client_left_is_finished_and_charged(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    line = await call(customer, model="cancels", stream=False, sandbox={"delay_seconds": 0.2})
    await begun(customer)
    line.hang_up()
    receipt = await only_receipt(customer)
    assert (receipt.rule, receipt.call.charge_nanos) == ("provider_usage", price(14, 1))


async def test_a_provider_that_fails_while_nobody_listens_is_not_charged(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    faults = {"words": WORDS, "chunk_delay_seconds": 0.02, "error_mid_stream": WORDS - 2}
    line = await call(customer, model="plain", sandbox=faults)
    await line.reader.readexactly(1_000)
    line.hang_up()
    receipt = await only_receipt(customer)
    assert (receipt.rule, receipt.call.charge_nanos) == ("upstream_cut", 0)


async def test_drains_are_bounded_in_number_and_time(
    cluster: TestCluster, sandbox: RunningSandbox, recorder: Recorder
) -> None:
    bounds = Bounds(max_concurrent_drains=1, drain_timeout_seconds=0.5)
    catalog = catalog_text(recorder=recorder.base_url, black_hole=recorder.base_url)
    async with serve_gateway(cluster, sandbox=sandbox, catalog=catalog, bounds=bounds) as gateway:
        first, second = await gateway.new_customer(), await gateway.new_customer()
        lines = []
        for customer in (first, second):
            line = await call(customer, model="plain", sandbox={"words": 500, "chunk_delay_seconds": 0.02})
            await line.reader.readexactly(3_000)
            lines.append(line)
        lines[0].hang_up()
        await until(lambda: gateway.parts.drains.taken == 1)
        lines[1].hang_up()
        beyond = await only_receipt(second)
        assert gateway.parts.drains.taken == 1, "the first is still being read"
        in_time = await only_receipt(first)
        await until(lambda: gateway.parts.drains.taken == 0)
        assert beyond.rule == in_time.rule == "client_left_estimated"
        assert 0 < beyond.call.charge_nanos < in_time.call.charge_nanos < price(14, 500)
        assert beyond.operator.cost_nanos > beyond.call.charge_nanos // 2


async def test_a_client_that_does_not_read_stops_nobody_else_and_is_let_go(gateway: RunningGateway) -> None:
    stuck, draining, lively = [await gateway.new_customer() for _ in range(3)]
    # Twenty megabytes, far more than the sockets' buffers hold; nothing of it is read.
    faults = {"words": 1_000, "service_tier": "x" * 20_000}
    lines = [
        await call(stuck, model="hasty", limit=1_000, sandbox=faults | {"chunk_delay_seconds": 0.001}),
        await call(draining, model="hasty", limit=1_000, sandbox=faults),
    ]
    seen = await see(lively.chat(stream=True, sandbox={"words": 2, "idle_seconds": 3.5}))
    assert seen.body.count(b": keep-alive\n\n") >= 2, "the ticker went on for everybody else"
    assert seen.whole
    # Nobody hung up: after the idle time they are taken as gone, and the answer is read on to its usage.
    for customer in (stuck, draining):
        receipt = await only_receipt(customer)
        assert receipt.rule == "client_left_provider_usage", receipt
        assert receipt.call.charge_nanos == price(14, 1_000)
    for line in lines:
        line.hang_up()


async def test_an_idle_stream_is_kept_alive_with_comments(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    seen = await see(customer.chat(stream=True, sandbox={"delay_seconds": 2.5}))
    assert seen.status == 200 and seen.body.startswith(b": keep-alive\n\n") and seen.whole
    failed = await see(customer.chat(stream=True, sandbox={"delay_seconds": 2.5, "status": 500}))
    assert failed.status == 200 and failed.error["code"] == "upstream_exception" and not failed.whole
    assert (await customer.receipt(failed.call_id)).rule == "upstream_failed"


async def test_a_client_that_leaves_before_any_answer_is_no_fault_of_ours(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    failures = gateway.parts.metrics.refusals.labels("internal_error")
    before = failures._value.get()
    line = await call(customer, model="cancels", sandbox={"delay_seconds": 30})
    await begun(customer)
    line.hang_up()
    assert (await only_receipt(customer)).rule == "client_left_undelivered"
    await gateway.idle()
    assert failures._value.get() == before
