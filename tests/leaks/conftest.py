"""One gateway for the folder, and for each test a customer with every scope."""

from collections.abc import AsyncIterator

import pytest

from tests.database import TestCluster
from tests.gateway import Customer
from tests.leaks.fort import Fort, open_fort


@pytest.fixture(scope="package")
async def one_fort(cluster: TestCluster) -> AsyncIterator[Fort]:
    async with open_fort(cluster) as opened:
        yield opened


@pytest.fixture
async def fort(one_fort: Fort) -> AsyncIterator[Fort]:
    yield one_fort
    await one_fort.forget()
    await one_fort.gateway.verify()


@pytest.fixture
async def customer(fort: Fort) -> Customer:
    return await fort.gateway.new_customer(balance_usd="100")
