from collections.abc import AsyncIterator

import pytest

from farebox.storage.pool import Pool
from tests.rates.gates import Stage, staged


@pytest.fixture
async def stage(pool: Pool) -> AsyncIterator[Stage]:
    async with staged(pool) as made:
        yield made
