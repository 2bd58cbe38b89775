from collections.abc import AsyncIterator

import pytest

from tests.records.books import Books, running_books


@pytest.fixture
async def books(dsn: str) -> AsyncIterator[Books]:
    async with running_books(dsn) as running:
        yield running
