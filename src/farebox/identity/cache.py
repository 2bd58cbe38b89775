"""Keys in memory: bounded, one query per missing key however many ask, and never older than the change feed.

A revocation can arrive while the query that read the key before it is still on its way. Such a query is marked stale:
its answer is not remembered, and whoever waits for it asks again.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Literal

from farebox.base.errors import Problem
from farebox.identity.model import KeyRecord

# Queries for keys under way at once: more would only wait for connections, and a flood of made-up keys must not
# keep those from others.
MAX_LOOKUPS = 64
# How often one caller asks again because the key changed meanwhile; then it takes the last answer, unremembered.
MAX_STALE_ANSWERS = 3


class Miss(Enum):
    """Not in memory; ask `lookup`."""

    MISS = "miss"


MISS: Literal[Miss.MISS] = Miss.MISS


class _Lookup:
    """One query under way."""

    __slots__ = ("stale", "task")

    def __init__(self, task: "asyncio.Task[KeyRecord | None]") -> None:
        self.task = task
        self.stale = False


class KeyCache:
    """Known keys and hashes known to be unknown, each least recently used first out.

    `enabled()` says whether changes are being heard of; while they are not, nothing is served from memory or kept.
    `find` reads one key from the database; what it raises, `lookup` raises.
    """

    def __init__(
        self,
        max_keys: int,
        max_unknown: int,
        find: Callable[[bytes], Awaitable[KeyRecord | None]],
        *,
        enabled: Callable[[], bool] = lambda: True,
    ) -> None:
        self._max_keys = max_keys
        self._max_unknown = max_unknown
        self._find = find
        self._enabled = enabled
        self._keys: OrderedDict[bytes, KeyRecord] = OrderedDict()
        self._unknown: OrderedDict[bytes, None] = OrderedDict()
        self._lookups: dict[bytes, _Lookup] = {}
        self._running = 0

    def get(self, key_hash: bytes) -> KeyRecord | Literal[Miss.MISS] | None:
        """The key, None if it is known to be unknown, MISS if only the database can tell."""
        if not self._enabled():
            return MISS
        record = self._keys.get(key_hash)
        if record is not None:
            self._keys.move_to_end(key_hash)
            return record
        if key_hash in self._unknown:
            self._unknown.move_to_end(key_hash)
            return None
        return MISS

    async def lookup(self, key_hash: bytes) -> KeyRecord | None:
        """The key from memory or the database. Raises Problem("capacity_exhausted") when too many are looked up."""
        record: KeyRecord | None = None
        for _ in range(MAX_STALE_ANSWERS):
            found = self.get(key_hash)
            if not isinstance(found, Miss):
                return found
            lookup = self._lookups.get(key_hash) or self._begin(key_hash)
            # Shielded: the one who began it may go away, the others still wait for it.
            record = await asyncio.shield(lookup.task)
            if not lookup.stale:
                break
        return record

    def _begin(self, key_hash: bytes) -> _Lookup:
        if self._running >= MAX_LOOKUPS:
            raise Problem("capacity_exhausted", "Too many keys are being looked up.", retry_after_seconds=1)
        self._running += 1
        lookup = self._lookups[key_hash] = _Lookup(asyncio.create_task(self._query(key_hash), name="key lookup"))
        lookup.task.add_done_callback(lambda task: self._end(key_hash, lookup))
        return lookup

    async def _query(self, key_hash: bytes) -> KeyRecord | None:
        return await self._find(key_hash)

    def _end(self, key_hash: bytes, lookup: _Lookup) -> None:
        self._running -= 1
        if self._lookups.get(key_hash) is lookup:
            del self._lookups[key_hash]
        if lookup.task.cancelled() or lookup.task.exception() is not None:
            return
        if not lookup.stale and self._enabled():
            self._remember(key_hash, lookup.task.result())

    def _remember(self, key_hash: bytes, record: KeyRecord | None) -> None:
        if record is None:
            self._unknown[key_hash] = None
            if len(self._unknown) > self._max_unknown:
                self._unknown.popitem(last=False)
        else:
            self._keys[key_hash] = record
            if len(self._keys) > self._max_keys:
                self._keys.popitem(last=False)

    def forget(self, hash_hex: str) -> None:
        """A key was made, changed or revoked: the subject of `key:…` on the change feed."""
        try:
            key_hash = bytes.fromhex(hash_hex)
        except ValueError:
            self.clear()
            return
        self._keys.pop(key_hash, None)
        self._unknown.pop(key_hash, None)
        lookup = self._lookups.pop(key_hash, None)
        if lookup is not None:
            lookup.stale = True

    def forget_workspace(self, workspace_id: int) -> None:
        """A workspace was suspended or activated: forget its keys, and mistrust what is being read."""
        for key_hash in [h for h, record in self._keys.items() if record.workspace_id == workspace_id]:
            del self._keys[key_hash]
        self._mistrust_lookups()

    def clear(self) -> None:
        """Changes may have been missed: forget everything."""
        self._keys.clear()
        self._unknown.clear()
        self._mistrust_lookups()

    def _mistrust_lookups(self) -> None:
        for lookup in self._lookups.values():
            lookup.stale = True
        self._lookups.clear()

    def __len__(self) -> int:
        return len(self._keys) + len(self._unknown)
