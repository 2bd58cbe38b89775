"""Several keys of one provider: who answers, and what happens to running calls when one is taken away."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from farebox.providers.store import StoredCredential, remove_credential, set_credential_status
from tests.dataplane.outcomes import Seen, see
from tests.gateway import Customer, until
from tests.pools.house import House, OpenCall, Shop, answered, end

# A stream of about a second.
SECOND = {"words": 40, "chunks": 40, "chunk_delay_seconds": 0.025}


async def test_keys_are_used_by_their_weights(shop: Shop, customer: Customer) -> None:
    await shop.key("heavy", weight=3)
    await shop.key("light", weight=1)
    await shop.known()
    calls = [OpenCall(customer, model=shop.model, worker=number % 2) for number in range(80)]
    await answered(calls)
    assert ((await shop.load_of("heavy")).open, (await shop.load_of("light")).open) == (60, 20)
    await end(calls)


async def test_under_a_steady_load_each_key_gets_about_its_part_of_all_calls(shop: Shop, customer: Customer) -> None:
    await shop.key("heavy", weight=3, max_concurrent=12)
    await shop.key("light", weight=1, max_concurrent=4)
    await shop.known()
    numbers = iter(range(320))

    async def client(worker: int) -> None:
        for _ in numbers:
            seen = await see(customer.chat(model=shop.model, worker=worker, sandbox={"delay_seconds": 0.02}))
            assert seen.status == 200

    await asyncio.gather(*(client(number % 2) for number in range(16)))
    heavy, light = await shop.load_of("heavy"), await shop.load_of("light")
    assert heavy.calls + light.calls == 320
    assert 0.65 <= heavy.calls / 320 <= 0.85
    assert heavy.most <= 12 and light.most <= 4


async def _disable(shop: Shop, stored: StoredCredential) -> None:
    async with shop.house.gateway.connect() as connection:
        await set_credential_status(connection, stored, "disabled")


async def _remove(shop: Shop, stored: StoredCredential) -> None:
    async with shop.house.gateway.connect() as connection:
        await remove_credential(connection, stored)


async def _rotate(shop: Shop, stored: StoredCredential) -> None:
    await shop.rotate(stored, "fresh")


@pytest.mark.parametrize(("change", "after"), [(_disable, {"b"}), (_remove, {"b"}), (_rotate, {"b", "fresh"})])
async def test_running_calls_end_with_the_key_that_is_taken_away_and_new_ones_never_use_it(
    shop: Shop,
    customer: Customer,
    change: Callable[[Shop, StoredCredential], Awaitable[None]],
    after: set[str],
) -> None:
    first = await shop.key("a", max_concurrent=8)
    await shop.key("b", max_concurrent=8)
    await shop.known()
    running = [
        asyncio.ensure_future(see(customer.chat(model=shop.model, worker=number % 2, stream=True, sandbox=SECOND)))
        for number in range(6)
    ]
    await shop.sees_any("a", "b", count=6)
    assert await shop.accounts_used() == {"a", "b"}
    await change(shop, first)
    await shop.known()
    assert not any(call.done() for call in running)
    more = [
        asyncio.ensure_future(see(customer.chat(model=shop.model, worker=number % 2, stream=number < 6)))
        for number in range(24)
    ]
    _whole(await asyncio.gather(*more), streamed=6)
    assert await shop.accounts_used() == after
    _whole(await asyncio.gather(*running), streamed=6)
    assert (await shop.load_of("a")).most <= 8 and (await shop.load_of("b")).most <= 8


def _whole(seen: list[Seen], *, streamed: int) -> None:
    assert {each.status for each in seen} == {200}
    assert sum(each.whole for each in seen) == streamed


async def test_a_key_that_is_added_serves_who_waits(shop: Shop, customer: Customer, house: House) -> None:
    await shop.key("a", max_concurrent=1)
    await shop.known()
    first = OpenCall(customer, model=shop.model)
    await answered([first])
    waiting = [OpenCall(customer, model=shop.model, worker=number) for number in range(2)]
    await until(lambda: house.waiting() == 2)
    await shop.key("b", max_concurrent=2)
    await answered(waiting)
    assert {call.status for call in waiting} == {200}
    assert ((await shop.load_of("a")).open, (await shop.load_of("b")).open) == (1, 2)
    await end([first, *waiting])


async def test_a_key_at_the_providers_limit_is_passed_over_and_the_other_answers_the_same_call(
    shop: Shop, customer: Customer, house: House
) -> None:
    await shop.key("a", weight=1_000)
    await shop.key("b")
    await shop.known()
    await shop.fault("a", status=429, retry_after_seconds=20)
    for worker in (0, 1):
        for _ in range(4):
            assert (await see(customer.chat(model=shop.model, worker=worker))).status == 200
    # Each worker learnt it by one call of its own.
    assert ((await shop.load_of("a")).calls, (await shop.load_of("b")).calls) == (2, 8)
    await shop.fault("a")
    house.pass_seconds(21)
    assert (await see(customer.chat(model=shop.model))).status == 200
    assert (await shop.load_of("a")).calls == 3


async def test_the_only_key_at_the_providers_limit_tells_the_client_when_to_come_back(
    shop: Shop, customer: Customer, house: House
) -> None:
    await shop.key("a")
    await shop.known()
    await shop.fault("a", status=429, retry_after_seconds=20)
    for _ in range(3):
        seen = await see(customer.chat(model=shop.model))
        assert (seen.status, seen.error["code"]) == (429, "rate_limit_exceeded")
        assert 1 <= int(seen.headers["retry-after"]) <= 20
    assert (await shop.load_of("a")).calls == 1, "the route cools down"
    assert (await see(customer.chat(model=shop.lane_model))).status == 429, "the key is awake for other models"
    assert (await shop.load_of("a")).calls == 2
    await shop.fault("a")
    house.pass_seconds(21)
    assert (await see(customer.chat(model=shop.model))).status == 200


@pytest.mark.parametrize("status", [401, 402, 403])
async def test_a_key_that_is_refused_rests_and_so_does_its_part_of_the_capacity(
    shop: Shop, customer: Customer, house: House, status: int
) -> None:
    await shop.key("a", max_concurrent=3, weight=1_000)
    other = await shop.key("b", max_concurrent=2)
    await shop.known()
    await shop.shared(other)
    await shop.fault("a", status=status)
    assert (await see(customer.chat(model=shop.model))).status == 200
    calls = [OpenCall(customer, model=shop.model) for _ in range(2)]
    await answered(calls)
    late = OpenCall(customer, model=shop.model)
    await until(lambda: house.waiting(0) == 1)
    assert ((await shop.load_of("a")).calls, (await shop.load_of("b")).open) == (1, 2)
    await shop.fault("a")
    house.pass_seconds(61)
    await answered([late])
    assert late.status == 200 and (await shop.load_of("a")).open == 1
    await end([*calls, late])
