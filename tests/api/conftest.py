from collections.abc import AsyncIterator

import pytest

from farebox.storage.pool import Pool
from tests.api.shop import Shop, open_shop
from tests.records.books import Books, running_books


@pytest.fixture
async def books(dsn: str) -> AsyncIterator[Books]:
    async with running_books(dsn) as running:
        yield running


@pytest.fixture
async def shop(pool: Pool, books: Books) -> AsyncIterator[Shop]:
    """Tokeo, as its deployment describes it, on the test's own database."""
    async with open_shop(pool, books) as opened:
        yield opened
