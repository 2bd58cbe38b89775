import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from farebox.ledger.batcher import Batcher
from tests.database import TestCluster
from tests.ledger.stage import OWNER, running


@pytest.fixture(scope="package")
def shared_dsn(cluster: TestCluster) -> Iterator[str]:
    """One database for the tests that need nothing but a workspace of their own."""
    address = cluster.fresh_database()
    yield address
    cluster.drop_database(address)


@pytest.fixture(scope="package")
async def shared_batcher(shared_dsn: str) -> AsyncIterator[Batcher]:
    """A batcher at work on that database."""
    async with running(Batcher(shared_dsn, owner_id=OWNER)) as batcher:
        yield batcher


@pytest.fixture
async def batcher(dsn: str) -> AsyncIterator[Batcher]:
    """A batcher at work on the test's own database."""
    async with running(Batcher(dsn, owner_id=OWNER)) as working:
        yield working
        await asyncio.sleep(0)
