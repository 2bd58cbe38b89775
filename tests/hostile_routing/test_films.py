"""A film that may be billed although nobody gets it counts in its route's budget."""

import asyncio

from tests.dataplane.outcomes import see
from tests.gateway import PATIENCE_SECONDS, Customer, RunningGateway

FILM = {"model": "film", "prompt": "a cat", "seconds": "4", "size": "720x1280"}


async def _spent_nanos(gateway: RunningGateway) -> int:
    found = await gateway.rows("SELECT spent_nanos FROM capacity_budget WHERE route_id = 'first/film'")
    return int(found[0][0]) if found else 0


async def test_an_order_without_an_answer_counts_with_the_whole_film(
    gateway: RunningGateway, customer: Customer
) -> None:
    await gateway.set_faults("film-first", {"drop_before_headers": True})
    before = await _spent_nanos(gateway)
    failed = await see(customer.post("/v1/videos", FILM))
    assert failed.status == 502
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await _spent_nanos(gateway) < before + 200_000_000:
            await asyncio.sleep(0.05)
    assert await _spent_nanos(gateway) == before + 200_000_000
