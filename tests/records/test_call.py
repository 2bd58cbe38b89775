import msgspec
import pytest

from farebox.base.ids import uuid7
from farebox.base.usage import Usage
from farebox.dataplane.rules import Ending, Facts, judge
from farebox.dialects.openai_chat.usage import Reported
from farebox.records.call import QUERIES, CallRow
from farebox.records.meanings import EVIDENCE, RULES
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


def test_text_that_looks_like_sql_or_json_stays_text() -> None:
    row = call_row(1, uuid7(NOW), model_id='"; DROP TABLE call; --')
    assert msgspec.json.decode(msgspec.json.encode(row), type=CallRow) == row


@pytest.mark.parametrize("ending", list(Ending))
@pytest.mark.parametrize("reported", [Reported(Usage()), Reported(None), Reported(None, malformed=True)])
@pytest.mark.parametrize("delivered_bytes", [0, 100])
def test_every_rule_of_settlement_has_a_meaning_for_customers(
    ending: Ending, reported: Reported, delivered_bytes: int
) -> None:
    verdict = judge(Facts(ending, reported, 100, delivered_bytes, may_have_cost=True))
    assert RULES[verdict.rule]
    assert EVIDENCE[verdict.evidence]
