"""The change feed: tells this process within a second when a key, price, route, policy or limit was changed.

The triggers that NOTIFY are in the migrations. A process that has not heard from the database for one second cannot
know what it missed, so it must drop its caches: that is what `on_lost` is for.
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress

import psycopg
import structlog

CHANNEL = "farebox_changes"
# The promise is one second; two proofs of life fit into it.
PROOF_EVERY_SECONDS = 0.4
LOST_AFTER_SECONDS = 1.0
CONNECT_TIMEOUT_SECONDS = 3.0
# Fast at first, since a restart of PostgreSQL takes well under a second; at most as slow as the promise.
RETRY_DELAYS_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0)

_log = structlog.get_logger(__name__)


class ChangeFeed:
    """Listens on one connection of its own until `stop`.

    `on_change(topic, subject)` is called for each change, `on_lost()` when changes may have been missed: drop what is
    cached and, while `alive` is False, do not cache. Both run in the event loop and must not block or raise.
    """

    def __init__(self, dsn: str, on_change: Callable[[str, str], None], on_lost: Callable[[], None]) -> None:
        self.alive = False
        self._dsn = dsn
        self._on_change = on_change
        self._on_lost = on_lost
        self._heard_at = 0.0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin listening in the running event loop; `alive` becomes True once that works."""
        self._task = asyncio.create_task(self._run(), name="change feed")

    async def stop(self) -> None:
        """End the feed. Safe to call twice."""
        task, self._task = self._task, None
        self.alive = False
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                await self._listen()
            except (psycopg.Error, OSError, TimeoutError) as error:
                failures = 0 if self.alive else failures + 1
                self._lose(type(error).__name__)
            await asyncio.sleep(RETRY_DELAYS_SECONDS[min(failures, len(RETRY_DELAYS_SECONDS) - 1)])

    async def _listen(self) -> None:
        """Returns never; raises when the connection is lost."""
        connection = await asyncio.wait_for(
            psycopg.AsyncConnection.connect(self._dsn, autocommit=True), CONNECT_TIMEOUT_SECONDS
        )
        self._heard_at = time.monotonic()
        watch = asyncio.create_task(self._watch(connection), name="change feed watch")
        try:
            await connection.execute(f"LISTEN {CHANNEL}")
            # What was cached while nobody listened may be old; nothing that comes from here on is missed.
            self._on_lost()
            self.alive = True
            while True:
                await self._prove_alive(connection)
                async for notification in connection.notifies(timeout=PROOF_EVERY_SECONDS):
                    self._heard_at = time.monotonic()
                    topic, _, subject = notification.payload.partition(":")
                    self._on_change(topic, subject)
        finally:
            watch.cancel()
            await connection.close()

    async def _prove_alive(self, connection: psycopg.AsyncConnection) -> None:
        await connection.execute("SELECT 1")
        self._heard_at = time.monotonic()

    async def _watch(self, connection: psycopg.AsyncConnection) -> None:
        """Notices a silent database on time, which the listening task cannot while it waits for it."""
        while (left_seconds := self._heard_at + LOST_AFTER_SECONDS - time.monotonic()) > 0:  # noqa: ASYNC110 - a deadline that moves
            await asyncio.sleep(left_seconds)
        self._lose("silence")
        # Wakes the listening task with an error at once; cancelling its query politely would need the database.
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as stream:
            stream.shutdown(socket.SHUT_RDWR)

    def _lose(self, why: str) -> None:
        if self.alive:
            self.alive = False
            _log.warning("change feed lost, caches dropped", why=why)
            self._on_lost()
