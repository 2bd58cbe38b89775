"""When keys were last used: noted in memory, written in the background, never on the path of a call."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final

import psycopg
import structlog

from farebox.base.clock import MICROS_PER_SECOND, Clock
from farebox.identity.model import KeyRecord
from farebox.identity.store import Connection, write_uses
from farebox.storage.errors import DatabaseUnavailable

# How soon a first use is seen.
WRITE_EVERY_SECONDS: Final = 2.0
# A key in use is written once a minute, however many calls it makes.
MICROS_BETWEEN_WRITES: Final = 60 * MICROS_PER_SECOND
# Keys noted at once; of more, the next use is noted instead. More than a process remembers of keys by default.
MAX_NOTED: Final = 100_000
# Keys of one statement: its locks are held for a few milliseconds.
MAX_PER_WRITE: Final = 1_000
# On the way down, what was noted last is worth no longer a wait.
LAST_WRITE_SECONDS: Final = 2.0

_log = structlog.get_logger(__name__)


class _Use:
    """When a key was used last, what of that was written last, and when."""

    __slots__ = ("told", "used_at", "written_at")

    def __init__(self) -> None:
        self.used_at = self.told = self.written_at = 0


class KeyUses:
    """The last use of each key that this process saw."""

    def __init__(self, connect: Callable[[], AbstractAsyncContextManager[Connection]], clock: Clock) -> None:
        self._connect = connect
        self._clock = clock
        self._uses: dict[tuple[int, int], _Use] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, key: KeyRecord, now_micros: int) -> None:
        """The key was used at that moment."""
        place = (key.workspace_id, key.key_id)
        use = self._uses.get(place)
        if use is None:
            if len(self._uses) >= MAX_NOTED:
                return
            use = self._uses[place] = _Use()
        use.used_at = now_micros

    def start(self) -> None:
        """Write from now on."""
        self._task = asyncio.create_task(self._run(), name="key uses")

    async def stop(self) -> None:
        """Write what was not written yet, if the database takes it at once."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_WRITE_SECONDS):
                await self._try_to_write(due_before=None)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(WRITE_EVERY_SECONDS)
            await self._try_to_write(due_before=self._clock() - MICROS_BETWEEN_WRITES)

    async def _try_to_write(self, *, due_before: int | None) -> None:
        try:
            await self.write(due_before=due_before)
        except (DatabaseUnavailable, psycopg.Error) as error:
            _log.warning("last uses of keys not written", why=type(error).__name__)

    async def write(self, *, due_before: int | None = None) -> None:
        """Write the uses of keys last written before that moment; None: of all. Raises DatabaseUnavailable."""
        due = [(*place, use.used_at) for place, use in self._uses.items() if _is_due(use, due_before)]
        for start in range(0, len(due), MAX_PER_WRITE):
            part = due[start : start + MAX_PER_WRITE]
            async with self._connect() as connection:
                await write_uses(connection, part)
            now_micros = self._clock()
            for workspace_id, key_id, used_at in part:
                use = self._uses[workspace_id, key_id]
                use.told, use.written_at = used_at, now_micros
        if due_before is not None:
            self._forget_idle(due_before)

    def _forget_idle(self, before: int) -> None:
        for place in [place for place, use in self._uses.items() if use.told == use.used_at < before]:
            del self._uses[place]


def _is_due(use: _Use, due_before: int | None) -> bool:
    return use.told != use.used_at and (due_before is None or use.written_at <= due_before)
