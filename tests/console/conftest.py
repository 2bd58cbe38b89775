"""One gateway for the folder, with a key for stored secrets; browsers without a window, and people signed in."""

import base64
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.database import TestCluster
from tests.gateway import RunningGateway, serve_gateway
from tests.people.browser import Browser
from tests.people.town import Town

SECRETS_KEY = base64.b64encode(b"thirty-two bytes of a test's key").decode()


@pytest.fixture(scope="package")
async def gateway(cluster: TestCluster) -> AsyncIterator[RunningGateway]:
    async with serve_gateway(cluster, secrets_key=SECRETS_KEY) as running:
        yield running


@pytest.fixture
async def browser(gateway: RunningGateway) -> AsyncIterator[Browser]:
    """Nobody is signed in with it."""
    async with Browser(gateway) as opened:
        yield opened


@pytest.fixture
async def town(gateway: RunningGateway) -> AsyncIterator[Town]:
    async with contextlib.AsyncExitStack() as stack:
        yield Town(gateway, stack)
