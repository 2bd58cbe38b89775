"""A reserved lane while shared traffic floods its pool, and what a seat costs."""

import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

from bench.children import child
from bench.lanes_worker import (
    LANE_SLOTS,
    POOL_SLOTS,
    PROVIDER,
    SERVICE_SECONDS,
    LanesAnswer,
    LanesOrder,
)
from bench.ledger import disk_database
from bench.load import percentile_ms
from bench.report import Report
from bench.run import Run
from farebox.base.clock import monotone_clock
from farebox.base.limits import Routing
from farebox.catalog.model import Provider
from farebox.providers.pools import Credential, Pool
from farebox.routing.capacity.lessor import Lessor
from farebox.routing.capacity.seat import Seat
from farebox.routing.capacity.seats import Seats

SHARED = 500
# Until all workers have started and share the leases.
START_SECONDS = 2.0
PAIRS = 100_000
_CASES = (
    ("steady", 1, "one worker, calls of the lane come and go"),
    ("steady", 2, "two workers, calls of the lane come and go"),
    ("bursts", 1, "one worker, the whole lane at once"),
    ("bursts", 2, "two workers, the whole lane at once, at each in turn"),
    ("lent", 1, "one worker, the whole lane at once after it was lent"),
)


def lanes(run: Run) -> Report:
    """Waits of a lane's calls and of shared ones; microseconds of a take and give back."""
    report = Report(
        "lanes", ["", "lane p50, ms", "lane p99, ms", "shared p50, ms", "shared p99, ms", "lane calls", "budget"]
    )
    with disk_database(run.folder) as dsn:
        for how, workers, name in _CASES:
            run.progress(name)
            answers = _measure(dsn, how, workers, 0.4 if how == "lent" else run.pick(10.0, quick=3.0))
            lane = [wait for answer in answers for wait in answer.lane]
            shared = [wait for answer in answers for wait in answer.shared]
            waits = [percentile_ms(waits, part) for waits in (lane, shared) for part in (0.5, 0.99)]
            report.row(name, *waits, len(lane), "≤ a lent call" if how == "lent" else "lane p99 ≤ 50 ms")
            if refused := sum(answer.refused for answer in answers):
                report.notes.append(f"{name}: {refused} calls were refused.")
    report.notes.append(
        f"Waits for a seat, without the {SERVICE_SECONDS * 1e3:.0f} ms that each call takes: {SHARED} shared calls at"
        f" once in a pool of {POOL_SLOTS} slots, of which {LANE_SLOTS} are a lane."
    )
    costs = ", ".join(f"{name} {_pair_micros(most):.2f} µs" for name, most in (("without limits", None), ("with", 100)))
    report.notes.append(f"A seat taken and given back: {costs}.")
    return report


def _measure(dsn: str, how: str, workers: int, seconds: float) -> list[LanesAnswer]:
    begin_at = time.time() + START_SECONDS
    with ExitStack() as stack:
        children = [
            stack.enter_context(
                child("bench.lanes_worker", LanesOrder(dsn, place, workers, SHARED // workers, how, seconds, begin_at))
            )
            for place in range(workers)
        ]
        return [each.answer(LanesAnswer) for each in children]


class _Accounts:
    def __init__(self, most: int | None) -> None:
        key = Credential(
            credential_id="c", provider_id="bench", pool_id="d", origin="stored", api_key=None, max_concurrent=most
        )
        self._pools = (Pool(pool_id="d", provider_id="bench", credentials=(key,), max_concurrent=most),)

    def pools(self, _provider: Provider) -> tuple[Pool, ...]:
        return self._pools

    def awake(self, _credential: Credential) -> bool:
        return True


def _pair_micros(most: int | None) -> float:
    clock = monotone_clock()
    lessor = Lessor(_no_database, owner_id=1, clock=clock, alive=lambda: True)
    seats = Seats(_Accounts(most), lessor, clock=clock, routing=Routing(), draw=lambda _: 0)
    seats.know([PROVIDER])
    for lease in lessor.leases():
        if lease.capacity is not None:
            lease.granted = lease.usable = lease.capacity
    began_at = time.perf_counter()
    for _ in range(PAIRS):
        seat = seats.take_now(PROVIDER, None, 7)
        assert isinstance(seat, Seat)
        seat.give_back()
    return (time.perf_counter() - began_at) / PAIRS * 1e6


@asynccontextmanager
async def _no_database() -> AsyncIterator[Any]:
    raise ConnectionError
    yield
