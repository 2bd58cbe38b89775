"""One gateway for the matrix. Every scenario has customers and providers of its own; afterwards what was learnt of
routes and keys is forgotten, and the ledger must be sound."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator
from typing import Any

import pytest

from farebox.base.clock import MICROS_PER_SECOND, monotone_clock
from farebox.base.limits import Bounds, VideoJobs
from farebox.identity.store import show_key, show_workspace
from farebox.providers.secrets import Safe
from farebox.providers.store import NewCredential, add_credential
from farebox.records.receipt import Receipt
from farebox_sandbox.process import RunningSandbox, serve_sandbox
from tests.database import TestCluster
from tests.dataplane.outcomes import see
from tests.gateway import PATIENCE_SECONDS, Customer, RunningGateway, serve_gateway, until
from tests.matrix.market import MODELS, OFFERS, market_text, upstream
from tests.matrix.realm import realm_text
from tests.matrix.witness import Witness, serve_witness
from tests.matrix.worlds import ADDRESSES, catalog_text, worlds

# Nobody's: made up for the tests.
SECRETS_KEY = bytes(range(32))
TOKEN = "operator-" + "o" * 32


@pytest.fixture(scope="package")
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with serve_sandbox() as running:
        yield running


async def store_keys(gateway: RunningGateway, providers: dict[str, int]) -> None:
    """So many keys in the pool of each provider; returns when every worker knows them."""
    safe, secret = Safe(SECRETS_KEY), gateway.sandbox.api_key
    async with gateway.connect() as connection, connection.transaction():
        for provider_id, count in providers.items():
            for number in range(count):
                wanted = NewCredential(provider_id=provider_id, name=f"key {number}")
                await add_credential(connection, safe, wanted, secret, now_micros=gateway.clock())
    await until(lambda: all(_known(gateway, provider_id) == count for provider_id, count in providers.items()))


def _known(gateway: RunningGateway, provider_id: str) -> int:
    counts = []
    for worker in gateway.workers:
        provider = worker.parts.catalog().providers[provider_id]
        pools = worker.parts.accounts.pools(provider)
        counts.append(sum(each.origin == "stored" for pool in pools for each in pool.credentials))
    return min(counts)


async def forget_everything(gateway: RunningGateway) -> None:
    """As after a start: no faults, no rests, no conversations are known, and the sandbox behaves."""
    await gateway.idle()
    for worker in gateway.workers:
        for provider in worker.parts.catalog().providers.values():
            for pool in worker.parts.accounts.pools(provider):
                for credential in pool.credentials:
                    worker.parts.accounts.woke(credential.credential_id)
    await clear_sandbox(gateway)


async def clear_sandbox(gateway: RunningGateway) -> None:
    """It behaves, and has counted nothing."""
    for what in ("calls", "faults"):
        async with gateway.session.delete(f"{gateway.sandbox.url}/sandbox/{what}") as response:
            assert response.status == 200


@pytest.fixture(scope="package")
async def matrix_gateway(
    cluster: TestCluster, sandbox: RunningSandbox, black_hole: str
) -> AsyncIterator[RunningGateway]:
    bounds = Bounds(max_response_bytes=1_000_000, max_event_bytes=100_000, keep_alive_seconds=1.0)
    catalog = catalog_text(sandbox=sandbox.base_url, black_hole=black_hole)
    key = base64.b64encode(SECRETS_KEY).decode()
    async with serve_gateway(cluster, sandbox=sandbox, catalog=catalog, bounds=bounds, secrets_key=key) as running:
        two = [world for address in ADDRESSES for world in worlds(address) if world.keys == 2]
        await store_keys(running, {world.provider(number): 2 for world in two for number in world.numbers})
        yield running


@pytest.fixture
async def gateway(matrix_gateway: RunningGateway) -> AsyncIterator[RunningGateway]:
    yield matrix_gateway
    await forget_everything(matrix_gateway)
    report = await matrix_gateway.verify()
    assert report.open_holds == 0


# ── a market whose clock the test moves ───────────────────────────────────────────────────────────────────────────


class AheadClock:
    """Real time, that jumps ahead on request."""

    def __init__(self) -> None:
        self._real = monotone_clock()
        self._ahead_micros = 0

    def __call__(self) -> int:
        return self._real() + self._ahead_micros

    def pass_seconds(self, seconds: float) -> None:
        """Now it is later."""
        self._ahead_micros += round(seconds * MICROS_PER_SECOND)


class Market:
    """The market, and what its tests ask of it."""

    def __init__(self, gateway: RunningGateway, clock: AheadClock) -> None:
        self.gateway = gateway
        self.pass_seconds = clock.pass_seconds

    async def fault(self, model: str, provider: str, *, times: int | None = None, **directives: Any) -> None:
        """What a route does from now on, or for the next calls; without directives it behaves."""
        await self.gateway.set_faults(upstream(model, provider), directives, times=times)

    async def asked(self, model: str) -> dict[str, int]:
        """How often each provider of a model was asked."""
        providers = MODELS.get(model, tuple(OFFERS))
        return {name: len(await self.gateway.upstream_calls(upstream(model, name))) for name in providers}

    async def path(self, customer: Customer, model: str, **fields: Any) -> list[str]:
        """The providers of one call in the order in which they were tried, `=` before the one that answered."""
        receipt = await self.receipt(customer, model, **fields)
        return [f"{'=' * (each.outcome == 'answered')}{each.provider}" for each in receipt.attempts]

    async def receipt(self, customer: Customer, model: str, **fields: Any) -> Receipt:
        """The receipt of one call. Without a session it is a conversation of its own."""
        fields = {"session_id": secrets.token_hex(8), **fields}
        return await customer.receipt((await see(customer.chat(model=model, **fields))).call_id)


@pytest.fixture(scope="package")
async def shared_market(cluster: TestCluster, sandbox: RunningSandbox) -> AsyncIterator[Market]:
    clock, key = AheadClock(), base64.b64encode(SECRETS_KEY).decode()
    catalog = market_text(sandbox.base_url)
    async with serve_gateway(cluster, sandbox=sandbox, catalog=catalog, clock=clock, secrets_key=key) as running:
        await store_keys(running, {"two": 2})
        yield Market(running, clock)


@pytest.fixture
async def market(shared_market: Market) -> AsyncIterator[Market]:
    yield shared_market
    await forget_everything(shared_market.gateway)
    report = await shared_market.gateway.verify()
    assert report.open_holds == 0


@pytest.fixture
async def customer(market: Market) -> Customer:
    return await market.gateway.new_customer()


# ── a realm of policies ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="package")
async def witness() -> AsyncIterator[Witness]:
    async with serve_witness() as running:
        yield running


class Realm:
    """Two workers, and what tests of policies ask of them."""

    def __init__(self, gateway: RunningGateway) -> None:
        self.gateway = gateway

    async def asked(self, model: str, *names: str) -> list[int]:
        """How often each of these providers was asked for a model; asking after films that it makes does not count."""
        calls = [await self.gateway.upstream_calls(f"{model}-{name}") for name in names]
        return [sum(not call["path"].startswith("/v1/videos/") for call in of_one) for of_one in calls]

    async def fault(self, model: str, provider: str, **directives: Any) -> None:
        """What a route does from now on; without directives it behaves."""
        await self.gateway.set_faults(f"{model}-{provider}", directives)

    async def put(self, path: str, body: Any, token: str = TOKEN) -> None:
        """PUT as the operator, or with a key."""
        headers = {"authorization": f"Bearer {token}"}
        async with self.gateway.session.put(self.gateway.url + path, json=body, headers=headers) as response:
            assert response.status == 200, await response.text()

    async def set_policy(self, customer: Customer, policy: Any, *, of_key: bool = False) -> None:
        """Of the workspace, or of the customer's key; returns when both workers heed it."""
        if of_key:
            # By another key: what a key may not do itself it cannot allow again.
            manager = await self.gateway.new_key(customer.workspace)
            await self.put(f"/api/keys/{show_key(customer.key.record.key_id)}/policy", policy, manager.secret)
        else:
            workspace = show_workspace(customer.workspace_id)
            await self.put(f"/api/operator/workspaces/{workspace}/policy", policy)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self._differ(customer):
                await asyncio.sleep(0.02)

    async def _differ(self, customer: Customer) -> bool:
        """Whether a worker still routes by another policy than the one that is stored."""
        stored = (await customer.get("/api/policy"))["effective"]
        workers = range(len(self.gateway.workers))
        routed = [await customer.get("/api/route/explain?model=talk", worker=worker) for worker in workers]
        return any(each["policy"] != stored for each in routed)


@pytest.fixture(scope="package")
async def shared_realm(
    cluster: TestCluster, sandbox: RunningSandbox, witness: Witness
) -> AsyncIterator[RunningGateway]:
    catalog = realm_text(sandbox.base_url, witness.base_url)
    videos = VideoJobs(poll_seconds=0.2)
    async with serve_gateway(
        cluster, sandbox=sandbox, catalog=catalog, workers=2, operator_token=TOKEN, videos=videos
    ) as running:
        yield running


@pytest.fixture
async def realm(shared_realm: RunningGateway, witness: Witness) -> AsyncIterator[Realm]:
    witness.requests.clear()
    yield Realm(shared_realm)
    await clear_sandbox(shared_realm)
    async with asyncio.timeout(PATIENCE_SECONDS):
        # Films take a moment, and their providers are asked after them.
        while (await shared_realm.verify()).open_holds:
            await asyncio.sleep(0.1)
    await forget_everything(shared_realm)


@pytest.fixture
async def citizen(realm: Realm) -> Customer:
    """A customer of the realm."""
    return await realm.gateway.new_customer()
