"""A worker that nobody calls must be as alive after a restart of PostgreSQL as one that is busy."""

import asyncio

import psycopg

from farebox.base.ids import random_id
from farebox.ledger.batcher import Batcher
from tests.crash.freeze import batchers
from tests.gateway import until


async def test_an_idle_worker_takes_its_lock_again_and_is_known_again(dsn: str) -> None:
    worker = Batcher(dsn, owner_id=random_id(), process="worker 0")
    await worker.connect()
    working = asyncio.create_task(worker.run())
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        for _ in range(2):
            (session,) = await batchers(connection)
            # Longer than its grace: the sweeper has forgotten a worker that owned nothing.
            await connection.execute("DELETE FROM ledger_owner")
            await connection.execute("SELECT pg_terminate_backend(%s)", [session])
            async with asyncio.timeout(5):
                while (found := await batchers(connection)) in ([], [session]):
                    await asyncio.sleep(0.01)
            await until(lambda: worker.connected)
            assert len(found) == 1
    await worker.close()
    await working


async def test_a_worker_that_is_back_does_not_count_as_gone(dsn: str) -> None:
    worker = Batcher(dsn, owner_id=random_id(), process="worker 0")
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await worker.connect()
        working = asyncio.create_task(worker.run())
        await connection.execute("UPDATE ledger_owner SET gone_since = now() - interval '1 hour'")
        (session,) = await batchers(connection)
        await connection.execute("SELECT pg_terminate_backend(%s)", [session])
        async with asyncio.timeout(5):
            while (await (await connection.execute("SELECT gone_since FROM ledger_owner")).fetchall())[0][0]:
                await asyncio.sleep(0.01)
    await worker.close()
    await working
