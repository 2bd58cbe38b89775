"""The fault matrix: whatever a provider does, through real HTTP, as JSON and as a stream.

For each: what the client sees, the rule and the evidence on the receipt, the charge, the request counter, the released
hold, and a balance that adds up. The rules are those of docs/reference/settlement.md.
"""

from typing import Any, NamedTuple

import pytest

from tests.dataplane.outcomes import Books, Seen, books_of, price, see, together
from tests.dataplane.test_settlement_page import rows_of_the_page
from tests.gateway import RunningGateway

BOTH = (False, True)
PROMPT_BYTES = len("Reply exactly: hi")


# After these faults the route, or its key, is left alone for a while: one at a time.
LEFT_ALONE = frozenset({"locked", "second"})


class Fault(NamedTuple):
    """`json` and `stream`: the rule by which each ends, None where the fault does not exist there."""

    name: str
    directives: dict[str, Any]
    json: str | None
    stream: str | None
    model: str = "plain"
    attempt: str | None = None


def usage(**counts: Any) -> dict[str, Any]:
    return {"usage": counts}


ZERO = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
MALFORMED: list[Any] = [
    "many",
    [1, 2],
    {},
    {"prompt_tokens": 5},
    {"prompt_tokens": -5, "completion_tokens": 1},
    {"prompt_tokens": 5, "completion_tokens": -1},
    {"prompt_tokens": 1.5, "completion_tokens": 1},
    {"prompt_tokens": "5", "completion_tokens": "1"},
    {"prompt_tokens": True, "completion_tokens": True},
    {"prompt_tokens": 10**12, "completion_tokens": 1},
    {"prompt_tokens": 5, "completion_tokens": 10**18},
    {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 6}},
    {"prompt_tokens": 5, "completion_tokens": 1, "completion_tokens_details": {"reasoning_tokens": 2}},
    {"prompt_tokens": 5, "completion_tokens": 1, "completion_tokens_details": {"reasoning_tokens": -2}},
]

WHOLE = [
    Fault("nothing wrong", {}, "provider_usage", "provider_usage"),
    Fault("explicit zeros", {"usage": ZERO}, "provider_usage", "provider_usage"),
    Fault("no usage", {"no_usage": True}, "usage_missing_estimated", "usage_missing_estimated"),
    Fault("usage is null", {"usage": None}, "usage_missing_estimated", "usage_missing_estimated"),
    *(
        Fault(f"malformed usage {number}", {"usage": report}, "usage_malformed_estimated", "usage_malformed_estimated")
        for number, report in enumerate(MALFORMED)
    ),
    Fault("usage not understood", {}, "provider_usage", "usage_missing_estimated", "mute"),
    Fault("CRLF", {"crlf": True}, "provider_usage", "provider_usage"),
    Fault("one byte at a time", {"split_bytes": 1}, "provider_usage", "provider_usage"),
    Fault("CRLF, three bytes at a time", {"crlf": True, "split_bytes": 3}, None, "provider_usage"),
    Fault("usage in every chunk", {"usage_every_chunk": True}, None, "provider_usage"),
    Fault("comments", {"keepalive_comments": True}, None, "provider_usage"),
    Fault("no end marker", {"no_done": True}, None, "provider_usage"),
    Fault("no finish reason", {"no_finish": True}, "provider_usage", "provider_usage"),
    Fault("other content type", {"wrong_content_type": "text/plain"}, "provider_usage", None),
]

FAILED = "upstream_failed"
NOT_WHOLE = [
    *(
        Fault(f"status {code}", {"status": code}, FAILED, FAILED, attempt="error_status")
        for code in (405, 409, 500, 503)
    ),
    *(
        Fault(f"status {code}", {"status": code}, FAILED, FAILED, "locked", "credential_refused")
        for code in (401, 402, 403)
    ),
    *(
        Fault(f"status {code}", {"status": code}, "upstream_rejected", "upstream_rejected", attempt="rejected")
        for code in (400, 404, 413, 422)
    ),
    Fault(
        "status 429",
        {"status": 429, "retry_after_seconds": 7},
        "upstream_limited",
        "upstream_limited",
        "second",
        "rate_limited",
    ),
    Fault("redirect", {"redirect": "http://127.0.0.1:9/"}, FAILED, FAILED, attempt="error_status"),
    Fault("event stream or not", {"wrong_content_type": "text/html"}, None, FAILED, attempt="wrong_content_type"),
    Fault("garbage", {"garbage": True}, FAILED, "upstream_cut", attempt="garbage"),
    Fault("dropped", {"drop_before_headers": True}, FAILED, FAILED, attempt="connection_cut"),
    Fault("cut at 0", {"cut_at_byte": 0}, FAILED, FAILED, attempt="connection_cut"),
    Fault("cut at 100", {"cut_at_byte": 100}, FAILED, FAILED, attempt="connection_cut"),
    Fault("cut at 400", {"cut_at_byte": 400}, FAILED, "upstream_cut", attempt="connection_cut"),
    Fault("oversize", {"oversize_bytes": 1_100_000}, FAILED, "upstream_cut", attempt="answer_too_large"),
    Fault("refused", {}, FAILED, FAILED, "closed", "connect_failed"),
    Fault("no connection", {}, "upstream_timeout", "upstream_timeout", "hole", "connect_timeout"),
    Fault("late headers", {"delay_seconds": 8}, "upstream_timeout", "upstream_timeout", "hasty", "first_byte_timeout"),
    Fault("late body", {"first_byte_delay_seconds": 9}, "upstream_timeout", None, "hasty", "total_timeout"),
    Fault("late event", {"first_byte_delay_seconds": 9}, None, "upstream_timeout", "hasty", "first_byte_timeout"),
    Fault("silence", {"words": 5, "idle_seconds": 9}, None, "upstream_timeout", "hasty", "idle_timeout"),
    Fault("slow", {"words": 60, "chunk_delay_seconds": 0.2}, None, "upstream_timeout", "hasty", "total_timeout"),
    Fault("error at once", {"words": 5, "error_mid_stream": 0}, None, "upstream_cut", attempt="garbage"),
    Fault("error mid-stream", {"words": 5, "error_mid_stream": 2}, None, "upstream_cut", attempt="garbage"),
    Fault("no end at all", {"no_done": True, "no_finish": True}, None, "upstream_cut", attempt="connection_cut"),
]


async def play(gateway: RunningGateway, fault: Fault, stream: bool) -> tuple[Seen, Books]:
    customer = await gateway.new_customer()
    await customer.set_limit(requests=100, usd="50")
    if fault.model == "locked":
        gateway.parts.accounts.woke("sandbox:locked")
    seen = await see(customer.chat(model=fault.model, stream=stream, sandbox=fault.directives))
    books = await books_of(customer, seen.call_id)
    receipt, row = books.receipt, rows_of_the_page()[str(fault.stream if stream else fault.json)]
    what = f"{fault.name}, {'stream' if stream else 'JSON'}: {seen.body[:300]!r}"
    assert receipt.rule == (fault.stream if stream else fault.json), f"{what} {receipt.rule}"
    assert (receipt.call.evidence, receipt.call.request_counted) == (row.evidence, row.counts), what
    assert row.charged or receipt.call.charge_nanos == 0, what
    assert seen.headers["x-farebox-call-id"] == seen.headers["request-id"] == seen.call_id, what
    if fault.attempt is not None:
        assert [attempt.outcome for attempt in receipt.attempts] == [fault.attempt], what
    return seen, books


def cases(faults: list[Fault]) -> list[tuple[Fault, bool]]:
    return [(f, stream) for f in faults for stream in BOTH if (f.stream if stream else f.json) is not None]


async def test_a_whole_answer_is_charged_by_the_providers_usage_or_by_a_low_estimate(gateway: RunningGateway) -> None:
    async def one(fault: Fault, stream: bool) -> None:
        seen, books = await play(gateway, fault, stream)
        receipt = books.receipt
        assert seen.status == 200 and not seen.error, fault.name
        assert [attempt.outcome for attempt in receipt.attempts] == ["answered"]
        if stream:
            assert seen.whole and seen.text == "hi", (fault.name, seen.body)
        else:
            assert seen.document["choices"][0]["message"]["content"] == "hi"
            assert seen.headers["x-farebox-cost-usd"] == f"{receipt.call.charge_nanos / 1e9:f}".rstrip("0") or "0.00"
        if receipt.call.evidence == "C":
            # The user role, two letters of answer: a token for four bytes, rounded up.
            expected = price(-(-(PROMPT_BYTES + len("user")) // 4), 1)
        else:
            expected = 0 if "zeros" in fault.name else price(14, 1)
        assert receipt.call.charge_nanos == expected, (fault.name, receipt)

    await together(one(*case) for case in cases(WHOLE))


async def test_an_answer_that_is_not_whole_is_never_charged(gateway: RunningGateway) -> None:
    async def one(fault: Fault, stream: bool) -> None:
        seen, books = await play(gateway, fault, stream)
        rule, receipt = str(books.receipt.rule), books.receipt
        assert receipt.call.status == "released" and receipt.call.charge_nanos == 0
        assert not seen.whole
        if stream and seen.status == 200:
            assert seen.error["code"] == ("upstream_timeout" if rule == "upstream_timeout" else "upstream_exception")
            assert seen.error["request_id"] == seen.call_id
        elif rule == "upstream_rejected":
            assert seen.status == fault.directives["status"]
            assert "The sandbox was asked" in seen.error["message"]
            assert seen.headers["x-should-retry"] == "false"
        elif rule == "upstream_limited":
            assert (seen.status, seen.error["code"]) == (429, "rate_limit_exceeded")
            assert seen.headers["retry-after"] == "7"
        else:
            expected = {FAILED: (502, "upstream_exception"), "upstream_timeout": (504, "upstream_timeout")}[rule]
            assert (seen.status, seen.error["code"]) == expected, fault.name
            assert "x-should-retry" not in seen.headers
        assert receipt.call.error_code == (seen.error["code"] if rule != "upstream_rejected" else "upstream_rejected")
        connected = receipt.attempts[0].outcome not in ("connect_failed", "connect_timeout")
        answered_error = receipt.attempts[0].status not in (200, None)
        assert (receipt.operator.cost_nanos > 0) == (connected and not answered_error), (fault.name, receipt)

    await together(one(*case) for case in cases(NOT_WHOLE) if case[0].model not in LEFT_ALONE)
    for case in cases(NOT_WHOLE):
        if case[0].model in LEFT_ALONE:
            await one(*case)
            await gateway.idle()


@pytest.mark.parametrize("stream", BOTH)
async def test_a_provider_that_refuses_our_key_rests(gateway: RunningGateway, stream: bool) -> None:
    customer = await gateway.new_customer()
    gateway.parts.accounts.woke("sandbox:locked")
    for status in (401, 402, 403):
        refused = await see(customer.chat(model="locked", stream=stream, sandbox={"status": status}))
        assert (refused.status, refused.error["code"]) == (502, "upstream_exception")
        resting = await see(customer.chat(model="locked", stream=stream))
        assert (resting.status, resting.error["code"]) == (503, "provider_not_configured")
        assert resting.headers["retry-after"] == "60"
        gateway.parts.accounts.woke("sandbox:locked")
    assert (await see(customer.chat(model="locked", stream=stream))).status == 200


@pytest.mark.parametrize("status", [400, 404, 413, 422])
async def test_a_rejection_without_a_json_body_keeps_its_status(gateway: RunningGateway, status: int) -> None:
    customer = await gateway.new_customer()
    faults = {"status": status, "garbage": True, "wrong_content_type": "text/html"}
    seen = await see(customer.chat(sandbox=faults))
    assert (seen.status, seen.error["code"]) == (status, "upstream_rejected")


@pytest.mark.parametrize("stream", BOTH)
async def test_usage_above_the_hold_is_taken_from_the_balance_and_never_below_zero(
    gateway: RunningGateway, stream: bool
) -> None:
    # The hold is below one cent; 8 dollars are covered, the next 8 only in part.
    customer = await gateway.new_customer(balance_usd="10")
    faults = usage(prompt_tokens=8_000_000, completion_tokens=0, total_tokens=8_000_000)
    first = await see(customer.chat(stream=stream, max_tokens=10, sandbox=faults))
    assert (await customer.receipt(first.call_id)).call.charge_nanos == 8 * 10**9
    assert await customer.balance() == "2.00"
    second = await see(customer.chat(stream=stream, max_tokens=10, sandbox=faults))
    receipt = await customer.receipt(second.call_id)
    assert (receipt.call.charge_nanos, receipt.absorbed_nanos) == (2 * 10**9, 6 * 10**9)
    assert await customer.balance() == "0.00"
    assert second.status == 200 and (stream or second.headers["x-farebox-cost-usd"] == "2.00")
    third = await see(customer.chat(stream=stream, max_tokens=10))
    assert (third.status, third.error["code"]) == (402, "insufficient_balance")


@pytest.mark.parametrize("stream", BOTH)
async def test_a_service_tier_that_is_no_name_is_not_stored(gateway: RunningGateway, stream: bool) -> None:
    customer = await gateway.new_customer()
    for tier in ("a\0b", "x" * 50_000, "\n", "<script>"):
        seen = await see(customer.chat(stream=stream, sandbox={"service_tier": tier, "chunks": 1}))
        receipt = await customer.receipt(seen.call_id)
        assert (seen.status, receipt.service_tier) == (200, "unreadable")
    seen = await see(customer.chat(stream=stream, sandbox={"service_tier": "priority"}))
    assert (await customer.receipt(seen.call_id)).service_tier == "priority"


async def test_an_estimate_is_never_charged_above_the_hold(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    seen = await see(customer.chat(max_tokens=1, sandbox={"oversize_bytes": 400_000, "no_usage": True}))
    receipt = await customer.receipt(seen.call_id)
    assert receipt.rule == "usage_missing_estimated"
    assert receipt.call.charge_nanos == receipt.call.held_nanos < receipt.priced_nanos
    assert receipt.adjustment_nanos == receipt.call.held_nanos - receipt.priced_nanos
