"""The composition root of one process: settings become parts. Nothing else in Farebox constructs its own helpers."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import msgspec
import structlog
from prometheus_client import CollectorRegistry

from farebox.access.parts import Access
from farebox.api.parts import HealthCheck
from farebox.api.parts import Parts as ApiParts
from farebox.base.clock import Clock, monotone_clock
from farebox.base.money import NANOS_PER_USD, parse_usd
from farebox.catalog.live import LiveCatalog
from farebox.catalog.store import load_price
from farebox.dataplane.gate import Gate
from farebox.dataplane.jobs.store import JobStore
from farebox.dataplane.metrics import Metrics
from farebox.dataplane.parts import Headers, Parts
from farebox.dataplane.preview import preview
from farebox.dataplane.recover import Recoverer
from farebox.dataplane.settle import RECORD_CALL
from farebox.dataplane.spool import Spool
from farebox.dataplane.streams import Progress, Streams
from farebox.dataplane.videos.poll import Poller
from farebox.dataplane.webhooks.client import WebhookClient
from farebox.dataplane.webhooks.courier import MAX_CONCURRENT, TICK_SECONDS, Courier
from farebox.identity.audit import RECORD_EVENTS, RECORD_EVENTS_SQL
from farebox.identity.authenticate import authenticate
from farebox.identity.cache import KeyCache
from farebox.identity.model import KeyRecord
from farebox.identity.store import find_key
from farebox.identity.uses import KeyUses
from farebox.ledger.batcher import Batcher
from farebox.ledger.owners import QUERIES
from farebox.providers.accounts import Accounts, Sandbox
from farebox.providers.client import UpstreamClient
from farebox.providers.live import LivePools
from farebox.providers.secrets import safe_of
from farebox.records.call import RECORD_CALL_SQL
from farebox.records.readiness import ReadinessItem, SignInState, readiness
from farebox.routing.estimate import Estimate
from farebox.storage.changes import ChangeFeed
from farebox.storage.pool import Pool, PoolBounds, connected, open_pool
from farebox.wiring.mailing import contracts_of, mailing_of
from farebox.wiring.people import site_of
from farebox.wiring.routing import RoutingParts
from farebox.wiring.settings import Boot, Settings, operator_token_of, trusted_proxies_of, webhook_secret_of

# Reads of one worker at once (key lookups, the API); the ledger has a connection of its own.
POOL_BOUNDS = PoolBounds(min_size=1, max_size=8)
# On the way down, calls that were cancelled get this long to settle before the ledger closes.
LAST_SETTLEMENTS_SECONDS = 10.0
LAST_SETTLEMENTS_POLL_SECONDS = 0.02
# Where nothing costs anything, a new workspace can call at once.
SANDBOX_WELCOME_NANOS = 10 * NANOS_PER_USD


_log = structlog.get_logger(__name__)


class Running:
    """The parts of a running process."""

    def __init__(
        self,
        *,
        settings: Settings,
        boot: Boot,
        pool: Pool,
        dsn: str,
        registry: CollectorRegistry,
        clock: Clock | None = None,
    ) -> None:
        """`clock` None: the machine's."""
        self.settings = settings
        self.boot = boot
        self.webhook_secret = webhook_secret_of(settings)
        self.operator_token = operator_token_of(settings)
        self.pool = pool
        self.registry = registry
        self.clock: Clock = clock or monotone_clock()
        self.catalog = LiveCatalog(lambda: connected(pool), self.clock)
        self.feed = ChangeFeed(dsn, self._changed, self._changes_lost)
        bounds = settings.bounds
        self.keys = KeyCache(
            bounds.max_cached_keys, bounds.max_cached_unknown_keys, self._find_key, enabled=lambda: self.feed.alive
        )
        self.ledger = Batcher(
            dsn,
            owner_id=boot.boot_id,
            process=f"worker {boot.worker}, pid {os.getpid()}",
            rider_statements={RECORD_CALL: RECORD_CALL_SQL, RECORD_EVENTS: RECORD_EVENTS_SQL},
        )
        self.accounts = Accounts(self.clock, sandbox=_sandbox(boot), own_key_prefix=settings.brand.key_prefix)
        safe = safe_of(settings.secrets_key, settings.old_secrets_key)
        self.pools = LivePools(lambda: connected(pool), self.accounts, safe)
        self.spool = Spool(settings.home.spool)
        self.jobs = JobStore(lambda: connected(pool))
        self.metrics = Metrics(registry)
        self.streams = Streams(self._write_progress)
        self.routing = RoutingParts(
            settings,
            lambda: connected(pool),
            owner_id=boot.boot_id,
            clock=self.clock,
            accounts=self.accounts,
            alive=lambda: self.ledger.connected,
        )
        self.uses = KeyUses(lambda: connected(pool), self.clock)
        self.mailing = mailing_of(settings, boot, pool, self.clock)
        self.contracts = contracts_of(settings)
        self._trusted_proxies = trusted_proxies_of(settings)
        self._refreshes: set[asyncio.Task[Any]] = set()

    async def _find_key(self, key_hash: bytes) -> KeyRecord | None:
        async with connected(self.pool) as connection:
            return await find_key(connection, key_hash)

    async def authenticate(self, headers: Headers, peer: str | None) -> KeyRecord:
        """The key of a request; `peer` is the socket's other end. Raises Problem."""
        prefix = self.settings.brand.key_prefix
        now_micros = self.clock()
        key = await authenticate(
            headers, self.keys, key_prefix=prefix, now_micros=now_micros, peer=peer, trusted=self._trusted_proxies
        )
        self.uses.note(key, now_micros)
        return key

    def _changed(self, topic: str, subject: str) -> None:
        if topic == "key":
            self.keys.forget(subject)
        elif topic == "workspace" and subject.isdigit():
            self.keys.forget_workspace(int(subject))
        elif topic == "credential":
            self._refresh(self.refresh_pools())
        elif topic == "capacity":
            self.routing.lessor.heard(subject)
        else:
            self._refresh(self.refresh_catalog())

    def _changes_lost(self) -> None:
        self.keys.clear()
        self._refresh(self.refresh_catalog())
        self._refresh(self.refresh_pools())

    async def refresh_catalog(self) -> None:
        """Load the catalog, and lease what its providers have."""
        self.routing.know(await self.catalog.refresh())

    async def refresh_pools(self) -> None:
        """Load the stored pools, and lease what they have."""
        await self.pools.refresh()
        self.routing.know(self.catalog.current(self.clock()))

    def _refresh(self, refreshing: Coroutine[Any, Any, object]) -> None:
        task = asyncio.ensure_future(refreshing)
        self._refreshes.add(task)
        task.add_done_callback(self._refreshed)

    def _refreshed(self, task: "asyncio.Task[Any]") -> None:
        self._refreshes.discard(task)
        if not task.cancelled():
            task.exception()  # /readyz tells of a database that is away; the feed asks again when it is back

    async def _write_progress(self, moved: list[Progress]) -> None:
        holds = [progress.hold_id for progress in moved]
        parameters = {"rows": msgspec.json.encode(moved).decode(), "first": min(holds), "last": max(holds)}
        async with connected(self.pool) as connection, connection.transaction():
            await connection.execute(QUERIES["by_index_only"])
            await connection.execute(QUERIES["write_progress"], parameters)

    def dataplane_parts(self, client: UpstreamClient) -> Parts:
        """What the data plane gets."""
        settings = self.settings
        return Parts(
            brand=settings.brand,
            limits=settings.limits,
            bounds=settings.bounds,
            timeouts=settings.timeouts,
            clock=self.clock,
            owner_id=self.boot.boot_id,
            low_balance_nanos=parse_usd(settings.brand.low_balance_usd),
            authenticate=self.authenticate,
            catalog=lambda: self.catalog.current(self.clock()),
            accounts=self.accounts,
            routing=settings.routing,
            router=self.routing.router,
            health=self.routing.health,
            sticky=self.routing.sticky,
            seats=self.routing.seats,
            budgets=self.routing.budgets,
            rates=self.routing.rates,
            client=client,
            ledger=self.ledger,
            spool=self.spool,
            jobs=self.jobs,
            video_settings=settings.videos,
            webhooks=settings.webhooks,
            streams=self.streams,
            calls=Gate(settings.bounds.max_concurrent_calls),
            drains=Gate(settings.bounds.max_concurrent_drains),
            metrics=self.metrics,
        )

    def access(self) -> Access:
        """What the shells get in order to know who asks."""
        settings, is_sandbox = self.settings, self.boot.sandbox_base_url is not None
        new = settings.new_workspace
        server = settings.server
        return Access(
            pool=self.pool,
            clock=self.clock,
            brand=settings.brand,
            site=site_of(server.public_url, host=server.host, port=server.port),
            sign_in=settings.sign_in,
            authenticate=self.authenticate,
            postman=self.mailing.postman,
            sealer=safe_of(settings.secrets_key, settings.old_secrets_key),
            contracts=self.contracts,
            submit=self.ledger.submit,
            catalog=lambda: self.catalog.current(self.clock()),
            readiness=self._readiness,
            trusted_proxies=self._trusted_proxies,
            operator_token=self.operator_token,
            new_workspace_limits=new.limits,
            welcome_credit_nanos=SANDBOX_WELCOME_NANOS if is_sandbox else parse_usd(new.welcome_credit_usd),
            max_owned_workspaces=new.max_owned,
            is_sandbox=is_sandbox,
        )

    def api_parts(self, dataplane: Parts, access: Access) -> ApiParts:
        """What the API gets; the data plane says what calls would cost."""

        async def estimate(key: KeyRecord, surface: str, body: bytes, headers: Headers) -> Estimate:
            return await preview(dataplane, key, surface, body=body, headers=headers)

        settings = self.settings
        return ApiParts(
            access=access,
            pool=self.pool,
            catalog=lambda: self.catalog.current(self.clock()),
            router=self.routing.router,
            estimate=estimate,
            submit=self.ledger.submit,
            readiness=self._readiness,
            health=self._health,
            brand=settings.brand,
            request_limits=settings.limits,
            clock=self.clock,
            registry=self.registry,
            metrics_token=settings.metrics_token,
            webhook_secret=self.webhook_secret,
            is_sandbox=self.boot.sandbox_base_url is not None,
        )

    def _readiness(self) -> Sequence[ReadinessItem]:
        catalog = self.catalog.current(self.clock())
        states = {key: self.accounts.state_for_anybody(provider) for key, provider in catalog.providers.items()}
        server = self.settings.server
        has_site = site_of(server.public_url, host=server.host, port=server.port) is not None
        return readiness(
            catalog,
            states,
            self.settings.readiness,
            database_ok=self.ledger.connected,
            sign_in=SignInState(
                has_site=has_site, mail=self.mailing.state, has_secrets_key=self.settings.secrets_key is not None
            ),
        )

    def _health(self) -> Sequence[HealthCheck]:
        return [
            _check("ledger", self.ledger.connected, "the ledger has no connection to the database"),
            _check("change_feed", self.feed.alive, "changes are not being heard of"),
        ]

    def recoverer(self) -> Recoverer:
        """What ends orphans."""
        return Recoverer(
            ledger=self.ledger,
            spool=self.spool,
            clock=self.clock,
            recovery=self.settings.recovery,
            load_price=load_price,
        )

    def poller(self, client: UpstreamClient) -> Poller:
        """What looks after video jobs."""
        return Poller(
            store=self.jobs,
            ledger=self.ledger,
            client=client,
            accounts=self.accounts,
            catalog=lambda: self.catalog.current(self.clock()),
            clock=self.clock,
            settings=self.settings.videos,
            metrics=self.metrics,
        )

    def courier(self) -> Courier | None:
        """What delivers webhooks; None where they are off."""
        webhooks = self.settings.webhooks
        if self.webhook_secret is None:
            return None
        return Courier(
            store=self.jobs,
            make_client=lambda: WebhookClient(
                max_connections=MAX_CONCURRENT,
                timeout_seconds=webhooks.timeout_seconds,
                allow_private=webhooks.allow_private_networks,
            ),
            secret=self.webhook_secret,
            settings=webhooks,
            clock=self.clock,
            tick_seconds=min(TICK_SECONDS, self.settings.videos.poll_seconds),
        )


def _check(name: str, ok: bool, reason: str) -> HealthCheck:
    return HealthCheck(name, ok, "" if ok else reason)


def _sandbox(boot: Boot) -> Sandbox | None:
    if boot.sandbox_base_url is None or boot.sandbox_api_key is None:
        return None
    return Sandbox(boot.sandbox_base_url, boot.sandbox_api_key)


@asynccontextmanager
async def running(
    settings: Settings, dsn: str, boot: Boot, registry: CollectorRegistry, *, clock: Clock | None = None
) -> AsyncIterator[Running]:
    """Everything connected and started; stopped in the reverse order."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(dsn, POOL_BOUNDS))
        parts = Running(settings=settings, boot=boot, pool=pool, dsn=dsn, registry=registry, clock=clock)
        await parts.ledger.connect()
        working = asyncio.create_task(parts.ledger.run(), name="ledger")
        working.add_done_callback(partial(end_if_failed, end=_end_process))
        stack.push_async_callback(_finish_ledger, parts.ledger, working)
        await stack.enter_async_context(parts.routing.working())
        await parts.catalog.refresh()
        await parts.refresh_pools()
        parts.feed.start()
        stack.push_async_callback(parts.feed.stop)
        stack.push_async_callback(parts.mailing.stop)
        parts.mailing.start()
        stack.push_async_callback(parts.contracts.close)
        stack.push_async_callback(parts.uses.stop)
        parts.uses.start()
        parts.streams.start()
        stack.push_async_callback(parts.streams.stop)
        yield parts


def end_if_failed(task: "asyncio.Task[None]", *, end: Callable[[], None]) -> None:
    """A ledger task that failed can settle nothing any more: call `end`, so that a whole process takes over."""
    if not task.cancelled() and task.exception() is not None:
        _log.critical("the ledger task failed", why=type(task.exception()).__name__)
        end()


def _end_process() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


async def _finish_ledger(ledger: Batcher, working: "asyncio.Task[None]") -> None:
    await ledger.close()
    await asyncio.gather(working, return_exceptions=True)


async def wait_for_calls(calls: Gate) -> None:
    """Let cancelled calls settle."""
    deadline = asyncio.get_running_loop().time() + LAST_SETTLEMENTS_SECONDS
    while calls.taken and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - a few polls, once, at the end
        await asyncio.sleep(LAST_SETTLEMENTS_POLL_SECONDS)
