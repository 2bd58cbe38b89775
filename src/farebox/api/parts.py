"""What the API is made of. Built once per process by the composition root."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from prometheus_client import CollectorRegistry

from farebox.base.brand import Brand
from farebox.base.clock import Clock
from farebox.base.limits import RequestLimits
from farebox.catalog.model import Catalog
from farebox.identity.model import KeyRecord
from farebox.records.readiness import ReadinessItem
from farebox.routing.rules import AccountStates
from farebox.storage.pool import Pool

Headers = list[tuple[bytes, bytes]]


class HealthCheck(NamedTuple):
    """Something that this process needs in order to serve. `reason` is shown to anybody: no addresses, no names."""

    name: str
    ok: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything the API needs, and nothing that it makes itself.

    `authenticate` takes ASGI's headers and raises Problem. `health` tells what only the process knows (change feed,
    ledger); database, schema and catalog are looked at by the API itself. Without webhooks there is no
    `webhook_secret`.
    """

    pool: Pool
    authenticate: Callable[[Headers], Awaitable[KeyRecord]]
    catalog: Callable[[], Catalog]
    account_state: AccountStates
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
