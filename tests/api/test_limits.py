import asyncio
from typing import Any

import msgspec
import pytest

from farebox.identity.model import SCOPES, RateLimit
from farebox.identity.rates import write_rate
from farebox.identity.store import show_key, show_workspace
from farebox.ledger.book import Span
from farebox.ledger.limits import LimitChange, LimitHolder, change_limits, holder_limits
from farebox.storage.pool import connected
from tests.api.shop import Customer, Shop


@pytest.fixture
async def manager(shop: Shop) -> Customer:
    """A key that may manage those of its workspace."""
    return await shop.customer(scopes=frozenset(SCOPES))


@pytest.fixture
async def worker(manager: Customer) -> Customer:
    """Another key of the same workspace, which the manager manages."""
    return await manager.shop.key_of(manager)


def _own(customer: Customer) -> str:
    return f"/api/keys/{show_key(customer.key.key_id)}/limits"


def _of(customer: Customer) -> str:
    return f"/api/operator/workspaces/{show_workspace(customer.workspace_id)}/limits"


def _told(found: dict[str, Any]) -> set[tuple[str, str, str, Any, Any]]:
    return {(item["on"], item["span"], item["unit"], item["limit"], item["used"]) for item in found["data"]}


async def test_limits_of_a_key_and_of_its_workspace_are_shown_with_their_use(
    manager: Customer, worker: Customer
) -> None:
    assert (await worker.get("/api/limits"))["data"] == []
    await worker.call()
    found = await manager.send("PUT", _own(worker), {"day": {"requests": 100, "usd": 5}, "lifetime": {"usd": "20.5"}})
    used_usd = next(item["used"] for item in found["data"] if item["unit"] == "usd")
    assert _told(found) == {
        ("key", "day", "requests", 100, 1),
        ("key", "day", "usd", "5.00", used_usd),
        ("key", "lifetime", "usd", "20.50", used_usd),
    }
    assert used_usd != "0.00"
    await manager.shop.operator("PUT", _of(manager), json={"month": {"requests": 0}})
    found = await worker.get("/api/limits")
    assert ("workspace", "month", "requests", 0, 1) in _told(found)
    assert len(found["data"]) == 4


async def test_what_is_not_named_stays_and_null_lifts(manager: Customer, worker: Customer) -> None:
    await manager.send("PUT", _own(worker), {"day": {"requests": 7, "usd": "1"}, "month": {"requests": 70}})
    found = await manager.send("PUT", _own(worker), {"day": {"requests": 8}})
    assert _told(found) == {
        ("key", "day", "requests", 8, 0),
        ("key", "day", "usd", "1.00", "0.00"),
        ("key", "month", "requests", 70, 0),
    }
    found = await manager.send("PUT", _own(worker), {"day": {"usd": None}, "month": None})
    assert _told(found) == {("key", "day", "requests", 8, 0)}
    found = await manager.send("PUT", _own(worker), {"day": {"requests": None}})
    assert found["data"] == []


async def test_the_operator_sets_limits_of_workspaces_and_of_keys(manager: Customer) -> None:
    shop = manager.shop
    found = await shop.operator("PUT", _of(manager), json={"day": {"usd": "0.10"}})
    assert _told(found) == {("workspace", "day", "usd", "0.10", "0.00")}
    assert _told(await shop.operator("GET", _of(manager))) == _told(found)
    of_key = _of(manager) + f"?key={show_key(manager.key.key_id)}"
    found = await shop.operator("PUT", of_key, json={"day": {"requests": 3}})
    assert _told(found) == {("key", "day", "requests", 3, 0)}
    assert _told(await shop.operator("GET", of_key)) == _told(found)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "limits"),
        ([], "limits"),
        (b"{", "limits"),
        ({"week": {"requests": 1}}, "limits.week"),
        ({"day": 5}, "day"),
        ({"day": {"tokens": 5}}, "day.tokens"),
        ({"day": {"requests": -1}}, "day.requests"),
        ({"day": {"requests": 1.5}}, "day.requests"),
        ({"day": {"requests": "1"}}, "day.requests"),
        ({"day": {"requests": True}}, "day.requests"),
        ({"day": {"requests": 10**13}}, "day.requests"),
        (b'{"day": {"requests": 1e400}}', "day.requests"),
        ({"day": {"usd": "-1"}}, "day.usd"),
        ({"day": {"usd": "1e30"}}, "day.usd"),
        ({"day": {"usd": []}}, "day.usd"),
    ],
)
async def test_a_limit_that_cannot_be_meant_is_refused_and_changes_nothing(
    manager: Customer, worker: Customer, body: Any, param: str
) -> None:
    await manager.send("PUT", _own(worker), {"day": {"requests": 9}})
    found = await manager.send("PUT", _own(worker), body, expect=400)
    assert (found["error"]["code"], found["error"]["param"]) == ("invalid_request", param)
    assert _told(await worker.get("/api/limits")) == {("key", "day", "requests", 9, 0)}


async def test_two_changes_at_once_both_hold(manager: Customer, worker: Customer) -> None:
    halves = [{"day": {"requests": 5}}, {"day": {"usd": "5"}}, {"month": {"requests": 50}}, {"month": {"usd": "50"}}]
    await asyncio.gather(*(manager.send("PUT", _own(worker), half) for half in halves))
    assert len((await worker.get("/api/limits"))["data"]) == 4


async def test_rate_limits_are_shown_beside_them(manager: Customer) -> None:
    async with connected(manager.shop.pool) as connection:
        await write_rate(connection, manager.workspace_id, RateLimit(0, "", requests_per_minute=60))
        await write_rate(
            connection, manager.workspace_id, RateLimit(manager.key.key_id, "plain", tokens_per_minute=9_000)
        )
    manager.shop.cache.clear()
    rates = {rate["on"]: rate for rate in (await manager.get("/api/limits"))["rates"]}
    assert (rates["workspace"]["model"], rates["workspace"]["requests_per_minute"]) == (None, 60)
    assert (rates["key"]["model"], rates["key"]["tokens_per_minute"]) == ("plain", 9_000)


async def test_a_workspace_whose_book_was_never_opened_gets_its_limit_all_the_same(shop: Shop) -> None:
    async with connected(shop.pool) as connection:
        holder = LimitHolder(77)
        change = LimitChange(Span.DAY, 4, msgspec.UNSET)
        uses = await change_limits(shop.books.submit, connection, holder, changes=[change], clock=shop.books.tick)
        assert [(use.span, use.max_requests, use.max_nanos) for use in uses] == [(Span.DAY, 4, None)]
        assert await holder_limits(connection, LimitHolder(78), clock=lambda: shop.books.now) == []
