"""Who owns a hold: a worker is alive exactly as long as its session is."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from farebox.ledger.batcher import Batcher
from farebox.ledger.commands import Lose
from farebox.ledger.lifecycle import HoldState
from farebox.ledger.owners import MAX_ORPHANS_PER_SWEEP, find_gone_owners, orphans_of
from tests.ledger.calls import balance, credit, now, open_book, reserve, settle
from tests.ledger.stage import running

WORKSPACE = 5
DEAD, ALIVE = 1_001, 2_002
OPEN = (HoldState.RESERVED, HoldState.DISPATCHED, HoldState.UNKNOWN)

Reader = psycopg.AsyncConnection[tuple[object, ...]]


@pytest.fixture
async def sweeper(dsn: str) -> AsyncIterator[Reader]:
    """The connection of whoever looks for orphans."""
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        yield connection


async def _worker(dsn: str, owner_id: int) -> "tuple[Batcher, asyncio.Task[None]]":
    batcher = Batcher(dsn, owner_id=owner_id, process="worker")
    await batcher.connect()
    return batcher, asyncio.create_task(batcher.run())


async def _kill(life: "asyncio.Task[None]") -> None:
    life.cancel()
    await asyncio.gather(life, return_exceptions=True)


async def _rows(connection: Reader, statement: str) -> list[tuple[object, ...]]:
    return await (await connection.execute(statement.encode())).fetchall()


async def _a_while_passes(sweeper: Reader) -> None:
    """Longer than the grace period, without waiting for it."""
    await sweeper.execute("UPDATE ledger_owner SET gone_since = gone_since - interval '1 hour'")


async def _gone(sweeper: Reader) -> list[int]:
    """What is found when a session that has ended also looks ended to PostgreSQL."""
    for _ in range(100):
        found = await find_gone_owners(sweeper)
        if found or await _rows(sweeper, "SELECT 1 FROM ledger_owner WHERE gone_since IS NOT NULL"):
            return found
        await asyncio.sleep(0.02)
    return []


async def test_a_worker_that_lives_is_never_taken_for_gone_however_long_it_is_quiet(dsn: str, sweeper: Reader) -> None:
    batcher, life = await _worker(dsn, ALIVE)
    for _ in range(3):
        assert await find_gone_owners(sweeper) == []
        await _a_while_passes(sweeper)
    assert await _rows(sweeper, "SELECT owner_id, process, gone_since FROM ledger_owner") == [(ALIVE, "worker", None)]
    await batcher.close()
    await life


async def test_the_holds_of_a_dead_worker_are_found_after_the_grace_period_and_no_others(
    dsn: str, sweeper: Reader
) -> None:
    dead, dead_life = await _worker(dsn, DEAD)
    alive, alive_life = await _worker(dsn, ALIVE)
    await dead.submit(open_book(WORKSPACE))
    await dead.submit(credit(WORKSPACE, 100))
    held = [reserve(WORKSPACE, n, owner_id=DEAD) for n in (3, 4, 5)]
    for command in held:
        await dead.submit(command)
    await dead.submit(settle(held[1], 4))
    await alive.submit(reserve(WORKSPACE, 7, owner_id=ALIVE))
    await _kill(dead_life)

    assert await _gone(sweeper) == []
    await _a_while_passes(sweeper)
    assert await find_gone_owners(sweeper) == [DEAD]
    orphans = await orphans_of(sweeper, [DEAD], OPEN)
    assert [(o.hold_id, o.amount_nanos, o.state) for o in orphans] == [
        (held[0].hold_id, 3, HoldState.DISPATCHED),
        (held[2].hold_id, 5, HoldState.DISPATCHED),
    ]
    assert [o.reserved_at for o in orphans] == [held[0].now_micros, held[2].now_micros]
    assert await orphans_of(sweeper, [DEAD], (HoldState.RESERVED,)) == []
    assert await orphans_of(sweeper, [], OPEN) == []

    await alive.close()
    await alive_life


async def test_a_dead_worker_is_forgotten_when_nothing_of_it_is_open(dsn: str, sweeper: Reader) -> None:
    dead, life = await _worker(dsn, DEAD)
    await dead.submit(open_book(WORKSPACE))
    await dead.submit(credit(WORKSPACE, 100))
    held = reserve(WORKSPACE, 3, owner_id=DEAD)
    await dead.submit(held)
    await _kill(life)
    await _gone(sweeper)
    await _a_while_passes(sweeper)
    assert await find_gone_owners(sweeper) == [DEAD]
    assert await find_gone_owners(sweeper) == [DEAD]
    async with running(Batcher(dsn, owner_id=ALIVE)) as alive:
        await alive.submit(settle(held, 1))
    assert await find_gone_owners(sweeper) == []
    assert await _rows(sweeper, "SELECT * FROM ledger_owner") == []


async def test_a_worker_whose_session_was_cut_is_alive_again_and_settles_what_was_lost_meanwhile(
    dsn: str, sweeper: Reader
) -> None:
    batcher, life = await _worker(dsn, DEAD)
    await batcher.submit(open_book(WORKSPACE))
    await batcher.submit(credit(WORKSPACE, 100))
    held = reserve(WORKSPACE, 30, owner_id=DEAD)
    await batcher.submit(held)
    await sweeper.execute("UPDATE ledger_owner SET gone_since = now() - interval '1 hour'")
    await sweeper.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    async with running(Batcher(dsn, owner_id=ALIVE)) as other:
        lost = Lose(workspace_id=WORKSPACE, command_id=credit(0, 1).command_id, now_micros=now(), hold_id=held.hold_id)
        assert balance(await other.submit(lost)) == (70, 30)
    assert balance(await batcher.submit(settle(held, 10))) == (90, 0)
    assert await find_gone_owners(sweeper) == []
    assert await _rows(sweeper, "SELECT owner_id, gone_since FROM ledger_owner") == [(DEAD, None)]
    await batcher.close()
    await life


async def test_a_quiet_worker_whose_session_was_cut_takes_its_lock_again_by_itself(dsn: str, sweeper: Reader) -> None:
    batcher, life = await _worker(dsn, ALIVE)
    held = f"SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = {ALIVE} AND granted"
    assert len(await _rows(sweeper, held)) == 1
    await sweeper.execute("UPDATE ledger_owner SET gone_since = now()")
    await sweeper.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    async with asyncio.timeout(5):
        while await _rows(sweeper, "SELECT 1 FROM ledger_owner WHERE gone_since IS NOT NULL"):
            await asyncio.sleep(0.02)
    assert len(await _rows(sweeper, held)) == 1
    assert await find_gone_owners(sweeper) == []
    await batcher.close()
    await life


async def test_two_sweepers_at_once_do_not_bring_the_dead_back(dsn: str, sweeper: Reader) -> None:
    dead, life = await _worker(dsn, DEAD)
    await dead.submit(open_book(WORKSPACE))
    await dead.submit(reserve(WORKSPACE, 0, owner_id=DEAD))
    await _kill(life)
    await _gone(sweeper)
    await _a_while_passes(sweeper)
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as other:
        async with other.transaction():
            assert await find_gone_owners(other) == [DEAD]
            await asyncio.wait_for(find_gone_owners(sweeper), 5)
        assert await find_gone_owners(other) == [DEAD]


async def test_a_sweep_takes_a_bounded_number_of_orphans_the_oldest_first(dsn: str, sweeper: Reader) -> None:
    dead, life = await _worker(dsn, DEAD)
    await dead.submit(open_book(WORKSPACE))
    held = [reserve(WORKSPACE, 0, owner_id=DEAD) for _ in range(MAX_ORPHANS_PER_SWEEP + 10)]
    await asyncio.gather(*(dead.submit(command) for command in reversed(held)))
    await _kill(life)
    orphans = await orphans_of(sweeper, [DEAD], OPEN)
    assert [o.hold_id for o in orphans] == [command.hold_id for command in held[:MAX_ORPHANS_PER_SWEEP]]
