import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from hypothesis import HealthCheck, settings

from farebox.storage.pool import Pool, open_pool
from tests.database import TestCluster

# What Hypothesis finds must not depend on how busy the machine is.
settings.register_profile("farebox", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("farebox")


@pytest.fixture(scope="session")
def cluster() -> Iterator[TestCluster]:
    """One PostgreSQL for the whole session."""
    with TestCluster() as running:
        yield running


@pytest.fixture
def dsn(cluster: TestCluster) -> Iterator[str]:
    """A fresh database with the current schema, dropped after the test."""
    address = cluster.fresh_database()
    yield address
    cluster.drop_database(address)


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[Pool]:
    """A pool on the test's own database."""
    async with open_pool(dsn) as opened:
        yield opened


@pytest.fixture(scope="session")
def black_hole() -> Iterator[str]:
    """An address that never completes a connection: its queue of one is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
            waiting.append(client)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        for client in waiting:
            client.close()
