from typing import Any

from farebox.base.money import NANOS_PER_USD
from farebox.ledger.book import Span
from farebox.records.balance import LimitState, read_balance
from farebox.storage.pool import Pool, connected
from tests.records.books import DAY, SECOND, Books

USD = NANOS_PER_USD


async def test_available_is_posted_less_what_running_calls_hold(pool: Pool, books: Books) -> None:
    workspace_id = await books.open(usd="10")
    await books.hold(workspace_id, usd="4")
    async with connected(pool) as connection:
        balance = await read_balance(connection, workspace_id, 7, books.now)
    assert (balance.available_nanos, balance.held_nanos, balance.posted_nanos) == (6 * USD, 4 * USD, 10 * USD)
    assert balance.limits == ()


async def test_a_workspace_without_a_book_has_nothing(pool: Pool) -> None:
    async with connected(pool) as connection:
        balance = await read_balance(connection, 12345, 7, 0)
    assert (balance.available_nanos, balance.held_nanos, balance.posted_nanos, balance.grants) == (0, 0, 0, ())


async def test_an_expired_grant_is_shown_but_is_not_available(pool: Pool, books: Books) -> None:
    workspace_id = await books.open(usd="1")
    grant_id = await books.grant(workspace_id, "2", expires_in=DAY, priority=3)
    async with connected(pool) as connection:
        before = await read_balance(connection, workspace_id, 7, books.now + DAY - SECOND)
        after = await read_balance(connection, workspace_id, 7, books.now + DAY)
    assert before.available_nanos == 3 * USD
    assert after.available_nanos == 1 * USD
    assert after.posted_nanos == 3 * USD
    assert [(g.grant_id, g.expired, g.available_nanos, g.priority) for g in after.grants] == [(grant_id, True, 0, 3)]


async def test_each_limit_tells_what_is_used_held_and_left_and_when_it_starts_anew(pool: Pool, books: Books) -> None:
    workspace_id = await books.open()
    await books.limit(workspace_id, 7, Span.DAY, requests=11, usd="11")
    await books.limit(workspace_id, 0, Span.MONTH, usd="100")
    await books.limit(workspace_id, 8, Span.LIFETIME, requests=1)
    await books.call(workspace_id, charge_nanos=USD // 50)
    await books.hold(workspace_id, usd="1")
    async with connected(pool) as connection:
        balance = await read_balance(connection, workspace_id, 7, books.now)
    assert balance.limits == (
        _limit("key", "requests", "day", used=1, held=1, limit=11),
        _limit("key", "usd", "day", used=USD // 50, held=USD, limit=11 * USD),
        _limit("workspace", "usd", "month", used=USD // 50, held=USD, limit=100 * USD),
    )
    assert balance.limits[0].remaining == 9


def _limit(holder: Any, unit: Any, span: Any, **amounts: int) -> LimitState:
    reset = "2026-11-19T00:00:00Z" if span == "day" else "2026-12-01T00:00:00Z"
    return LimitState(holder=holder, unit=unit, span=span, resets_at=reset, **amounts)


async def test_yesterdays_use_does_not_count_today(pool: Pool, books: Books) -> None:
    workspace_id = await books.open()
    await books.limit(workspace_id, 7, Span.DAY, requests=2)
    await books.call(workspace_id)
    async with connected(pool) as connection:
        tomorrow = await read_balance(connection, workspace_id, 7, books.now + DAY)
    assert [(limit.used, limit.remaining) for limit in tomorrow.limits] == [(0, 2)]


async def test_the_first_empty_limit_is_named_requests_before_dollars(pool: Pool, books: Books) -> None:
    workspace_id = await books.open()
    await books.limit(workspace_id, 7, Span.DAY, usd="0.02")
    await books.limit(workspace_id, 0, Span.LIFETIME, requests=0)
    async with connected(pool) as connection:
        balance = await read_balance(connection, workspace_id, 7, books.now)
    empty = balance.first_empty_limit(books.now)
    assert empty is not None
    assert (empty.on_key, empty.resets_in_micros) == (False, None)
