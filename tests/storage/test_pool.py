import asyncio

import psycopg
import pytest

from farebox.storage.errors import DatabaseUnavailable
from farebox.storage.pool import Pool, PoolBounds, connected, open_pool
from tests.database import TestCluster


async def test_a_fresh_database_has_the_ledger_and_the_months_partitions(pool: Pool) -> None:
    async with connected(pool) as connection:
        cursor = await connection.execute("SELECT count(*) FROM pg_class WHERE relname ~ '^ledger_hold_y20..m..$'")
        assert await cursor.fetchone() == (4,)


async def test_a_connection_that_the_database_ended_is_replaced_before_it_is_given_out(dsn: str) -> None:
    async with open_pool(dsn, PoolBounds(min_size=1, max_size=1)) as pool:
        async with connected(pool) as connection:
            ended = connection.info.backend_pid
        with psycopg.connect(dsn, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 1000)", [ended])
        async with connected(pool) as connection:
            assert connection.info.backend_pid != ended


async def test_losing_the_database_in_the_middle_is_unavailability(dsn: str, pool: Pool) -> None:
    with pytest.raises(DatabaseUnavailable) as failure:
        async with connected(pool) as connection:
            with psycopg.connect(dsn, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 1000)", [connection.info.backend_pid])
            await connection.execute("SELECT 1")
    assert "farebox" not in str(failure.value)


async def test_a_database_that_is_not_there_is_unavailability(cluster: TestCluster) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with open_pool(cluster.dsn_of("nowhere"), PoolBounds(timeout_seconds=0.3)):
            pass


async def test_a_full_pool_is_unavailability_within_its_bounds(dsn: str) -> None:
    async with open_pool(dsn, PoolBounds(max_size=1, timeout_seconds=0.1, max_waiting=1)) as pool, connected(pool):
        outcomes = await asyncio.gather(*(_use(pool) for _ in range(3)), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [DatabaseUnavailable] * 3


async def _use(pool: Pool) -> None:
    async with connected(pool):
        pass


async def test_mistakes_in_a_statement_stay_what_they_are(pool: Pool) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        async with connected(pool) as connection:
            await connection.execute("SELECT FROM nowhere")


async def test_a_serialization_failure_stays_what_it_is(pool: Pool) -> None:
    with pytest.raises(psycopg.errors.SerializationFailure):
        async with connected(pool) as connection:
            await connection.execute("DO $$ BEGIN RAISE EXCEPTION 'again' USING ERRCODE = '40001'; END $$")
