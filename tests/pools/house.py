"""A gateway with stored pools: what an operator does with them, what the provider sees, and calls that stay open.

Every test takes a provider of its own (`house.provider()`), with a model for everybody and a second one, so that the
provider can tell a lane's calls from others. The sandbox knows each stored key as an account of its own.
"""

import asyncio
import base64
import contextlib
import itertools
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, ClassVar, NamedTuple

import msgspec

from farebox.base.clock import MICROS_PER_SECOND, monotone_clock
from farebox.providers import store
from farebox.providers.pool_store import PoolKey, PoolTerms, change_pool, create_pool, find_pool, remove_lane, set_lane
from farebox.providers.pools import DEFAULT_POOL, Pool
from farebox.providers.secrets import Safe
from farebox.providers.store import NewCredential, StoredCredential, load_pools
from farebox.wiring.settings import Server
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.gateway import PATIENCE_SECONDS, Customer, RunningGateway, serve_gateway, until
from tests.terms import TERMS

SECRETS_KEY = bytes(range(32))
SAFE = Safe(SECRETS_KEY)
PROVIDERS = 24
# The first words come at once, the rest never: such a call ends when its client does.
OPEN = {"words": 4, "chunks": 2, "idle_after_chunks": 1, "idle_seconds": 600}

_PROVIDER = """
[providers.{name}]
display_name = "{name}"
base_url     = "{base_url}"
api_key_env  = "FAREBOX_TEST_NO_SUCH_KEY"
cancel_stops_billing = true
"""
_MODEL = """
[models."{model}"]
display_name      = "{model}"
context_tokens    = 200_000
max_output_tokens = 1_000

[routes."{name}/{model}"]
provider       = "{name}"
model          = "{model}"
upstream_model = "{model}"
cost  = {{ input = "0.50", output = "2.50" }}
price = {{ input = "1.00", output = "5.00" }}
"""


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


class Gauge(NamedTuple):
    """What the provider counted for an account or a model."""

    open: int = 0
    most: int = 0
    calls: int = 0


class OpenCall:
    """A call of its own task, which stays open at the provider until the test ends it."""

    living: ClassVar[set["OpenCall"]] = set()

    def __init__(self, customer: Customer, **fields: Any) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self._end = asyncio.Event()
        request = customer.chat(**{"stream": True, "sandbox": OPEN, **fields})
        self._task = asyncio.create_task(self._run(request))
        self.living.add(self)

    async def _run(self, request: Any) -> None:
        async with request as response:
            self.headers = {name.lower(): value for name, value in response.headers.items()}
            if response.status == 200:
                await response.content.readany()
            else:
                self.body = await response.read()
            self.status = response.status
            if response.status == 200:
                await self._end.wait()
                response.close()

    @property
    def answered(self) -> bool:
        """Whether the client has a status and, with 200, the first words."""
        return self.status != 0

    @property
    def error(self) -> dict[str, Any]:
        """The error of an answer that is one."""
        return dict(msgspec.json.decode(self.body)["error"])

    async def end(self) -> None:
        """The client leaves, whatever it has."""
        self.living.discard(self)
        self._end.set()
        if not self.answered:
            self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def finished(self) -> None:
        """Wait for an answer that is no open stream. Raises what broke the call."""
        await self._task


async def answered(calls: Sequence[OpenCall]) -> None:
    """Wait until all are answered."""
    await until(lambda: all(call.answered for call in calls))


async def end(calls: Iterable[OpenCall]) -> None:
    """Their clients leave."""
    await asyncio.gather(*(call.end() for call in calls))


class Shop:
    """One provider of the house, and its pools."""

    def __init__(self, house: "House", name: str) -> None:
        self.house = house
        self.name = name
        self.model, self.lane_model = f"m-{name}", f"l-{name}"

    async def pool(self, name: str, **terms: Any) -> PoolKey:
        """A new pool, whose name the provider's is added to; `default` is changed."""
        gateway, now_micros = self.house.gateway, self.house.gateway.clock()
        async with gateway.connect() as connection:
            if name == DEFAULT_POOL:
                key = await find_pool(connection, f"{self.name}/default", now_micros=now_micros)
                await change_pool(connection, key, PoolTerms(**terms))
            else:
                key = PoolKey(self.name, f"{name}-{self.name}")
                await create_pool(connection, key, PoolTerms(**terms), now_micros=now_micros)
        return key

    async def change(self, key: PoolKey, **terms: Any) -> None:
        """Give a pool other terms."""
        async with self.house.gateway.connect() as connection:
            await change_pool(connection, key, PoolTerms(**terms))

    async def key(self, account: str, **wanted: Any) -> StoredCredential:
        """A stored key of that account of the provider's."""
        secret = await self.house.open_account(self.account(account))
        new = NewCredential(provider_id=self.name, name=account, **wanted)
        async with self.house.gateway.connect() as connection:
            return await store.add_credential(connection, SAFE, new, secret, now_micros=self.house.gateway.clock())

    async def rotate(self, stored: StoredCredential, account: str) -> None:
        """Give a stored key the secret of another account."""
        secret = await self.house.open_account(self.account(account))
        async with self.house.gateway.connect() as connection:
            now_micros = self.house.gateway.clock()
            await store.rotate_credential(connection, SAFE, stored, secret, now_micros=now_micros)

    async def lane(self, key: PoolKey, customer: Customer, slots: int, *, lends: bool = True) -> None:
        """Reserve slots for a workspace; 0 removes its lane."""
        async with self.house.gateway.connect() as connection:
            if slots:
                await set_lane(connection, key, customer.workspace_id, slots, lends=lends)
            else:
                await remove_lane(connection, key, customer.workspace_id)

    async def known(self) -> None:
        """Wait until every worker knows what is stored, and has its part of it."""
        async with self.house.gateway.connect() as connection:
            stored = (await load_pools(connection, SAFE)).pools
        wanted = {pool.pool_id: pool for pool in stored if pool.provider_id == self.name and pool.credentials}

        def is_known() -> bool:
            return all(_pools(worker.parts, self.name) == wanted for worker in self.house.gateway.workers)

        await until(is_known)

    async def shared(self, credential: StoredCredential) -> None:
        """Wait until every worker has a part of a key's slots: the first calls are faster than the sharing."""
        resource = f"credential:{credential.credential_id}"

        def usable(worker: Any) -> int:
            return sum(each.usable for each in worker.parts.seats._lessor.leases() if each.resource == resource)

        await until(lambda: all(usable(worker) for worker in self.house.gateway.workers))

    def account(self, account: str) -> str:
        """By which name the sandbox knows one of this provider's accounts."""
        return f"{self.name}-{account}"

    async def load_of(self, account: str) -> Gauge:
        """What the provider counted for an account."""
        return (await self.house.load())["accounts"].get(self.account(account), Gauge())

    async def sees(self, account: str, count: int) -> None:
        """Wait until the provider answers so many calls of an account."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await self.load_of(account)).open != count:
                await asyncio.sleep(0.01)

    async def sees_any(self, *accounts: str, count: int) -> None:
        """Wait until the provider answers so many calls of all these together."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while sum([(await self.load_of(account)).open for account in accounts]) != count:
                await asyncio.sleep(0.01)

    async def load_of_model(self, model: str) -> Gauge:
        """What the provider counted for a model."""
        return (await self.house.load())["models"].get(model, Gauge())

    async def fault(self, account: str, **directives: Any) -> None:
        """What an account does from now on; nothing: it behaves."""
        await self.house.control("DELETE", f"faults?account={self.account(account)}")
        if directives:
            await self.house.control("PUT", f"faults?account={self.account(account)}", directives)

    async def calls(self) -> list[dict[str, Any]]:
        """The calls of everybody's model, as the provider saw them."""
        return await self.house.gateway.upstream_calls(self.model)

    async def accounts_used(self) -> set[str]:
        """Whose keys came with the calls of both models since the last look; they are forgotten."""
        found = await self.calls() + await self.house.gateway.upstream_calls(self.lane_model)
        await self.house.control("DELETE", "calls")
        return {call["account"].removeprefix(f"{self.name}-") for call in found}

    async def shared_out(self, capacity: int) -> None:
        """Wait until the workers have shared a new limit of the pool `default` among them."""
        resource = f"pool:{self.name}:{DEFAULT_POOL}"

        def usable() -> int:
            leases = [lease for at in self.house.gateway.workers for lease in at.parts.seats._lessor.leases()]
            return sum(lease.usable for lease in leases if lease.resource == resource)

        await until(lambda: usable() <= capacity)


class House:
    """The gateway, its sandbox, and providers that no test has used yet."""

    def __init__(self, gateway: RunningGateway, clock: AheadClock) -> None:
        self.gateway = gateway
        self.pass_seconds = clock.pass_seconds
        self._names = itertools.count(1)
        self._accounts: dict[str, str] = {}

    def provider(self) -> Shop:
        """The next one."""
        return Shop(self, f"p{next(self._names):02}")

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """The sandbox's own routes."""
        url = f"{self.gateway.sandbox.url}/sandbox/{path}"
        async with self.gateway.session.request(method, url, json=body) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def forget_earlier_calls(self) -> None:
        """The sandbox outlives a house, and every house gives its accounts the same names."""
        for what in ("calls", "faults", "load"):
            await self.control("DELETE", what)

    async def open_account(self, name: str) -> str:
        """The provider accepts this account's key from now on."""
        self._accounts[name] = f"sk-{name}-0c1d2e3f"
        await self.control("PUT", "accounts", self._accounts)
        return self._accounts[name]

    async def load(self) -> dict[str, dict[str, Gauge]]:
        """What the provider counted."""
        told = await self.control("GET", "load")
        return {kind: {name: Gauge(**gauge) for name, gauge in found.items()} for kind, found in told.items()}

    def waiting(self, worker: int | None = None) -> int:
        """How many calls wait for a seat, at one worker or at all."""
        workers = self.gateway.workers if worker is None else [self.gateway.workers[worker]]
        return sum(each.parts.seats.waiting for each in workers)


def _pools(parts: Any, provider_id: str) -> dict[str, Pool]:
    found: Sequence[Pool] = parts.accounts.pools(parts.catalog().providers[provider_id])
    return {pool.pool_id: pool for pool in found}


def catalog_text(base_url: str) -> str:
    """catalog.toml of the house."""
    text = [TERMS]
    for number in range(1, PROVIDERS + 1):
        name = f"p{number:02}"
        text.append(_PROVIDER.format(name=name, base_url=base_url))
        text += [_MODEL.format(name=name, model=f"{kind}-{name}") for kind in "ml"]
    return "".join(text)


@contextlib.asynccontextmanager
async def serve_house(
    cluster: TestCluster, sandbox: RunningSandbox, *, workers: int = 2, catalog: str | None = None, **sections: Any
) -> AsyncIterator[House]:
    """A house with workers and settings of its own."""
    clock = AheadClock()
    served = serve_gateway(
        cluster,
        sandbox=sandbox,
        workers=workers,
        catalog=catalog or catalog_text(sandbox.base_url),
        clock=clock,
        secrets_key=base64.b64encode(SECRETS_KEY).decode(),
        **{"server": Server(graceful_shutdown_seconds=2), **sections},
    )
    async with served as gateway:
        house = House(gateway, clock)
        await house.forget_earlier_calls()
        yield house


async def end_all() -> None:
    """The clients of all open calls leave: of a test that failed."""
    await end(list(OpenCall.living))


async def all_is_given_back(house: House) -> None:
    """After the last call no seat is taken, nobody waits, no money is held, and the books are sound."""
    await house.gateway.idle()
    assert house.waiting() == 0
    for worker in house.gateway.workers:
        taken = [lease.resource for lease in worker.parts.seats._lessor.leases() if lease.in_use]
        assert not taken, taken
    report = await house.gateway.verify()
    assert report.open_holds == 0


__all__ = ["PATIENCE_SECONDS", "House", "OpenCall", "Shop", "all_is_given_back", "answered", "end", "serve_house"]
