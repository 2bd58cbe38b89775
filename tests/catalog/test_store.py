"""Apply, diff and effective dates on a real PostgreSQL."""

import asyncio
import time
from collections.abc import AsyncIterator

import psycopg
import pytest

from farebox.base.clock import MICROS_PER_SECOND, monotone_clock
from farebox.base.errors import OperatorError
from farebox.catalog.diff import FieldChange, diff_lines
from farebox.catalog.live import LiveCatalog
from farebox.catalog.store import (
    MAX_SCHEDULED_MOMENTS,
    apply_catalog,
    catalog_was_applied,
    load_catalog,
    load_price,
)
from farebox.catalog.toml_file import parse_catalog
from farebox.storage.pool import Pool, connected
from tests.catalog.catalogs import COST, MODEL, PROVIDER, small_catalog

Connection = psycopg.AsyncConnection[object]
HOUR_MICROS = 3_600 * MICROS_PER_SECOND


def now_micros() -> int:
    return time.time_ns() // 1_000


@pytest.fixture
async def connection(pool: Pool) -> AsyncIterator[Connection]:
    async with connected(pool) as lent:
        yield lent


async def input_picos(connection: Connection, at_micros: int) -> int | None:
    catalog, _ = await load_catalog(connection, at_micros)
    price = catalog.routes_of("tiny")[0].price
    return price.tiers[0].rates.input_picos if price else None


async def test_a_fresh_database_has_an_empty_catalog(connection: Connection) -> None:
    catalog, next_effective_at = await load_catalog(connection, now_micros())
    assert (catalog.version, dict(catalog.models), next_effective_at) == ("0", {}, None)
    assert catalog.model("tiny") is None
    assert catalog.routes_of("tiny") == ()
    assert not await catalog_was_applied(connection)


async def test_what_was_applied_is_loaded_as_it_was_written(connection: Connection) -> None:
    file = small_catalog()
    diff = await apply_catalog(connection, file, actor="tests")
    assert [(change.kind, change.id, change.action) for change in diff.changes] == [
        ("provider", "acme", "added"),
        ("model", "tiny", "added"),
        ("route", "acme/tiny", "added"),
        ("price", "acme/tiny", "added"),
    ]
    catalog, _ = await load_catalog(connection, now_micros())
    assert catalog.version == "1"
    assert catalog.provider("acme") == file.providers["acme"]
    assert catalog.model("tiny") == file.models["tiny"]
    (route,) = catalog.routes_of("tiny")
    assert route.price is not None
    assert route.price.price_version == "acme/tiny@1"
    assert route.price.tiers == file.prices["acme/tiny"].tiers
    assert route.price.cost_tiers == file.prices["acme/tiny"].cost_tiers
    assert await catalog_was_applied(connection)


async def test_the_same_file_twice_changes_nothing(connection: Connection) -> None:
    first = await apply_catalog(connection, small_catalog(), actor="tests")
    again = await apply_catalog(connection, small_catalog(), actor="tests")
    assert first.apply_id is not None
    assert (again.changes, again.apply_id) == ((), None)
    assert diff_lines(again) == ["nothing to change", "1 of 1 route can go live"]
    assert (await load_catalog(connection, now_micros()))[0].version == "1"


async def test_a_dry_run_says_everything_and_writes_nothing(connection: Connection) -> None:
    diff = await apply_catalog(connection, small_catalog(), actor="tests", dry_run=True)
    assert (len(diff.changes), diff.apply_id) == (4, None)
    assert not await catalog_was_applied(connection)


async def test_a_dry_run_says_which_routes_are_not_for_sale_yet(connection: Connection) -> None:
    tail = '[routes."acme/pending"]\nmodel = "tiny"\nresale = "pending"\nmargin_bps = 0\n' + COST
    diff = await apply_catalog(connection, small_catalog(tail=tail), actor="tests", dry_run=True)
    lines = diff_lines(diff)
    assert '! routes."acme/pending": not for sale before it has resale' in lines
    assert lines[-1] == "1 of 2 routes can go live"


async def test_the_terms_of_a_route_are_kept_and_their_changes_named(connection: Connection) -> None:
    cap = 'budget_cap = { usd = "100", per = "month" }'
    file = small_catalog(price=f'margin_bps = 0\nregion = "SG"\n{cap}')
    await apply_catalog(connection, small_catalog(price="margin_bps = 0"), actor="tests")
    diff = await apply_catalog(connection, file, actor="tests")
    assert set(diff.changes[0].fields) == {
        FieldChange("terms.region", '"global"', '"sg"'),
        FieldChange("terms.budget_cap", '"none"', None),
        FieldChange("terms.budget_cap.max_nanos", None, "100000000000"),
        FieldChange("terms.budget_cap.per", None, '"month"'),
    }
    (route,) = (await load_catalog(connection, now_micros()))[0].routes_of("tiny")
    assert route.terms == file.routes["acme/tiny"].terms


async def test_a_change_names_each_field_and_makes_one_new_version(connection: Connection) -> None:
    await apply_catalog(connection, small_catalog(), actor="tests")
    dearer = small_catalog(price="price = { input = 2, output = 6.25 }")
    diff = await apply_catalog(connection, dearer, actor="tests")
    (change,) = diff.changes
    assert (change.kind, change.id, change.action) == ("price", "acme/tiny", "changed")
    inputs = ("input", "cached_input", "cache_write_5m", "cache_write_1h", "audio_input", "image_input")
    assert change.fields == (
        *(FieldChange(f"tiers[default above 0].rates.{name}_picos", "1250000", "2000000") for name in inputs),
        FieldChange("margin_bps", "2500", "null"),
    )
    assert "    margin_bps: 2500 -> null" in diff_lines(diff)
    catalog, _ = await load_catalog(connection, now_micros())
    price = catalog.routes_of("tiny")[0].price
    assert price is not None
    assert (catalog.version, price.price_version) == ("2", "acme/tiny@2")


async def test_a_receipt_finds_the_price_that_was_used_after_it_changed_and_went(connection: Connection) -> None:
    await apply_catalog(connection, small_catalog(), actor="tests")
    await apply_catalog(connection, small_catalog(price="margin_bps = 5000"), actor="tests")
    await apply_catalog(connection, small_catalog(price=""), actor="tests")
    assert (await load_catalog(connection, now_micros()))[0].routes_of("tiny")[0].price is None
    assert (await load_price(connection, "acme/tiny@1")).tiers[0].rates.input_picos == 1_250_000
    assert (await load_price(connection, "acme/tiny@2")).tiers[0].rates.input_picos == 1_500_000
    for unknown in ("acme/tiny@3", "acme/tiny@4", "acme/tiny", "acme/tiny@x", "@1"):
        with pytest.raises(LookupError, match="price version"):
            await load_price(connection, unknown)


async def test_what_is_missing_from_the_file_is_removed_and_can_come_back(connection: Connection) -> None:
    await apply_catalog(connection, small_catalog(), actor="tests")
    two = small_catalog(tail='[routes."acme/tiny-2"]\nmodel = "tiny"')
    await apply_catalog(connection, two, actor="tests")
    diff = await apply_catalog(connection, small_catalog(), actor="tests")
    assert [(change.kind, change.id, change.action) for change in diff.changes] == [("route", "acme/tiny-2", "removed")]
    assert len((await load_catalog(connection, now_micros()))[0].routes_of("tiny")) == 1
    await apply_catalog(connection, two, actor="tests")
    assert len((await load_catalog(connection, now_micros()))[0].routes_of("tiny")) == 2


async def test_a_scheduled_price_takes_effect_at_its_moment_and_not_before(connection: Connection) -> None:
    await apply_catalog(connection, small_catalog(), actor="tests")
    at = now_micros() + HOUR_MICROS
    later = small_catalog(price="margin_bps = 5000")
    assert (await apply_catalog(connection, later, actor="tests", effective_at_micros=at)).apply_id is not None
    assert (await apply_catalog(connection, later, actor="tests", effective_at_micros=at)).apply_id is None
    _, next_effective_at = await load_catalog(connection, now_micros())
    assert next_effective_at == at
    assert await input_picos(connection, at - 1) == 1_250_000
    assert await input_picos(connection, at) == 1_500_000
    assert (await load_catalog(connection, at))[1] is None


async def test_an_apply_now_holds_until_the_scheduled_one_and_warns_of_it(connection: Connection) -> None:
    await apply_catalog(connection, small_catalog(), actor="tests")
    at = now_micros() + HOUR_MICROS
    await apply_catalog(connection, small_catalog(price="margin_bps = 5000"), actor="tests", effective_at_micros=at)
    diff = await apply_catalog(connection, small_catalog(price="margin_bps = 0"), actor="tests")
    assert len(diff.warnings) == 1
    assert diff.warnings[0].startswith("1 rows scheduled earlier take over at ")
    assert await input_picos(connection, now_micros()) == 1_000_000
    assert await input_picos(connection, at) == 1_500_000
    # the scheduled content can also be had at once
    await apply_catalog(connection, small_catalog(price="margin_bps = 5000"), actor="tests")
    assert await input_picos(connection, now_micros()) == 1_500_000


async def test_every_state_has_a_version_of_its_own(connection: Connection) -> None:
    at = now_micros() + HOUR_MICROS
    await apply_catalog(connection, small_catalog(), actor="tests")
    await apply_catalog(connection, small_catalog(price="margin_bps = 1"), actor="tests", effective_at_micros=at)
    await apply_catalog(connection, small_catalog(price="margin_bps = 2"), actor="tests")
    assert (await load_catalog(connection, now_micros()))[0].version == "2"
    assert (await load_catalog(connection, at))[0].version == "3"


async def test_a_catalog_is_never_dated_back(connection: Connection) -> None:
    with pytest.raises(OperatorError, match="has passed") as caught:
        await apply_catalog(connection, small_catalog(), actor="tests", effective_at_micros=now_micros() - HOUR_MICROS)
    assert "--effective-at" in caught.value.fix
    assert not await catalog_was_applied(connection)


async def test_scheduled_moments_are_bounded(connection: Connection) -> None:
    first = now_micros() + HOUR_MICROS
    for step in range(MAX_SCHEDULED_MOMENTS):
        file = small_catalog(price=f"margin_bps = {step}")
        await apply_catalog(connection, file, actor="tests", effective_at_micros=first + step)
    with pytest.raises(OperatorError, match="scheduled already"):
        await apply_catalog(connection, small_catalog(), actor="tests", effective_at_micros=first - 1)
    await apply_catalog(connection, small_catalog(), actor="tests", effective_at_micros=first)
    assert (await apply_catalog(connection, small_catalog(), actor="tests")).apply_id is not None


async def test_applies_at_the_same_time_end_as_one_of_the_files(pool: Pool) -> None:
    files = [
        small_catalog(price=f"margin_bps = {step}", tail=f'[routes."acme/{step}"]\nmodel = "tiny"') for step in range(4)
    ]

    async def apply(step: int) -> None:
        async with connected(pool) as connection:
            await apply_catalog(connection, files[step], actor=f"tests {step}")

    await asyncio.gather(*(apply(step) for step in range(4)))
    async with connected(pool) as connection:
        catalog, _ = await load_catalog(connection, now_micros())
    assert catalog.version == "4"
    priced, extra = catalog.routes_of("tiny")[1], catalog.routes_of("tiny")[0]
    assert priced.price is not None
    margin = (priced.price.tiers[0].rates.output_picos - 5_000_000) // 500
    assert extra.route_id == f"acme/{margin}"


async def test_routes_are_in_order_of_priority_and_orphans_are_left_out(connection: Connection) -> None:
    at = now_micros() + HOUR_MICROS
    both = small_catalog(tail='[routes."acme/first"]\nmodel = "tiny"\npriority = 1')
    await apply_catalog(connection, both, actor="tests")
    catalog, _ = await load_catalog(connection, now_micros())
    assert [route.route_id for route in catalog.routes_of("tiny")] == ["acme/first", "acme/tiny"]
    # scheduled: the route changes; meanwhile its model goes
    changed = small_catalog(tail='[routes."acme/first"]\nmodel = "tiny"\npriority = 2')
    await apply_catalog(connection, changed, actor="tests", effective_at_micros=at)
    await apply_catalog(connection, parse_catalog(PROVIDER + MODEL.replace("tiny", "huge")), actor="tests")
    catalog, _ = await load_catalog(connection, at)
    assert dict(catalog.routes_by_model) == {"huge": ()}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE catalog_row SET body = NULL",
        "DELETE FROM catalog_row",
        "TRUNCATE catalog_row",
        "UPDATE catalog_apply SET actor = 'nobody'",
        "DELETE FROM catalog_apply",
        "TRUNCATE catalog_apply CASCADE",
    ],
)
async def test_the_database_refuses_to_rewrite_the_catalog(connection: Connection, statement: str) -> None:
    await apply_catalog(connection, small_catalog(), actor="tests")
    with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
        await connection.execute(statement.encode())


async def test_an_apply_is_announced_and_an_unchanged_one_is_not(pool: Pool, connection: Connection) -> None:
    async with connected(pool) as listener:
        await listener.execute("LISTEN farebox_changes")
        diff = await apply_catalog(connection, small_catalog(), actor="tests")
        await apply_catalog(connection, small_catalog(), actor="tests")
        heard = [notice.payload async for notice in listener.notifies(timeout=0.2)]
    assert heard == [f"catalog:{diff.apply_id}"]


async def test_a_live_catalog_switches_at_the_moment_without_asking_anybody(pool: Pool, connection: Connection) -> None:
    live = LiveCatalog(lambda: connected(pool), monotone_clock())
    assert live.current(now_micros()).version == "0"
    await apply_catalog(connection, small_catalog(), actor="tests")
    first, second = now_micros() + HOUR_MICROS, now_micros() + 2 * HOUR_MICROS
    for margin_bps, at in ((1, first), (2, second)):
        file = small_catalog(price=f"margin_bps = {margin_bps}")
        await apply_catalog(connection, file, actor="tests", effective_at_micros=at)
    assert (await live.refresh()).version == "1"
    assert live.current(first - 1).version == "1"
    assert live.current(first).version == "2"
    await live.refresh()
    assert live.current(now_micros()).version == "1"
    assert live.current(second + 5).version == "3"
    assert live.current(second + HOUR_MICROS).version == "3"
