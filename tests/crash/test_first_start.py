"""kill -9 in the middle of the very first start: whatever was half made, the next start goes on from it."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import psycopg
import pytest

from farebox_sandbox.process import start_sandbox
from tests.crash.audit import audit
from tests.crash.client import Client
from tests.crash.gateway import POLL_SECONDS, GatewayProcess, gateway_in_new_home
from tests.crash.load import new_customer
from tests.crash.test_kills import LONG, SEED

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks at processes in /proc")

HOMES: Final = 6 if LONG else 1
_SCHEMA: Final = "SELECT count(*) FROM farebox_schema"
_CATALOG: Final = "SELECT count(*) FROM catalog_apply"
_OWNERS: Final = "SELECT count(*) FROM ledger_owner"

Moment = Callable[[GatewayProcess], Awaitable[bool]]


async def cluster_is_being_made(gateway: GatewayProcess) -> bool:
    return any(gateway.data.parent.glob("initializing-*"))


async def cluster_is_made(gateway: GatewayProcess) -> bool:
    return gateway.data.exists()


async def server_runs(gateway: GatewayProcess) -> bool:
    return gateway.postmaster() is not None


async def schema_is_begun(gateway: GatewayProcess) -> bool:
    return await _number(gateway, _SCHEMA) >= 1


async def schema_is_half_made(gateway: GatewayProcess) -> bool:
    return await _number(gateway, _SCHEMA) >= 3


async def catalog_is_stored(gateway: GatewayProcess) -> bool:
    return await _number(gateway, _CATALOG) >= 1


async def a_worker_is_there(gateway: GatewayProcess) -> bool:
    return await _number(gateway, _OWNERS) >= 1


MOMENTS: Final[tuple[tuple[Moment, float], ...]] = (
    (cluster_is_being_made, 0.6),
    (cluster_is_made, 0.4),
    (server_runs, 0.05),
    (schema_is_begun, 0.0),
    (schema_is_half_made, 0.02),
    (catalog_is_stored, 0.01),
    (a_worker_is_there, 0.3),
)
"""What has happened already when it is killed, and up to how many seconds later."""


async def _number(gateway: GatewayProcess, query: str) -> int:
    """0 as long as there is nothing to ask."""
    try:
        async with await psycopg.AsyncConnection.connect(gateway.dsn, autocommit=True) as connection:
            row = await (await connection.execute(query.encode())).fetchone()
            return 0 if row is None else int(row[0])
    except (psycopg.OperationalError, psycopg.errors.UndefinedTable):
        return 0


async def _kill_when(gateway: GatewayProcess, moment: Moment, delay_seconds: float, *, postgres: bool) -> None:
    gateway.start()
    async with gateway.patience(moment.__name__):
        while not await moment(gateway):
            assert gateway.process.poll() is None, f"it ended by itself:\n{gateway.log_tail()}"
            await asyncio.sleep(POLL_SECONDS / 5)
    await asyncio.sleep(delay_seconds)
    gateway.kill_all(postgres=postgres)


@pytest.mark.timeout(600 if LONG else 120)
@pytest.mark.parametrize("home", range(HOMES))
async def test_a_first_start_may_be_killed_at_any_moment(home: int) -> None:
    randomness = random.Random(SEED + home)
    print(f"seed {SEED + home}")
    with start_sandbox() as sandbox, gateway_in_new_home(sandbox) as gateway:
        for moment, most_seconds in MOMENTS:
            begun_at = time.monotonic()
            postgres = randomness.random() < 0.5
            await _kill_when(gateway, moment, randomness.uniform(0, most_seconds), postgres=postgres)
            print(f"{moment.__name__}, postgres too: {postgres}, killed after {time.monotonic() - begun_at:.2f} s")
        await gateway.started()
        assert gateway.starts >= len(MOMENTS) + 1
        customer = await new_customer(gateway.dsn, 0)
        client = Client(gateway.port, customer.key)
        told = await client.chat(stream=True, words=5)
        client.close()
        assert told.acknowledged, told
        connection = await gateway.connect()
        try:
            await audit(connection, [told], [customer])
        finally:
            await connection.close()
