"""One gateway with an operator's token, and everybody who may stand at its doors."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.database import TestCluster
from tests.gateway import RunningGateway, serve_gateway
from tests.people.town import Town
from tests.roles.crowd import OPERATOR_TOKEN, Crowd, gather_crowd


@pytest.fixture(scope="package")
async def gateway(cluster: TestCluster) -> AsyncIterator[RunningGateway]:
    async with serve_gateway(cluster, operator_token=OPERATOR_TOKEN) as running:
        yield running


@pytest.fixture(scope="package")
async def crowd(gateway: RunningGateway) -> AsyncIterator[Crowd]:
    async with contextlib.AsyncExitStack() as stack:
        yield await gather_crowd(Town(gateway, stack))
