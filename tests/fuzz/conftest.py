"""A gateway of its own for the fuzz: what it leaves behind is nobody else's."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.database import TestCluster
from tests.fuzz.askers import OPERATOR_TOKEN
from tests.gateway import RunningGateway, serve_gateway
from tests.people.town import Town


@pytest.fixture(scope="package")
async def gateway(cluster: TestCluster) -> AsyncIterator[RunningGateway]:
    async with serve_gateway(cluster, operator_token=OPERATOR_TOKEN) as running:
        yield running


@pytest.fixture
async def town(gateway: RunningGateway) -> AsyncIterator[Town]:
    async with contextlib.AsyncExitStack() as stack:
        yield Town(gateway, stack)
