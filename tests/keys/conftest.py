"""Two workers behind trusted proxies: this machine is one, so a test says in X-Forwarded-For where it comes from."""

from collections.abc import AsyncIterator

import pytest

from farebox.wiring.settings import Server
from farebox_sandbox.process import RunningSandbox, serve_sandbox
from tests.database import TestCluster
from tests.gateway import RunningGateway, serve_gateway


@pytest.fixture(scope="package")
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with serve_sandbox() as running:
        yield running


@pytest.fixture(scope="module")
async def proxied(cluster: TestCluster, sandbox: RunningSandbox) -> AsyncIterator[RunningGateway]:
    server = Server(trusted_proxies=("127.0.0.0/8", "10.0.0.0/8"))
    async with serve_gateway(cluster, sandbox=sandbox, server=server, workers=2) as running:
        yield running
