import csv
import io

import pytest

from farebox.base.ids import uuid7
from farebox.records.page import FIRST_PAGE, Cursor, CursorError, read_cursor, show_cursor
from farebox.records.usage import MAX_SCANNED, CallItem, UsageFilter, read_usage, stream_usage
from farebox.storage.pool import Pool, connected
from farebox.web.csv_text import csv_lines
from tests.records.books import NOW, Books

ALL = UsageFilter()


async def _read(
    pool: Pool, workspace_id: int, wanted: UsageFilter = ALL, *, page: int = 50, scan: int = MAX_SCANNED
) -> list[CallItem]:
    """Everything, over as many pages as it takes."""
    items: list[CallItem] = []
    cursor = FIRST_PAGE
    while True:
        async with connected(pool) as connection:
            found = await read_usage(connection, workspace_id, wanted, cursor=cursor, page=page, scan=scan)
        assert len(found.items) <= page
        items += found.items
        if found.next_cursor is None:
            return items
        cursor = found.next_cursor


async def test_running_pending_and_ended_calls_are_one_list_newest_first(pool: Pool, books: Books) -> None:
    workspace_id = await books.open()
    settled = await books.call(workspace_id, charge_nanos=5)
    pending = await books.hold(workspace_id)
    await books.lose(workspace_id, pending)
    released = await books.hold(workspace_id)
    await books.release(workspace_id, released)
    running = await books.hold(workspace_id, model_id="other")
    items = await _read(pool, workspace_id)
    assert [(item.call_id, item.status) for item in items] == [
        (running, "running"),
        (released, "released"),
        (pending, "pending"),
        (settled, "settled"),
    ]
    assert [(item.charge_nanos, item.held_nanos) for item in items] == [(0, 50_000_000)] * 3 + [(5, 50_000_000)]
    assert items[0].model_id == "other"
    assert items[0].usage is None


async def test_another_workspaces_calls_are_never_listed(pool: Pool, books: Books) -> None:
    mine, other = await books.open(), await books.open()
    await books.call(other)
    await books.hold(other)
    assert await _read(pool, mine) == []


@pytest.mark.parametrize("page", [1, 2, 3, 7, 8])
async def test_pages_of_any_size_add_up_to_the_whole_list(pool: Pool, books: Books, page: int) -> None:
    workspace_id = await books.open()
    made = [await (books.hold if number % 3 == 0 else books.call)(workspace_id) for number in range(7)]
    assert [item.call_id for item in await _read(pool, workspace_id, page=page)] == made[::-1]


async def test_calls_made_between_two_pages_neither_repeat_nor_hide_any(pool: Pool, books: Books) -> None:
    workspace_id = await books.open()
    made = [await books.call(workspace_id) for _ in range(4)]
    running = await books.hold(workspace_id)
    async with connected(pool) as connection:
        first = await read_usage(connection, workspace_id, ALL, page=2)
        await books.call(workspace_id)
        await books.settle(workspace_id, running)
        assert first.next_cursor is not None
        second = await read_usage(connection, workspace_id, ALL, cursor=first.next_cursor, page=50)
    assert [item.call_id for item in (*first.items, *second.items)] == [running, *made[::-1]]


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        (UsageFilter(model_id="a"), [0, 2]),
        (UsageFilter(key_id=9), [1, 2]),
        (UsageFilter(streamed=True), [1]),
        (UsageFilter(status="settled"), [0, 1]),
        (UsageFilter(status="running"), [2]),
        (UsageFilter(status="pending"), []),
        (UsageFilter(model_id="a", key_id=9), [2]),
    ],
)
async def test_filters_select(pool: Pool, books: Books, wanted: UsageFilter, places: list[int]) -> None:
    workspace_id = await books.open()
    made = [
        await books.call(workspace_id, model_id="a"),
        await books.call(workspace_id, model_id="b", key_id=9, streamed=True),
        await books.hold(workspace_id, model_id="a", key_id=9),
    ]
    found = [item.call_id for item in await _read(pool, workspace_id, wanted)]
    assert found == [made[place] for place in reversed(places)]


async def test_dates_bound_the_list_from_inclusive_to_exclusive(pool: Pool, books: Books) -> None:
    workspace_id = await books.open()
    made = [await books.call(workspace_id) for _ in range(4)]
    moments = [(call_id.int >> 80) * 1_000 for call_id in made]
    wanted = UsageFilter(from_micros=moments[1], to_micros=moments[3])
    assert [item.call_id for item in await _read(pool, workspace_id, wanted)] == [made[2], made[1]]
    later = UsageFilter(from_micros=moments[1] + 1)
    assert [item.call_id for item in await _read(pool, workspace_id, later)] == [made[3], made[2]]
    for edge in (-(10**18), 10**18):
        await _read(pool, workspace_id, UsageFilter(from_micros=edge, to_micros=edge))


async def test_a_rare_match_is_found_over_several_bounded_scans(pool: Pool, books: Books) -> None:
    workspace_id = await books.open()
    rare = [await books.call(workspace_id, model_id="rare"), await books.hold(workspace_id, model_id="rare")]
    for number in range(10):
        await (books.hold if number % 2 else books.call)(workspace_id)
    async with connected(pool) as connection:
        first = await read_usage(connection, workspace_id, UsageFilter(model_id="rare"), page=50, scan=3)
    assert first.items == []
    assert first.next_cursor is not None
    found = await _read(pool, workspace_id, UsageFilter(model_id="rare"), scan=3)
    assert [item.call_id for item in found] == rare[::-1]


async def test_an_export_adds_up_to_what_the_ledger_charged(pool: Pool, books: Books) -> None:
    workspace_id = await books.open()
    for number in range(5):
        await books.call(workspace_id, charge_nanos=number * 1_000_003)
    pages = [page async for page in stream_usage(lambda: connected(pool), workspace_id, ALL)]
    async with connected(pool) as connection:
        cursor = await connection.execute("SELECT sum(charge_nanos) FROM ledger_hold")
        row = await cursor.fetchone()
    assert row == (sum(item.charge_nanos for page in pages for item in page),)
    few = [page async for page in stream_usage(lambda: connected(pool), workspace_id, ALL, most=3)]
    assert sum(map(len, few)) == 3


async def test_a_page_reads_the_primary_key_and_not_the_table(pool: Pool, books: Books) -> None:
    workspace_id = await books.open()
    await books.call(workspace_id)
    async with connected(pool) as connection:
        await connection.execute("SET enable_seqscan = off")
        cursor = await connection.execute(
            "EXPLAIN SELECT * FROM call WHERE workspace_id = 1 AND call_id < %s ORDER BY call_id DESC LIMIT 51",
            [uuid7(NOW)],
        )
        plan = "\n".join(row[0] for row in await cursor.fetchall())
    assert plan.count("Index Scan Backward") >= 2
    assert "Seq Scan" not in plan
    # Merged by "Sort Key"; never sorted.
    assert "Sort  (" not in plan


def test_a_cursor_survives_the_round_trip() -> None:
    for cursor in (Cursor(uuid7(NOW)), Cursor(uuid7(NOW), -5), Cursor(uuid7(NOW), 10**18)):
        assert read_cursor(show_cursor(cursor)) == cursor


@pytest.mark.parametrize("text", ["", "x", "AAAA", "ä" * 22, "A" * 23, "A" * 43, "=" * 22, "A" * 1_000])
def test_another_text_is_no_cursor(text: str) -> None:
    with pytest.raises(CursorError):
        read_cursor(text)


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "  =1", "\r=1", "＝1", '=HYPERLINK("http://x","y")', "|cmd"]
)
def test_no_text_becomes_a_formula(text: str) -> None:
    line = csv_lines([[text, 5]])
    assert line.endswith("\r\n")
    assert next(csv.reader(io.StringIO(line, newline=""))) == [f"'{text}", "5"]


@pytest.mark.parametrize("text", ['a,"b"', "line\nbreak", "", "claude-haiku-4-5", "ü"])
def test_other_text_comes_back_as_it_was(text: str) -> None:
    assert next(csv.reader(io.StringIO(csv_lines([[text, None, True]]), newline=""))) == [text, "", "true"]
