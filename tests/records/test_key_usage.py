"""What keys used is what their receipts say, to the nano-dollar, however the calls ended and whoever wrote them."""

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import psycopg
import pytest

from farebox.base.clock import day_of
from farebox.base.ids import random_id, step_id, uuid7
from farebox.ledger.batcher import Batcher, Rider
from farebox.ledger.book import Span
from farebox.ledger.commands import HoldCommand, Release, Settle, WriteOff
from farebox.ledger.outcomes import Answer, Effects
from farebox.ledger.reading import Connection
from farebox.records.call import RECORD_CALL_SQL, CallRow
from farebox.records.key_usage import Used, read_key_usage, read_label_usage, verify_usage
from farebox.storage.migrate import MIGRATIONS, migrate
from farebox.storage.pool import Pool, connected
from tests.database import TestCluster
from tests.records.books import DAY, NOW, Books, call_row

TODAY = day_of(NOW)
DECEMBER = 20_788 * DAY
"""2026-12-01, where one month's partition ends and the next one begins."""
KEYS = (7, 8, 9)
CALLS = 60

Key = tuple[int, int, int]
"""workspace, key, day"""


class Ending(NamedTuple):
    """How a call ends, and whether it is lost before."""

    command: type[HoldCommand]
    lost: bool = False


ENDINGS = (Ending(Settle), Ending(Release), Ending(Settle, lost=True), Ending(WriteOff, lost=True))


@pytest.fixture
async def other_worker(dsn: str) -> AsyncIterator[Batcher]:
    batcher = Batcher(dsn, owner_id=secrets.randbits(62), rider_statements={"record_call": RECORD_CALL_SQL})
    task = asyncio.create_task(batcher.run())
    yield batcher
    await batcher.close()
    with suppress(asyncio.CancelledError):
        await task


@pytest.fixture
async def connection(pool: Pool) -> AsyncIterator[Connection]:
    async with connected(pool) as opened:
        yield opened


def ending_of(command: type[HoldCommand], row: CallRow, now_micros: int) -> HoldCommand:
    """The command that ends a call as its receipt says."""
    ids: dict[str, Any] = {
        "workspace_id": row.workspace_id,
        "command_id": step_id(row.call_id, 15),
        "now_micros": now_micros,
        "hold_id": row.call_id,
    }
    if command is Settle:
        accounts: dict[str, Any] = {
            "revenue_account": "r",
            "cost_nanos": 1,
            "cost_account": "c",
            "payable_account": "p",
        }
        return Settle(**ids, **accounts, charge_nanos=row.charge_nanos, count_request=row.request_counted)
    if command is Release:
        return Release(**ids, count_request=row.request_counted)
    return WriteOff(**ids, cost_nanos=1, cost_account="c", payable_account="p")


class Play:
    """Random calls of several workspaces and keys, around the end of a month, ended by two workers."""

    def __init__(self, books: Books, other: Batcher, dice: random.Random) -> None:
        self._books = books
        self._workers = (books.batcher, other)
        self._dice = dice
        self.requests: Counter[Key] = Counter()
        self.nanos: Counter[Key] = Counter()

    async def open(self) -> int:
        workspace_id = await self._books.open(usd="1000")
        for key_id in KEYS:
            await self._books.limit(workspace_id, key_id, Span.DAY, requests=10_000, usd="1000")
        return workspace_id

    async def call(self, workspace_id: int) -> None:
        dice, books = self._dice, self._books
        key_id, ending = dice.choice(KEYS), dice.choice(ENDINGS)
        books.now = DECEMBER + dice.randrange(-2 * DAY, 2 * DAY)
        hold_id = await books.hold(workspace_id, key_id=key_id)
        if ending.lost:
            await books.lose(workspace_id, hold_id)
        settled = ending.command is Settle
        row = call_row(
            workspace_id,
            hold_id,
            key_id=key_id,
            charge_nanos=dice.randrange(50_000_000) if settled else 0,
            request_counted=settled or (ending.command is Release and dice.random() < 0.3),
        )
        command = ending_of(ending.command, row, row.started_at + dice.randrange(3 * DAY))
        await self._end(command, row)
        key = (workspace_id, key_id, day_of(row.started_at))
        self.requests[key] += row.request_counted
        self.nanos[key] += row.charge_nanos

    async def _end(self, command: HoldCommand, row: CallRow) -> None:
        """Once, twice one after the other, or by both workers at once."""
        rider = Rider("record_call", lambda answer: msgspec.structs.replace(row, charge_nanos=answer.charge_nanos))
        first, second = self._dice.sample(self._workers, 2)
        match self._dice.randrange(3):
            case 0:
                outcomes = [await first.submit(command, rider)]
            case 1:
                outcomes = [await first.submit(command, rider), await second.submit(command, rider)]
            case _:
                outcomes = list(await asyncio.gather(first.submit(command, rider), second.submit(command, rider)))
        assert sum(isinstance(outcome, Effects) for outcome in outcomes) == 1
        assert all(isinstance(outcome, Effects | Answer) for outcome in outcomes)


async def sums(connection: Connection, sql: str) -> dict[Key, tuple[int, int]]:
    cursor = await connection.execute(sql)
    return {
        (int(str(workspace_id)), int(str(key_id)), int(str(day))): (int(str(requests)), int(str(nanos)))
        for workspace_id, key_id, day, requests, nanos in await cursor.fetchall()
        if requests or nanos
    }


USAGE_DAYS = "SELECT workspace_id, key_id, day, requests, charge_nanos FROM usage_day"
RECEIPTS = (
    "SELECT workspace_id, key_id, started_at / 86400000000, count(*) FILTER (WHERE request_counted), sum(charge_nanos)"
    " FROM call GROUP BY 1, 2, 3"
)
DAY_LIMITS = "SELECT workspace_id, key_id, day, used_requests, used_nanos FROM ledger_window WHERE span = 1"


@pytest.mark.parametrize("seed", range(4))
async def test_use_by_day_is_that_of_the_receipts_and_of_the_limits_by_day(
    connection: Connection, books: Books, other_worker: Batcher, seed: int
) -> None:
    play = Play(books, other_worker, random.Random(seed))
    workspaces = [await play.open() for _ in range(3)]
    await asyncio.gather(*(play.call(workspaces[number % 3]) for number in range(CALLS)))
    told = {key: (play.requests[key], nanos) for key, nanos in play.nanos.items() if play.requests[key] or nanos}
    found = await sums(connection, USAGE_DAYS)
    assert len({day for _, _, day in found}) > 2
    assert found == told
    assert found == await sums(connection, RECEIPTS)
    assert found == await sums(connection, DAY_LIMITS)
    assert await verify_usage(connection) == []


async def test_a_call_counts_on_the_day_it_started_however_late_it_ends(connection: Connection, books: Books) -> None:
    workspace_id = await books.open()
    books.now = (TODAY + 1) * DAY - 2_000_000
    hold_id = await books.hold(workspace_id)
    assert await read_key_usage(connection, workspace_id, today_day=TODAY) == [], "it runs"
    books.now += DAY
    await books.settle(workspace_id, hold_id, charge_nanos=31)
    for today, expected in ((TODAY, Used(1, 31)), (TODAY + 1, Used())):
        (found,) = await read_key_usage(connection, workspace_id, today_day=today)
        assert (found.today, found.month, found.all_time) == (expected, Used(1, 31), Used(1, 31))


async def test_a_call_that_costs_nothing_and_counts_as_nothing_leaves_no_row(
    connection: Connection, books: Books
) -> None:
    workspace_id = await books.open()
    await books.release(workspace_id, await books.hold(workspace_id), request_counted=False)
    assert await sums(connection, RECEIPTS) == await sums(connection, USAGE_DAYS) == {}
    cursor = await connection.execute(USAGE_DAYS)
    assert await cursor.fetchall() == []


async def add_use(connection: Connection, workspace_id: int, key_id: int, *days: tuple[int, int]) -> None:
    for day, nanos in days:
        await connection.execute(
            "INSERT INTO usage_day (workspace_id, key_id, day, requests, charge_nanos) VALUES (%s, %s, %s, 1, %s)",
            [workspace_id, key_id, day, nanos],
        )


async def add_key(
    connection: Connection, workspace_id: int, key_id: int, *, name: str = "", department: str = ""
) -> None:
    await connection.execute(
        "INSERT INTO workspace (workspace_id, name, kind, created_at) VALUES (%s, 'w', 'customer', 1)"
        " ON CONFLICT DO NOTHING",
        [workspace_id],
    )
    await connection.execute(
        "INSERT INTO api_key (workspace_id, key_id, key_hash, visible_prefix, name, scopes, created_at, department,"
        " project) VALUES (%s, %s, %s, 'fbx_abcdef', %s, '{}', 1, %s, 'one')",
        [workspace_id, key_id, secrets.token_bytes(32), name, department],
    )


async def test_today_this_month_and_all_time_are_those_of_utc(connection: Connection) -> None:
    first = day_of(DECEMBER)
    days = ((first - 400, 1), (first - 1, 10), (first, 100), (first + 30, 1_000), (first + 31, 10_000))
    await add_use(connection, 1, 7, *days)
    everything = Used(5, 11_111)
    expected = {
        first - 1: (Used(1, 10), Used(1, 10)),
        first: (Used(1, 100), Used(2, 1_100)),
        first + 5: (Used(), Used(2, 1_100)),
        first + 30: (Used(1, 1_000), Used(2, 1_100)),
        first + 31: (Used(1, 10_000), Used(1, 10_000)),
        first + 3_650: (Used(), Used()),
    }
    for today, (day, month) in expected.items():
        (found,) = await read_key_usage(connection, 1, today_day=today)
        assert (found.today, found.month, found.all_time) == (day, month, everything), today


async def test_keys_come_with_their_names_and_the_dearest_of_this_month_first(connection: Connection) -> None:
    await add_key(connection, 1, 7, name="search")
    await add_use(connection, 1, 7, (TODAY, 5))
    await add_use(connection, 1, 8, (TODAY - 300, 90))
    await add_use(connection, 1, 9, (TODAY - 1, 6))
    await add_use(connection, 2, 7, (TODAY, 1_000))
    found = await read_key_usage(connection, 1, today_day=TODAY)
    assert [(each.key_id, each.name, each.visible_prefix) for each in found] == [
        (9, "", ""),
        (7, "search", "fbx_abcdef"),
        (8, "", ""),
    ]
    assert [each.all_time.charge_nanos for each in found] == [6, 5, 90], "nothing of the other workspace"
    page = await read_key_usage(connection, 1, today_day=TODAY, key_ids=[8, 7, 12])
    assert [each.key_id for each in page] == [7, 8]
    assert await read_key_usage(connection, 1, today_day=TODAY, key_ids=[]) == []
    assert len(await read_key_usage(connection, 1, today_day=TODAY, most=2)) == 2


async def test_a_label_has_the_use_of_all_its_keys_and_those_without_are_one_group(connection: Connection) -> None:
    for key_id, department in ((7, "search"), (8, "search"), (9, ""), (10, "idle")):
        await add_key(connection, 1, key_id, department=department)
    await add_key(connection, 2, 12, department="search")
    for key_id, nanos in ((7, 1), (8, 10), (9, 100), (11, 1_000)):
        await add_use(connection, 1, key_id, (TODAY, nanos), (TODAY - 60, nanos))
    await add_use(connection, 2, 12, (TODAY, 10_000))
    found = await read_label_usage(connection, 1, "department", today_day=TODAY)
    assert [(each.label, each.keys, each.today, each.month, each.all_time) for each in found] == [
        ("", 2, Used(2, 1_100), Used(2, 1_100), Used(4, 2_200)),
        ("search", 2, Used(2, 11), Used(2, 11), Used(4, 22)),
    ]
    projects = await read_label_usage(connection, 1, "project", today_day=TODAY)
    assert [(each.label, each.all_time.charge_nanos) for each in projects] == [("", 2_000), ("one", 222)]
    (customers,) = await read_label_usage(connection, 1, "customer", today_day=TODAY)
    assert (customers.label, customers.keys, customers.all_time) == ("", 4, Used(8, 2_222))


async def test_use_is_read_without_looking_at_any_call(connection: Connection, books: Books) -> None:
    workspace_id = await books.open()
    await books.call(workspace_id, charge_nanos=31)
    await connection.execute("DROP TABLE call CASCADE")
    (key,) = await read_key_usage(connection, workspace_id, today_day=TODAY)
    (label,) = await read_label_usage(connection, workspace_id, "customer", today_day=TODAY)
    assert key.all_time == label.all_time == Used(1, 31)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE usage_day SET requests = requests + 1 WHERE key_id = 7",
        "UPDATE usage_day SET charge_nanos = charge_nanos - 1 WHERE key_id = 7",
        "UPDATE usage_day SET key_id = 8 WHERE key_id = 7",
        "DELETE FROM usage_day WHERE key_id = 7",
        "DELETE FROM call WHERE key_id = 7",
        "UPDATE call SET charge_nanos = charge_nanos + 1 WHERE key_id = 7",
    ],
)
async def test_a_sum_that_is_not_that_of_its_receipts_is_found(
    connection: Connection, books: Books, damage: str
) -> None:
    workspace_id = await books.open()
    await books.call(workspace_id, key_id=5)
    await books.call(workspace_id, key_id=7)
    assert await verify_usage(connection) == []
    await connection.execute(damage.encode())
    found = await verify_usage(connection)
    assert f"usage {workspace_id}/7/{TODAY}" in [breach.row for breach in found]
    assert all(f"/5/{TODAY}" not in breach.row for breach in found)


async def test_old_months_of_receipts_may_be_dropped(connection: Connection, books: Books) -> None:
    workspace_id = await books.open()
    await add_use(connection, workspace_id, 7, (TODAY - 40, 5))
    await books.call(workspace_id, charge_nanos=31)
    assert await verify_usage(connection) == []
    (found,) = await read_key_usage(connection, workspace_id, today_day=TODAY)
    assert found.all_time == Used(2, 36)


@pytest.fixture
def old_database(cluster: TestCluster, tmp_path: Path) -> Iterator[str]:
    """A database of the version before `usage_day`."""
    for path in MIGRATIONS.glob("*.sql"):
        if path.name < "0014":
            (tmp_path / path.name).write_text(path.read_text())
    address = cluster.fresh_database(migrated=False)
    migrate(address, lambda line: None, folder=tmp_path)
    yield address
    cluster.drop_database(address)


def receipts(workspace_id: int) -> list[CallRow]:
    """Calls of two keys on three days, among them one that counts as nothing and one from long ago."""
    rows = [
        call_row(workspace_id, uuid7(NOW + place * DAY), key_id=7 + place % 2, charge_nanos=10**place)
        for place in range(3)
    ]
    nothing = call_row(workspace_id, uuid7(NOW), key_id=9, request_counted=False)
    return [*rows, nothing, call_row(workspace_id, uuid7(NOW - 900 * DAY), charge_nanos=5)]


async def test_calls_of_before_are_counted_by_the_migration_and_those_of_old_workers_after_it(
    old_database: str,
) -> None:
    workspace_id = random_id()
    batches = [msgspec.json.encode(receipts(workspace_id)).decode() for _ in range(2)]
    # Exactly what a worker of the version before has prepared, before and after.
    async with await psycopg.AsyncConnection.connect(old_database, autocommit=True) as old_worker:
        await old_worker.execute(RECORD_CALL_SQL.replace("$1", "%s"), [batches[0]])
        await asyncio.to_thread(migrate, old_database, lambda line: None)
        assert await sums(old_worker, USAGE_DAYS) == await sums(old_worker, RECEIPTS)
        await old_worker.execute(RECORD_CALL_SQL.replace("$1", "%s"), [batches[1]])
        found = await read_key_usage(old_worker, workspace_id, today_day=TODAY)
        assert await verify_usage(old_worker) == []
    assert [(each.key_id, each.today, each.month, each.all_time) for each in found] == [
        (7, Used(2, 2), Used(4, 202), Used(6, 212)),
        (8, Used(), Used(2, 20), Used(2, 20)),
    ]


async def test_a_settlement_waits_for_the_migration_and_is_counted_once(old_database: str) -> None:
    workspace_id = random_id()
    batches = [msgspec.json.encode(receipts(workspace_id)).decode() for _ in range(2)]
    sql = RECORD_CALL_SQL.replace("$1", "%s")
    async with await psycopg.AsyncConnection.connect(old_database) as old_worker:
        await old_worker.execute(sql, [batches[0]])
        migrating = asyncio.create_task(asyncio.to_thread(migrate, old_database, lambda line: None))
        async with await psycopg.AsyncConnection.connect(old_database, autocommit=True) as watcher:
            waits = "SELECT count(*) FROM pg_locks WHERE relation = 'call'::regclass AND NOT granted"
            while await (await watcher.execute(waits)).fetchone() == (0,):
                assert not migrating.done()
                await asyncio.sleep(0.01)
            await old_worker.commit()
            await watcher.execute(sql, [batches[1]])
            await migrating
            assert await verify_usage(watcher) == []
            assert sum(nanos for _, nanos in (await sums(watcher, USAGE_DAYS)).values()) == 2 * 116
