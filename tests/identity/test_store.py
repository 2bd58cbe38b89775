import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from farebox.base.errors import OperatorError
from farebox.identity.cache import MISS, KeyCache
from farebox.identity.keys import new_secret, read_secret
from farebox.identity.model import DEFAULT_SCOPES, SCOPES, CreatedKey, KeyRecord, Kind, Status, Workspace
from farebox.identity.store import (
    NewKey,
    activate_workspace,
    create_key,
    create_workspace,
    find_key,
    find_workspace,
    list_keys,
    list_workspaces,
    revoke_key,
    show_key,
    show_workspace,
    suspend_workspace,
)
from farebox.storage.changes import ChangeFeed

NOW = 1_800_000_000_000_000

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


@pytest.fixture
async def connection(dsn: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as opened:
        yield opened


@pytest.fixture
async def acme(connection: Connection) -> Workspace:
    return await create_workspace(connection, " acme ", kind=Kind.CUSTOMER, now_micros=NOW)


async def _key(connection: Connection, workspace: Workspace, wanted: NewKey | None = None) -> CreatedKey:
    wanted = wanted or NewKey(name="laptop")
    return await create_key(connection, workspace, wanted, key_prefix="fbx_", now_micros=NOW)


async def _found(connection: Connection, created: CreatedKey) -> KeyRecord:
    found = await find_key(connection, read_secret("fbx_", created.secret))
    assert found is not None
    return found


async def test_a_workspace_is_found_by_its_id_or_its_name(connection: Connection, acme: Workspace) -> None:
    assert (acme.name, acme.kind, acme.status, acme.created_at) == ("acme", Kind.CUSTOMER, Status.ACTIVE, NOW)
    assert await find_workspace(connection, show_workspace(acme.workspace_id)) == acme
    assert await find_workspace(connection, "acme") == acme
    assert await list_workspaces(connection) == [acme]


async def test_a_name_that_two_workspaces_have_asks_for_the_id(connection: Connection, acme: Workspace) -> None:
    twin = await create_workspace(connection, "acme", kind=Kind.RESELLER, now_micros=NOW + 1)
    with pytest.raises(OperatorError, match="several workspaces are named 'acme'"):
        await find_workspace(connection, "acme")
    assert await find_workspace(connection, show_workspace(twin.workspace_id)) == twin
    assert await list_workspaces(connection) == [twin, acme]


async def test_a_name_passes_for_no_id(connection: Connection) -> None:
    for name in ("ws_0000000000001", "ws_!"):
        await create_workspace(connection, name, kind=Kind.CUSTOMER, now_micros=NOW)
        with pytest.raises(OperatorError, match="there is no workspace"):
            await find_workspace(connection, name)


@pytest.mark.parametrize("text", ["nobody", "ws_0000000000001", "ws_!", ""])
async def test_a_workspace_that_is_not_there_is_said_so(connection: Connection, text: str) -> None:
    with pytest.raises(OperatorError, match="there is no workspace"):
        await find_workspace(connection, text)


async def test_a_workspace_needs_a_name(connection: Connection) -> None:
    with pytest.raises(OperatorError, match="needs a name"):
        await create_workspace(connection, "  ", kind=Kind.CUSTOMER, now_micros=NOW)


async def test_a_key_comes_back_as_it_was_made(connection: Connection, acme: Workspace) -> None:
    models = frozenset({"sandbox-1", "claude-haiku-4-5"})
    for wanted in (
        NewKey(name="all"),
        NewKey(name="few", scopes=frozenset({"images"}), allowed_models=models, expires_at=NOW + 5),
        NewKey(name="none", scopes=frozenset(), allowed_models=frozenset()),
        NewKey(name="every", scopes=frozenset(SCOPES)),
    ):
        created = await _key(connection, acme, wanted)
        record = await _found(connection, created)
        assert record == created.record
        assert (record.name, record.scopes, record.allowed_models) == (
            wanted.name,
            wanted.scopes,
            wanted.allowed_models,
        )
        assert (record.expires_at, record.active, record.workspace_active) == (wanted.expires_at, True, True)
        assert created.secret.startswith(record.visible_prefix)
    assert {listing.record.name for listing in await list_keys(connection, acme.workspace_id)} == {
        "all",
        "few",
        "none",
        "every",
    }
    assert await find_key(connection, bytes(32)) is None
    assert "keys.manage" not in DEFAULT_SCOPES


async def test_only_the_hash_of_a_key_is_stored(connection: Connection, acme: Workspace) -> None:
    created = await _key(connection, acme)
    cursor = await connection.execute("SELECT k::text FROM api_key k")
    row = await cursor.fetchone()
    assert row is not None
    assert created.secret[10:] not in row[0]
    assert read_secret("fbx_", created.secret).hex() in row[0]


async def test_an_unknown_scope_is_refused(connection: Connection, acme: Workspace) -> None:
    with pytest.raises(OperatorError, match="no scope 'chat'"):
        await _key(connection, acme, NewKey(name="x", scopes=frozenset({"chat"})))


@pytest.mark.parametrize("by", ["id", "visible prefix", "secret"])
async def test_a_key_is_revoked_by_any_of_its_names(connection: Connection, acme: Workspace, by: str) -> None:
    created, other = await _key(connection, acme), await _key(connection, acme)
    names = {"id": show_key(created.record.key_id), "visible prefix": created.record.visible_prefix}
    text = names.get(by, created.secret)
    for moment in (NOW + 1, NOW + 2):
        listing = await revoke_key(connection, text, key_prefix="fbx_", now_micros=moment)
        assert (listing.record.active, listing.revoked_at) == (False, NOW + 1)
    assert not (await _found(connection, created)).active
    assert (await _found(connection, other)).active


async def test_only_a_key_that_is_named_alone_and_within_the_workspace_is_revoked(
    connection: Connection, acme: Workspace
) -> None:
    other = await create_workspace(connection, "other", kind=Kind.CUSTOMER, now_micros=NOW)
    created = await _key(connection, acme)
    for text in ("fbx_", "key_zzz", show_key(12), new_secret("fbx_")):
        with pytest.raises(OperatorError, match="there is no such key"):
            await revoke_key(connection, text, key_prefix="fbx_", now_micros=NOW)
    with pytest.raises(OperatorError, match="there is no such key"):
        await revoke_key(connection, created.secret, key_prefix="fbx_", now_micros=NOW, workspace_id=other.workspace_id)
    await _key(connection, acme)
    await connection.execute("UPDATE api_key SET visible_prefix = 'fbx_aaaaaa'")
    with pytest.raises(OperatorError, match="several keys start like that"):
        await revoke_key(connection, "fbx_aaaaaa", key_prefix="fbx_", now_micros=NOW)
    assert (await _found(connection, created)).active


async def test_a_suspended_workspaces_keys_do_not_work_until_it_is_active_again(
    connection: Connection, acme: Workspace
) -> None:
    created = await _key(connection, acme)
    await suspend_workspace(connection, acme.workspace_id)
    assert not (await _found(connection, created)).workspace_active
    assert (await find_workspace(connection, "acme")).status is Status.SUSPENDED
    await activate_workspace(connection, acme.workspace_id)
    assert (await _found(connection, created)).workspace_active


async def test_each_change_of_a_key_or_workspace_is_announced(
    connection: Connection, acme: Workspace, dsn: str
) -> None:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as listener:
        await listener.execute("LISTEN farebox_changes")
        created = await _key(connection, acme)
        await revoke_key(connection, created.secret, key_prefix="fbx_", now_micros=NOW)
        await suspend_workspace(connection, acme.workspace_id)
        await suspend_workspace(connection, acme.workspace_id)
        await connection.execute("DELETE FROM api_key")
        heard = [notice.payload async for notice in listener.notifies(timeout=5, stop_after=4)]
    key = f"key:{read_secret('fbx_', created.secret).hex()}"
    assert heard == [key, key, f"workspace:{acme.workspace_id}", key]


async def test_a_revocation_elsewhere_reaches_the_cache_of_this_process(
    connection: Connection, acme: Workspace, dsn: str
) -> None:
    created = await _key(connection, acme)
    key_hash = read_secret("fbx_", created.secret)

    def on_change(topic: str, subject: str) -> None:
        if topic == "key":
            cache.forget(subject)
        elif topic == "workspace":
            cache.forget_workspace(int(subject))

    def on_lost() -> None:
        cache.clear()

    feed = ChangeFeed(dsn, on_change, on_lost)
    cache = KeyCache(10, 10, lambda wanted: find_key(connection, wanted), enabled=lambda: feed.alive)
    feed.start()
    try:
        async with asyncio.timeout(5):
            while not feed.alive:
                await asyncio.sleep(0.01)
            await cache.lookup(key_hash)
            assert cache.get(key_hash) == created.record
            await revoke_key(connection, created.secret, key_prefix="fbx_", now_micros=NOW)
            while cache.get(key_hash) is not MISS:
                await asyncio.sleep(0.01)
            revoked = await cache.lookup(key_hash)
            assert revoked is not None
            assert not revoked.active
    finally:
        await feed.stop()
