"""The receipt of one call: everything that its charge follows from, so that anybody can compute it again.

charge = round_up(sum of units x rate, in pico-USD, to nano-USD) + adjustment - absorbed
"""

from uuid import UUID

import msgspec

from farebox.base.money import nanos_from_picos
from farebox.base.usage import Usage
from farebox.catalog.rules import Line, Tier, charge_lines, select_tier
from farebox.catalog.store import load_price
from farebox.ledger.reading import Connection, HoldRow, read_hold
from farebox.records.call import QUERIES, Attempt, CallRow, RouteAudit, decode_attempts, decode_audit, usage_of
from farebox.records.meanings import EVIDENCE, RULES
from farebox.records.usage import CallItem, item_of_call, item_of_hold, read_memo

_CHARGED = ("settled", "settled_late")


class OperatorView(msgspec.Struct, frozen=True, kw_only=True):
    """What only the operator may see: never part of an answer to a customer's key."""

    workspace_id: int
    route_id: str
    provider_id: str
    cost_nanos: int
    margin_nanos: int


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """One call. While it runs or is pending, and for a call released without a record, there is no
    price. `tier` holds the rates of the price version that applied, pico-USD per unit.

    `adjustment_nanos` is what the settlement rule changed: an estimate is never charged above the hold.
    `absorbed_nanos` was above the hold and not covered by the balance: the operator's loss, not the customer's.
    """

    call: CallItem
    rule: str | None
    rule_meaning: str
    evidence_meaning: str
    service_tier: str | None
    price_version: str
    tier: Tier | None
    lines: tuple[Line, ...]
    priced_nanos: int
    adjustment_nanos: int
    absorbed_nanos: int
    idempotent: bool
    attempts: tuple[Attempt, ...]
    operator: OperatorView
    routing: RouteAudit | None = None


async def workspace_of_call(connection: Connection, call_id: UUID) -> int | None:
    """Whose call it is, for an operator who does not know; None: there is no such call."""
    cursor = await connection.execute(QUERIES["workspace_of_call"], {"call_id": call_id})
    row = await cursor.fetchone()
    return None if row is None else int(row[0])


async def read_receipt(connection: Connection, workspace_id: int, call_id: UUID) -> Receipt | None:
    """The workspace's receipt of a call, ended or not; None when the workspace has no such call."""
    row = await _read_call(connection, workspace_id, call_id)
    hold = None if row is not None else await read_hold(connection, workspace_id, call_id)
    if hold is not None and hold.finished_at is not None:
        # It ended between the two reads, or long ago without a record.
        row = await _read_call(connection, workspace_id, call_id)
    if row is not None:
        return await _receipt_of_call(connection, row)
    return None if hold is None else _receipt_of_hold(hold, workspace_id)


async def _read_call(connection: Connection, workspace_id: int, call_id: UUID) -> CallRow | None:
    cursor = await connection.execute(QUERIES["call"], {"workspace_id": workspace_id, "call_id": call_id})
    found = await cursor.fetchone()
    return None if found is None else CallRow(*found)


async def _receipt_of_call(connection: Connection, row: CallRow) -> Receipt:
    usage = usage_of(row)
    tier = await _tier_of(connection, row, usage)
    lines = _lines_of(row, usage, tier)
    priced_nanos = nanos_from_picos(sum(line.units * line.unit_picos for line in lines))
    return Receipt(
        call=item_of_call(row),
        rule=row.rule,
        rule_meaning=RULES.get(row.rule, ""),
        evidence_meaning=EVIDENCE[row.evidence],
        service_tier=row.service_tier,
        price_version=row.price_version,
        tier=tier,
        lines=lines,
        priced_nanos=priced_nanos,
        adjustment_nanos=row.charge_nanos + row.absorbed_nanos - priced_nanos,
        absorbed_nanos=row.absorbed_nanos,
        idempotent=row.idempotent,
        attempts=tuple(decode_attempts(row.attempts)),
        operator=OperatorView(
            workspace_id=row.workspace_id,
            route_id=row.route_id,
            provider_id=row.provider_id,
            cost_nanos=row.cost_nanos,
            margin_nanos=row.charge_nanos - row.cost_nanos,
        ),
        routing=decode_audit(row.routing),
    )


async def _tier_of(connection: Connection, row: CallRow, usage: Usage) -> Tier | None:
    try:
        price = await load_price(connection, row.price_version)
    except LookupError:
        return None
    return select_tier(price.tiers, usage, row.service_tier)


def _lines_of(row: CallRow, usage: Usage, tier: Tier | None) -> tuple[Line, ...]:
    if tier is None or row.status not in _CHARGED:
        return ()
    return charge_lines(tier, usage)


def _receipt_of_hold(hold: HoldRow, workspace_id: int) -> Receipt:
    memo = read_memo(hold.memo)
    return Receipt(
        call=item_of_hold(hold),
        rule=None,
        rule_meaning="",
        evidence_meaning="",
        service_tier=None,
        price_version=memo.price_version,
        tier=None,
        lines=(),
        priced_nanos=0,
        adjustment_nanos=hold.charge_nanos + hold.absorbed_nanos,
        absorbed_nanos=hold.absorbed_nanos,
        idempotent=False,
        attempts=(),
        operator=OperatorView(
            workspace_id=workspace_id,
            route_id=memo.route_id,
            provider_id=memo.provider_id,
            cost_nanos=0,
            margin_nanos=0,
        ),
    )
