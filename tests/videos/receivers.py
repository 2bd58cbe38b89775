"""Receivers of webhooks on real sockets, the check of a signature as a receiver makes it, and a courier to look at."""

import asyncio
import contextlib
import hashlib
import hmac
import ssl
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from farebox.base.clock import MICROS_PER_SECOND
from farebox.base.ids import random_id, uuid7
from farebox.base.limits import Webhooks
from farebox.dataplane.jobs.job import Job
from farebox.dataplane.jobs.states import JobState, WebhookState
from farebox.dataplane.jobs.store import JobStore
from farebox.dataplane.webhooks.client import WebhookClient
from farebox.dataplane.webhooks.courier import Courier
from farebox.providers.guard import LookUp, look_up_name
from farebox.storage.pool import Pool
from tests.gateway import until

SECRET = "a test's own secret of more than 32 characters"
CERTIFICATE = Path(__file__).with_name("hooks.example.pem")
NOW = 1_790_000_000 * MICROS_PER_SECOND
SETTINGS = Webhooks(enabled=True, max_attempts=4, allow_private_networks=True)
Answer = Callable[[web.Request], Any]


@dataclass
class Delivery:
    """A request that a receiver had."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def message_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> Any:
        return msgspec.json.decode(self.body)


def is_signed(delivery: Delivery, secret: str) -> bool:
    """Whether a receiver that was given `secret` would believe it, by the text of the specification."""
    scheme, _, encoded = secret.partition("_")
    assert scheme == "whsec"
    signed = f"{delivery.headers['webhook-id']}.{delivery.headers['webhook-timestamp']}.".encode() + delivery.body
    expected = b64encode(hmac.new(b64decode(encoded, validate=True), signed, hashlib.sha256).digest()).decode()
    return f"v1,{expected}" in delivery.headers["webhook-signature"].split(" ")


@dataclass
class Receiver:
    """A customer's server. `answers` are used up one by one; after them everything is 204."""

    port: int
    deliveries: list[Delivery] = field(default_factory=list)
    answers: list[int | Answer] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?a=b"

    async def has(self, count: int) -> list[Delivery]:
        """The deliveries, once there are so many."""
        await until(lambda: len(self.deliveries) >= count)
        return self.deliveries

    async def handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.deliveries.append(Delivery(request.path_qs, headers, await request.read()))
        answer = self.answers.pop(0) if self.answers else 204
        if isinstance(answer, int):
            return web.Response(status=answer)
        return await answer(request)  # type: ignore[no-any-return]


@contextlib.asynccontextmanager
async def receiving(*, tls: bool = False) -> AsyncIterator[Receiver]:
    """A receiver on a port of its own."""
    receiver = Receiver(0)
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    context = None
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    receiver.port = runner.addresses[0][1]
    try:
        yield receiver
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def raw_receiving(answer: bytes, *, then: bytes = b"") -> AsyncIterator[int]:
    """A server that sends bytes as they are, then `then` without end; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
            while then:
                writer.write(then)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def client_of(
    *, allow_private: bool = True, timeout_seconds: float = 5.0, look_up: LookUp = look_up_name, **more: Any
) -> AsyncIterator[WebhookClient]:
    """A client that may reach this machine unless told otherwise."""
    client = WebhookClient(
        max_connections=4, timeout_seconds=timeout_seconds, allow_private=allow_private, look_up=look_up, **more
    )
    try:
        yield client
    finally:
        await client.close()


@dataclass
class Desk:
    """Jobs that are over, and couriers that work by a clock which only the test moves."""

    pool: Pool
    client: WebhookClient
    settings: Webhooks = SETTINGS
    now_micros: int = NOW

    @property
    def store(self) -> JobStore:
        return JobStore(self.pool.connection)

    def courier(self) -> Courier:
        return Courier(
            store=self.store,
            make_client=lambda: self.client,
            secret=SECRET,
            settings=self.settings,
            clock=lambda: self.now_micros,
        )

    async def job(self, url: str, *, state: JobState = JobState.COMPLETED, workspace_id: int = 7) -> Job:
        """A job that ended at this moment; the clock goes on a little."""
        job = Job(
            workspace_id=workspace_id,
            job_id=uuid7(self.now_micros),
            key_id=5,
            model_id="film",
            route_id="open/film",
            provider_id="open",
            price_version="open/film@1",
            variant="720x1280",
            seconds=4,
            idempotent=False,
            held_nanos=10,
            charge_nanos=9,
            cost_nanos=5,
            boot_id=random_id(),
            created_at=self.now_micros,
            next_poll_at=1,
            webhook_url=url,
            webhook_state=WebhookState.PENDING,
            webhook_next_at=self.now_micros,
        )
        await self.store.insert(job)
        rule = {JobState.COMPLETED: "job_completed", JobState.EXPIRED: "job_expired"}.get(state, "job_failed")
        async with self.pool.connection() as connection:
            await connection.execute(
                "UPDATE video_job SET state = %s, rule = %s, ended_at = %s WHERE job_id = %s",
                (state, rule, self.now_micros, job.job_id),
            )
        self.now_micros += 1
        return job

    async def work(self, *couriers: Courier) -> None:
        """Let couriers look once at the same time, and finish what they took."""
        couriers = couriers or (self.courier(),)
        await asyncio.gather(*(courier.look(self.client) for courier in couriers))
        await asyncio.gather(*(task for courier in couriers for task in courier._working))

    async def row(self, job: Job) -> Job:
        found = await self.store.find(job.workspace_id, job.job_id)
        assert found is not None
        return found

    async def waited(self, job: Job) -> float:
        """Let time pass until the next attempt is due, and say how long that is in seconds."""
        due_at = (await self.row(job)).webhook_next_at
        assert due_at is not None and due_at > self.now_micros
        seconds = (due_at - self.now_micros) / MICROS_PER_SECOND
        self.now_micros = due_at
        return seconds
