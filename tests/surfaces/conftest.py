"""One gateway whose models speak every upstream dialect; its clients are the official SDKs."""

from collections.abc import AsyncIterator

import pytest

from farebox_sandbox.process import RunningSandbox, serve_sandbox
from tests.database import TestCluster
from tests.gateway import Customer, RunningGateway, serve_gateway
from tests.surfaces.drivers import DRIVERS, Driver
from tests.surfaces.shop import CATALOG


@pytest.fixture(scope="package")
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with serve_sandbox() as running:
        yield running


@pytest.fixture(scope="package")
async def shared_gateway(cluster: TestCluster, sandbox: RunningSandbox) -> AsyncIterator[RunningGateway]:
    async with serve_gateway(cluster, sandbox=sandbox, catalog=CATALOG) as running:
        yield running


@pytest.fixture
async def gateway(shared_gateway: RunningGateway) -> AsyncIterator[RunningGateway]:
    yield shared_gateway
    await shared_gateway.idle()
    report = await shared_gateway.verify()
    assert report.open_holds == 0


@pytest.fixture
async def customer(gateway: RunningGateway) -> Customer:
    return await gateway.new_customer()


@pytest.fixture(params=DRIVERS, ids=lambda kind: str(kind.name))
async def driver(request: pytest.FixtureRequest, customer: Customer) -> AsyncIterator[Driver]:
    """The official SDK of each surface."""
    async with request.param(customer) as found:
        yield found
