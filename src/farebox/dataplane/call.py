"""One call on its way: what was admitted, where it stands, and what its receipt will say."""

from dataclasses import dataclass, field
from uuid import UUID

import msgspec

from farebox.base.clock import MICROS_PER_SECOND
from farebox.catalog.model import Route
from farebox.dataplane.admit import Admission
from farebox.dialects.port import Told
from farebox.dialects.usage import MISSING, Reported
from farebox.ledger.commands import Cost
from farebox.records.call import Attempt


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
