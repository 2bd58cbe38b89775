"""The kill points: each is one way to kill one thing at one moment, on a gateway that is under load."""

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from farebox.base.ids import read_call
from farebox.storage.processes import postgres_processes
from tests.crash.client import Client, Told
from tests.crash.freeze import Window, frozen, ledgers_of, orphans_due, sweeping, workers_by_ledger
from tests.crash.gateway import POLL_SECONDS, WORKERS, GatewayProcess, kill
from tests.crash.load import Load

# Inside a paced stream, a batch, or nothing at all: load decides.
MAX_DELAY_SECONDS: Final = 0.4
# From the fork of a worker to its first calls, on a machine that is busy.
RESTART_SECONDS: Final = 1.2


class Stage(NamedTuple):
    """Where a point is played."""

    gateway: GatewayProcess
    load: Load
    random: random.Random


Kill = Callable[[Stage], Awaitable[None]]


# ── a worker ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def worker_at_any_moment(stage: Stage) -> None:
    """One of two: what the other one serves is not touched."""
    await _any_moment(stage)
    await _kill_one_of_two(stage)


async def worker_while_it_starts(stage: Stage) -> None:
    """A worker, then its successor between its first instruction and its first calls."""
    await all_workers(stage)
    before = set(stage.gateway.workers())
    kill([stage.random.choice(sorted(before))])
    async with stage.gateway.patience("the worker to be started again"):
        while not (new := set(stage.gateway.workers()) - before):
            await asyncio.sleep(POLL_SECONDS)
    await asyncio.sleep(stage.random.uniform(0, RESTART_SECONDS))
    kill(new)


async def worker_before_a_commit(stage: Stage) -> None:
    """Its batch waits for a lock: nothing of it may stay."""
    await _kill_frozen_worker(stage, "before")


async def worker_in_an_unflushed_commit(stage: Stage) -> None:
    """Nobody hears whether it was committed."""
    await _kill_frozen_worker(stage, "unflushed")


async def worker_after_its_reserve(stage: Stage) -> None:
    """The holds are durable, and nothing has gone upstream for them."""
    await _kill_frozen_worker(stage, "unheard")


async def worker_between_settlement_and_answer(stage: Stage) -> None:
    """A stream's settlement is durable, and its [DONE] was not sent."""
    client, stream = await _stream_begun(stage)
    async with frozen(stage.gateway, "unheard"):
        served_by = stage.gateway.served_by()
        await asyncio.sleep(0.7)  # the stream's last chunk comes, and its settlement is submitted
        assert not stream.done(), f"it was answered without its settlement: {stream.result()}"
        kill([served_by[port] for port in [client.local_port] if port in served_by])
    stage.load.note(await stream)
    client.close()


async def both_workers_in_the_sweep(stage: Stage) -> None:
    """The sweeper dies between what it read and what it was to do about it."""
    await all_workers(stage)
    kill([stage.random.choice(await _streaming_workers(stage))])
    await orphans_due(stage.gateway)
    async with frozen(stage.gateway, stage.random.choice(["before", "unheard"])):
        await sweeping(stage.gateway)
        kill(stage.gateway.workers())


# ── PostgreSQL ────────────────────────────────────────────────────────────────────────────────────────────────────


async def backend_at_any_moment(stage: Stage) -> None:
    """Any process of PostgreSQL but the main one: it ends all sessions and recovers."""
    await _any_moment(stage)
    main = stage.gateway.postmaster()
    kill([stage.random.choice([pid for pid in postgres_processes(stage.gateway.data) if pid != main])])


async def backend_before_a_commit(stage: Stage) -> None:
    """The batch is sent again, and found undone."""
    await _kill_frozen_backend(stage, "before")


async def backend_in_an_unflushed_commit(stage: Stage) -> None:
    """The batch is sent again, and found undone: its commit was in memory only."""
    await _kill_frozen_backend(stage, "unflushed")


async def backend_in_an_unheard_commit(stage: Stage) -> None:
    """The batch is sent again, and found done."""
    await _kill_frozen_backend(stage, "unheard")


async def postmaster_at_any_moment(stage: Stage) -> None:
    """The main process of PostgreSQL; the parent starts it again."""
    await _any_moment(stage)
    await _kill_postmaster(stage)


async def postmaster_in_an_unflushed_commit(stage: Stage) -> None:
    """With the disk behind the memory."""
    async with frozen(stage.gateway, "unflushed"):
        await _kill_postmaster(stage)


async def postmaster_in_an_unheard_commit(stage: Stage) -> None:
    """With every waiting commit on the disk."""
    async with frozen(stage.gateway, "unheard"):
        await _kill_postmaster(stage)


# ── everything: the last of a gateway's life ──────────────────────────────────────────────────────────────────────


async def gateway_at_any_moment(stage: Stage) -> None:
    """Parent and workers; the kernel tells PostgreSQL to stop."""
    await _any_moment(stage)
    stage.gateway.kill_all(postgres=False)


async def everything_at_any_moment(stage: Stage) -> None:
    """Parent, workers and all of PostgreSQL at once."""
    await _any_moment(stage)
    stage.gateway.kill_all(postgres=True)


async def everything_in_an_unflushed_commit(stage: Stage) -> None:
    """Likewise, with commits that are not on the disk."""
    await _kill_everything_frozen(stage, "unflushed")


async def everything_in_an_unheard_commit(stage: Stage) -> None:
    """Likewise, with commits that nobody was told of."""
    await _kill_everything_frozen(stage, "unheard")


async def parent_at_any_moment(stage: Stage) -> None:
    """The parent alone: its workers end by themselves, while the next gateway starts already."""
    await _any_moment(stage)
    stage.gateway.kill_parent()


async def gateway_while_it_stops(stage: Stage) -> None:
    """SIGTERM, and kill -9 before it has come to its end."""
    stage.gateway.process.send_signal(signal.SIGTERM)
    await asyncio.sleep(stage.random.uniform(0, 2.0))
    stage.gateway.kill_all(postgres=stage.random.random() < 0.5)


async def all_workers(stage: Stage) -> None:
    """Wait until every worker is there and holds the lock that proves it alive."""
    async with stage.gateway.patience("every worker to be back"):
        while True:
            connection = await stage.gateway.connect()
            try:
                # The session of a worker that was just killed may still stand there.
                ledgers = sorted((await workers_by_ledger(connection)).values())
                if len(ledgers) == WORKERS and ledgers == sorted(stage.gateway.workers()):
                    return
            finally:
                await connection.close()
            await asyncio.sleep(2 * POLL_SECONDS)


async def _any_moment(stage: Stage) -> None:
    await asyncio.sleep(stage.random.uniform(0, MAX_DELAY_SECONDS))


async def _kill_one_of_two(stage: Stage) -> None:
    """Kill one worker and see that every call on the other one is answered as if nothing had happened."""
    await all_workers(stage)
    victim = stage.random.choice(sorted(stage.gateway.workers()))
    # From here to the kill nothing of this process runs, so what is true of the clients stays true.
    served_by = stage.gateway.served_by()
    running = stage.load.running()
    kill([victim])
    untouched = [
        (client, call) for client, call in running if served_by.get(client.local_port or 0) not in (victim, None)
    ]
    async with stage.gateway.patience("the surviving worker's calls"):
        while any(client.busy and client.calls == call for client, call in untouched):
            await asyncio.sleep(POLL_SECONDS)
    for client, call in untouched:
        told = client.told[call]
        assert told.acknowledged or told.status == 409, f"a call on the surviving worker was disturbed: {told}"


async def _kill_frozen_worker(stage: Stage, window: Window) -> None:
    await all_workers(stage)
    connection = await stage.gateway.connect()
    try:
        workers = await workers_by_ledger(connection)
    finally:
        await connection.close()
    async with frozen(stage.gateway, window) as stopped:
        kill([workers[stage.random.choice(stopped)]])


async def _streaming_workers(stage: Stage) -> list[int]:
    """The workers that serve a stream whose hold is in the books."""
    connection = await stage.gateway.connect()
    try:
        async with stage.gateway.patience("streams to run"):
            while True:
                served_by = stage.gateway.served_by()
                workers = {
                    read_call(client.call_id): served_by[client.local_port]
                    for client in stage.load.clients
                    if client.busy and client.call_id and client.local_port in served_by
                }
                held = await ledgers_of(connection, workers)
                if held:
                    return sorted({workers[call_id] for call_id in held})
                await asyncio.sleep(POLL_SECONDS)
    finally:
        await connection.close()


async def _kill_frozen_backend(stage: Stage, window: Window) -> None:
    async with frozen(stage.gateway, window) as stopped:
        kill([stage.random.choice(stopped)])


async def _kill_everything_frozen(stage: Stage, window: Window) -> None:
    """The window is closed again only when the next gateway runs."""
    async with frozen(stage.gateway, window):
        stage.gateway.kill_all(postgres=True)
        stage.gateway.start()


async def _kill_postmaster(stage: Stage) -> None:
    async with stage.gateway.patience("PostgreSQL to be there"):
        while (pid := stage.gateway.postmaster()) is None:
            await asyncio.sleep(POLL_SECONDS)
    kill([pid])


async def _stream_begun(stage: Stage) -> tuple[Client, "asyncio.Task[Told]"]:
    client = stage.load.client_of(0)
    stream = asyncio.create_task(client.chat(stream=True, words=20, chunks=5, chunk_delay_seconds=0.1))
    async with stage.gateway.patience("a stream to begin"):
        while client.call_id is None and not stream.done():
            await asyncio.sleep(POLL_SECONDS)
    return client, stream


IN_LIFE: Final[dict[Kill, int]] = {
    worker_at_any_moment: 5,
    worker_while_it_starts: 2,
    worker_before_a_commit: 2,
    worker_in_an_unflushed_commit: 1,
    worker_after_its_reserve: 3,
    worker_between_settlement_and_answer: 2,
    both_workers_in_the_sweep: 1,
    backend_at_any_moment: 4,
    backend_before_a_commit: 2,
    backend_in_an_unflushed_commit: 3,
    backend_in_an_unheard_commit: 3,
    postmaster_at_any_moment: 2,
    postmaster_in_an_unflushed_commit: 1,
    postmaster_in_an_unheard_commit: 1,
}
"""How many of each are played in a run, on gateways that live on."""

AT_ITS_END: Final[dict[Kill, int]] = {
    gateway_at_any_moment: 2,
    everything_at_any_moment: 1,
    everything_in_an_unflushed_commit: 1,
    everything_in_an_unheard_commit: 1,
    parent_at_any_moment: 1,
    gateway_while_it_stops: 2,
}
"""How many of each end a gateway's life in a run."""
