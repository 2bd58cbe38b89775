from farebox.ledger.book import Span
from tests.api.shop import Shop


async def test_the_balance_is_told_in_dollars_and_exactly(shop: Shop) -> None:
    customer = await shop.customer(usd="10")
    await shop.books.hold(customer.workspace_id, key_id=customer.key.key_id, usd="2.5")
    found = await customer.get("/api/balance")
    assert (found["available_usd"], found["held_usd"], found["posted_usd"]) == ("7.50", "2.50", "10.00")
    assert (found["available_nanos"], found["held_nanos"]) == (7_500_000_000, 2_500_000_000)
    assert (found["low_balance"], found["recommended_action"]) == (False, "none")
    assert found["credit_name"] == "Tokeo credit"


async def test_a_low_balance_asks_for_a_deposit(shop: Shop) -> None:
    found = await (await shop.customer(usd="1")).get("/api/balance")
    assert (found["low_balance"], found["recommended_action"]) == (True, "create_deposit")


async def test_both_counters_of_a_dual_limit_stand_side_by_side(shop: Shop) -> None:
    customer = await shop.customer()
    await shop.books.limit(customer.workspace_id, customer.key.key_id, Span.DAY, requests=1, usd="11")
    await customer.call()
    found = await customer.get("/api/balance")
    reset = "2026-11-19T00:00:00Z"
    assert found["limits"] == [
        {"on": "key", "unit": "requests", "span": "day", "used": 1, "held": 0, "limit": 1, "remaining": 0}
        | {"resets_at": reset},
        {"on": "key", "unit": "usd", "span": "day", "used": "0.031", "held": "0.00", "limit": "11.00"}
        | {"remaining": "10.969", "resets_at": reset},
    ]
    assert found["recommended_action"] == "wait_for_reset"


async def test_promotional_grants_are_itemised(shop: Shop) -> None:
    customer = await shop.customer(usd="1")
    await shop.books.grant(customer.workspace_id, "2", expires_in=1_000_000_000, priority=4)
    found = await customer.get("/api/balance")
    assert found["available_usd"] == "3.00"
    grant = found["grants"][0]
    assert (grant["amount_usd"], grant["priority"], grant["expired"]) == ("2.00", 4, False)
    assert grant["expires_at"].startswith("2026-11-")


async def test_a_key_for_chat_alone_may_read_its_balance_but_not_the_usage(shop: Shop) -> None:
    customer = await shop.customer(scopes=frozenset({"chat.completions"}))
    await customer.get("/api/balance")
    for path in ("/api/usage", "/api/usage/call_0", "/api/receipts"):
        error = (await customer.get(path, expect=403))["error"]
        assert (error["code"], error["required_scope"]) == ("insufficient_scope", "usage.read")
