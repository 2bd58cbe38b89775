"""The API of one deployment with real keys, a real ledger and the deployment's own catalog."""

import dataclasses
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import httpx
from prometheus_client import CollectorRegistry, Counter

from farebox.access.parts import Access
from farebox.api.app import build_api
from farebox.api.parts import Headers, HealthCheck, Parts
from farebox.base.ids import random_id
from farebox.base.site import read_site
from farebox.catalog.model import Catalog
from farebox.catalog.store import apply_catalog, load_catalog
from farebox.catalog.toml_file import read_catalog_file
from farebox.identity.authenticate import authenticate
from farebox.identity.cache import KeyCache
from farebox.identity.model import DEFAULT_SCOPES, KeyRecord, Kind
from farebox.identity.people.contracts import RpcContracts
from farebox.identity.store import NewKey, create_key, create_workspace, find_key, workspace_of
from farebox.ledger.commands import OpenBook
from farebox.mail.nobody import NoMailing
from farebox.providers.accounts import Accounts
from farebox.records.readiness import ReadinessItem, readiness
from farebox.routing.estimate import Estimate
from farebox.routing.explain import explanation
from farebox.routing.health import Health
from farebox.routing.moment import LiveMoment
from farebox.routing.router import Router
from farebox.routing.rules import Ask
from farebox.routing.sticky import Sticky
from farebox.storage.pool import Pool, connected
from farebox.web.envelope import App
from farebox.wiring.settings import Settings, load_settings
from tests.records.books import NOW, Books

TOKEO = Path(__file__).parents[2] / "deployments" / "tokeo" / "farebox.toml"
ENVIRONMENT = {"ANTHROPIC_API_KEY": "test-a", "GEMINI_API_KEY": "test-g"}


# Nobody's: made up for the tests.
OPERATOR_TOKEN = "operator-" + "o" * 32


class Asked(NamedTuple):
    """A question for an estimate."""

    key: KeyRecord
    surface: str
    body: bytes
    headers: Headers


class Shop:
    """What tests ask of a running deployment."""

    def __init__(self, pool: Pool, books: Books, *, catalog: Catalog, settings: Settings) -> None:
        self.pool = pool
        self.books = books
        self.current = catalog
        self.settings = settings
        self.checks: list[HealthCheck] = [HealthCheck("change_feed", True)]
        self.accounts = Accounts(lambda: books.now, environment=ENVIRONMENT)
        self.cache = KeyCache(100, 100, self._find)
        health = Health(lambda: books.now, lambda: 0.0)
        self.router = Router(
            moment_of=lambda catalog: LiveMoment(catalog, accounts=self.accounts, health=health),
            health=health,
            sticky=Sticky(lambda: books.now),
            draw=lambda _: 0,
        )
        self.asked: list[Asked] = []
        self.registry = CollectorRegistry()
        Counter("farebox_test", "Counts nothing", registry=self.registry)
        self.app: App = build_api(self._parts())

    async def _find(self, key_hash: bytes) -> KeyRecord | None:
        async with connected(self.pool) as connection:
            return await find_key(connection, key_hash)

    async def _authenticate(self, headers: Headers, peer: str | None) -> KeyRecord:
        prefix = self.settings.brand.key_prefix
        return await authenticate(headers, self.cache, key_prefix=prefix, now_micros=self.books.now, peer=peer)

    def _readiness(self) -> list[ReadinessItem]:
        states = {name: self.accounts.state(provider) for name, provider in self.current.providers.items()}
        return readiness(self.current, states, self.settings.readiness, database_ok=True)

    async def estimate(self, key: KeyRecord, surface: str, body: bytes, headers: Headers) -> Estimate:
        """In the data plane's place: notes what it was asked, and answers with what it routes."""
        self.asked.append(Asked(key, surface, body, headers))
        ask = Ask(model=self.current.models[json.loads(body)["model"]], policy=key.rule.policy)
        choice = self.router.choose(self.current, ask, most=None)
        return Estimate(
            model=ask.model.model_id,
            surface=surface,
            hold_usd="0.25",
            hold_nanos=250_000_000,
            max_cost_usd=None,
            max_cost_nanos=None,
            routes=[],
            explanation=explanation(self.current, ask, choice),
        )

    def _access(self) -> Access:
        return Access(
            pool=self.pool,
            clock=lambda: self.books.now,
            brand=self.settings.brand,
            site=read_site("http://localhost:8080"),
            sign_in=self.settings.sign_in,
            authenticate=self._authenticate,
            postman=NoMailing(),
            sealer=None,
            catalog=lambda: self.current,
            contracts=RpcContracts({}, {}),
            submit=self.books.batcher.submit,
            operator_token=OPERATOR_TOKEN,
        )

    def _parts(self) -> Parts:
        return Parts(
            access=self._access(),
            pool=self.pool,
            catalog=lambda: self.current,
            router=self.router,
            estimate=self.estimate,
            submit=self.books.batcher.submit,
            readiness=self._readiness,
            health=lambda: self.checks,
            brand=self.settings.brand,
            request_limits=self.settings.limits,
            clock=lambda: self.books.now,
            registry=self.registry,
            metrics_token="metrics-secret",
        )

    async def customer(
        self, *, usd: str = "10", scopes: frozenset[str] = DEFAULT_SCOPES, models: frozenset[str] | None = None
    ) -> "Customer":
        """A new workspace with cash and a key."""
        async with connected(self.pool) as connection:
            workspace = await create_workspace(connection, f"w{random_id()}", kind=Kind.CUSTOMER, now_micros=NOW)
            wanted = NewKey(name="k", scopes=scopes, allowed_models=models)
            prefix = self.settings.brand.key_prefix
            key = await create_key(connection, workspace, wanted, key_prefix=prefix, now_micros=NOW)
        await self.books.submit(OpenBook(**self.books._ids(workspace.workspace_id)))
        await self.books.credit(workspace.workspace_id, usd)
        return Customer(self, key.record, key.secret)

    async def key_of(self, customer: "Customer", **wanted: Any) -> "Customer":
        """Another key of the same workspace, made by the operator."""
        async with connected(self.pool) as connection:
            workspace = await workspace_of(connection, customer.workspace_id)
            assert workspace is not None
            new = NewKey(**{"name": "other", **wanted})
            prefix = self.settings.brand.key_prefix
            key = await create_key(connection, workspace, new, key_prefix=prefix, now_micros=self.books.tick())
        return Customer(self, key.record, key.secret)

    def without_operator(self) -> None:
        """As a deployment that has set no token."""
        access = dataclasses.replace(self._access(), operator_token=None)
        self.app = build_api(dataclasses.replace(self._parts(), access=access))

    async def operator(self, method: str, path: str, *, expect: int = 200, **options: Any) -> Any:
        """The JSON of an answer to the operator."""
        async with self.client(headers={"authorization": f"Bearer {OPERATOR_TOKEN}"}) as client:
            response = await client.request(method, path, **options)
        assert response.status_code == expect, response.text
        return response.json()

    def client(self, **options: Any) -> httpx.AsyncClient:
        """A client without a key."""
        peer = options.pop("peer", ("127.0.0.1", 5))
        transport = httpx.ASGITransport(app=self.app, client=peer)
        return httpx.AsyncClient(transport=transport, base_url="http://test", **options)


class Customer:
    """A workspace, its key, and requests made with it."""

    def __init__(self, shop: Shop, key: KeyRecord, secret: str) -> None:
        self.shop = shop
        self.key = key
        self.workspace_id = key.workspace_id
        self.headers = {"authorization": f"Bearer {secret}"}

    async def get(self, path: str, *, expect: int = 200, **parameters: Any) -> Any:
        """The JSON of an answer."""
        response = await self.raw("GET", path, **parameters)
        assert response.status_code == expect, response.text
        return response.json()

    async def send(self, method: str, path: str, body: Any, *, expect: int = 200, **options: Any) -> Any:
        """The JSON of an answer to a body; bytes go as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {**self.headers, **options.pop("headers", {})}
        async with self.shop.client(headers=headers) as client:
            response = await client.request(method, path, content=content, **options)
        assert response.status_code == expect, response.text
        return response.json()

    async def raw(self, method: str, path: str, **parameters: Any) -> httpx.Response:
        """The whole answer; parameters named like `from_` lose the line at the end."""
        named = {name.rstrip("_"): value for name, value in parameters.items()}
        async with self.shop.client(headers=self.headers) as client:
            return await client.request(method, path, params=named)

    async def call(self, **row: Any) -> UUID:
        """A settled call of this key."""
        return await self.shop.books.call(self.workspace_id, **{"key_id": self.key.key_id, **row})


@asynccontextmanager
async def open_shop(pool: Pool, books: Books) -> AsyncIterator[Shop]:
    """Tokeo with its catalog applied."""
    settings = load_settings(TOKEO, environment={})
    async with connected(pool) as connection:
        await apply_catalog(connection, read_catalog_file(settings.catalog_path), actor="test")
        cursor = await connection.execute("SELECT (extract(epoch FROM now()) * 1000000)::bigint + 60000000")
        row = await cursor.fetchone()
        assert row is not None
        catalog, _ = await load_catalog(connection, row[0])
    yield Shop(pool, books, catalog=catalog, settings=settings)
