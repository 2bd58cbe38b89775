"""The receipt as the API shows it to a customer, and the further part that only an operator is shown."""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

import msgspec

from farebox.api.shapes import UsageShape, usage_shape
from farebox.base.ids import show_short
from farebox.base.money import format_usd
from farebox.catalog.rules import RATE_OF_CLASS
from farebox.records.call import Attempt, RouteAudit
from farebox.records.receipt import Receipt


class PriceShape(msgspec.Struct, frozen=True, kw_only=True):
    """The price version and the tier of it that applied: `service_tier` is that, or the variant of a picture or film.
    Rates are by class of use. One pico-USD is 1e-12 US dollars."""

    version: str
    service_tier: str
    above_input_tokens: int
    rates_pico_usd_per_unit: dict[str, int]


class LineShape(msgspec.Struct, frozen=True, kw_only=True):
    """`units x rate_pico_usd = amount_pico_usd`, not rounded."""

    unit_class: str = msgspec.field(name="class")
    units: int
    rate_pico_usd: int
    amount_pico_usd: int


# Outcomes in other words for customers: keys are the operator's business.
_TOLD: Final = {"credential_refused": "error_status"}


class AttemptShape(msgspec.Struct, frozen=True, kw_only=True):
    """A route that was tried."""

    attempt: int
    outcome: str
    milliseconds: int


class RoutingShape(msgspec.Struct, frozen=True, kw_only=True):
    """How the call's route was chosen: of `candidates` routes, those `excluded` by each reason and those `passed_over`
    because they had no slot free. `sticky`: the conversation stayed where it was. `region` and `retention` are what the
    terms of the route that served it said then; null: nothing."""

    candidates: int
    excluded: dict[str, int]
    passed_over: int
    sort: str
    sticky: bool
    region: str | None
    retention: str | None


class OperatorRoutingShape(msgspec.Struct, frozen=True, kw_only=True):
    """The same with names: routes in the order in which they were to be tried; of those excluded the first ones."""

    routes: list[str]
    excluded: list[list[str]]
    excluded_by_reason: dict[str, int]
    passed_over: list[str]
    sort: str
    order: list[str]
    sticky: bool
    region: str | None
    retention: str | None


class OperatorAttemptShape(msgspec.Struct, frozen=True, kw_only=True):
    """One try at a provider, with what the operator may see of it."""

    attempt: int
    outcome: str
    milliseconds: int
    route: str
    provider: str
    upstream_status: int | None
    credential: str


class EvidenceShape(msgspec.Struct, frozen=True, kw_only=True):
    """How the usage is known, and by which written rule the call was settled."""

    grade: str | None
    meaning: str
    rule: str | None
    rule_meaning: str


class ReceiptShape(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the charge follows from:

    `charge_nanos = ceil(sum(amount_pico_usd) / 1000) + adjustment_nanos - absorbed_nanos`
    """

    call: UsageShape
    service_tier: str | None
    price_version: str
    price: PriceShape | None
    lines: list[LineShape]
    subtotal_pico_usd: int
    subtotal_usd: str
    subtotal_nanos: int
    adjustment_usd: str
    adjustment_nanos: int
    absorbed_usd: str
    absorbed_nanos: int
    charge_usd: str
    charge_nanos: int
    evidence: EvidenceShape
    idempotent: bool
    attempts: list[AttemptShape]
    routing: RoutingShape | None
    rounding: str = "up, once"


class OperatorReceiptShape(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator sees beside the customer's receipt."""

    receipt: ReceiptShape
    workspace_id: str
    route: str
    provider: str
    provider_cost_usd: str
    provider_cost_nanos: int
    margin_usd: str
    margin_nanos: int
    attempts: list[OperatorAttemptShape]
    routing: OperatorRoutingShape | None


def receipt_shape(receipt: Receipt) -> ReceiptShape:
    """The customer's receipt: nothing of providers, routes, costs or upstream ids."""
    lines = [
        LineShape(unit_class=unit, units=units, rate_pico_usd=rate, amount_pico_usd=units * rate)
        for unit, units, rate in receipt.lines
    ]
    return ReceiptShape(
        call=usage_shape(receipt.call),
        service_tier=receipt.service_tier,
        price_version=receipt.price_version,
        price=_price_shape(receipt),
        lines=lines,
        subtotal_pico_usd=sum(line.amount_pico_usd for line in lines),
        subtotal_usd=format_usd(receipt.priced_nanos),
        subtotal_nanos=receipt.priced_nanos,
        adjustment_usd=format_usd(receipt.adjustment_nanos),
        adjustment_nanos=receipt.adjustment_nanos,
        absorbed_usd=format_usd(receipt.absorbed_nanos),
        absorbed_nanos=receipt.absorbed_nanos,
        charge_usd=format_usd(receipt.call.charge_nanos),
        charge_nanos=receipt.call.charge_nanos,
        evidence=EvidenceShape(
            grade=receipt.call.evidence,
            meaning=receipt.evidence_meaning,
            rule=receipt.rule,
            rule_meaning=receipt.rule_meaning,
        ),
        idempotent=receipt.idempotent,
        attempts=_attempt_shapes(receipt.attempts),
        routing=_routing_shape(receipt.routing),
    )


def _attempt_shapes(attempts: Sequence[Attempt]) -> list[AttemptShape]:
    """One for each route: how often it was tried with another key would tell how many there are."""
    shapes = []
    for number, (_, tries) in enumerate(groupby(attempts, key=lambda attempt: attempt.route), 1):
        of_route = list(tries)
        outcome = of_route[-1].outcome
        milliseconds = sum(attempt.milliseconds for attempt in of_route)
        shapes.append(AttemptShape(attempt=number, outcome=_TOLD.get(outcome, outcome), milliseconds=milliseconds))
    return shapes


def _routing_shape(audit: RouteAudit | None) -> RoutingShape | None:
    if audit is None:
        return None
    return RoutingShape(
        candidates=len(audit.routes) + sum(audit.excluded_by_reason.values()),
        excluded=audit.excluded_by_reason,
        passed_over=len(audit.passed_over),
        sort=audit.sort,
        sticky=audit.sticky,
        region=audit.region,
        retention=audit.retention,
    )


def _operator_routing_shape(audit: RouteAudit | None) -> OperatorRoutingShape | None:
    if audit is None:
        return None
    return OperatorRoutingShape(
        routes=list(audit.routes),
        excluded=[list(pair) for pair in audit.excluded],
        excluded_by_reason=audit.excluded_by_reason,
        passed_over=list(audit.passed_over),
        sort=audit.sort,
        order=list(audit.order),
        sticky=audit.sticky,
        region=audit.region,
        retention=audit.retention,
    )


def operator_receipt_shape(receipt: Receipt) -> OperatorReceiptShape:
    """The receipt with cost, margin, routes and providers: for /admin and the command line, never for a key."""
    view = receipt.operator
    return OperatorReceiptShape(
        receipt=receipt_shape(receipt),
        workspace_id=show_short("ws", view.workspace_id),
        route=view.route_id,
        provider=view.provider_id,
        provider_cost_usd=format_usd(view.cost_nanos),
        provider_cost_nanos=view.cost_nanos,
        margin_usd=format_usd(view.margin_nanos),
        margin_nanos=view.margin_nanos,
        attempts=[
            OperatorAttemptShape(
                attempt=number,
                outcome=attempt.outcome,
                milliseconds=attempt.milliseconds,
                route=attempt.route,
                provider=attempt.provider,
                upstream_status=attempt.status,
                credential=attempt.credential,
            )
            for number, attempt in enumerate(receipt.attempts, 1)
        ],
        routing=_operator_routing_shape(receipt.routing),
    )


def _price_shape(receipt: Receipt) -> PriceShape | None:
    tier = receipt.tier
    if tier is None:
        return None
    return PriceShape(
        version=receipt.price_version,
        service_tier=tier.service_tier,
        above_input_tokens=tier.above_input_tokens,
        rates_pico_usd_per_unit={name: getattr(tier.rates, rate) for name, rate in RATE_OF_CLASS.items()},
    )
