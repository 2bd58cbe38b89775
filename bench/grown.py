"""A database that looks as if it had been in use for months."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
import psycopg
import uvloop

from bench.books import (
    CHARGE_NANOS,
    COST_NANOS,
    CREDIT_NANOS,
    HOLD_NANOS,
    KEY_ID,
    MEMO,
    clock,
    open_books,
    working_ledger,
)
from farebox.base.clock import MICROS_PER_SECOND
from farebox.dataplane.settle import RECORD_CALL
from farebox.ledger.batcher import Rider
from farebox.ledger.lifecycle import HoldState
from farebox.ledger.outcomes import Answer
from farebox.records.call import Attempt, CallRow, encode_attempts
from farebox.storage.migrate import migrate
from farebox.storage.partitions import ensure_partitions
from farebox.storage.queries import load_queries

SPAN_MICROS = 60 * 86_400 * MICROS_PER_SECOND
_SQL = load_queries("bench", "grown.sql")
_ATTEMPTS = encode_attempts([Attempt("bench/bench-1", "bench", "answered", 200, 350)])


def grow(dsn: str, workspaces: Sequence[int], calls: int) -> None:
    """Migrate the empty database, open the books, and write the rows of so many settled calls of two months."""
    from_micros = clock() - SPAN_MICROS
    with psycopg.connect(dsn, autocommit=True) as connection:
        migrate(dsn, lambda line: None)
        # As they were made when those months began.
        ensure_partitions(connection, from_micros)
        uvloop.run(_open(dsn, workspaces))
        connection.execute("SET synchronous_commit = off")
        values = _values(workspaces, calls, from_micros)
        for sql in _SQL.values():
            connection.execute(sql, values if "%(" in sql else None)
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


async def _open(dsn: str, workspaces: Sequence[int]) -> None:
    async with working_ledger(dsn) as ledger:
        await open_books(ledger, workspaces)


def _values(workspaces: Sequence[int], calls: int, from_micros: int) -> dict[str, object]:
    answer = Answer(CREDIT_NANOS, 0, state=HoldState.SETTLED, amount_nanos=HOLD_NANOS, charge_nanos=CHARGE_NANOS)
    return {
        "workspaces": list(workspaces),
        "calls": calls,
        "from_micros": from_micros,
        "span_micros": SPAN_MICROS,
        "hold_nanos": HOLD_NANOS,
        "charge_nanos": CHARGE_NANOS,
        "cost_nanos": COST_NANOS,
        "credit_nanos": CREDIT_NANOS,
        "memo": MEMO,
        "answer": msgspec.json.encode(answer).decode(),
        "attempts": _ATTEMPTS,
    }


def receipt_rider(workspace_id: int, call_id: UUID) -> Rider:
    """The receipt that goes with a settlement."""
    now_micros = clock()
    row = CallRow(
        workspace_id=workspace_id,
        call_id=call_id,
        key_id=KEY_ID,
        model_id="bench-1",
        route_id="bench/bench-1",
        provider_id="bench",
        dialect="openai_chat",
        streamed=False,
        status="settled",
        rule="usage_reported",
        evidence="A",
        error_code=None,
        price_version="2025-01-01T00:00:00Z",
        service_tier=None,
        input_tokens=20,
        cached_input_tokens=0,
        cache_write_5m_tokens=0,
        cache_write_1h_tokens=0,
        output_tokens=270,
        reasoning_tokens=0,
        requests=1,
        held_nanos=HOLD_NANOS,
        charge_nanos=CHARGE_NANOS,
        absorbed_nanos=0,
        cost_nanos=COST_NANOS,
        request_counted=True,
        idempotent=False,
        attempts=_ATTEMPTS,
        started_at=now_micros,
        finished_at=now_micros,
        first_byte_ms=350,
    )
    return Rider(RECORD_CALL, lambda answer: row)
