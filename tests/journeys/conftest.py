"""One browser and one gateway for the folder; each visitor has a profile of their own."""

import base64
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

import pytest
from playwright.async_api import Browser

from farebox.wiring.settings import Server
from tests.database import TestCluster
from tests.gateway import RunningGateway, serve_gateway
from tests.journeys.chromium import Visitor, running_chromium, visiting


@pytest.fixture(scope="package")
async def chromium() -> AsyncIterator[Browser]:
    async with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
async def gateway(cluster: TestCluster) -> AsyncIterator[RunningGateway]:
    server = Server(trusted_proxies=("127.0.0.0/8",))
    async with serve_gateway(cluster, server=server, secrets_key=SECRETS_KEY) as running:
        yield running


# For the secrets of authenticator apps; of these tests alone.
SECRETS_KEY = base64.b64encode(bytes(range(32))).decode()
Visit = Callable[..., AbstractAsyncContextManager[Visitor]]


@pytest.fixture
def visit(chromium: Browser, gateway: RunningGateway) -> Visit:
    """`async with visit() as visitor`, as often as people are needed."""
    return partial(visiting, chromium, gateway.site)


@pytest.fixture
async def visitor(visit: Visit) -> AsyncIterator[Visitor]:
    async with visit() as found:
        yield found
