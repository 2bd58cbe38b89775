"""A gateway that is told to stop: calls that end in time are served; the others are released and told so."""

import asyncio

from farebox.wiring.settings import Server
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.dataplane.outcomes import books_of, price, see
from tests.gateway import serve_gateway


async def test_a_stop_mid_answer_settles_every_call(cluster: TestCluster, sandbox: RunningSandbox) -> None:
    async with serve_gateway(cluster, sandbox=sandbox, server=Server(graceful_shutdown_seconds=1)) as gateway:
        quick, slow, silent, json = [await gateway.new_customer() for _ in range(4)]
        for customer in (quick, slow, silent, json):
            await customer.set_limit(requests=9, usd="9")
        paced = {"chunk_delay_seconds": 0.05}
        calls = [
            asyncio.ensure_future(see(quick.chat(stream=True, sandbox=paced | {"words": 10}))),
            asyncio.ensure_future(see(slow.chat(stream=True, sandbox=paced | {"words": 500}))),
            asyncio.ensure_future(see(silent.chat(stream=True, sandbox={"delay_seconds": 30}))),
        ]
        pending = asyncio.ensure_future(asyncio.wait_for(see(json.chat(sandbox={"delay_seconds": 30})), 10))
        await asyncio.sleep(0.2)
        await gateway.workers[0].stop()
        served, stopped, unanswered = await asyncio.gather(*calls)
        await asyncio.gather(pending, return_exceptions=True)
        gateway.workers.clear()
        await gateway.restart()

        assert served.whole and (await books_of(quick, served.call_id)).receipt.rule == "provider_usage"
        assert await quick.balance_nanos() == 10 * 10**9 - price(14, 10)
        assert stopped.error["code"] == "internal_error" and not stopped.whole
        assert unanswered.status == 500 and unanswered.error["code"] == "internal_error"
        for customer in (slow, silent, json):
            receipt = (await books_of(customer, (await customer.call_ids())[0])).receipt
            assert (receipt.rule, receipt.call.request_counted) == ("gateway_stopped", False)
            assert receipt.operator.cost_nanos > 0, "the provider had the request"
        assert (await gateway.verify()).open_holds == 0
