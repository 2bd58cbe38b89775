"""PostgreSQL is gone for longer than the ledger waits: how calls ended is kept on disk, and settled exactly once.

However often the gateway is killed while it settles them.
"""

import asyncio
import random
from pathlib import Path
from uuid import UUID

import pytest

from farebox.dataplane.spool import Spool
from farebox.ledger.batcher import GIVE_UP_AFTER_SECONDS
from farebox.ledger.commands import Settle
from farebox_sandbox.process import start_sandbox
from tests.crash.audit import audit, quiet
from tests.crash.client import Told
from tests.crash.gateway import POLL_SECONDS, Connection, GatewayProcess, gateway_in_new_home, kill
from tests.crash.load import Load, new_customer
from tests.crash.test_kills import SEED

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks at processes in /proc")

CALLS = 6
KILLS_WHILE_SETTLING = 2


@pytest.mark.timeout(180)
async def test_evidence_on_disk_is_settled_exactly_once_over_any_number_of_kills() -> None:
    randomness = random.Random(SEED)
    print(f"seed {SEED}")
    with start_sandbox() as sandbox, gateway_in_new_home(sandbox) as gateway:
        await gateway.started()
        customers = [await new_customer(gateway.dsn, number) for number in range(2)]
        load = Load(gateway.port, customers, randomness)
        told = await _calls_while_postgres_is_away(gateway, load)
        assert not any(call.acknowledged for call in told), told
        charges = {
            evidence.row.call_id: evidence.command.charge_nanos
            for _, evidence in Spool(gateway.home.spool).waiting()
            if isinstance(evidence.command, Settle)
        }
        assert len(charges) == CALLS
        gateway.kill_all(postgres=True)
        _bring_back_postgres(gateway)
        for _ in range(KILLS_WHILE_SETTLING):
            gateway.start()
            await _some_are_settled(gateway, randomness)
            gateway.kill_all(postgres=randomness.random() < 0.5)
        await gateway.started()
        connection = await gateway.connect()
        try:
            await quiet(gateway, connection)
            await audit(connection, [], customers)
            assert await _receipts(connection) == sorted(charges.items())
        finally:
            await connection.close()


async def _calls_while_postgres_is_away(gateway: GatewayProcess, load: Load) -> list[Told]:
    """Begin calls, take PostgreSQL away while they run, and wait until their ends are on disk."""
    clients = [load.client_of(number % 2) for number in range(CALLS)]
    calls = [
        asyncio.create_task(client.chat(stream=True, words=20, chunks=4, chunk_delay_seconds=0.5))
        if number % 2
        else asyncio.create_task(client.chat(stream=False, words=20, delay_seconds=1.5))
        for number, client in enumerate(clients)
    ]
    connection = await gateway.connect()
    async with gateway.patience("every call to be held"):
        while await _held(connection) < CALLS:
            await asyncio.sleep(POLL_SECONDS)
    await connection.close()
    _take_postgres_away(gateway)
    async with gateway.patience("the calls to be told that their settlement waits", 3 * GIVE_UP_AFTER_SECONDS):
        told = await asyncio.gather(*calls)
    for client in clients:
        client.close()
    return list(told)


async def _held(connection: Connection) -> int:
    row = await (await connection.execute("SELECT count(*) FROM ledger_hold WHERE state = 2")).fetchone()
    return 0 if row is None else int(row[0])


async def _receipts(connection: Connection) -> list[tuple[UUID, int]]:
    return sorted(await (await connection.execute("SELECT call_id, charge_nanos FROM call")).fetchall())


def _take_postgres_away(gateway: GatewayProcess) -> None:
    """Without this file it cannot start, so the parent tries in vain, ever more seldom."""
    control = gateway.data / "global" / "pg_control"
    main = gateway.postmaster()
    assert main is not None
    kill([main])
    control.rename(control.with_suffix(".away"))


def _bring_back_postgres(gateway: GatewayProcess) -> None:
    control = gateway.data / "global" / "pg_control"
    control.with_suffix(".away").rename(control)


async def _some_are_settled(gateway: GatewayProcess, randomness: random.Random) -> None:
    """Until the evidence begins to shrink, or a random while, whichever is first."""
    before = len(list(gateway.home.spool.glob("*.json")))
    async with gateway.patience("a worker to be there"):
        while not gateway.workers():
            await asyncio.sleep(POLL_SECONDS)
    for _ in range(randomness.randint(50, 150)):
        if len(list(gateway.home.spool.glob("*.json"))) < before:
            return
        await asyncio.sleep(POLL_SECONDS)
