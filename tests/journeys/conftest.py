"""One browser and one gateway for the folder; each visitor has a profile of their own."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest
from playwright.async_api import Browser

from tests.database import TestCluster
from tests.gateway import RunningGateway, serve_gateway
from tests.journeys.chromium import Visitor, running_chromium, visiting


@pytest.fixture(scope="package")
async def chromium() -> AsyncIterator[Browser]:
    async with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
async def gateway(cluster: TestCluster) -> AsyncIterator[RunningGateway]:
    async with serve_gateway(cluster) as running:
        yield running


Visit = Callable[..., AbstractAsyncContextManager[Visitor]]


@pytest.fixture
def visit(chromium: Browser, gateway: RunningGateway) -> Visit:
    """`async with visit() as visitor`, as often as people are needed."""
    return partial(visiting, chromium, gateway.site)


@pytest.fixture
async def visitor(visit: Visit) -> AsyncIterator[Visitor]:
    async with visit() as found:
        yield found
