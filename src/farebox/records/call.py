"""The row that a finished call leaves behind. It is written in the ledger's transaction that ends the call's hold."""

from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from farebox.base.usage import Usage
from farebox.storage.queries import load_queries

QUERIES = load_queries("farebox.records", "queries.sql")

RECORD_CALL_SQL = QUERIES["record_call"]
"""Inserts a JSON array of `CallRow`s, its one parameter `$1`. Positional, because libpq prepares it directly."""

CallStatus = Literal["settled", "released", "settled_late", "written_off"]
Evidence = Literal["A", "B", "C", "D"]


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One try at one route. `outcome`: `answered`, or why not, and so why the next one was tried; `status`: the
    upstream's, None without an answer. `credential`: for the operator alone."""

    route: str
    provider: str
    outcome: str
    status: int | None
    milliseconds: int
    credential: str = ""


class RouteAudit(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """How a call's route was chosen: the ids of the routes that remained, best first; those that were excluded, with
    their reasons (the first of them; all are counted); those that had no slot free; and by what they were ordered.
    `region` and `retention` are what the terms of the route that ended the call said then; None: nothing."""

    routes: tuple[str, ...] = ()
    excluded: tuple[tuple[str, str], ...] = ()
    excluded_by_reason: dict[str, int] = {}
    passed_over: tuple[str, ...] = ()
    sort: str = "order"
    order: tuple[str, ...] = ()
    sticky: bool = False
    region: str | None = None
    retention: str | None = None


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
    # JSON of the classes of usage that have no column, without zeros; None where all are zero.
    units: str | None = None
    # JSON of RouteAudit; None for calls of before it was kept, and those that ended without their worker.
    routing: str | None = None


# The classes with a column of their own, and those that share `units`.
_COLUMNS: Final = tuple(name for name in Usage.__struct_fields__ if name in CallRow.__struct_fields__)
UNIT_CLASSES: Final = tuple(name for name in Usage.__struct_fields__ if name not in _COLUMNS)


def rare_units(usage: Usage) -> dict[str, int]:
    """The classes without a column that are not zero."""
    return {name: units for name in UNIT_CLASSES if (units := getattr(usage, name))}


def units_of(usage: Usage) -> str | None:
    """Column `units`."""
    units = rare_units(usage)
    return msgspec.json.encode(units).decode() if units else None


def usage_columns(usage: Usage | None) -> dict[str, Any]:
    """The fields of a row that say what was used; for nothing, zero of each."""
    if usage is None:
        return {**dict.fromkeys(_COLUMNS, 0), "units": None}
    return {**{name: getattr(usage, name) for name in _COLUMNS}, "units": units_of(usage)}


def usage_of(row: CallRow) -> Usage:
    """The inverse of `usage_columns`: the counts that the call was priced by."""
    rare = {} if row.units is None else msgspec.json.decode(row.units, type=dict[str, int])
    return Usage(**{name: getattr(row, name) for name in _COLUMNS}, **rare)


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


def encode_audit(audit: RouteAudit) -> str:
    """The JSON of column `routing`."""
    return msgspec.json.encode(audit).decode()


def decode_audit(text: str | None) -> RouteAudit | None:
    """The inverse of `encode_audit`; None where none was kept. Raises msgspec.ValidationError."""
    return None if text is None else msgspec.json.decode(text, type=RouteAudit)


def decode_attempts(text: str) -> list[Attempt]:
    """The inverse of `encode_attempts`. Raises msgspec.ValidationError."""
    return msgspec.json.decode(text, type=list[Attempt])
