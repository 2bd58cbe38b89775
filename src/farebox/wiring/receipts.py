"""A receipt as the operator reads it: with route, cost and margin, which no customer ever sees."""

import msgspec

from farebox.base.clock import rfc3339
from farebox.base.ids import show_call
from farebox.base.money import format_usd
from farebox.identity.store import show_key, show_workspace
from farebox.records.call import Attempt, RouteAudit
from farebox.records.receipt import Receipt


class LineView(msgspec.Struct, frozen=True, kw_only=True):
    """One class of units; the rate in pico-dollars per unit."""

    unit: str
    units: int
    unit_pico_usd: int


class ReceiptView(msgspec.Struct, frozen=True, kw_only=True):
    """One call; amounts in dollars."""

    call_id: str
    workspace_id: str
    key_id: str
    model: str
    status: str
    error_code: str | None
    rule: str | None
    rule_meaning: str
    evidence: str | None
    evidence_meaning: str
    route: str
    provider: str
    attempts: list[Attempt]
    routing: RouteAudit | None
    price_version: str
    lines: list[LineView]
    usage: dict[str, int]
    held_usd: str
    priced_usd: str
    adjustment_usd: str
    absorbed_usd: str
    charge_usd: str
    cost_usd: str
    margin_usd: str
    started_at: str
    finished_at: str | None


def receipt_view(receipt: Receipt) -> ReceiptView:
    """The receipt in words and dollars."""
    call, operator = receipt.call, receipt.operator
    usage = {} if call.usage is None else msgspec.structs.asdict(call.usage)
    return ReceiptView(
        call_id=show_call(call.call_id),
        workspace_id=show_workspace(operator.workspace_id),
        key_id=show_key(call.key_id),
        model=call.model_id,
        status=call.status,
        error_code=call.error_code,
        rule=receipt.rule,
        rule_meaning=receipt.rule_meaning,
        evidence=call.evidence,
        evidence_meaning=receipt.evidence_meaning,
        route=operator.route_id,
        provider=operator.provider_id,
        attempts=list(receipt.attempts),
        routing=receipt.routing,
        price_version=receipt.price_version,
        lines=[LineView(unit=line.unit, units=line.units, unit_pico_usd=line.unit_picos) for line in receipt.lines],
        usage={name: count for name, count in usage.items() if count},
        held_usd=format_usd(call.held_nanos),
        priced_usd=format_usd(receipt.priced_nanos),
        adjustment_usd=format_usd(receipt.adjustment_nanos),
        absorbed_usd=format_usd(receipt.absorbed_nanos),
        charge_usd=format_usd(call.charge_nanos),
        cost_usd=format_usd(operator.cost_nanos),
        margin_usd=format_usd(operator.margin_nanos),
        started_at=rfc3339(call.started_at),
        finished_at=None if call.finished_at is None else rfc3339(call.finished_at),
    )
