"""One gateway for the folder that looks after its jobs several times a second; its clients are the official SDK's."""

from collections.abc import AsyncIterator

import pytest

from farebox.base.limits import VideoJobs
from farebox_sandbox.process import RunningSandbox, serve_sandbox
from tests.database import TestCluster
from tests.gateway import RunningGateway, serve_gateway
from tests.videos.films import Films, films_of
from tests.videos.receivers import Receiver, receiving
from tests.videos.shop import catalog_text

QUICK = VideoJobs(poll_seconds=0.1, max_poll_seconds=0.2)


@pytest.fixture(scope="package")
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with serve_sandbox() as running:
        yield running


@pytest.fixture(scope="package")
async def shared_gateway(cluster: TestCluster, sandbox: RunningSandbox) -> AsyncIterator[RunningGateway]:
    async with serve_gateway(cluster, sandbox=sandbox, catalog=catalog_text(), videos=QUICK) as running:
        yield running


@pytest.fixture
async def gateway(shared_gateway: RunningGateway) -> AsyncIterator[RunningGateway]:
    yield shared_gateway
    await shared_gateway.idle()
    await shared_gateway.verify()


@pytest.fixture
async def films(gateway: RunningGateway) -> AsyncIterator[Films]:
    """A customer with money, and the official SDK with the customer's key."""
    async with films_of(await gateway.new_customer()) as found:
        yield found


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as found:
        yield found
