"""However calls end, nothing that they took stays taken: places, slots, lanes, rate limits, holds."""

import asyncio
import random
from typing import Any

from farebox.base.limits import RateLimits, Routing
from farebox.routing.rates.stock import Slots
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.dataplane.outcomes import see
from tests.gateway import Customer, RunningGateway, serve_gateway, until
from tests.hostile_routing.bazaar import bazaar_text
from tests.hostile_routing.conftest import SETTINGS, store_credentials

FAULTS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"delay_seconds": 0.2},
    {"status": 500},
    {"status": 429},
    {"status": 400},
    {"status": 401},
    {"drop_before_headers": True},
    {"garbage": True},
    {"words": 40, "chunk_delay_seconds": 0.02},
    {"words": 40, "error_mid_stream": 3},
    {"words": 40, "cut_at_byte": 900},
    {"first_byte_delay_seconds": 0.3},
)
MODELS = ("narrow", "queue", "keys", "pair", "foreign", "paced")


def kept(gateway: RunningGateway) -> list[str]:
    """What is still taken of anything, in words."""
    found = []
    for worker in gateway.workers:
        parts = worker.parts
        found += [
            f"{name} {gate.taken}" for name, gate in (("calls", parts.calls), ("drains", parts.drains)) if gate.taken
        ]
        found += ["waiting"] * parts.seats.waiting
        lessor = parts.seats._lessor
        found += [
            f"{lease.resource}: {lease.in_use} {lease.borrowed} {lease.waiting}"
            for lease in lessor.leases()
            if lease.in_use or lease.borrowed
        ]
        slots = [stock for stock in parts.rates._stocks.values() if isinstance(stock, Slots)]
        found += [f"{stock.leg}: {stock.in_use}" for stock in slots if stock.in_use]
    return found


async def _one(customer: Customer, chance: random.Random) -> None:
    fault = chance.choice(FAULTS)
    body: dict[str, Any] = {"stream": chance.random() < 0.6, "sandbox": fault}
    call = asyncio.create_task(see(customer.chat("hi " * chance.randrange(1, 50), model=chance.choice(MODELS), **body)))
    if chance.random() < 0.5:
        await asyncio.sleep(chance.random() * 0.6)
        call.cancel()
    await asyncio.gather(call, return_exceptions=True)


async def test_nothing_stays_taken_whatever_providers_and_clients_do(
    cluster: TestCluster, sandbox: RunningSandbox
) -> None:
    limits = RateLimits(requests_per_minute=100_000, tokens_per_minute=10_000_000, concurrent_calls=30)
    routing = Routing(queue_seconds=0.5, max_waiting_calls=8)
    chance = random.Random(4)
    async with serve_gateway(
        cluster,
        sandbox=sandbox,
        catalog=bazaar_text(sandbox.base_url),
        rate_limits=limits,
        workers=2,
        **{**SETTINGS, "routing": routing},
    ) as gateway:
        await store_credentials(gateway)
        customers = [await gateway.new_customer(balance_usd=usd) for usd in ("10", "10", "0", "0.02")]
        for _ in range(12):
            calls = asyncio.gather(*(_one(chance.choice(customers), chance) for _ in range(40)))
            await until(lambda: kept(gateway))  # or this test could not fail
            await calls
            for worker in gateway.workers:
                worker.parts.health.forget()
                for provider in worker.parts.catalog().providers.values():
                    for pool in worker.parts.accounts.pools(provider):
                        for credential in pool.credentials:
                            worker.parts.accounts.woke(credential.credential_id)
        await gateway.idle()
        await until(lambda: not kept(gateway))
        assert (await gateway.verify()).open_holds == 0
