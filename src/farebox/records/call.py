"""The row that a finished call leaves behind. It is written in the ledger's transaction that ends the call's hold."""

from typing import Literal
from uuid import UUID

import msgspec

from farebox.storage.queries import load_queries

QUERIES = load_queries("farebox.records", "queries.sql")

RECORD_CALL_SQL = QUERIES["record_call"]
"""Inserts a JSON array of `CallRow`s, its one parameter `$1`. Positional, because libpq prepares it directly."""

CallStatus = Literal["settled", "released", "settled_late", "written_off"]
Evidence = Literal["A", "B", "C", "D"]


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One try at one route. `outcome`: `answered`, or why not; `status`: the upstream's, None without an answer."""

    route: str
    provider: str
    outcome: str
    status: int | None
    milliseconds: int


class CallRow(msgspec.Struct, gc=False):
    """The columns of table `call`. Amounts in nano-USD, moments in microseconds since 1970 UTC."""

    workspace_id: int
    call_id: UUID
    key_id: int
    model_id: str
    route_id: str
    provider_id: str
    dialect: str
    streamed: bool
    status: CallStatus
    rule: str
    evidence: Evidence
    error_code: str | None
    price_version: str
    service_tier: str | None
    input_tokens: int
    cached_input_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    requests: int
    held_nanos: int
    charge_nanos: int
    absorbed_nanos: int
    cost_nanos: int
    request_counted: bool
    idempotent: bool
    attempts: str
    started_at: int
    finished_at: int
    first_byte_ms: int | None


class HoldMemo(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What `ledger_hold.memo` says, as JSON, about a call that has not ended; other rooms may add fields."""

    key_id: int = 0
    model_id: str = ""
    route_id: str = ""
    provider_id: str = ""
    dialect: str = ""
    streamed: bool = False
    price_version: str = ""


def encode_attempts(attempts: list[Attempt]) -> str:
    """The JSON of column `attempts`."""
    return msgspec.json.encode(attempts).decode()


def decode_attempts(text: str) -> list[Attempt]:
    """The inverse of `encode_attempts`. Raises msgspec.ValidationError."""
    return msgspec.json.decode(text, type=list[Attempt])
