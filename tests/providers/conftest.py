from collections.abc import AsyncIterator

import psycopg
import pytest

from farebox.identity.model import Kind
from farebox.identity.store import create_workspace
from farebox.providers.secrets import Safe
from farebox.providers.store import Connection

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
NOW = 1_790_000_000_000_000


@pytest.fixture
async def connection(dsn: str) -> AsyncIterator[Connection]:
    """A connection of the test's own."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as opened:
        yield opened


@pytest.fixture
def safe() -> Safe:
    """The operator's key, as most tests have it."""
    return Safe(KEY)


@pytest.fixture
async def workspace(connection: Connection) -> int:
    """A customer."""
    return (await create_workspace(connection, "acme", kind=Kind.CUSTOMER, now_micros=NOW)).workspace_id
