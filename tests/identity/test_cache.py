import asyncio
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.errors import Problem
from farebox.identity.cache import MAX_LOOKUPS, MAX_STALE_ANSWERS, MISS, KeyCache
from farebox.identity.model import KeyRecord


def _hash(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _record(number: int, workspace_id: int = 1) -> KeyRecord:
    return KeyRecord(workspace_id, number, "", "", frozenset(), None, None, True, True)


class Database:
    """Keys by hash; answers with what was there when it was asked, when it is let."""

    def __init__(self) -> None:
        self.keys: dict[bytes, KeyRecord] = {}
        self.queries = 0
        self.open = asyncio.Event()
        self.open.set()

    async def find(self, key_hash: bytes) -> KeyRecord | None:
        self.queries += 1
        found = self.keys.get(key_hash)
        await self.open.wait()
        return found


def _cache(database: Database, enabled: Callable[[], bool] = lambda: True) -> KeyCache:
    return KeyCache(3, 2, database.find, enabled=enabled)


async def test_a_key_is_read_once_and_then_served_from_memory() -> None:
    database = Database()
    database.keys[_hash(1)] = _record(1)
    cache = _cache(database)
    assert cache.get(_hash(1)) is MISS
    for _ in range(3):
        assert await cache.lookup(_hash(1)) == cache.get(_hash(1)) == _record(1)
        assert await cache.lookup(_hash(9)) is cache.get(_hash(9)) is None
    assert database.queries == 2


async def test_known_and_unknown_keys_are_bounded_apart_and_the_least_used_goes_first() -> None:
    database = Database()
    database.keys = {_hash(n): _record(n) for n in range(5)}
    cache = _cache(database)
    for n in (0, 1, 2):
        await cache.lookup(_hash(n))
    cache.get(_hash(0))
    await cache.lookup(_hash(3))
    assert [cache.get(_hash(n)) is MISS for n in range(4)] == [False, True, False, False]
    for n in range(100, 200):
        await cache.lookup(_hash(n))
        assert len(cache) <= 5
    assert cache.get(_hash(0)) == _record(0)
    assert cache.get(_hash(198)) is None
    assert cache.get(_hash(197)) is MISS


@given(st.lists(st.integers(0, 11), max_size=60))
async def test_whatever_is_asked_the_bounds_hold_and_the_answers_are_right(asked: list[int]) -> None:
    database = Database()
    database.keys = {_hash(n): _record(n) for n in range(6)}
    cache = _cache(database)
    for n in asked:
        assert await cache.lookup(_hash(n)) == database.keys.get(_hash(n))
        assert len(cache) <= 5


async def test_a_thousand_callers_of_one_key_make_one_query() -> None:
    database = Database()
    database.keys[_hash(1)] = _record(1)
    database.open.clear()
    cache = _cache(database)
    callers = [asyncio.create_task(cache.lookup(_hash(1))) for _ in range(1_000)]
    await asyncio.sleep(0)
    callers[0].cancel()
    await asyncio.sleep(0)
    database.open.set()
    assert await asyncio.gather(*callers[1:]) == [_record(1)] * 999
    assert database.queries == 1


async def test_a_flood_of_made_up_keys_is_refused_beyond_the_bound_and_recovers() -> None:
    database = Database()
    database.open.clear()
    cache = _cache(database)
    flood = [asyncio.create_task(cache.lookup(_hash(n))) for n in range(MAX_LOOKUPS + 5)]
    await asyncio.sleep(0)
    # What is forgotten meanwhile still occupies the database.
    cache.clear()
    with pytest.raises(Problem) as refusal:
        await cache.lookup(_hash(999))
    assert (refusal.value.code, refusal.value.retry_after_seconds) == ("capacity_exhausted", 1)
    database.open.set()
    answers = await asyncio.gather(*flood, return_exceptions=True)
    assert sum(isinstance(answer, Problem) for answer in answers) >= 5
    assert await cache.lookup(_hash(999)) is None


async def test_a_failed_query_reaches_all_who_wait_and_is_not_remembered() -> None:
    database = Database()
    broken = True

    async def find(key_hash: bytes) -> KeyRecord | None:
        if broken:
            raise ConnectionError("gone")
        return await database.find(key_hash)

    cache = KeyCache(3, 2, find)
    answers = await asyncio.gather(cache.lookup(_hash(1)), cache.lookup(_hash(1)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ConnectionError, ConnectionError]
    broken = False
    assert await cache.lookup(_hash(1)) is None


@pytest.mark.parametrize("how", ["forget", "forget_workspace", "clear"])
async def test_a_revocation_during_a_query_is_not_undone_by_its_stale_answer(how: str) -> None:
    database = Database()
    database.keys[_hash(1)] = _record(1)
    database.open.clear()
    cache = _cache(database)
    caller = asyncio.create_task(cache.lookup(_hash(1)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    database.keys[_hash(1)] = revoked = msgspec.structs.replace(_record(1), active=False)
    {
        "forget": lambda: cache.forget(_hash(1).hex()),
        "forget_workspace": lambda: cache.forget_workspace(1),
        "clear": cache.clear,
    }[how]()
    database.open.set()
    assert await caller == revoked
    assert cache.get(_hash(1)) == revoked
    assert database.queries == 2


async def test_a_key_that_changes_for_ever_is_answered_all_the_same_and_not_remembered() -> None:
    queries = 0

    async def find(key_hash: bytes) -> KeyRecord | None:
        nonlocal queries
        queries += 1
        cache.forget(key_hash.hex())
        return _record(queries)

    cache = KeyCache(3, 2, find)
    assert await cache.lookup(_hash(1)) == _record(MAX_STALE_ANSWERS)
    assert cache.get(_hash(1)) is MISS


async def test_a_new_key_works_although_it_was_remembered_as_unknown() -> None:
    database = Database()
    cache = _cache(database)
    assert await cache.lookup(_hash(1)) is None
    database.keys[_hash(1)] = _record(1)
    cache.forget(_hash(1).hex())
    assert await cache.lookup(_hash(1)) == _record(1)


async def test_forgetting_a_workspace_forgets_its_keys_alone() -> None:
    database = Database()
    database.keys = {_hash(1): _record(1, 10), _hash(2): _record(2, 20)}
    cache = _cache(database)
    for n in (1, 2):
        await cache.lookup(_hash(n))
    cache.forget_workspace(10)
    assert cache.get(_hash(1)) is MISS
    assert cache.get(_hash(2)) == _record(2, 20)
    cache.forget("not a hash")
    assert len(cache) == 0


async def test_without_the_change_feed_nothing_is_served_from_memory_or_kept() -> None:
    database = Database()
    database.keys[_hash(1)] = _record(1)
    listening = True
    cache = _cache(database, lambda: listening)
    await cache.lookup(_hash(1))
    listening = False
    for _ in range(2):
        assert cache.get(_hash(1)) is MISS
        assert await cache.lookup(_hash(1)) == _record(1)
    assert database.queries == 3
    cache.clear()
    listening = True
    assert cache.get(_hash(1)) is MISS
