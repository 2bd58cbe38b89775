"""One gateway of two workers for most of the folder; afterwards every seat is given back and the ledger is sound."""

from collections.abc import AsyncIterator

import pytest

from farebox_sandbox.process import RunningSandbox, serve_sandbox
from tests.database import TestCluster
from tests.gateway import Customer
from tests.pools.house import House, Shop, all_is_given_back, end_all, serve_house


@pytest.fixture(scope="package")
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with serve_sandbox() as running:
        yield running


@pytest.fixture(scope="package")
async def shared_house(cluster: TestCluster, sandbox: RunningSandbox) -> AsyncIterator[House]:
    async with serve_house(cluster, sandbox) as running:
        yield running


@pytest.fixture
async def house(shared_house: House) -> AsyncIterator[House]:
    await shared_house.forget_earlier_calls()
    yield shared_house
    await end_all()
    await all_is_given_back(shared_house)


@pytest.fixture
def shop(house: House) -> Shop:
    """A provider that no other test has used."""
    return house.provider()


@pytest.fixture
async def customer(house: House) -> Customer:
    return await house.gateway.new_customer()
