"""A key's requests per minute are kept to by all workers together."""

import asyncio

from farebox.base.limits import Routing
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.dataplane.outcomes import see
from tests.pools.house import all_is_given_back, serve_house

MINUTE_MICROS = 60_000_000
PER_MINUTE = 60


async def test_no_minute_has_more_requests_than_the_key_may_send_and_hardly_fewer(
    cluster: TestCluster, sandbox: RunningSandbox
) -> None:
    async with serve_house(cluster, sandbox, routing=Routing(queue_seconds=0.0)) as house:
        shop, customer = house.provider(), await house.gateway.new_customer(balance_usd="1000")
        await shop.key("one", requests_per_minute=PER_MINUTE)
        await shop.known()
        # Each worker divides by the living ones once it has heard of the other.
        async with asyncio.timeout(20):
            while any(worker.parts.seats._lessor.workers != 2 for worker in house.gateway.workers):
                await asyncio.sleep(0.01)
        house.pass_seconds(60)
        sent_at: list[int] = []

        async def call(worker: int) -> None:
            before_micros = house.gateway.clock()
            seen = await see(customer.chat(model=shop.model, worker=worker))
            if seen.status == 200:
                sent_at.append(before_micros)
            else:
                assert (seen.status, seen.error["code"]) == (503, "capacity_exhausted")
                assert int(seen.headers["retry-after"]) >= 1

        began_at = house.gateway.clock()
        while house.gateway.clock() < began_at + 2 * MINUTE_MICROS:
            await asyncio.gather(call(0), call(0), call(1), call(1))
            house.pass_seconds(1)
        most = max(sum(0 <= other - moment < MINUTE_MICROS for other in sent_at) for moment in sent_at)
        print(f"{len(sent_at)} requests in two minutes, at most {most} in one")
        assert most <= PER_MINUTE
        assert len(sent_at) >= 2 * PER_MINUTE * 0.85
        assert (await shop.load_of("one")).calls == len(sent_at)
        await all_is_given_back(house)


async def test_one_busy_worker_uses_its_own_part_alone(cluster: TestCluster, sandbox: RunningSandbox) -> None:
    async with serve_house(cluster, sandbox, routing=Routing(queue_seconds=0.0)) as house:
        shop, customer = house.provider(), await house.gateway.new_customer(balance_usd="1000")
        await shop.key("one", requests_per_minute=PER_MINUTE)
        await shop.known()
        async with asyncio.timeout(20):
            while any(worker.parts.seats._lessor.workers != 2 for worker in house.gateway.workers):
                await asyncio.sleep(0.01)
        house.pass_seconds(60)
        served = 0
        began_at = house.gateway.clock()
        while house.gateway.clock() < began_at + MINUTE_MICROS:
            served += (await see(customer.chat(model=shop.model))).status == 200
            house.pass_seconds(1)
        assert PER_MINUTE // 2 * 0.8 <= served <= PER_MINUTE // 2 + 1
