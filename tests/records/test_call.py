import msgspec
import pytest

from farebox.base.ids import uuid7
from farebox.base.usage import Usage
from farebox.records.call import QUERIES, CallRow, usage_columns, usage_of
from farebox.storage.pool import Pool, connected
from tests.records.books import NOW, Books, call_row


async def test_the_row_has_exactly_the_columns_of_the_table(pool: Pool) -> None:
    async with connected(pool) as connection:
        cursor = await connection.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = 'call' ORDER BY ordinal_position"
        )
        columns = [row[0] for row in await cursor.fetchall()]
    assert tuple(columns) == CallRow.__struct_fields__


async def test_a_row_comes_back_as_it_was_written(pool: Pool, books: Books) -> None:
    workspace_id = await books.open()
    hold_id = await books.hold(workspace_id)
    tokens = {"input_tokens": 1, "cached_input_tokens": 2, "cache_write_5m_tokens": 3, "cache_write_1h_tokens": 4}
    written = await books.settle(
        workspace_id, hold_id, output_tokens=5, reasoning_tokens=6, service_tier="priority", streamed=True, **tokens
    )
    async with connected(pool) as connection:
        cursor = await connection.execute(QUERIES["call"], {"workspace_id": workspace_id, "call_id": hold_id})
        found = await cursor.fetchone()
    assert found is not None
    assert CallRow(*found) == written


ALL_CLASSES = Usage(**{name: place for place, name in enumerate(Usage.__struct_fields__, 1)})


@pytest.mark.parametrize("usage", [Usage(), Usage(requests=0), Usage(input_tokens=7), Usage(images=2), ALL_CLASSES])
def test_every_class_of_usage_survives_the_row(usage: Usage) -> None:
    row = call_row(1, uuid7(NOW), **usage_columns(usage))
    assert usage_of(row) == usage
    assert usage_of(msgspec.json.decode(msgspec.json.encode(row), type=CallRow)) == usage


def test_a_call_that_used_nothing_has_zeros_and_text_alone_needs_no_units() -> None:
    assert set(usage_columns(None).values()) == {0, None}
    assert usage_columns(None).keys() == usage_columns(ALL_CLASSES).keys()
    assert usage_columns(Usage(input_tokens=5, output_tokens=6))["units"] is None
    assert usage_columns(Usage(web_searches=3))["units"] == '{"web_searches":3}'


async def test_rare_classes_come_back_from_the_database(pool: Pool, books: Books) -> None:
    workspace_id = await books.open()
    hold_id = await books.hold(workspace_id)
    await books.settle(workspace_id, hold_id, **usage_columns(ALL_CLASSES))
    async with connected(pool) as connection:
        cursor = await connection.execute(QUERIES["call"], {"workspace_id": workspace_id, "call_id": hold_id})
        found = await cursor.fetchone()
    assert found is not None
    assert usage_of(CallRow(*found)) == ALL_CLASSES


def test_text_that_looks_like_sql_or_json_stays_text() -> None:
    row = call_row(1, uuid7(NOW), model_id='"; DROP TABLE call; --')
    assert msgspec.json.decode(msgspec.json.encode(row), type=CallRow) == row
