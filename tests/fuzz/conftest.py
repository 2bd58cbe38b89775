"""A gateway of its own for the fuzz: what it leaves behind is nobody else's."""

import base64
import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.database import TestCluster
from tests.fuzz.askers import OPERATOR_TOKEN
from tests.gateway import RunningGateway, serve_gateway
from tests.people.town import Town

SECRETS_KEY = base64.b64encode(bytes(32)).decode()


@pytest.fixture(scope="package")
async def gateway(cluster: TestCluster) -> AsyncIterator[RunningGateway]:
    # With everything that can be switched on: what is off answers that it is, and nothing else.
    async with serve_gateway(cluster, operator_token=OPERATOR_TOKEN, secrets_key=SECRETS_KEY) as running:
        yield running


@pytest.fixture
async def town(gateway: RunningGateway) -> AsyncIterator[Town]:
    async with contextlib.AsyncExitStack() as stack:
        yield Town(gateway, stack)
