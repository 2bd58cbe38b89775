"""A real gateway for tests: uvicorn on real sockets in the running event loop, a real database, the sandbox upstream.

    async with serve_gateway(cluster) as gateway:
        customer = await gateway.new_customer(balance_usd="10")
        async with customer.chat("Reply exactly: hi") as response: ...

Several workers are several applications with boot ids and ports of their own on one database, as in production.
"""

import asyncio
import contextlib
import dataclasses
import io
import socket
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from typing import Any

import aiohttp
import msgspec
import psycopg
import uvicorn

from farebox.access.parts import Access
from farebox.base.clock import Clock, monotone_clock
from farebox.base.ids import random_id, read_call, uuid7
from farebox.base.money import format_usd, parse_usd
from farebox.catalog.store import apply_catalog
from farebox.catalog.toml_file import parse_catalog
from farebox.dataplane.parts import Parts
from farebox.identity.model import SCOPES, CreatedKey, Kind, Workspace
from farebox.identity.store import NewKey, create_key, create_workspace, revoke_key
from farebox.ledger.batcher import Batcher
from farebox.ledger.book import Span
from farebox.ledger.commands import Command, Credit, OpenBook, SetLimit
from farebox.ledger.outcomes import Outcome, Refusal
from farebox.ledger.reading import AccountBalance, HoldRow, LimitUse, read_accounts, read_hold, read_limits
from farebox.ledger.verify import Report, verify
from farebox.records.receipt import Receipt, read_receipt
from farebox.storage.pool import Pool, PoolBounds, open_pool
from farebox.wiring.app import Gateway, build_app
from farebox.wiring.connection import guarded
from farebox.wiring.settings import Boot, Settings, default_config_path
from farebox_sandbox.process import RunningSandbox, serve_sandbox
from tests.database import TestCluster, make_test_home, remove_test_home
from tests.terms import TERMS

# Prices are easy to add up: an input token costs the customer 1,000 nano-USD, an output token 5,000.
CATALOG = f"""{TERMS}
[providers.one]
display_name = "One"
base_url     = "https://one.example/v1"
api_key_env  = "FAREBOX_TEST_NO_SUCH_KEY"

[models.plain]
display_name      = "Plain"
context_tokens    = 200_000
max_output_tokens = 1_000
media_ceiling_tokens = {{ image = 1_000 }}

[routes."one/plain"]
cost  = {{ input = "0.50", cached_input = "0.05", output = "2.50" }}
price = {{ input = "1.00", cached_input = "0.10", output = "5.00" }}
"""

# As `[server] host` it stands for a gateway that is not this machine's alone, and knows no address of its own; tests
# reach it here all the same.
EVERYWHERE = "0.0.0.0"
# Long enough for a loaded machine, short enough to tell which test hangs.
PATIENCE_SECONDS = 20.0
_POOL_BOUNDS = PoolBounds(max_size=6, timeout_seconds=PATIENCE_SECONDS, max_waiting=0)


class _Server(uvicorn.Server):
    """Leaves the signals to the test runner."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


class Worker:
    """One application on one port, as a worker process would be."""

    def __init__(
        self,
        settings: Settings,
        dsn: str,
        sandbox: RunningSandbox,
        *,
        place: tuple[int, int],
        listener: socket.socket,
        clock: Clock | None = None,
    ) -> None:
        self.boot = Boot(
            worker=place[0],
            workers=place[1],
            boot_id=random_id(),
            sandbox_base_url=sandbox.base_url,
            sandbox_api_key=sandbox.api_key,
        )
        self.app: Gateway = build_app(settings, dsn, self.boot, clock=clock)
        self._settings = settings
        self._serving: asyncio.Task[None] | None = None
        self._listener = listener
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def parts(self) -> Parts:
        """The data plane's parts, to look at gauges and at what is under way."""
        found: Parts = self.app._dataplane._parts
        return found

    @property
    def access(self) -> Access:
        """What the shells are given, to call the use cases behind them."""
        found = self.app.access
        assert found is not None
        return found

    async def start(self) -> None:
        """Serve; returns when requests are answered. Raises RuntimeError when the application cannot start."""
        self.server = _Server(_config(self.app, self._settings))
        self._serving = asyncio.create_task(self.server.serve(sockets=[self._listener]), name=f"gateway {self.url}")
        while not self.server.started:
            if self._serving.done():
                raise RuntimeError("the gateway did not start")
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """What SIGTERM does: running calls get the settings' graceful time, then they are cancelled and settle."""
        if self._serving is not None:
            self.server.should_exit = True
            await self._serving
            self._serving = None
        self._listener.close()


def _listening() -> socket.socket:
    # Named as TCP, so that asyncio switches Nagle off: else each answer waits for the client's delayed acknowledgement.
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", 0))
    listener.listen(2_048)
    return listener


def _config(app: Gateway, settings: Settings) -> uvicorn.Config:
    server = settings.server
    return uvicorn.Config(
        app,
        http=guarded(header_timeout_seconds=server.header_timeout_seconds, max_header_bytes=server.max_header_bytes),
        interface="asgi3",
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="error",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=server.max_connections,
        timeout_keep_alive=int(server.idle_connection_seconds),
        timeout_graceful_shutdown=max(1, round(server.graceful_shutdown_seconds)),
    )


@dataclasses.dataclass
class Customer:
    """A workspace with a key, and what its owner and the operator would do with it."""

    gateway: "RunningGateway"
    workspace: Workspace
    key: CreatedKey

    @property
    def workspace_id(self) -> int:
        return self.workspace.workspace_id

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key.secret}"}

    def chat(
        self,
        message: str = "Reply exactly: hi",
        *,
        model: str = "plain",
        worker: int = 0,
        headers: Mapping[str, str] | None = None,
        **fields: Any,
    ) -> Any:
        """POST /v1/chat/completions as an async context manager; `sandbox=` carries the sandbox's directives."""
        body = {"model": model, "messages": [{"role": "user", "content": message}], **fields}
        return self.post("/v1/chat/completions", body, worker=worker, headers=headers)

    def post(self, path: str, body: Any, *, worker: int = 0, headers: Mapping[str, str] | None = None) -> Any:
        """POST JSON (or bytes as they are)."""
        raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
        data = raw if len(raw) < 1_000_000 else io.BytesIO(raw)  # aiohttp warns of more in one piece
        all_headers = {**self.headers, "content-type": "application/json", **(headers or {})}
        url = self.gateway.workers[worker].url + path
        return self.gateway.session.post(url, data=data, headers=all_headers, allow_redirects=False)

    async def get(self, path: str, *, worker: int = 0, status: int = 200) -> Any:
        """GET JSON with this key."""
        url = self.gateway.workers[worker].url + path
        async with self.gateway.session.get(url, headers=self.headers, allow_redirects=False) as response:
            assert response.status == status, await response.text()
            return await response.json()

    async def credit(self, amount_usd: str) -> None:
        """Add (or with a minus take) cash."""
        await self.gateway.command(
            Credit,
            workspace_id=self.workspace_id,
            amount_nanos=parse_usd(amount_usd),
            source_account="manual_credit",
            reason="test",
            actor="test",
        )

    async def set_limit(
        self,
        *,
        requests: int | None = None,
        usd: str | None = None,
        span: Span = Span.DAY,
        key: CreatedKey | None = None,
    ) -> None:
        """Set a limit on the workspace, or on one of its keys; both None lifts it."""
        await self.gateway.command(
            SetLimit,
            workspace_id=self.workspace_id,
            key_id=0 if key is None else key.record.key_id,
            span=span,
            max_requests=requests,
            max_nanos=None if usd is None else parse_usd(usd),
        )

    async def new_key(self, **wanted: Any) -> CreatedKey:
        """Another key of the workspace; all scopes unless told otherwise."""
        return await self.gateway.new_key(self.workspace, **wanted)

    def with_key(self, key: CreatedKey) -> "Customer":
        """The same workspace by another key."""
        return dataclasses.replace(self, key=key)

    async def revoke(self) -> None:
        """Revoke this key."""
        async with self.gateway.connect() as connection:
            await revoke_key(
                connection,
                self.key.secret,
                key_prefix=self.gateway.settings.brand.key_prefix,
                now_micros=self.gateway.clock(),
            )

    async def accounts(self) -> list[AccountBalance]:
        async with self.gateway.connect() as connection:
            return await read_accounts(connection, self.workspace_id)

    async def balance_nanos(self) -> int:
        """What is available."""
        return sum(account.posted_nanos - account.held_nanos for account in await self.accounts())

    async def held_nanos(self) -> int:
        """What open holds have."""
        return sum(account.held_nanos for account in await self.accounts())

    async def balance(self) -> str:
        """What is available, in dollars as the API writes them."""
        return format_usd(await self.balance_nanos())

    async def limit_use(self, key: CreatedKey | None = None) -> LimitUse:
        """The (first) limit of the workspace or of a key, with what is used and held."""
        key_id = 0 if key is None else key.record.key_id
        async with self.gateway.connect() as connection:
            found = await read_limits(connection, self.workspace_id, key_ids=[key_id], now_micros=self.gateway.clock())
        return found[0]

    async def receipt(self, call_id: str) -> Receipt:
        """The receipt of a call, waiting for its settlement."""
        async with self.gateway.connect() as connection:
            async with asyncio.timeout(PATIENCE_SECONDS):
                while True:
                    found = await read_receipt(connection, self.workspace_id, read_call(call_id))
                    if found is not None and found.rule is not None:
                        return found
                    await asyncio.sleep(0.02)

    async def hold(self, call_id: str) -> HoldRow | None:
        """The hold of a call, open or ended."""
        async with self.gateway.connect() as connection:
            return await read_hold(connection, self.workspace_id, read_call(call_id))

    async def call_ids(self) -> list[str]:
        """Every call that got a hold, oldest first."""
        rows = await self.gateway.rows(
            "SELECT hold_id FROM ledger_hold WHERE workspace_id = %s ORDER BY hold_id", self.workspace_id
        )
        return [f"call_{row[0].hex}" for row in rows]


class RunningGateway:
    """A gateway with its database and its upstream. Addresses have no path; `base_url` ends in /v1."""

    def __init__(
        self,
        settings: Settings,
        dsn: str,
        sandbox: RunningSandbox,
        *,
        session: aiohttp.ClientSession,
        pool: Pool,
        workers: int,
        clock: Clock | None = None,
    ) -> None:
        self._given = self.settings = settings
        self.dsn = dsn
        self.sandbox = sandbox
        self.session = session
        self.clock: Clock = clock or monotone_clock()
        self._worker_clock = clock
        self.workers: list[Worker] = []
        self._worker_count = workers
        self._pool = pool
        self._ledger = Batcher(dsn, owner_id=random_id())
        self._working: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        return self.workers[0].url

    @property
    def site(self) -> str:
        """The address that people's browsers use, without a path."""
        return self.settings.server.public_url

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def parts(self) -> Parts:
        return self.workers[0].parts

    async def start(self) -> None:
        """Start every worker."""
        self._working = asyncio.create_task(self._ledger.run(), name="test ledger")
        await self._start_workers()

    async def _start_workers(self) -> None:
        listeners = [_listening() for _ in range(self._worker_count)]
        if not self._given.server.public_url and self._given.server.host != EVERYWHERE:
            # People come by a name, because passkeys belong to one; all workers say it is the first one's.
            public_url = f"http://localhost:{listeners[0].getsockname()[1]}"
            server = msgspec.structs.replace(self._given.server, public_url=public_url)
            self.settings = msgspec.structs.replace(self._given, server=server)
        for number, listener in enumerate(listeners):
            place = (number, self._worker_count)
            worker = Worker(
                self.settings, self.dsn, self.sandbox, place=place, listener=listener, clock=self._worker_clock
            )
            self.workers.append(worker)
            await worker.start()

    async def stop(self) -> None:
        """Stop every worker, as SIGTERM would."""
        await self._stop_workers()
        await self._ledger.close()
        if self._working is not None:
            await self._working

    async def _stop_workers(self) -> None:
        await asyncio.gather(*(worker.stop() for worker in self.workers))
        self.workers.clear()

    async def restart(self) -> None:
        """Stop every worker and start it again: new boot ids, new ports, empty caches."""
        await self._stop_workers()
        await self._start_workers()

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator["psycopg.AsyncConnection[tuple[Any, ...]]"]:
        """A connection of the test's own."""
        async with self._pool.connection() as connection:
            yield connection

    async def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Read with plain SQL."""
        async with self.connect() as connection:
            cursor = await connection.execute(query.encode(), parameters)
            return await cursor.fetchall()

    async def command(self, kind: type[Command], **fields: Any) -> Outcome:
        """Send a ledger command past the gateway, as the operator's tools do. A refusal fails the test."""
        now_micros = self.clock()
        command = kind(**{"command_id": uuid7(now_micros), "now_micros": now_micros, **fields})
        outcome = await self._ledger.submit(command)
        assert not isinstance(outcome, Refusal), outcome
        return outcome

    async def new_customer(self, *, balance_usd: str = "10", name: str = "Test", **wanted: Any) -> Customer:
        """A new workspace with money and a key of its own."""
        async with self.connect() as connection:
            workspace = await create_workspace(connection, name, kind=Kind.CUSTOMER, now_micros=self.clock())
        await self.command(OpenBook, workspace_id=workspace.workspace_id)
        customer = Customer(self, workspace, await self.new_key(workspace, **wanted))
        if parse_usd(balance_usd):
            await customer.credit(balance_usd)
        return customer

    async def new_key(self, workspace: Workspace, **wanted: Any) -> CreatedKey:
        """Another key of a workspace; all scopes unless told otherwise."""
        new = NewKey(**{"name": "test", "scopes": frozenset(SCOPES), **wanted})
        prefix = self.settings.brand.key_prefix
        async with self.connect() as connection:
            return await create_key(connection, workspace, new, key_prefix=prefix, now_micros=self.clock())

    async def apply_catalog(self, text: str) -> None:
        """Store a catalog; workers have it within a second."""
        async with self.connect() as connection:
            await apply_catalog(connection, parse_catalog(text), actor="test")

    async def upstream_calls(self, model: str) -> list[dict[str, Any]]:
        """What the sandbox remembers of the calls for an upstream model."""
        async with self.session.get(f"{self.sandbox.url}/sandbox/calls", params={"model": model}) as response:
            return list((await response.json())["calls"])

    async def set_faults(self, model: str, faults: Mapping[str, Any], *, times: int | None = None) -> None:
        """Directives for one upstream model, ahead of the requests; empty ones remove them."""
        url, query = f"{self.sandbox.url}/sandbox/faults", {"model": model}
        if times is not None:
            query["times"] = str(times)
        method = "PUT" if faults else "DELETE"
        async with self.session.request(method, url, params=query, json=faults or None) as response:
            assert response.status == 200, await response.text()

    async def idle(self) -> None:
        """Wait until no call is in progress in any worker; what was learnt of routes meanwhile is forgotten, so that
        the faults of one test are not another's."""
        await until(lambda: not any(worker.parts.calls.taken for worker in self.workers))
        for worker in self.workers:
            worker.parts.health.forget()

    async def verify(self) -> Report:
        """The ledger's invariants from the rows alone; a breach fails the test."""
        async with self.connect() as connection:
            report = await verify(connection)
        assert report.sound, report.breaches
        return report


async def until(condition: Callable[[], Any], *, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until a condition holds. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def serve_gateway(
    cluster: TestCluster,
    *,
    workers: int = 1,
    catalog: str = CATALOG,
    sandbox: RunningSandbox | None = None,
    clock: Clock | None = None,
    **sections: Any,
) -> AsyncIterator[RunningGateway]:
    """A running gateway on a database of its own.

    `sections` replace parts of the settings: `brand=`, `limits=`, `bounds=`, `timeouts=`, `recovery=`, `server=`.
    `clock`: instead of the machine's, for all that asks what time it is; waits take real time all the same.
    In the end it is stopped and its ledger verified.
    """
    home = make_test_home().create()
    dsn = cluster.fresh_database()
    settings = msgspec.structs.replace(
        Settings(config_path=str(default_config_path()), home_path=str(home.path)), **sections
    )
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(remove_test_home, home)
        stack.callback(cluster.drop_database, dsn)
        if sandbox is None:
            sandbox = await stack.enter_async_context(serve_sandbox())
        connector = aiohttp.TCPConnector(limit=0)
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60))
        )
        pool = await stack.enter_async_context(open_pool(dsn, _POOL_BOUNDS))
        gateway = RunningGateway(settings, dsn, sandbox, session=session, pool=pool, workers=workers, clock=clock)
        await gateway.apply_catalog(catalog)
        await gateway.start()
        try:
            yield gateway
        finally:
            await gateway.stop()
        await gateway.verify()
