from farebox.base.ids import uuid7
from farebox.catalog.store import apply_catalog
from farebox.catalog.toml_file import parse_catalog
from farebox.records.receipt import Receipt, read_receipt
from farebox.storage.pool import Pool, connected
from tests.records.books import NOW, Books
from tests.terms import TERMS

CATALOG = (
    TERMS
    + """
[providers.p]
display_name = "P"
base_url = "https://p.example/v1"

[models.m]
display_name = "M"
context_tokens = 1000000
max_output_tokens = 64000

[routes."p/m"]
cost = { input = "2", output = "10" }
[routes."p/m".price]
input = "3.00"
cached_input = "0.30"
cache_write_5m = "3.75"
cache_write_1h = "6.00"
output = "15.00"
per_request = "0.0001"
[[routes."p/m".price_tiers]]
above_input_tokens = 200000
input = "6.00"
output = "22.50"
[[routes."p/m".price_tiers]]
service_tier = "priority"
input = "9.000001"
output = "45.00"
"""
)


async def _receipt(pool: Pool, workspace_id: int, call_id: object) -> Receipt:
    async with connected(pool) as connection:
        receipt = await read_receipt(connection, workspace_id, call_id)  # type: ignore[arg-type]
    assert receipt is not None
    return receipt


async def _sell(pool: Pool) -> None:
    async with connected(pool) as connection:
        await apply_catalog(connection, parse_catalog(CATALOG), actor="test")


async def test_a_receipt_shows_the_tier_that_applied(pool: Pool, books: Books) -> None:
    await _sell(pool)
    workspace_id = await books.open()
    long_input = await books.call(workspace_id, charge_nanos=0, input_tokens=200_001)
    fast = await books.call(workspace_id, charge_nanos=0, input_tokens=1, service_tier="priority")
    tier = (await _receipt(pool, workspace_id, long_input)).tier
    assert tier is not None
    assert (tier.above_input_tokens, tier.rates.input_picos) == (200_000, 6_000_000)
    receipt = await _receipt(pool, workspace_id, fast)
    assert receipt.tier is not None
    assert (receipt.tier.service_tier, receipt.lines[0].unit_picos) == ("priority", 9_000_001)


async def test_what_an_estimate_was_cut_by_is_an_adjustment(pool: Pool, books: Books) -> None:
    await _sell(pool)
    workspace_id = await books.open()
    call_id = await books.call(
        workspace_id, charge_nanos=50_000_000, output_tokens=4_000, evidence="C", rule="client_left_estimated"
    )
    receipt = await _receipt(pool, workspace_id, call_id)
    assert receipt.priced_nanos == 60_100_000
    assert receipt.adjustment_nanos == -10_100_000


async def test_what_the_balance_did_not_cover_is_absorbed(pool: Pool, books: Books) -> None:
    await _sell(pool)
    workspace_id = await books.open(usd="0.05")
    call_id = await books.call(workspace_id, charge_nanos=60_100_000, output_tokens=4_000)
    receipt = await _receipt(pool, workspace_id, call_id)
    assert (receipt.call.charge_nanos, receipt.absorbed_nanos, receipt.adjustment_nanos) == (50_000_000, 10_100_000, 0)


async def test_a_released_call_has_no_lines_and_says_why(pool: Pool, books: Books) -> None:
    workspace_id = await books.open()
    call_id = await books.hold(workspace_id)
    await books.release(workspace_id, call_id, error_code="upstream_exception")
    receipt = await _receipt(pool, workspace_id, call_id)
    assert (receipt.lines, receipt.call.charge_nanos, receipt.rule) == ((), 0, "upstream_failed")
    assert "you pay nothing" in receipt.rule_meaning


async def test_a_price_version_that_is_gone_leaves_the_receipt_readable(pool: Pool, books: Books) -> None:
    workspace_id = await books.open()
    call_id = await books.call(workspace_id, charge_nanos=7, price_version="nothing")
    receipt = await _receipt(pool, workspace_id, call_id)
    assert (receipt.tier, receipt.lines, receipt.adjustment_nanos) == (None, (), 7)


async def test_calls_that_run_pend_or_ended_without_a_record_have_a_receipt_too(pool: Pool, books: Books) -> None:
    workspace_id = await books.open()
    call_id = await books.hold(workspace_id)
    assert (await _receipt(pool, workspace_id, call_id)).call.status == "running"
    await books.lose(workspace_id, call_id)
    assert (await _receipt(pool, workspace_id, call_id)).call.status == "pending"
    await books.write_off(workspace_id, call_id)
    receipt = await _receipt(pool, workspace_id, call_id)
    assert (receipt.call.status, receipt.call.charge_nanos) == ("written_off", 0)


async def test_there_is_no_receipt_of_another_workspaces_call(pool: Pool, books: Books) -> None:
    mine, other = await books.open(), await books.open()
    ended, running = await books.call(other), await books.hold(other)
    async with connected(pool) as connection:
        for call_id in (ended, running, uuid7(NOW)):
            assert await read_receipt(connection, mine, call_id) is None
