"""Customers who never stop: some in whole answers, some in paced streams, some repeat what broke off under its name.

Each note of what a customer was told stays: it is what the books are compared with.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from farebox.base.money import NANOS_PER_USD
from farebox.ledger.book import Span
from farebox.wiring import keys, operate
from farebox.wiring.arguments import WantedLimit
from tests.crash.client import Client, Told

CREDIT_NANOS: Final = 1_000 * NANOS_PER_USD
# Never reached: these limits are there to be counted.
MANY: Final = 1_000_000_000
JSON_CLIENTS: Final = 5
STREAM_CLIENTS: Final = 10
CAREFUL_CLIENTS: Final = 3
# After a refusal or a broken connection a real client waits too.
PAUSE_SECONDS: Final = 0.1
# After a kill all are on the worker that was left; this brings them to the new one as well.
RECONNECTING: Final = 0.1
MAX_REPETITIONS: Final = 100

Calling = Callable[[Client], Awaitable[Told]]


class Customer(NamedTuple):
    """A workspace with money, limits that count, and a key."""

    number: int
    workspace: str
    key: str


async def new_customer(dsn: str, number: int) -> Customer:
    """Made with the operator's commands."""
    workspace = await operate.create_workspace(dsn, f"Customer {number}")
    wish = operate.CreditWish(amount_nanos=CREDIT_NANOS, reason="crash test")
    await operate.credit(dsn, workspace.workspace_id, wish)
    for span in (Span.MONTH, Span.LIFETIME):
        await operate.set_limit(
            dsn, workspace.workspace_id, key=None, span=span, requests=str(MANY), usd=str(MANY // 1_000)
        )
    limits = [WantedLimit(Span.LIFETIME, MANY, None)]
    wish_for_key = keys.KeyWish(name="load", limits=limits)
    key = await keys.create_key(dsn, workspace.workspace_id, wish_for_key, key_prefix="fbx_")
    return Customer(number, workspace.workspace_id, key.api_key)


class Load:
    """The customers' programs. The first two customers share nothing but the gateway; the third names its calls."""

    def __init__(self, port: int, customers: list[Customer], randomness: random.Random) -> None:
        self._port = port
        self._customers = customers
        self._random = randomness
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self.clients: list[Client] = []
        self.acknowledged: list[Told] = []
        self.statuses: Counter[int] = Counter()
        self.names = 0
        self.repeated = 0
        self.hung = 0

    def start(self) -> None:
        """Begin; every client calls until `stop`."""
        for number in range(JSON_CLIENTS):
            self._add(self._call_json, self._customers[number % 2])
        for number in range(STREAM_CLIENTS):
            self._add(self._call_stream, self._customers[number % 2])
        for _ in range(CAREFUL_CLIENTS):
            self._add(self._call_carefully, self._customers[2])

    async def stop(self) -> None:
        """Let running calls end."""
        self._stopping = True
        await asyncio.gather(*self._tasks)

    def cancel(self) -> None:
        """Hang up at once: the test is over."""
        for task in self._tasks:
            task.cancel()
        for client in self.clients:
            client.close()

    def client_of(self, customer: int) -> Client:
        """A client that calls only when asked to, whose calls are noted by `note`."""
        return Client(self._port, self._customers[customer].key, customer=customer)

    def note(self, told: Told) -> None:
        """Remember what a customer was told."""
        self.statuses[told.status] += 1
        self.hung += told.status == -1
        if told.acknowledged:
            self.acknowledged.append(told)

    def running(self) -> list[tuple[Client, int]]:
        """The clients with a call on its way, and which of their calls that is."""
        return [(client, client.calls) for client in self.clients if client.busy]

    def _add(self, calling: Calling, customer: Customer) -> None:
        client = Client(self._port, customer.key, customer=customer.number)
        self.clients.append(client)
        self._tasks.append(asyncio.create_task(self._repeat(calling, client)))

    async def _repeat(self, calling: Calling, client: Client) -> None:
        while not self._stopping:
            told = await calling(client)
            if not told.acknowledged:
                await asyncio.sleep(PAUSE_SECONDS)
            if self._random.random() < RECONNECTING:
                client.close()

    async def _call_json(self, client: Client) -> Told:
        told = await client.chat(stream=False, words=self._words(), delay_seconds=self._random.uniform(0, 0.2))
        self.note(told)
        return told

    async def _call_stream(self, client: Client) -> Told:
        pace = self._random.uniform(0.02, 0.065)
        told = await client.chat(stream=True, words=self._words(), chunks=20, chunk_delay_seconds=pace)
        self.note(told)
        return told

    async def _call_carefully(self, client: Client) -> Told:
        """Names the call, and repeats it under its name while the connection breaks or the gateway cannot."""
        self.names += 1
        name = f"call {self.names}"
        words, delay_seconds = self._words(), self._random.uniform(0, 0.2)
        for _ in range(MAX_REPETITIONS):
            told = await client.chat(stream=False, name=name, words=words, delay_seconds=delay_seconds)
            self.note(told)
            if told.status in (200, 409) or self._stopping:
                break
            self.repeated += 1
            await asyncio.sleep(PAUSE_SECONDS)
        return told

    def _words(self) -> int:
        return self._random.randint(20, 120)
