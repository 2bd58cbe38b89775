"""The receipt as the API shows it to a customer, and the further part that only an operator is shown."""

import msgspec

from farebox.api.shapes import UsageShape, usage_shape
from farebox.base.ids import show_short
from farebox.base.money import format_usd
from farebox.catalog.rules import RATE_OF_CLASS
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


class AttemptShape(msgspec.Struct, frozen=True, kw_only=True):
    """One try at a provider."""

    attempt: int
    outcome: str
    milliseconds: int


class OperatorAttemptShape(msgspec.Struct, frozen=True, kw_only=True):
    """One try at a provider, with what the operator may see of it."""

    attempt: int
    outcome: str
    milliseconds: int
    route: str
    provider: str
    upstream_status: int | None


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
        attempts=[
            AttemptShape(attempt=number, outcome=attempt.outcome, milliseconds=attempt.milliseconds)
            for number, attempt in enumerate(receipt.attempts, 1)
        ],
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
            )
            for number, attempt in enumerate(receipt.attempts, 1)
        ],
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
