"""Keys are changed and rolled: what is shared, what stays, and what the other processes hear of it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest

from farebox.base.addresses import read_network
from farebox.base.clock import MICROS_PER_SECOND
from farebox.catalog.policy import Policy, Rule
from farebox.identity.cache import KeyCache
from farebox.identity.checks import MAX_NETWORKS, MAX_OVERLAP_SECONDS, KeyFault, read_networks
from farebox.identity.keys import read_secret
from farebox.identity.model import CreatedKey, KeyRecord, KeyStatus, Kind, Labels, RateLimit, Workspace
from farebox.identity.policies import write_rule
from farebox.identity.rates import write_rate
from farebox.identity.store import (
    KeyChange,
    NewKey,
    create_key,
    create_workspace,
    find_key,
    list_keys,
    read_key,
    revoke_key_by_id,
    roll_key,
    update_key,
    write_uses,
)
from farebox.identity.uses import MICROS_BETWEEN_WRITES, KeyUses
from farebox.storage.changes import ChangeFeed
from farebox.storage.pool import Pool, connected

NOW = 1_800_000_000_000_000
DAY = 86_400 * MICROS_PER_SECOND
OFFICE = (read_network("192.0.2.0/24"), read_network("2001:db8::7"))
LABELS = Labels("Research", "Atlas", "Öl & Co. KG")

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


@pytest.fixture
async def connection(dsn: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as opened:
        yield opened


@pytest.fixture
async def acme(connection: Connection) -> Workspace:
    return await create_workspace(connection, "acme", kind=Kind.CUSTOMER, now_micros=NOW)


async def _key(connection: Connection, workspace: Workspace, *, now_micros: int = NOW, **wanted: Any) -> CreatedKey:
    new = NewKey(**{"name": "laptop", **wanted})
    return await create_key(connection, workspace, new, key_prefix="fbx_", now_micros=now_micros)


async def _found(connection: Connection, created: CreatedKey) -> KeyRecord:
    found = await find_key(connection, read_secret("fbx_", created.secret))
    assert found is not None
    return found


async def _update(connection: Connection, key: KeyRecord, **change: Any) -> KeyRecord:
    updated = await update_key(connection, key.workspace_id, key.key_id, KeyChange(**change), now_micros=NOW)
    assert updated is not None
    return updated.record


async def test_labels_and_networks_come_back_as_they_were_given(connection: Connection, acme: Workspace) -> None:
    created = await _key(connection, acme, labels=LABELS, ip_allow=OFFICE, created_by="key_0000000000001")
    assert await _found(connection, created) == created.record
    assert (created.record.labels, created.record.ip_allow) == (LABELS, OFFICE)
    listing = await read_key(connection, acme.workspace_id, created.record.key_id)
    assert listing is not None
    assert (listing.record, listing.created_by, listing.last_used_at) == (created.record, "key_0000000000001", None)


async def test_an_update_changes_what_it_names_and_nothing_else(connection: Connection, acme: Workspace) -> None:
    created = await _key(connection, acme, labels=LABELS, ip_allow=OFFICE, allowed_models=frozenset({"plain"}))
    changed = await _update(connection, created.record, project=" Borealis ", scopes=frozenset({"images"}))
    assert changed.labels == Labels("Research", "Borealis", "Öl & Co. KG")
    assert (changed.scopes, changed.ip_allow, changed.name) == (frozenset({"images"}), OFFICE, "laptop")
    assert await _found(connection, created) == changed
    changed = await _update(connection, changed, ip_allow=None, allowed_models=None, expires_at=NOW + 5, department="")
    assert (changed.ip_allow, changed.allowed_models, changed.expires_at) == (None, None, NOW + 5)
    assert changed.labels == Labels("", "Borealis", "Öl & Co. KG")
    assert await _found(connection, created) == changed


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"scopes": frozenset({"everything"})}, "scopes"),
        ({"name": "x" * 201}, "name"),
        ({"name": "a\x00b"}, "name"),
        ({"department": "x" * 101}, "department"),
        ({"project": "two\nlines"}, "project"),
        ({"customer": "\u202ereversed"}, "customer"),
        ({"ip_allow": ()}, "ip_allow"),
        ({"ip_allow": read_networks(f"10.0.0.{number}" for number in range(MAX_NETWORKS + 1))}, "ip_allow"),
        ({"allowed_models": frozenset({"x" * 201})}, "models"),
        ({"allowed_models": frozenset(str(number) for number in range(1_001))}, "models"),
    ],
)
async def test_what_a_key_cannot_be_is_refused_by_name_and_changes_nothing(
    connection: Connection, acme: Workspace, change: dict[str, Any], param: str
) -> None:
    created = await _key(connection, acme)
    with pytest.raises(KeyFault) as refusal:
        await _update(connection, created.record, **change)
    assert refusal.value.param == param
    assert await _found(connection, created) == created.record


async def test_a_revoked_key_is_not_changed_nor_rolled(connection: Connection, acme: Workspace) -> None:
    created = await _key(connection, acme)
    place = (acme.workspace_id, created.record.key_id)
    revoked = await revoke_key_by_id(connection, *place, now_micros=NOW + 1)
    assert revoked is not None
    assert (revoked.status_at(NOW + 1), revoked.revoked_at) == (KeyStatus.REVOKED, NOW + 1)
    with pytest.raises(KeyFault, match="was revoked"):
        await update_key(connection, *place, KeyChange(name="again"), now_micros=NOW)
    with pytest.raises(KeyFault, match="it is revoked"):
        await roll_key(connection, *place, key_prefix="fbx_", now_micros=NOW)


async def test_keys_of_another_workspace_are_not_there(connection: Connection, acme: Workspace) -> None:
    other = await create_workspace(connection, "other", kind=Kind.CUSTOMER, now_micros=NOW)
    created = await _key(connection, other)
    place = (acme.workspace_id, created.record.key_id)
    assert await read_key(connection, *place) is None
    assert await update_key(connection, *place, KeyChange(name="mine"), now_micros=NOW) is None
    assert await roll_key(connection, *place, key_prefix="fbx_", now_micros=NOW) is None
    assert await revoke_key_by_id(connection, *place, now_micros=NOW) is None
    assert await _found(connection, created) == created.record
    assert [key.record for key in await list_keys(connection, other.workspace_id)] == [created.record]


async def test_the_list_goes_on_where_it_stopped_whatever_is_made_meanwhile(
    connection: Connection, acme: Workspace
) -> None:
    # Several of the same moment, too.
    made = [(await _key(connection, acme, now_micros=NOW + number // 3)).record.key_id for number in range(10)]
    seen: list[int] = []
    after = None
    while page := await list_keys(connection, acme.workspace_id, after=after, most=4):
        seen += [key.record.key_id for key in page]
        after = page[-1].cursor
        await _key(connection, acme, now_micros=NOW + 100)
    assert sorted(seen) == sorted(made)


async def test_a_rolled_key_is_followed_by_its_like_and_works_for_the_overlap(
    connection: Connection, acme: Workspace
) -> None:
    first = await _key(
        connection,
        acme,
        labels=LABELS,
        ip_allow=OFFICE,
        scopes=frozenset({"images"}),
        allowed_models=frozenset({"plain"}),
        expires_at=NOW + 9 * DAY,
    )
    rolled = await roll_key(connection, acme.workspace_id, first.record.key_id, key_prefix="fbx_", now_micros=NOW)
    assert rolled is not None
    second = rolled.created
    same = ("name", "scopes", "allowed_models", "ip_allow", "labels", "expires_at", "holder_id")
    assert [getattr(second.record, name) for name in same] == [getattr(first.record, name) for name in same]
    assert second.secret != first.secret
    assert await _found(connection, second) == second.record
    former = rolled.former
    assert (former.rolled_to, former.record.expires_at) == (second.record.key_id, NOW + DAY)
    assert [former.status_at(moment) for moment in (NOW, NOW + DAY)] == [KeyStatus.ROLLED, KeyStatus.EXPIRED]
    assert (await _found(connection, first)).expires_at == NOW + DAY


async def test_an_overlap_never_prolongs_a_key(connection: Connection, acme: Workspace) -> None:
    first = await _key(connection, acme, expires_at=NOW + 60)
    place = (acme.workspace_id, first.record.key_id)
    rolled = await roll_key(connection, *place, key_prefix="fbx_", now_micros=NOW)
    assert rolled is not None
    assert rolled.former.record.expires_at == rolled.created.record.expires_at == NOW + 60
    for later in (None, NOW + 61):
        with pytest.raises(KeyFault, match="cannot be prolonged"):
            await update_key(connection, *place, KeyChange(expires_at=later), now_micros=NOW)
    shorter = await update_key(connection, *place, KeyChange(expires_at=NOW + 59), now_micros=NOW)
    assert shorter is not None
    assert shorter.record.expires_at == NOW + 59


async def test_a_line_of_rolled_keys_shares_limits_rates_and_policy(connection: Connection, acme: Workspace) -> None:
    first = await _key(connection, acme)
    sibling = await _key(connection, acme)
    rule = Rule(policy=Policy(models=frozenset({"plain"})))
    rate = RateLimit(first.record.key_id, "", 60, None, None)
    await write_rate(connection, acme.workspace_id, rate)
    line = [first]
    for _ in range(2):
        rolled = await roll_key(
            connection, acme.workspace_id, line[-1].record.key_id, key_prefix="fbx_", now_micros=NOW
        )
        assert rolled is not None
        line.append(rolled.created)
    # Set after the roll, under the one that all of them share.
    holder_id = line[-1].record.holder_id
    await write_rule(connection, acme.workspace_id, holder_id, rule=rule, now_micros=NOW)
    for key in line:
        found = await _found(connection, key)
        assert (found.holder_id, found.rule, found.rates) == (first.record.key_id, rule, (rate,))
    alone = await _found(connection, sibling)
    assert (alone.rule == rule, alone.rates) == (False, ())


async def test_a_key_is_rolled_once(connection: Connection, acme: Workspace) -> None:
    first = await _key(connection, acme)
    place = (acme.workspace_id, first.record.key_id)

    async def roll() -> object:
        async with await psycopg.AsyncConnection.connect(connection.info.dsn, autocommit=True) as own:
            return await roll_key(own, *place, key_prefix="fbx_", now_micros=NOW)

    outcomes = await asyncio.gather(*(roll() for _ in range(5)), return_exceptions=True)
    assert sorted(isinstance(outcome, KeyFault) for outcome in outcomes) == [False, True, True, True, True]
    assert len(await list_keys(connection, acme.workspace_id)) == 2


@pytest.mark.parametrize("overlap_seconds", [-1, MAX_OVERLAP_SECONDS + 1])
async def test_an_overlap_has_bounds(connection: Connection, acme: Workspace, overlap_seconds: int) -> None:
    first = await _key(connection, acme)
    with pytest.raises(KeyFault, match="0 to 30 days"):
        await roll_key(
            connection,
            acme.workspace_id,
            first.record.key_id,
            key_prefix="fbx_",
            now_micros=NOW,
            overlap_seconds=overlap_seconds,
        )
    assert await _found(connection, first) == first.record


async def test_networks_that_cannot_be_read_allow_nobody(connection: Connection, acme: Workspace) -> None:
    created = await _key(connection, acme, ip_allow=OFFICE)
    await connection.execute("UPDATE api_key SET ip_allow = '{the office}'")
    assert (await _found(connection, created)).ip_allow == ()


async def test_every_change_is_announced_but_a_use_is_not(connection: Connection, acme: Workspace, dsn: str) -> None:
    heard: list[str] = []
    feed = ChangeFeed(dsn, lambda topic, subject: heard.append(f"{topic}:{subject}"), lambda: None)
    created = await _key(connection, acme)
    key_hash = read_secret("fbx_", created.secret).hex()
    record = created.record
    feed.start()
    async with asyncio.timeout(10):
        while not feed.alive:
            await asyncio.sleep(0.01)

        async def told() -> None:
            """Whatever was announced before this has been heard now."""
            await connection.execute("SELECT pg_notify('farebox_changes', 'told:all')")
            while "told:all" not in heard:
                await asyncio.sleep(0.01)

        await write_uses(connection, [(record.workspace_id, record.key_id, NOW + 1)])
        await told()
        assert heard == ["told:all"]
        for change in ({"name": "n"}, {"department": "d"}, {"ip_allow": OFFICE}, {"expires_at": NOW + DAY}):
            heard.clear()
            record = await _update(connection, record, **change)
            await told()
            assert heard == [f"key:{key_hash}", "told:all"]
        heard.clear()
        await _update(connection, record, name="n")
        await told()
        assert heard == ["told:all"]
        heard.clear()
        await roll_key(connection, acme.workspace_id, record.key_id, key_prefix="fbx_", now_micros=NOW)
        await told()
        assert f"key:{key_hash}" in heard
    await feed.stop()
    listing = await read_key(connection, acme.workspace_id, record.key_id)
    assert listing is not None
    assert listing.last_used_at == NOW + 1


async def test_uses_are_written_once_a_minute_and_the_last_one_is_never_lost(
    connection: Connection, acme: Workspace, pool: Pool
) -> None:
    record = (await _key(connection, acme)).record
    now = NOW
    uses = KeyUses(lambda: connected(pool), lambda: now)

    async def stored() -> int | None:
        listing = await read_key(connection, record.workspace_id, record.key_id)
        assert listing is not None
        return listing.last_used_at

    async def writes_what_is_due() -> int | None:
        await uses.write(due_before=now - MICROS_BETWEEN_WRITES)
        return await stored()

    uses.note(record, NOW)
    assert await writes_what_is_due() == NOW
    now = NOW + 30 * MICROS_PER_SECOND
    uses.note(record, now)
    assert await writes_what_is_due() == NOW
    now = NOW + MICROS_BETWEEN_WRITES
    assert await writes_what_is_due() == NOW + 30 * MICROS_PER_SECOND
    uses.note(record, now + 1)
    await uses.stop()
    assert await stored() == now + 1
    # Another process that saw an earlier use changes nothing.
    await write_uses(connection, [(record.workspace_id, record.key_id, NOW)])
    assert await stored() == now + 1


async def test_a_database_that_is_away_takes_the_uses_later(
    connection: Connection, acme: Workspace, pool: Pool
) -> None:
    record = (await _key(connection, acme)).record
    uses = KeyUses(lambda: connected(pool), lambda: NOW)
    uses.note(record, NOW)
    await connection.execute("ALTER TABLE api_key RENAME TO elsewhere")
    with pytest.raises(psycopg.Error):
        await uses.write()
    await connection.execute("ALTER TABLE elsewhere RENAME TO api_key")
    await uses.write()
    listing = await read_key(connection, record.workspace_id, record.key_id)
    assert listing is not None
    assert listing.last_used_at == NOW


async def test_processes_that_write_the_same_uses_never_wait_for_each_other_for_ever(
    connection: Connection, acme: Workspace, pool: Pool
) -> None:
    records = [(await _key(connection, acme)).record for _ in range(50)]
    places = [(record.workspace_id, record.key_id) for record in records]

    async def write(moment: int) -> None:
        async with connected(pool) as own:
            ordered = places if moment % 2 else places[::-1]
            await write_uses(own, [(*place, NOW + moment) for place in ordered])

    await asyncio.gather(*(write(moment) for moment in range(40)))
    assert {key.last_used_at for key in await list_keys(connection, acme.workspace_id)} == {NOW + 39}


async def test_a_change_reaches_what_is_remembered(connection: Connection, acme: Workspace, dsn: str) -> None:
    created = await _key(connection, acme)
    key_hash = read_secret("fbx_", created.secret)

    async def find(wanted: bytes) -> KeyRecord | None:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as own:
            return await find_key(own, wanted)

    cache = KeyCache(10, 10, find)
    feed = ChangeFeed(dsn, lambda _, subject: cache.forget(subject), cache.clear)
    feed.start()
    async with asyncio.timeout(10):
        while not feed.alive:
            await asyncio.sleep(0.01)
        assert await cache.lookup(key_hash) == created.record
        changed = await _update(connection, created.record, ip_allow=OFFICE)
        while await cache.lookup(key_hash) != changed:
            await asyncio.sleep(0.01)
    await feed.stop()
