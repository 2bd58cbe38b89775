"""The catalog that a process sells from: in memory, always complete, switched at the scheduled moment by itself."""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import psycopg

from farebox.base.clock import Clock
from farebox.catalog.model import EMPTY_CATALOG, Catalog
from farebox.catalog.store import load_timeline
from farebox.catalog.timeline import Stage

Connect = Callable[[], AbstractAsyncContextManager[psycopg.AsyncConnection[object]]]
# The year 294,247: no change is scheduled.
_NEVER_MICROS: Final = 1 << 63


class LiveCatalog:
    """Call `refresh` at the start and on every `catalog:…` message of the change feed; read with `current`."""

    def __init__(self, connect: Connect, clock: Clock) -> None:
        """`connect` lends a connection, as a pool's `connection` does."""
        self._connect = connect
        self._clock = clock
        self._current: Catalog = EMPTY_CATALOG
        self._scheduled: deque[Stage] = deque()
        self._switch_at_micros = _NEVER_MICROS
        # An older answer must never replace a newer one.
        self._refreshing = asyncio.Lock()

    def current(self, now_micros: int) -> Catalog:
        """The catalog in effect; empty before the first refresh."""
        if now_micros >= self._switch_at_micros:
            self._advance(now_micros)
        return self._current

    async def refresh(self) -> Catalog:
        """Load the catalog and its scheduled changes again. On an error of the database the old one stays."""
        async with self._refreshing, self._connect() as connection:
            first, *later = await load_timeline(connection, self._clock())
        self._current = first.catalog
        self._scheduled = deque(later)
        self._note_next()
        return self._current

    def _advance(self, now_micros: int) -> None:
        while self._scheduled and self._scheduled[0].from_micros <= now_micros:
            self._current = self._scheduled.popleft().catalog
        self._note_next()

    def _note_next(self) -> None:
        self._switch_at_micros = self._scheduled[0].from_micros if self._scheduled else _NEVER_MICROS
