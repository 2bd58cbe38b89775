"""The database goes away: before a hold nothing starts, after it nothing is lost, and nothing is settled twice."""

import asyncio

import msgspec

from farebox.base.limits import Recovery
from farebox.dataplane.spool import Evidence
from farebox.wiring.settings import Server
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.dataplane.outcomes import Seen, price, see, seen
from tests.gateway import Customer, RunningGateway, serve_gateway, until


async def late_body(customer: Customer, gone: asyncio.Event) -> Seen:
    """A request whose key was checked while the database was there, and whose body comes when it is not."""
    host, _, port = customer.gateway.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    body = msgspec.json.encode({"model": "plain", "messages": [{"role": "user", "content": "hi"}]})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: {customer.headers['authorization']}\r\n"
    writer.write(f"{head}connection: close\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body[:5])
    await gone.wait()
    writer.write(body[5:])
    answer, _, rest = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    status, *lines = answer.decode().split("\r\n")
    return seen(int(status.split()[1]), {k.lower(): v for k, _, v in (x.partition(": ") for x in lines)}, rest)


async def settled(gateway: RunningGateway) -> None:
    """Wait until the spool is empty."""
    await until(lambda: gateway.parts.spool.count() == 0, seconds=30)


async def test_nothing_is_lost_and_nothing_is_settled_twice(sandbox: RunningSandbox) -> None:
    with TestCluster() as own_cluster:
        async with serve_gateway(own_cluster, sandbox=sandbox, recovery=Recovery(sweep_seconds=0.2)) as gateway:
            await play(gateway, own_cluster)


async def play(gateway: RunningGateway, own_cluster: TestCluster) -> None:
    streamer, asker, late = [await gateway.new_customer() for _ in range(3)]
    for customer in (streamer, asker, late):
        assert (await see(customer.chat())).status == 200
    gone = asyncio.Event()
    slow = {"words": 5, "delay_seconds": 1.0}
    stream = asyncio.ensure_future(see(streamer.chat(stream=True, sandbox=slow)))
    answer = asyncio.ensure_future(see(asker.chat(sandbox=slow)))
    unreserved = asyncio.ensure_future(late_body(late, gone))
    await until(lambda: gateway.parts.calls.taken == 2)
    await asyncio.sleep(0.3)
    own_cluster._postgres.stop()
    gone.set()

    unknown_key = await see(late.chat())
    assert (unknown_key.status, unknown_key.error["code"]) == (503, "database_unavailable")
    refused = await unreserved
    assert (refused.status, refused.error["code"]) == (503, "database_unavailable")
    assert int(refused.headers["retry-after"]) > 0 and "nothing is charged" in refused.error["message"]
    for call in (await answer, await stream):
        assert call.error["code"] == "database_unavailable" and not call.whole
        assert call.error["call_id"] == call.call_id
    assert (await answer).status == 503 and (await stream).status == 200
    assert gateway.parts.spool.count() == 2
    spool = gateway.settings.home.spool
    copies = {path.name: path.read_bytes() for path in spool.glob("*.json")}
    assert all(msgspec.json.decode(copy, type=Evidence).row.rule == "provider_usage" for copy in copies.values())

    own_cluster._postgres.start()
    await settled(gateway)
    for customer, call in ((streamer, await stream), (asker, await answer)):
        receipt = await customer.receipt(call.call_id)
        assert (receipt.rule, receipt.call.evidence, receipt.call.charge_nanos) == ("provider_usage", "A", price(14, 5))
        assert await customer.held_nanos() == 0
    # The same evidence once more: a copy that somebody restored, a crash between sending and deleting.
    for name, copy in copies.items():
        (spool / name).write_bytes(copy)
    (spool / "broken.json").write_bytes(b"{")
    await until(lambda: not any((spool / name).exists() for name in copies), seconds=30)
    assert (spool / "broken.json").exists(), "what cannot be read is left for a person"
    for customer in (streamer, asker):
        assert await customer.balance_nanos() == 10 * 10**9 - price(14, 1) - price(14, 5)
    async with asyncio.timeout(30):
        while (await see(late.chat())).status != 200:
            await asyncio.sleep(0.2)
    # A hold that nobody was told of is given back before anything else is done.
    assert await late.held_nanos() == 0 and await late.balance_nanos() == 10 * 10**9 - 2 * price(14, 1)


async def test_a_stop_while_a_call_settles_keeps_its_evidence(sandbox: RunningSandbox) -> None:
    with TestCluster() as own_cluster:
        server = Server(graceful_shutdown_seconds=1)
        recovery = Recovery(sweep_seconds=0.2)
        async with serve_gateway(own_cluster, sandbox=sandbox, recovery=recovery, server=server) as gateway:
            customer = await gateway.new_customer()
            asking = asyncio.ensure_future(see(customer.chat(sandbox={"words": 5, "delay_seconds": 1.0})))
            await until(lambda: gateway.parts.calls.taken == 1)
            await asyncio.sleep(0.3)
            own_cluster._postgres.stop()
            await asyncio.sleep(1.5)  # the answer is here, and its settlement waits for the database
            spool = gateway.parts.spool
            await gateway.workers[0].stop()
            await asyncio.gather(asking, return_exceptions=True)
            assert spool.count() == 1
            own_cluster._postgres.start()
            gateway.workers.clear()
            await gateway.restart()
            await settled(gateway)
            receipt = await customer.receipt((await customer.call_ids())[0])
            assert (receipt.rule, receipt.call.charge_nanos) == ("provider_usage", price(14, 5))
            assert await customer.balance_nanos() == 10 * 10**9 - price(14, 5)
            assert await customer.held_nanos() == 0
