"""One call on its way: what was admitted, where it stands, and what its receipt will say."""

from dataclasses import dataclass, field
from uuid import UUID

import msgspec

from farebox.base.clock import MICROS_PER_SECOND
from farebox.catalog.model import Catalog, Route
from farebox.dataplane.admit import Admission
from farebox.dialects.port import Told
from farebox.dialects.usage import MISSING, Reported
from farebox.ledger.commands import Cost
from farebox.records.call import Attempt, RouteAudit
from farebox.routing.capacity.seats import Seat
from farebox.routing.rates import UNLIMITED, RateTicket
from farebox.routing.rules import counted, still_stands

# Exclusions that a receipt lists one by one; of more, only their number by reason is kept.
MAX_LISTED_EXCLUSIONS = 40


class Memo(msgspec.Struct, frozen=True, gc=False):
    """What a hold says of its call, for the sweeper and for the customer while it runs. No prompt, no answer."""

    key_id: int
    model_id: str
    route_id: str
    provider_id: str
    dialect: str
    streamed: bool
    price_version: str
    prompt_bytes: int
    idempotent: bool


class Watermark(msgspec.Struct, frozen=True, gc=False):
    """What a stream had delivered when it was last looked at."""

    delivered_bytes: int
    reported: Reported
    service_tier: str | None
    route_id: str
    provider_id: str
    price_version: str


@dataclass(slots=True)
class Call:
    """A call from admission to receipt."""

    call_id: UUID
    admission: Admission
    started_at: int
    route: Route
    attempts: list[Attempt] = field(default_factory=list)
    failed_costs: list[Cost] = field(default_factory=list)
    first_byte_at: int | None = None
    delivered_bytes: int = 0
    reported: Reported = MISSING
    service_tier: str | None = None
    may_have_cost: bool = False
    # The routes in the order in which they are tried: those first that had a slot free.
    to_try: tuple[Route, ...] = ()
    # Routes that were better and had no slot free when they were looked at.
    passed_over: list[str] = field(default_factory=list)
    seat: Seat | None = None
    ticket: RateTicket = UNLIMITED
    used_tokens: int = 0

    def sit_down(self, route: Route, seat: Seat) -> None:
        """Take a slot for the next attempt; the one before is free again."""
        self.leave_seat()
        self.route, self.seat = route, seat

    def may_go(self, catalog: Catalog, route: Route) -> bool:
        """Whether a route that was chosen for it may still be used, by what the catalog says now."""
        admission = self.admission
        return catalog.version == admission.catalog_version or still_stands(catalog, admission.ask, route)

    def leave_seat(self) -> None:
        """Nothing of this call is under way upstream any more."""
        if self.seat is not None:
            self.seat.give_back()
            self.seat = None

    def audit(self) -> RouteAudit:
        """How its route was chosen."""
        choice, ask = self.admission.choice, self.admission.ask
        return RouteAudit(
            routes=tuple(route.route_id for route in choice.routes),
            excluded=tuple(
                (excluded.route.route_id, excluded.reason.value) for excluded in choice.excluded[:MAX_LISTED_EXCLUSIONS]
            ),
            excluded_by_reason=counted(choice.excluded),
            passed_over=tuple(self.passed_over),
            sort=ask.preference.sort or "order",
            order=ask.preference.order,
            sticky=choice.sticky,
            region=self.route.terms.region,
            retention=self.route.terms.retention,
        )

    @property
    def workspace_id(self) -> int:
        """Whose call it is."""
        return self.admission.key.workspace_id

    @property
    def prompt_bytes(self) -> int:
        """The bytes of the prompt's text."""
        return self.admission.prompt_bytes

    def told(self, *, wants_usage: bool) -> Told:
        """What encoders of answers know of this call."""
        created = self.started_at // MICROS_PER_SECOND
        return Told(self.admission.model.model_id, self.call_id.hex, created, wants_usage)

    def memo(self) -> str:
        """The hold's memo as JSON."""
        admission, route = self.admission, self.route
        memo = Memo(
            key_id=admission.key.key_id,
            model_id=admission.model.model_id,
            route_id=route.route_id,
            provider_id=route.provider_id,
            dialect=admission.dialect,
            streamed=admission.streamed,
            price_version=route.price.price_version if route.price else "",
            prompt_bytes=admission.prompt_bytes,
            idempotent=admission.claim_id is not None,
        )
        return msgspec.json.encode(memo).decode()
