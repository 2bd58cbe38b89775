"""What the API is made of. Built once per process by the composition root."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from prometheus_client import CollectorRegistry

from farebox.access.parts import Access
from farebox.base.brand import Brand
from farebox.base.clock import Clock
from farebox.base.limits import RequestLimits
from farebox.catalog.model import Catalog
from farebox.identity.model import KeyRecord
from farebox.ledger.commands import Command
from farebox.ledger.outcomes import Outcome
from farebox.records.readiness import ReadinessItem
from farebox.routing.estimate import Estimate
from farebox.routing.router import Router
from farebox.storage.pool import Pool

Headers = list[tuple[bytes, bytes]]
EstimateCall = Callable[[KeyRecord, str, bytes, Headers], Awaitable[Estimate]]
"""What a call would cost: the key, one of `routing.estimate.SURFACES`, the body and ASGI's headers. Raises Problem."""


class HealthCheck(NamedTuple):
    """Something that this process needs in order to serve. `reason` is shown to anybody: no addresses, no names."""

    name: str
    ok: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything the API needs, and nothing that it makes itself.

    `access` tells who asks. `health` tells what only the
    process knows (change feed, ledger); database, schema and catalog are looked at by the API itself. `router` is the
    one that routes calls, `submit` sends a command to the ledger. Without webhooks there is no `webhook_secret`.
    """

    access: Access
    pool: Pool
    catalog: Callable[[], Catalog]
    router: Router
    estimate: EstimateCall
    submit: Callable[[Command], Awaitable[Outcome]]
    readiness: Callable[[], Sequence[ReadinessItem]]
    health: Callable[[], Sequence[HealthCheck]]
    brand: Brand
    request_limits: RequestLimits
    clock: Clock
    registry: CollectorRegistry
    metrics_token: str | None = None
    webhook_secret: str | None = None
    is_sandbox: bool = False
    base_path: str = "/v1"
