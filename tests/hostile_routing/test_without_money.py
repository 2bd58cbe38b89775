"""Who cannot pay takes nothing from those who can."""

import asyncio

from tests.dataplane.outcomes import see, together
from tests.gateway import Customer, RunningGateway, until


async def test_calls_without_money_use_up_no_keys_requests_per_minute(
    gateway: RunningGateway, customer: Customer
) -> None:
    poor = await gateway.new_customer(balance_usd="0")
    refused = await together((see(poor.chat(model="paced")) for _ in range(20)), most=6)
    assert {each.status for each in refused} == {402}
    assert (await see(customer.chat(model="paced"))).status == 200


async def test_one_workspace_does_not_take_all_places_of_those_that_wait(
    gateway: RunningGateway, customer: Customer
) -> None:
    crowd, parts = await gateway.new_customer(), gateway.parts
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(see(crowd.chat(model="narrow", sandbox={"delay_seconds": 0.3}))) for _ in range(30)]
        await until(lambda: parts.seats.waiting >= 4)
        await asyncio.sleep(0.1)
        theirs = await see(customer.chat(model="narrow"))
        assert theirs.status == 200
    assert {call.result().status for call in calls} == {200, 503}
