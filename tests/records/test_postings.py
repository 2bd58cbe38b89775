from itertools import pairwise

from farebox.records import postings as postings_module
from farebox.records.balance import read_balance
from farebox.records.page import FIRST_PAGE
from farebox.records.postings import Posting, read_posting_page
from farebox.storage.pool import Pool, connected
from tests.records.books import DAY, Books


async def _read(pool: Pool, books: Books, workspace_id: int, *, page: int = 50, later: int = 0) -> list[Posting]:
    items: list[Posting] = []
    cursor = FIRST_PAGE
    while True:
        async with connected(pool) as connection:
            found = await read_posting_page(
                connection, workspace_id, cursor=cursor, page=page, now_micros=books.now + later
            )
        items += found.items
        if found.next_cursor is None:
            return items
        cursor = found.next_cursor


async def _history(books: Books) -> int:
    workspace_id = await books.open(usd="10")
    grant_id = await books.grant(workspace_id, "0.04", expires_in=DAY)
    await books.call(workspace_id, charge_nanos=50_000_000)
    await books.credit(workspace_id, "-1")
    await books.grant(workspace_id, "3", expires_in=DAY, priority=1)
    last = await books.grant(workspace_id, "2", expires_in=DAY, priority=2)
    await books.hold(workspace_id)
    books.tick(2 * DAY)
    await books.expire(workspace_id, last)
    assert grant_id != last
    return workspace_id


async def test_every_balance_follows_from_the_one_before_and_the_last_is_what_is_posted(
    pool: Pool, books: Books
) -> None:
    workspace_id = await _history(books)
    items = await _read(pool, books, workspace_id)
    async with connected(pool) as connection:
        balance = await read_balance(connection, workspace_id, 7, books.now)
    assert items[0].balance_after_nanos == balance.posted_nanos
    for newer, older in pairwise(items):
        assert newer.balance_after_nanos - newer.amount_nanos == older.balance_after_nanos
    assert items[-1].balance_after_nanos == items[-1].amount_nanos
    kinds = [(item.kind, item.amount_nanos) for item in items]
    # The two halves of the call lie in one moment, in either order.
    assert kinds[:4] == [
        ("promotion_expired", -2_000_000_000),
        ("promotion_granted", 2_000_000_000),
        ("promotion_granted", 3_000_000_000),
        ("adjustment", -1_000_000_000),
    ]
    assert sorted(kinds[4:6]) == [("call", -40_000_000), ("call", -10_000_000)]
    assert kinds[6:] == [("promotion_granted", 40_000_000), ("credit", 10_000_000_000)]
    assert {item.call_id is None for item in items if item.kind == "call"} == {False}


async def test_pages_show_the_same_balances_as_the_whole_list(pool: Pool, books: Books) -> None:
    workspace_id = await _history(books)
    whole = await _read(pool, books, workspace_id)
    for page in (1, 2, 3):
        assert await _read(pool, books, workspace_id, page=page) == whole
        assert await _read(pool, books, workspace_id, page=page, later=DAY) == whole


async def test_an_entry_that_arrives_late_below_a_fresh_cursor_is_counted(pool: Pool, books: Books) -> None:
    workspace_id = await books.open(usd="10")
    await books.credit(workspace_id, "1")
    books.tick(10_000_000)
    await books.credit(workspace_id, "2")
    async with connected(pool) as connection:
        first = await read_posting_page(connection, workspace_id, page=1, now_micros=books.now)
        assert first.next_cursor is not None
        assert first.next_cursor.amount_nanos is None
        late = Books(books.batcher)
        late.now = books.now - 5_000_000
        await late.credit(workspace_id, "4")
        second = await read_posting_page(
            connection, workspace_id, cursor=first.next_cursor, page=50, now_micros=books.now
        )
    assert [item.balance_after_nanos // 10**9 for item in second.items] == [15, 11, 10]


async def test_a_balance_that_cannot_change_any_more_travels_with_the_cursor(pool: Pool, books: Books) -> None:
    workspace_id = await books.open(usd="10")
    await books.credit(workspace_id, "1")
    later = books.now + postings_module.SETTLED_AFTER_MICROS + 1_000
    async with connected(pool) as connection:
        page = await read_posting_page(connection, workspace_id, page=1, now_micros=later)
    assert page.next_cursor is not None
    assert page.next_cursor.amount_nanos == 10 * 10**9


async def test_another_workspaces_money_is_not_listed(pool: Pool, books: Books) -> None:
    await books.open(usd="10")
    mine = await books.open(usd="0")
    assert await _read(pool, books, mine) == []


async def test_a_movement_shows_the_reason_that_was_given_for_it(pool: Pool, books: Books) -> None:
    workspace_id = await books.open(usd="10")
    await books.credit(workspace_id, "-1", reason="credited twice by mistake")
    items = await _read(pool, books, workspace_id)
    assert [item.reason for item in items] == ["credited twice by mistake", "Credit"]
