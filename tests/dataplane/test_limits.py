"""Two limits, not one: requests and dollars, on keys and workspaces. The first empty limit wins and says so."""

from typing import Any

import pytest

from farebox.base.clock import day_as_rfc3339, day_of, next_month_start_day
from farebox.ledger.book import Span
from tests.dataplane.outcomes import Seen, price, see
from tests.gateway import Customer, RunningGateway


async def refused(customer: Customer, **fields: Any) -> Seen:
    seen = await see(customer.chat(**{"max_tokens": 10, **fields}))
    assert seen.status in (402, 429), seen
    assert "x-farebox-call-id" not in seen.headers, "no call was made"
    return seen


@pytest.mark.parametrize("on_key", [False, True])
async def test_an_empty_request_limit_refuses_with_what_is_left_and_when_it_resets(
    gateway: RunningGateway, on_key: bool
) -> None:
    customer = await gateway.new_customer()
    key = customer.key if on_key else None
    await customer.set_limit(requests=2, key=key)
    assert [(await see(customer.chat())).status for _ in range(2)] == [200, 200]
    seen = await refused(customer)
    error, day = seen.error, day_of(gateway.clock())
    assert (seen.status, error["code"]) == (429, "quota_exhausted")
    assert error["limit"] == ("key.day" if on_key else "workspace.day")
    assert (error["limit_requests"], error["used_requests"], error["remaining_requests"]) == (2, 2, 0)
    assert error["resets_at"] == day_as_rfc3339(day + 1)
    assert seen.headers["x-farebox-recommended-action"] in ("wait_for_reset", "raise_key_limit")
    assert seen.headers["x-farebox-balance-after-usd"] == await customer.balance()
    assert seen.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("on_key", [False, True])
async def test_an_empty_dollar_limit_refuses_with_what_was_needed(gateway: RunningGateway, on_key: bool) -> None:
    customer = await gateway.new_customer()
    key = customer.key if on_key else None
    await customer.set_limit(usd="0.0002", key=key, span=Span.MONTH)
    assert (await see(customer.chat(max_tokens=10))).status == 200
    seen = await refused(customer, max_tokens=1_000)
    error = seen.error
    assert (seen.status, error["code"]) == (402, "budget_exhausted")
    assert error["limit"] == ("key.month" if on_key else "workspace.month")
    assert (error["limit_usd"], error["used_usd"]) == ("0.0002", "0.000019")
    assert error["available_usd"] == "0.000181" and float(error["required_usd"]) > 0.005
    assert error["resets_at"] == day_as_rfc3339(next_month_start_day(day_of(gateway.clock())))
    assert error["required_usd"] in error["message"] and error["limit_usd"] in error["message"]
    assert seen.headers["x-should-retry"] == "false" and "retry-after" not in seen.headers


async def test_a_lifetime_limit_does_not_reset(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    await customer.set_limit(requests=0, span=Span.LIFETIME)
    seen = await refused(customer)
    assert seen.error["resets_at"] is None and "does not reset" in seen.error["message"]


async def test_the_request_limit_is_looked_at_before_the_dollar_limit(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer(balance_usd="0")
    await customer.set_limit(requests=0, usd="0")
    await customer.set_limit(usd="0", key=customer.key)
    assert (await refused(customer)).error["code"] == "quota_exhausted"
    await customer.set_limit(usd="0")
    assert (await refused(customer)).error["code"] == "budget_exhausted"
    await customer.set_limit()
    await customer.set_limit(key=customer.key)
    assert (await refused(customer)).error["code"] == "insufficient_balance"


async def test_too_little_money_says_how_much_is_needed_and_where_to_top_up(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer(balance_usd="0.0001")
    seen = await refused(customer, max_tokens=1_000)
    error, headers = seen.error, seen.headers
    assert (seen.status, error["code"], error["type"]) == (402, "insufficient_balance", "billing_error")
    assert (error["available_usd"], error["held_usd"], error["limit"]) == ("0.0001", "0.00", "balance")
    assert error["required_usd"] in error["message"] and "https://pay.example/top-up" in error["message"]
    assert headers["x-farebox-balance-after-usd"] == "0.0001"
    assert headers["x-farebox-low-balance"] == "true"
    assert headers["x-farebox-recommended-action"] == "create_deposit"
    assert headers["x-should-retry"] == "false"
    assert await customer.call_ids() == [] and await customer.balance() == "0.0001"
    await customer.credit("1")
    assert (await see(customer.chat(max_tokens=1_000))).status == 200


async def test_money_that_running_calls_hold_is_worth_waiting_for(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer(balance_usd="0.006")
    async with customer.chat(stream=True, sandbox={"words": 3, "idle_seconds": 0.3}) as running:
        seen = await refused(customer, max_tokens=1_000)
        assert (seen.status, seen.error["code"]) == (402, "balance_held")
        assert int(seen.headers["retry-after"]) <= 30 and "x-should-retry" not in seen.headers
        assert running.headers["x-farebox-held-usd"] == seen.error["held_usd"]
        await running.read()
    assert (await see(customer.chat(max_tokens=1_000))).status == 200


async def test_refused_calls_change_nothing(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    await customer.set_limit(requests=5, usd="0")
    for _ in range(8):
        await refused(customer)
    use = await customer.limit_use()
    assert (use.used_requests, use.held_requests, use.held_nanos) == (0, 0, 0)
    assert await customer.call_ids() == []


async def test_a_changed_limit_holds_for_the_next_call_without_a_restart(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    for requests, status in ((0, 429), (1, 200), (1, 429), (2, 200), (None, 200), (3, 429)):
        await customer.set_limit(requests=requests)
        assert (await see(customer.chat())).status == status, requests


async def test_a_call_is_charged_what_it_used_and_the_rest_of_both_limits_comes_back(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    await customer.set_limit(requests=10, usd="1")
    async with customer.chat(stream=True, sandbox={"words": 3, "idle_seconds": 0.2}) as running:
        use = await customer.limit_use()
        assert (use.held_requests, use.used_requests, use.used_nanos) == (1, 0, 0)
        assert use.held_nanos == await customer.held_nanos() > price(14, 3)
        await running.read()
    await gateway.idle()
    use = await customer.limit_use()
    assert (use.held_requests, use.held_nanos) == (0, 0)
    assert (use.used_requests, use.used_nanos) == (1, price(14, 3))


async def test_low_balance_is_told_on_success_too(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer(balance_usd="1.000019")
    seen = await see(customer.chat())
    assert seen.headers["x-farebox-balance-after-usd"] == "1.00"
    assert seen.headers["x-farebox-low-balance"] == "true"
    assert seen.headers["x-farebox-recommended-action"] == "create_deposit"
    rich = await see((await gateway.new_customer()).chat())
    assert (rich.headers["x-farebox-low-balance"], rich.headers["x-farebox-recommended-action"]) == ("false", "none")
