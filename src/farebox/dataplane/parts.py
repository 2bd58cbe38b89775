"""What the data plane is made of. Built once per process by the composition root."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from farebox.base.brand import Brand
from farebox.base.clock import Clock
from farebox.base.limits import Bounds, RequestLimits, Routing, Timeouts, VideoJobs, Webhooks
from farebox.catalog.model import Catalog
from farebox.dataplane.gate import Gate
from farebox.dataplane.jobs.store import JobStore
from farebox.dataplane.metrics import Metrics
from farebox.dataplane.spool import Spool
from farebox.dataplane.streams import Streams
from farebox.identity.model import KeyRecord
from farebox.ledger.batcher import Batcher
from farebox.providers.accounts import Accounts
from farebox.providers.client import UpstreamClient
from farebox.routing.capacity.budgets import Budgets
from farebox.routing.capacity.seats import Seats
from farebox.routing.health import Health
from farebox.routing.rates import RateGate
from farebox.routing.router import Router
from farebox.routing.sticky import Sticky

Headers = list[tuple[bytes, bytes]]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Authenticate = Callable[[Headers, str | None], Awaitable[KeyRecord]]
"""The key of a request, by its headers and the socket's other end (None: it has no address). Raises Problem."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything a call needs, and nothing that it makes itself."""

    brand: Brand
    limits: RequestLimits
    bounds: Bounds
    timeouts: Timeouts
    clock: Clock
    owner_id: int
    low_balance_nanos: int
    authenticate: Authenticate
    catalog: Callable[[], Catalog]
    accounts: Accounts
    routing: Routing
    router: Router
    health: Health
    sticky: Sticky
    seats: Seats
    budgets: Budgets
    rates: RateGate
    client: UpstreamClient
    ledger: Batcher
    spool: Spool
    jobs: JobStore
    video_settings: VideoJobs
    webhooks: Webhooks
    streams: Streams
    calls: Gate
    drains: Gate
    metrics: Metrics
    downloads: Counter[int] = field(default_factory=Counter)  # of films, by workspace
