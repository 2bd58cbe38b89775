"""Chores: orphans, video jobs and their webhooks, expired promotions, workspaces that were left half made, next month's
partitions. One process at a time does them, elected by a lock.

They are loops over the domain's own rows, not jobs in a queue: money never depends on a job row (docs/decisions/0005).
"""

import asyncio

import psycopg
import structlog
from prometheus_client import CollectorRegistry

from farebox.access.parts import Access
from farebox.access.team import finish_unopened
from farebox.base.clock import Clock
from farebox.base.ids import random_id, uuid7
from farebox.dataplane.recover import Recoverer
from farebox.dataplane.videos.poll import Poller
from farebox.dataplane.webhooks.courier import Courier
from farebox.identity.people.forgetting import forget_sign_ins
from farebox.ledger.batcher import Batcher
from farebox.ledger.commands import ExpirePromotion
from farebox.ledger.owners import QUERIES
from farebox.providers.client import UpstreamClient
from farebox.routing.rates import forget_past_rates
from farebox.storage.partitions import ensure_partitions
from farebox.wiring.running import Running, running
from farebox.wiring.settings import Boot, Settings
from farebox.wiring.upstream import upstream_client

# "farebox" in a number: the advisory lock of whoever does the chores.
LEADER_LOCK = 0x66617265626F78
PARTITIONS_EVERY_SECONDS = 3_600.0
PROMOTIONS_EVERY_SECONDS = 30.0
# What was counted and asked about signing in: a row stays so much longer than it has to, and each time there are few.
SIGN_INS_EVERY_SECONDS = 600.0
# After a failure, and between two candidacies.
PAUSE_SECONDS = 2.0

_log = structlog.get_logger(__name__)
Connection = psycopg.AsyncConnection[tuple[object, ...]]


class Chores:
    """Runs until cancelled; does the chores whenever this process is the elected one."""

    def __init__(
        self,
        dsn: str,
        *,
        recoverer: Recoverer,
        poller: Poller,
        courier: Courier | None,
        ledger: Batcher,
        access: Access,
        clock: Clock,
        sweep_seconds: float,
    ) -> None:
        self._dsn = dsn
        self._recoverer = recoverer
        self._poller = poller
        self._courier = courier
        self._ledger = ledger
        self._access = access
        self._clock = clock
        self._sweep_seconds = sweep_seconds
        self._partitions_at = self._promotions_at = self._sign_ins_at = 0.0

    async def run(self) -> None:
        """Stand for election, lead while elected, begin again after any failure."""
        while True:
            try:
                # Evidence lies on the disk of the machine that made it, so every process sends what it finds.
                await self._recoverer.send_spooled()
                await self._lead()
            except Exception as error:  # whatever it is, the next round must still come
                _log.warning("chores interrupted", why=type(error).__name__)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _lead(self) -> None:
        async with await psycopg.AsyncConnection.connect(self._dsn, autocommit=True) as connection:
            cursor = await connection.execute("SELECT pg_try_advisory_lock(%s)", (LEADER_LOCK,))
            row = await cursor.fetchone()
            if row is None or not row[0]:
                return
            loops = [asyncio.create_task(self._poller.run(), name="video jobs")]
            if self._courier is not None:
                loops.append(asyncio.create_task(self._courier.run(), name="webhooks"))
            try:
                while not any(loop.done() for loop in loops):
                    await self._once(connection)
                    await asyncio.sleep(self._sweep_seconds)
            finally:
                for loop in loops:
                    loop.cancel()
                await asyncio.gather(*loops, return_exceptions=True)

    async def _once(self, connection: Connection) -> None:
        await self._recoverer.sweep(connection)
        now_seconds = asyncio.get_running_loop().time()
        if now_seconds >= self._promotions_at:
            await self._expire_promotions(connection)
            await forget_past_rates(connection, self._clock())
            await finish_unopened(self._access)
            self._promotions_at = now_seconds + PROMOTIONS_EVERY_SECONDS
        if now_seconds >= self._sign_ins_at:
            await forget_sign_ins(connection, now_micros=self._clock())
            self._sign_ins_at = now_seconds + SIGN_INS_EVERY_SECONDS
        if now_seconds >= self._partitions_at:
            await asyncio.to_thread(self._make_partitions)
            self._partitions_at = now_seconds + PARTITIONS_EVERY_SECONDS

    async def _expire_promotions(self, connection: Connection) -> None:
        cursor = await connection.execute(QUERIES["expiring_promotions"], {"now_micros": self._clock()})
        for workspace_id, account_id in await cursor.fetchall():
            now_micros = self._clock()
            command = ExpirePromotion(
                workspace_id=int(str(workspace_id)),
                command_id=uuid7(now_micros),
                now_micros=now_micros,
                account_id=int(str(account_id)),
            )
            await self._ledger.submit(command)

    def _make_partitions(self) -> None:
        with psycopg.connect(self._dsn, autocommit=True) as connection:
            ensure_partitions(connection, self._clock())


def chores_of(parts: Running, dsn: str, client: UpstreamClient) -> Chores:
    """The chores of a running process."""
    return Chores(
        dsn,
        recoverer=parts.recoverer(),
        poller=parts.poller(client),
        courier=parts.courier(),
        ledger=parts.ledger,
        access=parts.access(),
        clock=parts.clock,
        sweep_seconds=parts.settings.recovery.sweep_seconds,
    )


async def run_chores(settings: Settings, dsn: str) -> None:
    """`farebox worker`: only the chores, until cancelled."""
    boot = Boot(worker=0, workers=1, boot_id=random_id())
    client = upstream_client(settings, max_connections=settings.videos.max_concurrent_polls)
    try:
        async with running(settings, dsn, boot, CollectorRegistry()) as parts:
            await chores_of(parts, dsn, client).run()
    finally:
        await client.close()
