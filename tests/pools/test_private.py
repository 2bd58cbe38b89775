"""A private pool serves its workspaces and nobody else; what the operator changes of it holds at once everywhere."""

import asyncio

import pytest

from tests.dataplane.outcomes import Seen, see
from tests.gateway import Customer
from tests.pools.house import House, Shop


async def ask(shop: Shop, customer: Customer) -> list[Seen]:
    """A call by each way: both workers, streamed and not."""
    ways = [(worker, stream) for worker in (0, 1) for stream in (False, True)]
    return await asyncio.gather(
        *(see(customer.chat(model=shop.model, worker=worker, stream=stream)) for worker, stream in ways)
    )


@pytest.fixture
async def owner(house: House) -> Customer:
    return await house.gateway.new_customer(name="Owner")


async def test_only_its_workspaces_use_its_key_and_they_use_no_other(
    shop: Shop, owner: Customer, customer: Customer
) -> None:
    mine = await shop.pool("mine", access="private", workspaces=frozenset({owner.workspace_id}))
    await shop.key("private", pool_id=mine.pool_id)
    await shop.key("shared")
    await shop.known()
    assert {seen.status for seen in await ask(shop, owner)} == {200}
    assert await shop.accounts_used() == {"private"}
    assert {seen.status for seen in await ask(shop, customer)} == {200}
    assert await shop.accounts_used() == {"shared"}


async def test_for_everybody_else_a_private_key_is_no_key(shop: Shop, owner: Customer, customer: Customer) -> None:
    mine = await shop.pool("mine", access="private", workspaces=frozenset({owner.workspace_id}))
    await shop.key("private", pool_id=mine.pool_id)
    await shop.known()
    refused = await ask(shop, customer)
    assert {(seen.status, seen.error["code"]) for seen in refused} == {(503, "provider_not_configured")}
    for seen in refused:
        told = seen.body.decode() + str(seen.headers)
        assert not any(word in told for word in ("cred_", "mine", "private", "pool"))
    assert await shop.accounts_used() == set() and await customer.call_ids() == []


async def test_a_pool_becomes_private_and_shared_again_at_all_workers(
    shop: Shop, owner: Customer, customer: Customer
) -> None:
    pool = await shop.pool("mine")
    await shop.key("changing", pool_id=pool.pool_id)
    await shop.key("shared")
    await shop.known()
    for _ in range(3):
        await shop.change(pool, access="private", workspaces=frozenset({owner.workspace_id}))
        await shop.known()
        await asyncio.gather(ask(shop, customer), ask(shop, customer))
        assert await shop.accounts_used() == {"shared"}
        await ask(shop, owner)
        assert await shop.accounts_used() == {"changing"}
        await shop.change(pool)
        await shop.known()
        await asyncio.gather(*(ask(shop, each) for each in (customer, owner) for _ in range(6)))
        assert await shop.accounts_used() == {"shared", "changing"}


async def test_a_full_private_pool_leaves_its_workspaces_what_everybody_has(shop: Shop, owner: Customer) -> None:
    mine = await shop.pool("mine", access="private", workspaces=frozenset({owner.workspace_id}))
    await shop.key("private", pool_id=mine.pool_id, max_concurrent=2)
    await shop.key("shared", max_concurrent=2)
    await shop.known()
    calls = [
        asyncio.ensure_future(see(owner.chat(model=shop.model, worker=number % 2, sandbox={"delay_seconds": 0.1})))
        for number in range(12)
    ]
    assert {seen.status for seen in await asyncio.gather(*calls)} == {200}
    assert ((await shop.load_of("private")).most, (await shop.load_of("shared")).most) == (2, 2)
