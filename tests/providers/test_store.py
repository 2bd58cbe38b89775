"""Keys and pools as they are stored: what can be read of them, and what is refused."""

import asyncio
from typing import Any

import psycopg
import pytest

from farebox.base.errors import OperatorError
from farebox.identity.model import Kind
from farebox.identity.store import create_workspace
from farebox.providers import store
from farebox.providers.pool_store import (
    PoolKey,
    PoolTerms,
    change_pool,
    create_pool,
    find_pool,
    read_pool,
    remove_lane,
    remove_pool,
    set_lane,
)
from farebox.providers.pools import DEFAULT_POOL
from farebox.providers.secrets import Safe
from farebox.providers.store import Connection, NewCredential, StoredCredential
from tests.providers.conftest import KEY, NOW, OTHER_KEY

SECRET = "sk-upstream-4d1f0c9b7a"
FAST = PoolKey("one", "fast")


async def _add(connection: Connection, safe: Safe, secret: str = SECRET, **wanted: Any) -> StoredCredential:
    new = NewCredential(**{"provider_id": "one", **wanted})
    return await store.add_credential(connection, safe, new, secret, now_micros=NOW)


async def _secrets(connection: Connection, safe: Safe | None) -> set[str | None]:
    loaded = await store.load_pools(connection, safe)
    return {each.api_key for pool in loaded.pools for each in pool.credentials}


# ── keys ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_stored_key_is_loaded_with_its_limits(connection: Connection, safe: Safe) -> None:
    added = await _add(connection, safe, name="main", weight=3, max_concurrent=8, requests_per_minute=60)
    (pool,) = (await store.load_pools(connection, safe)).pools
    (credential,) = pool.credentials
    assert (pool.provider_id, pool.pool_id, pool.access) == ("one", DEFAULT_POOL, "shared")
    assert (credential.credential_id, credential.origin, credential.api_key) == (added.credential_id, "stored", SECRET)
    assert (credential.weight, credential.max_concurrent, credential.requests_per_minute) == (3, 8, 60)


async def test_nothing_in_the_database_shows_a_key(connection: Connection, safe: Safe, dsn: str) -> None:
    await _add(connection, safe, name="main")
    tables = await (await connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")).fetchall()
    for (table,) in tables:
        query = psycopg.sql.SQL("COPY (SELECT * FROM {}) TO STDOUT").format(psycopg.sql.Identifier(table))
        async with connection.cursor() as cursor, cursor.copy(query) as rows:
            stored = b"".join([bytes(chunk) async for chunk in rows])
        assert SECRET.encode() not in stored and SECRET.encode().hex().encode() not in stored, table


async def test_a_secret_that_is_moved_to_another_row_is_left_out_and_the_others_stay(
    connection: Connection, safe: Safe
) -> None:
    first = await _add(connection, safe, "sk-first")
    second = await _add(connection, safe, "sk-second")
    await connection.execute(
        "UPDATE provider_credential SET sealed = %s WHERE credential_id = %s", (first.sealed, second.credential_id)
    )
    loaded = await store.load_pools(connection, safe)
    assert await _secrets(connection, safe) == {"sk-first"}
    assert [(each.credential_id, "another credential" in each.why) for each in loaded.closed] == [
        (second.credential_id, True)
    ]


@pytest.mark.parametrize("other", [None, Safe(OTHER_KEY)])
async def test_without_the_right_key_nothing_opens_and_nothing_fails(
    connection: Connection, safe: Safe, other: Safe | None
) -> None:
    await _add(connection, safe)
    loaded = await store.load_pools(connection, other)
    assert loaded.pools[0].credentials == () and len(loaded.closed) == 1
    assert "FAREBOX_SECRETS_KEY" in loaded.closed[0].why and SECRET not in repr(loaded)


async def test_a_disabled_key_is_not_loaded_until_it_is_enabled_again(connection: Connection, safe: Safe) -> None:
    added = await _add(connection, safe)
    await store.set_credential_status(connection, added, "disabled")
    assert await _secrets(connection, safe) == set()
    await store.set_credential_status(connection, added, "active")
    assert await _secrets(connection, safe) == {SECRET}
    await store.remove_credential(connection, added)
    assert await store.list_credentials(connection) == []


async def test_a_rotated_key_keeps_its_place(connection: Connection, safe: Safe) -> None:
    added = await _add(connection, safe, name="main")
    await store.rotate_credential(connection, safe, added, "sk-new", now_micros=NOW + 1)
    found = await store.find_credential(connection, "one", "main")
    assert (found.credential_id, found.created_at, found.rotated_at) == (added.credential_id, NOW, NOW + 1)
    assert await _secrets(connection, safe) == {"sk-new"}


async def test_two_keys_of_a_provider_have_two_names(connection: Connection, safe: Safe) -> None:
    await _add(connection, safe, name="main")
    await _add(connection, safe, provider_id="two", name="main")
    with pytest.raises(OperatorError, match="has a credential 'main' already"):
        await _add(connection, safe, name="main")


async def test_a_key_of_an_unknown_name_is_not_repeated(connection: Connection) -> None:
    with pytest.raises(OperatorError) as caught:
        await store.find_credential(connection, "one", SECRET)
    assert SECRET not in caught.value.message + caught.value.fix
    with pytest.raises(OperatorError, match="comes from the environment"):
        await store.find_credential(connection, "one", "env:one")


async def test_a_key_needs_a_pool_of_its_own_provider(connection: Connection, safe: Safe) -> None:
    await create_pool(connection, PoolKey("two", "fast"), PoolTerms(), now_micros=NOW)
    with pytest.raises(OperatorError, match="one has no pool 'fast'"):
        await _add(connection, safe, pool_id="fast")


async def test_a_change_of_keys_that_was_interrupted_is_taken_up_again(connection: Connection, safe: Safe) -> None:
    for number in range(5):
        await _add(connection, safe, f"sk-{number}")
    changing = Safe(OTHER_KEY, KEY)
    rows = await store.list_credentials(connection)
    for stored in rows[:2]:  # what an interrupted run has done
        sealed = changing.seal(
            store.open_secret(stored, changing), credential_id=stored.credential_id, provider_id="one"
        )
        await connection.execute(
            "UPDATE provider_credential SET sealed = %s WHERE credential_id = %s", (sealed, stored.credential_id)
        )
    everything: set[str | None] = {f"sk-{number}" for number in range(5)}
    assert await _secrets(connection, changing) == everything
    assert await store.reseal_all(connection, changing) == (3, 2, ())
    assert await store.reseal_all(connection, changing) == (0, 5, ())
    assert await _secrets(connection, Safe(OTHER_KEY)) == everything
    assert await _secrets(connection, safe) == set()


async def test_a_change_of_keys_leaves_alone_what_it_cannot_open(connection: Connection, safe: Safe) -> None:
    added = await _add(connection, safe)
    resealed = await store.reseal_all(connection, Safe(OTHER_KEY))
    assert (resealed.changed, [each.credential_id for each in resealed.closed]) == (0, [added.credential_id])
    assert await _secrets(connection, safe) == {SECRET}


async def test_a_secret_that_was_replaced_meanwhile_is_not_put_back(connection: Connection, safe: Safe) -> None:
    added = await _add(connection, safe)
    parameters = {"credential_id": added.credential_id, "sealed": added.sealed, "former": added.sealed}
    await store.rotate_credential(connection, safe, added, "sk-new", now_micros=NOW)
    assert (await connection.execute(store.QUERIES["reseal_credential"], parameters)).rowcount == 0
    assert await _secrets(connection, safe) == {"sk-new"}


# ── pools and lanes ───────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_pool_is_read_as_it_was_made(connection: Connection, workspace: int) -> None:
    terms = PoolTerms(region="sg", access="private", workspaces=frozenset({workspace}), max_concurrent=20)
    await create_pool(connection, FAST, terms, now_micros=NOW)
    await set_lane(connection, FAST, workspace, 12, lends=False)
    pool = await read_pool(connection, FAST)
    assert (pool.region, pool.access, pool.workspaces, pool.max_concurrent) == (
        "sg",
        "private",
        frozenset({workspace}),
        20,
    )
    (lane,) = pool.lanes
    assert (lane.workspace_id, lane.slots, lane.lends) == (workspace, 12, False)
    await set_lane(connection, FAST, workspace, 20, lends=True)
    (changed,) = (await read_pool(connection, FAST)).lanes
    assert (changed.lane_id, changed.slots, changed.lends) == (lane.lane_id, 20, True)
    await change_pool(connection, FAST, PoolTerms(max_concurrent=20))
    assert (await read_pool(connection, FAST)).workspaces == frozenset()


async def test_a_pool_is_found_by_its_name_and_each_default_by_its_provider(connection: Connection) -> None:
    await create_pool(connection, FAST, PoolTerms(), now_micros=NOW)
    assert await find_pool(connection, "fast", now_micros=NOW) == FAST
    for provider in ("one", "two/three"):
        assert await find_pool(connection, f"{provider}/default", now_micros=NOW) == PoolKey(provider, DEFAULT_POOL)
    for text in ("default", "slow", "two/fast"):
        with pytest.raises(OperatorError):
            await find_pool(connection, text, now_micros=NOW)


@pytest.mark.parametrize("name", ["", "Fast", "a b", "-a", "x" * 65, "a/b"])
async def test_a_pool_has_a_plain_name(connection: Connection, name: str) -> None:
    with pytest.raises(OperatorError, match="is not the name of a pool"):
        await create_pool(connection, PoolKey("one", name), PoolTerms(), now_micros=NOW)


async def test_a_name_is_given_once(connection: Connection) -> None:
    await create_pool(connection, FAST, PoolTerms(), now_micros=NOW)
    with pytest.raises(OperatorError, match="there is a pool fast already"):
        await create_pool(connection, PoolKey("two", "fast"), PoolTerms(), now_micros=NOW)


async def test_lanes_never_add_up_to_more_than_their_pool_takes(connection: Connection, workspace: int) -> None:
    other = (await create_workspace(connection, "other", kind=Kind.CUSTOMER, now_micros=NOW)).workspace_id
    await create_pool(connection, FAST, PoolTerms(max_concurrent=10), now_micros=NOW)
    await set_lane(connection, FAST, workspace, 6, lends=True)
    with pytest.raises(OperatorError, match="more slots than it has"):
        await set_lane(connection, FAST, other, 5, lends=True)
    await set_lane(connection, FAST, other, 4, lends=True)
    for max_concurrent in (9, None):
        with pytest.raises(OperatorError, match="more slots than it has"):
            await change_pool(connection, FAST, PoolTerms(max_concurrent=max_concurrent))
    assert (await read_pool(connection, FAST)).max_concurrent == 10
    await remove_lane(connection, FAST, other)
    await change_pool(connection, FAST, PoolTerms(max_concurrent=6))
    with pytest.raises(OperatorError, match="has no lane"):
        await remove_lane(connection, FAST, other)


async def test_a_pool_without_a_number_has_no_lanes(connection: Connection, workspace: int) -> None:
    await create_pool(connection, FAST, PoolTerms(), now_micros=NOW)
    with pytest.raises(OperatorError, match="any number of calls at once"):
        await set_lane(connection, FAST, workspace, 1, lends=True)


async def test_lanes_that_are_set_at_the_same_moment_do_not_overbook(connection: Connection, dsn: str) -> None:
    await create_pool(connection, FAST, PoolTerms(max_concurrent=10), now_micros=NOW)
    names = [f"w{number}" for number in range(8)]
    ids = [
        (await create_workspace(connection, name, kind=Kind.CUSTOMER, now_micros=NOW)).workspace_id for name in names
    ]

    async def wish(workspace_id: int) -> bool:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as own:
            try:
                await set_lane(own, FAST, workspace_id, 3, lends=True)
            except OperatorError:
                return False
        return True

    granted = await asyncio.gather(*map(wish, ids))
    assert sum(granted) == 3
    assert sum(lane.slots for lane in (await read_pool(connection, FAST)).lanes) == 9


async def test_a_private_pool_needs_somebody_and_reserves_for_nobody_else(
    connection: Connection, workspace: int
) -> None:
    with pytest.raises(OperatorError, match="nobody could use"):
        await create_pool(connection, FAST, PoolTerms(access="private"), now_micros=NOW)
    terms = PoolTerms(access="private", workspaces=frozenset({workspace}), max_concurrent=5)
    await create_pool(connection, FAST, terms, now_micros=NOW)
    other = (await create_workspace(connection, "other", kind=Kind.CUSTOMER, now_micros=NOW)).workspace_id
    with pytest.raises(OperatorError, match="does not serve that workspace"):
        await set_lane(connection, FAST, other, 1, lends=True)
    with pytest.raises(OperatorError, match="shared pool serves every"):
        await change_pool(connection, FAST, PoolTerms(workspaces=frozenset({workspace})))


async def test_a_pool_that_has_keys_is_not_removed(connection: Connection, safe: Safe, workspace: int) -> None:
    await create_pool(connection, FAST, PoolTerms(max_concurrent=3), now_micros=NOW)
    await set_lane(connection, FAST, workspace, 3, lends=True)
    added = await _add(connection, safe, pool_id="fast")
    with pytest.raises(OperatorError, match="still has credentials"):
        await remove_pool(connection, FAST)
    await store.remove_credential(connection, added)
    await remove_pool(connection, FAST)
    with pytest.raises(OperatorError, match="there is no pool fast"):
        await read_pool(connection, FAST)
