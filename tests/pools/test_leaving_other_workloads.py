"""Who hangs up while an embedding or a film waits for a slot leaves the line: nothing is held, ordered or sent."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from farebox.base.limits import Routing
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.gateway import until
from tests.pools.house import House, OpenCall, all_is_given_back, answered, serve_house
from tests.terms import TERMS

_CATALOG = """
[providers.p01]
display_name         = "p01"
base_url             = "{base_url}"
api_key_env          = "FAREBOX_TEST_NO_SUCH_KEY"
cancel_stops_billing = true

[models.m-p01]
display_name      = "text"
context_tokens    = 200_000
max_output_tokens = 1_000

[models.embed]
display_name   = "embed"
workload       = "embedding"
context_tokens = 8_000

[models.film]
display_name      = "film"
workload          = "video"
max_video_seconds = 60

[routes."p01/m-p01"]
cost  = {{ input = "0.50", output = "2.50" }}
price = {{ input = "1.00", output = "5.00" }}

[routes."p01/embed"]
cost  = {{ input = "0.01" }}
price = {{ input = "0.02" }}

[routes."p01/film"]
cost  = {{ per_second_video = "0.05" }}
price = {{ per_second_video = "0.10" }}
"""
ORDERS = {
    "/v1/embeddings": {"model": "embed", "input": "a word"},
    "/v1/videos": {"model": "film", "prompt": "a walk", "seconds": "4"},
}


@pytest.fixture
async def house(cluster: TestCluster, sandbox: RunningSandbox) -> AsyncIterator[House]:
    catalog = TERMS + _CATALOG.format(base_url=sandbox.base_url)
    async with serve_house(cluster, sandbox, catalog=catalog, routing=Routing(queue_seconds=45.0)) as running:
        yield running
        await all_is_given_back(running)


async def test_who_leaves_while_waiting_is_not_served_and_leaves_nothing(house: House) -> None:
    shop, customer = house.provider(), await house.gateway.new_customer(balance_usd="100")
    await shop.key("one", max_concurrent=1)
    await shop.known()
    first = OpenCall(customer, model="m-p01")
    await answered([first])
    for path, body in ORDERS.items():
        waiting = [asyncio.create_task(_send(customer, path, body, worker=number)) for number in (0, 1)]
        await until(lambda: house.waiting() == 2)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        await until(lambda: house.waiting() == 0)
    await first.end()
    await house.gateway.idle()
    assert len(await customer.call_ids()) == 1 and (await shop.load_of("one")).calls == 1
    assert await house.gateway.rows("SELECT 1 FROM video_job") == []
    assert await _send(customer, "/v1/embeddings", ORDERS["/v1/embeddings"]) == 200


async def _send(customer: Any, path: str, body: dict[str, Any], *, worker: int = 0) -> int:
    async with customer.post(path, body, worker=worker) as response:
        await response.read()
        status: int = response.status
        return status
