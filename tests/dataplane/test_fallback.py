"""Falling back to the next route: only while nothing has reached the client, and one charge whatever was tried."""

from typing import Any

import pytest

from tests.dataplane.outcomes import books_of, price, see, together
from tests.gateway import RunningGateway

# The fault of the first route, and how its attempt is called on the receipt, as JSON and in a stream.
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "status": ({"status": 503}, "error_status"),
    "limited": ({"status": 429}, "rate_limited"),
    "refused-key": ({"status": 401}, "credential_refused"),
    "drop": ({"drop_before_headers": True}, "connection_cut"),
    "redirect": ({"redirect": "http://127.0.0.1:9/"}, "error_status"),
    "cut": ({"cut_at_byte": 60}, "connection_cut"),
    "first-byte": ({"delay_seconds": 9}, "first_byte_timeout"),
    "closed": ({}, "connect_failed"),
    "hole": ({}, "connect_timeout"),
}
ONLY_JSON: dict[str, tuple[dict[str, Any], str]] = {
    "garbage": ({"garbage": True}, "garbage"),
    "oversize": ({"oversize_bytes": 1_100_000}, "answer_too_large"),
}
ONLY_STREAM: dict[str, tuple[dict[str, Any], str]] = {
    "content-type": ({"wrong_content_type": "text/html"}, "wrong_content_type"),
}
# What the provider may bill although it failed; a refusal costs nothing.
COSTLY = {"connection_cut", "first_byte_timeout", "garbage", "answer_too_large", "wrong_content_type"}


@pytest.mark.parametrize("stream", [False, True])
async def test_the_second_route_answers_when_the_first_fails_before_the_client_has_anything(
    gateway: RunningGateway, stream: bool
) -> None:
    faults = FAULTS | (ONLY_STREAM if stream else ONLY_JSON)
    gateway.parts.accounts.woke("sandbox:locked")

    async def one(name: str, directives: dict[str, Any], outcome: str) -> None:
        await gateway.set_faults(f"pair-{name}-1", directives)
        customer = await gateway.new_customer()
        await customer.set_limit(requests=100, usd="50")
        seen = await see(customer.chat(model=f"pair-{name}", stream=stream))
        await gateway.set_faults(f"pair-{name}-1", {})
        assert seen.status == 200 and (seen.whole if stream else seen.document["choices"]), name
        receipt = (await books_of(customer, seen.call_id)).receipt
        assert (receipt.rule, receipt.call.charge_nanos) == ("provider_usage", price(14, 1)), name
        assert [attempt.outcome for attempt in receipt.attempts] == [outcome, "answered"], name
        assert receipt.attempts[1].provider == receipt.operator.provider_id == "second"
        answered_cost = price(14, 1) // 2
        assert (receipt.operator.cost_nanos > answered_cost) == (outcome in COSTLY), name

    await together(one(name, *found) for name, found in faults.items())


async def test_nothing_falls_back_after_the_first_event(gateway: RunningGateway) -> None:
    await gateway.set_faults("pair-late-cut-1", {"error_mid_stream": 1, "words": 5})
    customer = await gateway.new_customer()
    seen = await see(customer.chat(model="pair-late-cut", stream=True))
    receipt = await customer.receipt(seen.call_id)
    assert (receipt.rule, len(receipt.attempts)) == ("upstream_cut", 1)
    assert seen.error["code"] == "upstream_exception" and await gateway.upstream_calls("pair-late-cut-2") == []


async def test_a_request_that_the_provider_rejects_is_not_tried_elsewhere(gateway: RunningGateway) -> None:
    await gateway.set_faults("pair-rejected-1", {"status": 400})
    customer = await gateway.new_customer()
    seen = await see(customer.chat(model="pair-rejected"))
    assert seen.status == 400 and await gateway.upstream_calls("pair-rejected-2") == []


async def test_at_most_four_routes_are_tried(gateway: RunningGateway) -> None:
    for number in range(1, 5):
        await gateway.set_faults(f"many-{number}", {"status": 500} if number < 4 else {"status": 429})
    customer = await gateway.new_customer()
    seen = await see(customer.chat(model="many"))
    receipt = await customer.receipt(seen.call_id)
    # The last word decides what the client is told.
    assert (seen.status, receipt.rule) == (429, "upstream_limited")
    assert [attempt.route for attempt in receipt.attempts] == [f"spare{number}/many" for number in range(1, 5)]
    assert await gateway.upstream_calls("many-5") == []
    await gateway.set_faults("many-4", {})
    assert (await see(customer.chat(model="many"))).status == 200


async def test_every_attempt_is_in_the_ledger_before_its_first_byte(gateway: RunningGateway) -> None:
    await gateway.set_faults("pair-drop-1", {"drop_before_headers": True})
    customer = await gateway.new_customer()
    seen = await see(customer.chat(model="pair-drop"))
    await gateway.set_faults("pair-drop-1", {})
    rows = await gateway.rows("SELECT attempt FROM ledger_hold WHERE workspace_id = %s", customer.workspace_id)
    assert seen.status == 200 and rows == [(2,)]
