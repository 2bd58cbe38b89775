import csv
import io
from typing import Any

import pytest

from farebox.base.money import format_usd
from farebox.identity.model import Labels
from farebox.identity.store import show_key
from tests.api.shop import Customer, Shop
from tests.records.books import DAY

SPANS = ("today", "month", "all_time")


@pytest.fixture
async def owner(shop: Shop) -> Customer:
    return await shop.customer(usd="100")


def _sums(row: dict[str, Any]) -> list[tuple[int, int]]:
    assert all(row[f"{span}_usd"] == format_usd(row[f"{span}_nanos"]) for span in SPANS)
    return [(row[f"{span}_requests"], row[f"{span}_nanos"]) for span in SPANS]


async def test_requests_and_spend_of_each_key_and_of_each_label_are_the_sums_of_the_calls(owner: Customer) -> None:
    shop = owner.shop
    sales = [await shop.key_of(owner, labels=Labels(department="sales"), name=f"s{n}") for n in range(2)]
    await sales[0].call()
    await sales[1].call()
    shop.books.tick(DAY)
    await sales[1].call()
    await owner.call()
    calls = (await owner.get("/api/usage"))["data"]
    charge: dict[str, int] = {}
    for call in calls:
        charge[call["key_id"]] = charge.get(call["key_id"], 0) + call["charge_nanos"]
    found = await owner.get("/api/keys/usage")
    rows = {row["key_id"]: row for row in found["data"]}
    assert {key_id: row["all_time_nanos"] for key_id, row in rows.items()} == charge
    second = rows[show_key(sales[1].key.key_id)]
    assert [requests for requests, _ in _sums(second)] == [1, 2, 2]
    assert (second["by"], second["name"], second["prefix"]) == ("key", "s1", sales[1].key.visible_prefix)
    assert [requests for requests, _ in _sums(rows[show_key(sales[0].key.key_id)])] == [0, 1, 1]
    labelled = {row["name"]: row for row in (await owner.get("/api/keys/usage", by="department"))["data"]}
    assert [requests for requests, _ in _sums(labelled["sales"])] == [1, 3, 3]
    assert (labelled["sales"]["keys"], labelled["sales"]["key_id"]) == (2, None)
    assert labelled["sales"]["all_time_nanos"] + labelled[""]["all_time_nanos"] == sum(charge.values())


async def test_the_csv_has_the_same_lines_as_the_json(owner: Customer) -> None:
    other = await owner.shop.key_of(owner, name="=1+1")
    for customer in (owner, other, other):
        await customer.call()
    found = (await owner.get("/api/keys/usage"))["data"]
    response = await owner.raw("GET", "/api/keys/usage", format="csv")
    assert response.headers["content-type"].startswith("text/csv")
    assert "usage-by-key.csv" in response.headers["content-disposition"]
    lines = list(csv.DictReader(io.StringIO(response.text)))
    shown = [{name: "" if value is None else str(value) for name, value in row.items()} for row in found]
    assert [line | {"name": line["name"].lstrip("'")} for line in lines] == shown
    assert "'=1+1" in response.text


async def test_one_key_is_asked_for_by_its_id_and_a_foreign_one_used_nothing(owner: Customer) -> None:
    stranger = await owner.shop.customer()
    await stranger.call()
    await owner.call()
    own, foreign = show_key(owner.key.key_id), show_key(stranger.key.key_id)
    assert [row["key_id"] for row in (await owner.get("/api/keys/usage", key=own))["data"]] == [own]
    assert (await owner.get("/api/keys/usage", key=foreign))["data"] == []


async def test_what_is_left_out_is_said(owner: Customer) -> None:
    other = await owner.shop.key_of(owner)
    await owner.call()
    assert (await owner.get("/api/keys/usage", limit="1"))["has_more"] is False
    await other.call()
    found = await owner.get("/api/keys/usage", limit="1")
    assert (len(found["data"]), found["has_more"]) == (1, True)


@pytest.mark.parametrize(
    "query", [{"by": "team"}, {"format": "xml"}, {"limit": "0"}, {"limit": "1001"}, {"key": "laptop"}, {"page": "2"}]
)
async def test_a_question_that_cannot_be_meant_is_refused(owner: Customer, query: dict[str, str]) -> None:
    error = (await owner.get("/api/keys/usage", expect=400, **query))["error"]
    assert (error["code"], error["param"]) == ("invalid_request", next(iter(query)))


@pytest.mark.parametrize(
    ("scope", "status"), [("usage.read", 200), ("keys.manage", 200), ("messages", 403), ("models.read", 403)]
)
async def test_a_key_for_usage_alone_may_read_it_and_so_may_one_that_manages(
    shop: Shop, scope: str, status: int
) -> None:
    customer = await shop.customer(scopes=frozenset({scope}))
    await customer.get("/api/keys/usage", expect=status)
