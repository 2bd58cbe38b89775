"""One gateway for the folder; each person has a browser with an address of its own."""

from collections.abc import AsyncIterator

import pytest

from tests.database import TestCluster
from tests.gateway import RunningGateway, serve_gateway
from tests.people.browser import Browser
from tests.people.clocks import TravellingClock


@pytest.fixture(scope="package")
async def gateway(cluster: TestCluster) -> AsyncIterator[RunningGateway]:
    async with serve_gateway(cluster) as running:
        yield running


@pytest.fixture
async def browser(gateway: RunningGateway) -> AsyncIterator[Browser]:
    async with Browser(gateway) as opened:
        yield opened


@pytest.fixture
async def other(gateway: RunningGateway) -> AsyncIterator[Browser]:
    """Another browser, of the same person or of somebody else."""
    async with Browser(gateway) as opened:
        yield opened


@pytest.fixture(scope="package")
def clock() -> TravellingClock:
    """Of the gateway `later`."""
    return TravellingClock()


@pytest.fixture(scope="package")
async def later(cluster: TestCluster, clock: TravellingClock) -> AsyncIterator[RunningGateway]:
    """A gateway whose time a test sets forward."""
    async with serve_gateway(cluster, clock=clock) as running:
        yield running
