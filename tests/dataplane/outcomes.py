"""What a client sees of one call, and what the books say of it afterwards."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any, NamedTuple, TypeVar

import msgspec

from farebox.records.receipt import Receipt
from tests.dataplane.shop import CACHED_NANOS, INPUT_NANOS, OUTPUT_NANOS
from tests.gateway import Customer

T = TypeVar("T")

# Calls in flight at once in tests that try many things: enough to be quick on two cores, without timing anybody out.
TOGETHER = 24


class Seen(NamedTuple):
    """A whole answer. `events` are the data of a stream, `text` its generated text."""

    status: int
    headers: dict[str, str]
    body: bytes
    events: list[Any]
    whole: bool

    @property
    def call_id(self) -> str:
        return self.headers["x-request-id"]

    @property
    def document(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error of the answer or of the stream's last event; empty without one."""
        if self.headers["content-type"] == "application/json":
            return dict(self.document.get("error", {}))
        last = self.events[-1] if self.events else None
        return dict(last["error"]) if isinstance(last, dict) and "error" in last else {}

    @property
    def text(self) -> str:
        deltas = [choice["delta"] for event in self.events if isinstance(event, dict) for choice in event["choices"]]
        return "".join(delta.get("content") or "" for delta in deltas)


async def see(request: Any) -> Seen:
    """Send and read everything."""
    async with request as response:
        headers = {name.lower(): value for name, value in response.headers.items()}
        return seen(response.status, headers, await response.read())


def seen(status: int, headers: dict[str, str], body: bytes) -> Seen:
    """Sort out what came."""
    events: list[Any] = []
    if headers.get("content-type", "").startswith("text/event-stream"):
        parts = body.replace(b"\r\n", b"\n").split(b"\n\n")
        events = [_event(part[6:]) for part in parts if part.startswith(b"data: ")]
    return Seen(status, headers, body, events, body.endswith(b"data: [DONE]\n\n"))


def _event(data: bytes) -> Any:
    return "[DONE]" if data.strip() == b"[DONE]" else msgspec.json.decode(data)


class Books(NamedTuple):
    """What the books say of a customer's one call."""

    receipt: Receipt
    balance_nanos: int
    used_requests: int


async def books_of(customer: Customer, call_id: str) -> Books:
    """The receipt of the customer's only call, with everything that must add up added up."""
    receipt = await customer.receipt(call_id)
    use = await customer.limit_use()
    charge_nanos = receipt.call.charge_nanos
    assert await customer.held_nanos() == use.held_requests == use.held_nanos == 0, "the hold is still there"
    balance_nanos = await customer.balance_nanos()
    assert balance_nanos == 10 * 10**9 - charge_nanos, "the balance does not add up"
    assert use.used_nanos == charge_nanos, "the dollar limit does not add up"
    assert use.used_requests == int(receipt.call.request_counted is True), "the request limit does not add up"
    assert charge_nanos == receipt.priced_nanos + receipt.adjustment_nanos - receipt.absorbed_nanos
    api = await customer.get(f"/api/usage/{call_id}")
    assert api["evidence"]["rule"] == receipt.rule and api["charge_nanos"] == charge_nanos
    return Books(receipt, balance_nanos, use.used_requests)


def price(input_tokens: int, output_tokens: int, cached: int = 0) -> int:
    """What the tests' catalog asks for it, in nano-USD."""
    return input_tokens * INPUT_NANOS + cached * CACHED_NANOS + output_tokens * OUTPUT_NANOS


async def together(awaitables: Iterable[Awaitable[T]], most: int = TOGETHER) -> list[T]:
    """Run them at the same time, a bounded number at once; the first failure fails."""
    places = asyncio.Semaphore(most)

    async def one(awaitable: Awaitable[T]) -> T:
        async with places:
            return await awaitable

    return await asyncio.gather(*(one(awaitable) for awaitable in awaitables))
