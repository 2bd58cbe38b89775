"""Stopping PostgreSQL in the middle of a commit, so that a kill meets exactly that moment.

Three windows, each held open with PostgreSQL's own settings: *before* anything is written (the batch waits for a row
lock), *unflushed* (the commit is written but not on disk: `commit_delay`), and *unheard* (durable, but whoever waits
has not been told: a synchronous standby that does not exist).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from typing import Final, Literal
from uuid import UUID

import psycopg

from farebox.ledger.owners import OWNER_GRACE_SECONDS
from farebox.wiring.chores import LEADER_LOCK
from tests.crash.gateway import POLL_SECONDS, Connection, GatewayProcess

Window = Literal["before", "unflushed", "unheard"]

_SETTINGS: Final[dict[Window, tuple[str, ...]]] = {
    "before": (),
    # A commit waits 0.1 s, the longest that PostgreSQL allows, before it is flushed.
    "unflushed": ("commit_siblings = 0", "commit_delay = 100000"),
    "unheard": ("synchronous_standby_names = 'nobody'",),
}
# Which session stands there. PostgreSQL has no name for the wait before a flush: whoever commits and waits for nothing,
# or for the one who flushes, is in it.
_STANDS: Final[dict[Window, str]] = {
    "before": "a.wait_event = 'transactionid'",
    "unflushed": "a.state = 'active' AND upper(a.query) = 'COMMIT' AND coalesce(a.wait_event, 'WALWrite') = 'WALWrite'",
    "unheard": "a.wait_event = 'SyncRep'",
}
_OWNERS: Final = """
SELECT a.pid, {stands} FROM pg_locks l
  JOIN ledger_owner o ON (l.classid::bigint << 32 | l.objid::bigint) = o.owner_id
  JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
"""
_WORKERS: Final = """
SELECT l.pid, substring(o.process FROM 'pid ([0-9]+)')::int FROM pg_locks l
  JOIN ledger_owner o ON (l.classid::bigint << 32 | l.objid::bigint) = o.owner_id
 WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
"""
_LEDGERS: Final = """
SELECT h.hold_id, l.pid FROM ledger_hold h
  JOIN pg_locks l ON (l.classid::bigint << 32 | l.objid::bigint) = h.owner_id
 WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted AND h.hold_id = ANY (%s)
"""
# The elected sweeper is between reading orphans and the ledger's answer about them, or in a commit of its own.
_SWEEPING: Final = """
SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
 WHERE l.locktype = 'advisory' AND l.granted AND (l.classid::bigint << 32 | l.objid::bigint) = %s
   AND (a.query LIKE '%%ledger_hold%%ANY%%' OR a.wait_event = 'SyncRep')
"""
_DUE: Final = """
SELECT count(*) FROM ledger_owner o WHERE gone_since < now() - make_interval(secs => %s)
   AND EXISTS (SELECT FROM ledger_hold h WHERE h.owner_id = o.owner_id AND h.state = 2)
"""


async def batchers(connection: Connection, stands: str = "true") -> list[int]:
    """The PostgreSQL process of each worker's ledger of which a condition is true."""
    found = await (await connection.execute(_OWNERS.format(stands=stands).encode())).fetchall()
    return [int(pid) for pid, true in found if true]


async def workers_by_ledger(connection: Connection) -> dict[int, int]:
    """Each worker by the PostgreSQL process of its ledger."""
    return dict(await (await connection.execute(_WORKERS.encode())).fetchall())


@contextlib.asynccontextmanager
async def frozen(gateway: GatewayProcess, window: Window) -> AsyncIterator[list[int]]:
    """Inside the block at least one worker's ledger stands in the window; yields the PostgreSQL processes of those
    that do.

    Afterwards PostgreSQL is as before, also when it was killed in between.
    """
    connection = await gateway.connect()
    blocker = await gateway.connect()
    try:
        for setting in _SETTINGS[window]:
            await connection.execute(f"ALTER SYSTEM SET {setting}")
        await connection.execute("SELECT pg_reload_conf()")
        if window == "before":
            await blocker.set_autocommit(False)
            await blocker.execute("SELECT FROM ledger_account WHERE account_id = 0 FOR UPDATE")
        yield await _stopped(gateway, connection, window)
    finally:
        await _close(connection)
        await _close(blocker)
        await thaw(gateway, window)


async def thaw(gateway: GatewayProcess, window: Window) -> None:
    """Take back what holds the window open."""
    names = [setting.split()[0] for setting in _SETTINGS[window]]
    while names:
        connection = await gateway.connect()
        try:
            for name in names:
                await connection.execute(f"ALTER SYSTEM RESET {name}")
            await connection.execute("SELECT pg_reload_conf()")
            names = []
        except psycopg.OperationalError:
            await asyncio.sleep(POLL_SECONDS)  # it was killed just now
        finally:
            await _close(connection)


async def _stopped(gateway: GatewayProcess, connection: Connection, window: Window) -> list[int]:
    async with gateway.patience(f"a ledger to stand {window}"):
        while not (found := await batchers(connection, _STANDS[window])):
            await asyncio.sleep(POLL_SECONDS / 5)
        return found


async def ledgers_of(connection: Connection, call_ids: Collection[UUID]) -> dict[UUID, int]:
    """The PostgreSQL process of the ledger that holds each call."""
    return dict(await (await connection.execute(_LEDGERS, [list(call_ids)])).fetchall())


async def orphans_due(gateway: GatewayProcess) -> None:
    """Wait until a dead worker's calls are about to be swept."""
    await _until(gateway, "orphans", _DUE, OWNER_GRACE_SECONDS - 0.6)


async def sweeping(gateway: GatewayProcess) -> None:
    """Wait until the elected sweeper is in the middle of it."""
    await _until(gateway, "the sweep", _SWEEPING, LEADER_LOCK)


async def _until(gateway: GatewayProcess, what: str, query: str, parameter: float) -> None:
    connection = await gateway.connect()
    try:
        async with gateway.patience(what):
            while not (await (await connection.execute(query.encode(), [parameter])).fetchall())[0][0]:
                await asyncio.sleep(POLL_SECONDS)
    finally:
        await _close(connection)


async def _close(connection: Connection) -> None:
    with contextlib.suppress(psycopg.Error, OSError):
        await connection.close()
