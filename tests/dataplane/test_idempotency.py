"""Idempotency-Key: one key, one served request, one charge; never a stored answer."""

import asyncio
from typing import Any

from tests.dataplane.outcomes import Seen, price, see
from tests.gateway import Customer, RunningGateway


def keyed(customer: Customer, name: str, **fields: Any) -> Any:
    return customer.chat(headers={"idempotency-key": name}, **fields)


async def test_a_served_key_points_to_its_receipt_and_is_not_charged_again(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    first = await see(keyed(customer, "a"))
    again = await see(keyed(customer, "a"))
    assert (first.status, again.status, again.error["code"]) == (200, 409, "idempotency_finished")
    assert again.error["call_id"] == first.call_id and again.headers["x-should-retry"] == "false"
    assert again.error["receipt"] == f"/api/usage/{first.call_id}"
    assert (await customer.get(again.error["receipt"]))["idempotent"] is True
    assert await customer.balance_nanos() == 10 * 10**9 - price(14, 1)


async def test_another_body_under_the_same_key_is_a_conflict(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    await see(keyed(customer, "a"))
    other = await see(keyed(customer, "a", temperature=1))
    assert (other.status, other.error["code"]) == (409, "idempotency_conflict")
    assert other.headers["x-should-retry"] == "false"


async def test_while_the_first_request_runs_the_second_is_told_to_wait(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    running = asyncio.ensure_future(see(keyed(customer, "a", sandbox={"delay_seconds": 0.4})))
    await asyncio.sleep(0.15)
    second = await see(keyed(customer, "a", sandbox={"delay_seconds": 0.4}))
    assert (second.status, second.error["code"]) == (409, "idempotency_running")
    assert second.headers["retry-after"] == "2" and "x-should-retry" not in second.headers
    assert (await running).status == 200


async def test_a_released_key_is_free_again(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    await gateway.set_faults("second-upstream", {"status": 500}, times=2)
    for status in (502, 502, 200, 409):
        seen = await see(keyed(customer, "a", model="second"))
        assert seen.status == status
    assert await customer.balance_nanos() == 10 * 10**9 - price(14, 1)


async def test_of_fifty_at_once_exactly_one_goes_upstream_and_is_charged(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    await gateway.set_faults("mute-upstream", {"delay_seconds": 0.2})
    before = len(await gateway.upstream_calls("mute-upstream"))

    async def one(number: int) -> Seen:
        return await see(keyed(customer, "a", model="mute", worker=number % 2))

    all_seen = await asyncio.gather(*(one(number) for number in range(50)))
    await gateway.set_faults("mute-upstream", {})
    statuses = sorted(seen.status for seen in all_seen)
    assert statuses == [200] + [409] * 49
    assert len(await gateway.upstream_calls("mute-upstream")) == before + 1
    assert await customer.balance_nanos() == 10 * 10**9 - price(14, 1)
    assert len(await customer.call_ids()) == 1


async def test_a_key_belongs_to_its_workspace(gateway: RunningGateway) -> None:
    customer, stranger = await gateway.new_customer(), await gateway.new_customer()
    same_workspace = customer.with_key(await customer.new_key())
    assert (await see(keyed(customer, "a"))).status == 200
    assert (await see(keyed(stranger, "a"))).status == 200
    assert (await see(keyed(same_workspace, "a"))).status == 409


async def test_without_a_key_every_request_is_its_own(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    assert [(await see(customer.chat())).status for _ in range(2)] == [200, 200]
    assert len(await customer.call_ids()) == 2
    too_long = await see(keyed(customer, "k" * 256))
    assert (too_long.status, too_long.error["code"]) == (400, "invalid_request")
    assert len(await customer.call_ids()) == 2


async def test_a_finished_stream_is_finished_for_its_key_too(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    assert (await see(keyed(customer, "a", stream=True))).whole
    assert (await see(keyed(customer, "a", stream=True))).error["code"] == "idempotency_finished"
