import asyncio
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
from hypothesis import given

from farebox.base.errors import Problem
from farebox.catalog.policy import NO_RULE, MaxPrice, Policy, Preference, Rule, combined
from farebox.identity.keys import read_secret
from farebox.identity.model import CreatedKey, KeyRecord, Kind, Workspace
from farebox.identity.policies import UnreadableRule, decode_rule, encode_rule, read_rules, write_rule
from farebox.identity.store import NewKey, create_key, create_workspace, find_key
from farebox.storage.changes import ChangeFeed
from tests.policy.rules_of_any_kind import rules

NOW = 1_800_000_000_000_000

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

IN_SINGAPORE = Rule(policy=Policy(regions=frozenset({"sg", "us"}), max_price=MaxPrice(prompt_picos=10**15)))
KEEPS_NOTHING = Rule(policy=Policy(regions=frozenset({"sg"}), max_kept="nothing"), preference=Preference(sort="price"))


@pytest.fixture
async def connection(dsn: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as opened:
        yield opened


@pytest.fixture
async def acme(connection: Connection) -> Workspace:
    return await create_workspace(connection, "acme", kind=Kind.CUSTOMER, now_micros=NOW)


@pytest.fixture
async def key(connection: Connection, acme: Workspace) -> CreatedKey:
    return await create_key(connection, acme, NewKey(name="laptop"), key_prefix="fbx_", now_micros=NOW)


async def _found(connection: Connection, created: CreatedKey) -> KeyRecord:
    found = await find_key(connection, read_secret("fbx_", created.secret))
    assert found is not None
    return found


async def _write(connection: Connection, holder: KeyRecord, rule: Rule, *, of_key: bool = False) -> None:
    key_id = holder.key_id if of_key else 0
    await write_rule(connection, holder.workspace_id, key_id, rule=rule, now_micros=NOW)


@given(rules)
def test_a_rule_comes_back_as_it_was_stored(rule: Rule) -> None:
    assert decode_rule(encode_rule(rule)) == rule
    assert decode_rule(None) == NO_RULE


async def test_a_key_without_rules_allows_everything(connection: Connection, key: CreatedKey) -> None:
    assert (await _found(connection, key)).rule == NO_RULE


async def test_a_key_has_the_rule_of_its_workspace_and_its_own(connection: Connection, key: CreatedKey) -> None:
    await _write(connection, key.record, IN_SINGAPORE)
    assert (await _found(connection, key)).rule == IN_SINGAPORE
    await _write(connection, key.record, KEEPS_NOTHING, of_key=True)
    assert (await _found(connection, key)).rule == combined(IN_SINGAPORE, KEEPS_NOTHING)
    stored = await read_rules(connection, key.record.workspace_id, key.record.key_id)
    assert stored == (IN_SINGAPORE, KEEPS_NOTHING)
    await _write(connection, key.record, NO_RULE)
    assert (await _found(connection, key)).rule == KEEPS_NOTHING


async def test_the_rules_of_others_are_not_ones_own(connection: Connection, acme: Workspace, key: CreatedKey) -> None:
    stranger = await create_workspace(connection, "other", kind=Kind.CUSTOMER, now_micros=NOW)
    sibling = await create_key(connection, acme, NewKey(name="server"), key_prefix="fbx_", now_micros=NOW)
    await write_rule(connection, stranger.workspace_id, 0, rule=IN_SINGAPORE, now_micros=NOW)
    await write_rule(connection, stranger.workspace_id, key.record.key_id, rule=IN_SINGAPORE, now_micros=NOW)
    await _write(connection, sibling.record, KEEPS_NOTHING, of_key=True)
    assert (await _found(connection, key)).rule == NO_RULE


@pytest.mark.parametrize(
    "body",
    [
        '{"policy": {"planets": ["mars"]}}',
        '{"policy": {"regions": ["mars"]}}',
        '{"policy": {"max_price": {"words_picos": 3}}}',
        '{"policy": {"max_kept": "less"}}',
        '{"policy": null}',
        '{"rules": []}',
    ],
)
@pytest.mark.parametrize("of_key", [True, False])
async def test_a_rule_that_cannot_be_read_allows_nothing(
    connection: Connection, key: CreatedKey, body: str, *, of_key: bool
) -> None:
    holder = key.record.key_id if of_key else 0
    await connection.execute(
        "INSERT INTO routing_rule VALUES (%s, %s, %s::jsonb, 0)", [key.record.workspace_id, holder, body]
    )
    with pytest.raises(Problem) as caught:
        await _found(connection, key)
    assert (caught.value.code, caught.value.entry.status) == ("internal_error", 500)
    with pytest.raises(UnreadableRule):
        await read_rules(connection, key.record.workspace_id, key.record.key_id)


async def test_a_change_of_a_rule_is_announced_and_a_repetition_is_not(
    dsn: str, connection: Connection, key: CreatedKey
) -> None:
    heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    listening = asyncio.Event()
    feed = ChangeFeed(dsn, lambda topic, subject: heard.put_nowait((topic, subject)), listening.set)
    feed.start()
    try:
        await listening.wait()
        for rule in (IN_SINGAPORE, IN_SINGAPORE, KEEPS_NOTHING, NO_RULE, NO_RULE):
            await _write(connection, key.record, rule)
        await connection.execute("SELECT pg_notify('farebox_changes', 'the:end')")
        changes = []
        while (change := await asyncio.wait_for(heard.get(), 10)) != ("the", "end"):
            changes.append(change)
    finally:
        await feed.stop()
    assert changes == [("workspace", str(key.record.workspace_id))] * 3
