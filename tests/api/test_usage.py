import csv
import io
import json
from typing import Any

import pytest

from farebox.base.ids import show_call, show_short
from tests.api.shop import Customer, Shop


async def _all(customer: Customer, path: str = "/api/usage", **parameters: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, Any] = {}
    while True:
        page = await customer.get(path, **parameters, **cursor)
        found += page["data"]
        assert page["has_more"] is (page["next_cursor"] is not None)
        if not page["has_more"]:
            return found
        cursor = {"cursor": page["next_cursor"]}


async def test_usage_tells_tokens_charge_and_status_newest_first(shop: Shop) -> None:
    customer = await shop.customer()
    first = await customer.call(input_tokens=12, output_tokens=5, charge_nanos=31_000_000)
    second = await shop.books.hold(customer.workspace_id, key_id=customer.key.key_id)
    found = (await customer.get("/api/usage"))["data"]
    assert [item["call_id"] for item in found] == [show_call(second), show_call(first)]
    assert [item["status"] for item in found] == ["running", "settled"]
    assert (found[1]["charge_usd"], found[1]["hold_usd"], found[1]["input_tokens"]) == ("0.031", "0.05", 12)
    assert found[0]["input_tokens"] is None
    assert found[1]["key_id"] == show_short("key", customer.key.key_id)


async def test_pages_do_not_shift_when_calls_are_made_in_between(shop: Shop) -> None:
    customer = await shop.customer()
    made = [show_call(await customer.call()) for _ in range(5)]
    page = await customer.get("/api/usage", limit=2)
    await customer.call()
    rest = await customer.get("/api/usage", limit=500, cursor=page["next_cursor"])
    assert [item["call_id"] for item in (*page["data"], *rest["data"])] == made[::-1]


async def test_the_default_page_has_fifty_lines(shop: Shop) -> None:
    customer = await shop.customer()
    for _ in range(52):
        await customer.call(charge_nanos=1)
    page = await customer.get("/api/usage")
    assert (len(page["data"]), page["has_more"]) == (50, True)


async def test_the_same_filters_work_in_lists_and_exports(shop: Shop) -> None:
    customer = await shop.customer()
    wanted = show_call(await customer.call(model_id="claude-haiku-4-5", streamed=True))
    await customer.call(model_id="gemini-2.5-pro")
    key = show_short("key", customer.key.key_id)
    chosen = {"model": "claude-haiku-4-5", "key": key, "status": "settled", "streamed": "true"}
    chosen |= {"from": "2026-11-18T00:00:00Z", "to": "2026-11-19T00:00:00+00:00"}
    assert [item["call_id"] for item in await _all(customer, **chosen)] == [wanted]
    lines = (await customer.raw("GET", "/api/usage", **chosen, format="jsonl")).text.splitlines()
    assert [json.loads(line)["call_id"] for line in lines] == [wanted]
    assert await _all(customer, **(chosen | {"from": "2026-11-19"}) | {"to": "2026-11-20"}) == []


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"modle": "m"}, "modle"),
        ({"status": "paid"}, "status"),
        ({"streamed": "yes"}, "streamed"),
        ({"from": "yesterday"}, "from"),
        ({"to": "9999-12-31T23:59:59-23:00"}, "to"),
        ({"from": "2026-11-20", "to": "2026-11-19"}, "from"),
        ({"key": "7"}, "key"),
        ({"cursor": "abc"}, "cursor"),
        ({"limit": "0"}, "limit"),
        ({"limit": "501"}, "limit"),
        ({"limit": "1e2"}, "limit"),
        ({"format": "xml"}, "format"),
        ({"model": ["a", "b"]}, "model"),
        ({"model": "a\0"}, "model"),
        ({"model": "a" * 201}, "model"),
    ],
)
async def test_a_parameter_that_cannot_be_meant_is_refused(shop: Shop, parameters: Any, param: str) -> None:
    customer = await shop.customer()
    error = (await customer.get("/api/usage", expect=400, **parameters))["error"]
    assert (error["code"], error["param"]) == ("invalid_request", param)


async def test_another_workspaces_call_is_not_found(shop: Shop) -> None:
    mine, other = await shop.customer(), await shop.customer()
    ended = await other.call()
    running = await shop.books.hold(other.workspace_id, key_id=other.key.key_id)
    assert (await mine.get("/api/usage"))["data"] == []
    assert (await mine.get("/api/usage", key=show_short("key", other.key.key_id)))["data"] == []
    for call_id in (show_call(ended), show_call(running), ended.hex, "call_1", "x", "%00"):
        error = (await mine.get(f"/api/usage/{call_id}", expect=404))["error"]
        assert error["code"] == "not_found"
    await other.get(f"/api/usage/{show_call(ended)}")


async def test_the_charge_can_be_computed_from_the_receipt_alone(shop: Shop) -> None:
    customer = await shop.customer()
    tokens: dict[str, Any] = {
        "input_tokens": 1_234,
        "cached_input_tokens": 77,
        "cache_write_5m_tokens": 3,
        "output_tokens": 567,
    }
    tokens |= {"units": '{"audio_input_tokens":11,"image_input_tokens":13}'}
    # 20 % above a cost of 1.00, 0.10, 1.25 and 5.00 dollars per million tokens; sound and pictures cost what text does.
    charge = (1_234 + 11 + 13) * 1_200 + 77 * 120 + 3 * 1_500 + 567 * 6_000
    price = {"price_version": "anthropic/claude-haiku-4-5@1", "model_id": "claude-haiku-4-5"}
    call_id = await customer.call(**tokens, **price, charge_nanos=charge)
    receipt = await customer.get(f"/api/usage/{show_call(call_id)}")

    rates = receipt["price"]["rates_pico_usd_per_unit"]
    used = {name: count for name, count in receipt["call"].items() if name.endswith("_tokens")}
    used |= receipt["call"]["units"]
    picos = sum(used[name] * rates[name] for name in used) + rates["requests"]
    assert picos == sum(line["units"] * line["rate_pico_usd"] for line in receipt["lines"])
    assert receipt["subtotal_pico_usd"] == picos
    assert receipt["rounding"] == "up, once"
    computed = -(-picos // 1_000) + receipt["adjustment_nanos"] - receipt["absorbed_nanos"]
    assert computed == receipt["charge_nanos"] == charge
    assert receipt["adjustment_nanos"] == 0
    assert (receipt["evidence"]["grade"], receipt["evidence"]["rule"]) == ("A", "provider_usage")


async def test_a_customers_receipt_tells_nothing_of_costs_and_providers(shop: Shop) -> None:
    customer = await shop.customer()
    call_id = await customer.call(
        price_version="", cost_nanos=12_345_678, route_id="secret/route", provider_id="vendor"
    )
    text = (await customer.raw("GET", f"/api/usage/{show_call(call_id)}")).text
    for inside in ("12345678", "secret/route", "vendor", "cost", "margin"):
        assert inside not in text
    assert json.loads(text)["attempts"] == [{"attempt": 1, "outcome": "answered", "milliseconds": 12}]


async def test_an_export_holds_every_call_and_no_formula(shop: Shop) -> None:
    customer = await shop.customer()
    for number in range(510):
        await customer.call(charge_nanos=number, model_id='=HYPERLINK("http://evil","x")')
    response = await customer.raw("GET", "/api/usage", format="csv")
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert "attachment" in response.headers["content-disposition"]
    assert response.content.count(b"\r\n") == 511
    rows = list(csv.DictReader(io.StringIO(response.text, newline="")))
    assert sum(int(row["charge_nanos"]) for row in rows) == sum(range(510))
    assert {row["model"] for row in rows} == {'\'=HYPERLINK("http://evil","x")'}
    few = await customer.raw("GET", "/api/usage", format="csv", limit=3)
    assert few.text.count("\r\n") == 4


async def test_rare_classes_are_shown_where_there_are_any(shop: Shop) -> None:
    customer = await shop.customer()
    await shop.books.hold(customer.workspace_id, key_id=customer.key.key_id)
    await customer.call(units='{"images":2,"web_searches":1}')
    await customer.call()
    found = (await customer.get("/api/usage"))["data"]
    assert [item["units"] for item in found] == [{}, {"images": 2, "web_searches": 1}, None]
    text = (await customer.raw("GET", "/api/usage", format="csv")).text
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [row["units"] for row in rows] == ["", '{"images":2,"web_searches":1}', ""]


async def test_receipts_explain_the_balance_entry_by_entry(shop: Shop) -> None:
    customer = await shop.customer(usd="10")
    await shop.books.grant(customer.workspace_id, "1")
    call_id = await customer.call(charge_nanos=1_500_000_000)
    found = await _all(customer, "/api/receipts", limit=2)
    balance = await customer.get("/api/balance")
    assert found[0]["balance_after_usd"] == balance["posted_usd"] == "9.50"
    assert [item["kind"] for item in found] == ["call", "call", "promotion_granted", "credit"]
    assert {item["call_id"] for item in found[:2]} == {show_call(call_id)}
    assert sum(item["amount_nanos"] for item in found) == balance["posted_nanos"]
    assert found[-1]["amount_usd"] == found[-1]["balance_after_usd"] == "10.00"
    assert (await customer.get("/api/receipts", expect=400, from_="2026-11-20"))["error"]["param"] == "from"
