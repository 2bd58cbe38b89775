"""Named bounds: what is too large, too slow or too much is refused at once, and what must end is never refused."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from farebox.base.ids import random_id, uuid7
from farebox.base.limits import Bounds
from farebox.ledger.batcher import MAX_WAITING_RESERVES, LedgerBusy
from farebox.ledger.commands import Reserve
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.dataplane.outcomes import Seen, see, seen
from tests.gateway import Customer, RunningGateway, serve_gateway, until


@pytest.fixture(scope="module")
async def tight(cluster: TestCluster, sandbox: RunningSandbox) -> AsyncIterator[RunningGateway]:
    bounds = Bounds(max_body_bytes=10_000, body_timeout_seconds=0.3, max_concurrent_calls=2)
    async with serve_gateway(cluster, sandbox=sandbox, bounds=bounds) as running:
        yield running


async def raw(customer: Customer, head: str, *parts: bytes, pause_seconds: float = 0.0) -> Seen:
    """Send bytes as they are, with a pause before each part, and read the answer."""
    host, _, port = customer.gateway.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    line = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: {customer.headers['authorization']}\r\n"
    writer.write(f"{line}connection: close\r\n{head}\r\n\r\n".encode())
    reading = asyncio.create_task(reader.read())
    for part in parts:
        await asyncio.wait([reading], timeout=pause_seconds)
        if not reading.done():
            writer.write(part)
    answer_head, _, body = (await reading).partition(b"\r\n\r\n")
    writer.close()
    status, *lines = answer_head.decode().split("\r\n")
    return seen(int(status.split()[1]), {k.lower(): v for k, _, v in (x.partition(": ") for x in lines)}, body)


async def test_a_body_that_is_too_large_is_refused_by_its_length_or_by_its_bytes(tight: RunningGateway) -> None:
    customer = await tight.new_customer()
    announced = await raw(customer, "content-length: 10001")
    chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
    streamed = await raw(customer, "transfer-encoding: chunked", chunk, chunk, chunk)
    whole = await see(customer.post("/v1/chat/completions", b"x" * 20_000))
    for answer in (announced, streamed, whole):
        assert (answer.status, answer.error["code"]) == (413, "request_too_large")
        assert answer.error["limit_bytes"] == 10_000 and answer.headers["x-should-retry"] == "false"
    assert await customer.call_ids() == []


async def test_a_slow_body_is_refused_and_holds_nothing(tight: RunningGateway) -> None:
    customer = await tight.new_customer()
    for pause_seconds in (0.12, 0.5):
        body = await raw(customer, "content-length: 2000", *[b"x"] * 8, pause_seconds=pause_seconds)
        assert (body.status, body.error["code"]) == (408, "request_timeout")
    assert await customer.call_ids() == [] and tight.parts.calls.taken == 0


async def test_a_compressed_body_is_refused(tight: RunningGateway) -> None:
    customer = await tight.new_customer()
    refused = await see(customer.chat(headers={"content-encoding": "gzip"}))
    assert (refused.status, refused.error["code"]) == (400, "invalid_request")


async def test_calls_beyond_the_bound_are_told_to_come_back(tight: RunningGateway) -> None:
    customer = await tight.new_customer()
    running = [asyncio.ensure_future(see(customer.chat(sandbox={"delay_seconds": 0.4}))) for _ in range(2)]
    await until(lambda: tight.parts.calls.taken == 2)
    refused = await see(customer.chat())
    assert (refused.status, refused.error["code"]) == (503, "capacity_exhausted")
    assert refused.headers["retry-after"] == "1" and "x-should-retry" not in refused.headers
    assert [(await one).status for one in running] == [200, 200]
    assert (await see(customer.chat())).status == 200
    assert len(await customer.call_ids()) == 3


async def test_a_full_queue_of_holds_refuses_new_ones_and_never_a_settlement(tight: RunningGateway) -> None:
    customer, crowd = await tight.new_customer(), await tight.new_customer(balance_usd="0")

    async def crowding() -> str:
        now_micros = tight.clock()
        hold_id = uuid7(now_micros)
        command = Reserve(
            workspace_id=crowd.workspace_id,
            command_id=hold_id,
            now_micros=now_micros,
            hold_id=hold_id,
            key_id=1,
            owner_id=random_id(),
            amount_nanos=1,
            dispatched=True,
            memo="{}",
        )
        try:
            await tight.parts.ledger.submit(command)
        except LedgerBusy:
            return "busy"
        return "answered"

    async with customer.chat(stream=True, sandbox={"words": 3, "idle_seconds": 0.3}) as running:
        async with tight.connect() as connection, connection.transaction():
            await connection.execute("LOCK TABLE ledger_account IN ACCESS EXCLUSIVE MODE")
            waiting: list[asyncio.Future[str]] = []
            while (room := MAX_WAITING_RESERVES - tight.parts.ledger.waiting_reserves) > 0:
                waiting += [asyncio.ensure_future(crowding()) for _ in range(room)]
                await asyncio.sleep(0.01)
            refused = await see(customer.chat())
            assert (refused.status, refused.error["code"]) == (503, "capacity_exhausted")
            assert refused.headers["retry-after"] == "1"
            await asyncio.sleep(0.5)  # the stream comes to its end, and its settlement waits with the others
        answer = await running.read()
    assert answer.endswith(b"data: [DONE]\n\n")
    answers = await asyncio.gather(*waiting)
    assert answers.count("answered") >= MAX_WAITING_RESERVES
    assert (await customer.receipt((await customer.call_ids())[0])).rule == "provider_usage"


async def test_an_error_names_its_limit_as_json(tight: RunningGateway) -> None:
    customer = await tight.new_customer()
    answer = await raw(customer, "content-length: 999999")
    assert msgspec.json.decode(answer.body)["error"]["type"] == "invalid_request_error"
