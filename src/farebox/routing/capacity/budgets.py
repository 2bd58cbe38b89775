"""What providers may bill per route and window: leased to each worker in blocks of money, reported in the background.

A block leaves the budget when it is leased. While the budget had more than that, a worker may spend up to one block
beyond its lease before it has heard from the database, so that no call is refused only because a report is under way.
So all workers together spend no more than the cap, one block each, and what calls that ran when it was reached still
cost. A worker that dies leaves its block behind as leased: the route spends less than its cap, never more. A report
whose commit is in doubt is sent again, which errs to the same side.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import structlog

from farebox.base.clock import MICROS_PER_SECOND, Clock, day_of, month_start_day
from farebox.catalog.model import Route
from farebox.catalog.terms import BudgetCap
from farebox.routing.capacity.store import QUERIES, Connect, Connection

# A worker's block, as a part of the cap: twenty workers may hold all of it.
BLOCKS: Final = 20
# Reports go out this often, and at once when a block runs low.
REPORT_SECONDS: Final = 1.0
# Between two reports, however often calls ask.
PAUSE_SECONDS: Final = 0.05
# A block that nobody spent of for so long goes back, for other workers.
IDLE_SECONDS: Final = 10
# Windows are kept for so long, so that an operator can look at the last one.
KEPT_DAYS: Final = 62

_log = structlog.get_logger(__name__)


class Purse:
    """What this worker may still spend for a route in one window. Amounts in nano-USD.

    `leased_nanos` is what the database knows to be with us, `unsaved_nanos` what was spent since the last report.
    `rest_nanos` may be spent beyond the lease: what was left in the budget at the last report, at most a block.
    """

    def __init__(self, route_id: str, cap: BudgetCap, *, day: int) -> None:
        self.route_id = route_id
        self.cap = cap
        self.day = day
        self.leased_nanos = 0
        self.unsaved_nanos = 0
        self.rest_nanos = self.block_nanos
        self.asked_at = 0

    @property
    def block_nanos(self) -> int:
        """What is leased at once, and what may be spent unheard."""
        return max(1, self.cap.max_nanos // BLOCKS)

    @property
    def left_nanos(self) -> int:
        """What may be spent before the next report; not above zero when nothing."""
        return self.leased_nanos + self.rest_nanos - self.unsaved_nanos

    @property
    def runs_low(self) -> bool:
        """Whether it is time to lease more, before calls find nothing left."""
        return 2 * (self.leased_nanos - self.unsaved_nanos) < self.block_nanos


class Budgets:
    """The budgets of all routes in this worker. `run()` reports; `left` and `spent` never wait."""

    def __init__(self, connect: Connect, *, clock: Clock) -> None:
        self._connect = connect
        self._clock = clock
        self._purses: dict[str, Purse] = {}
        self._past: list[Purse] = []
        self._day = -1
        self._swept_day = -1
        self._month_day = -1
        self._wake = asyncio.Event()
        self._failing = False

    def left(self, route: Route) -> bool:
        """Whether the route's cap is not reached."""
        cap = route.terms.budget_cap
        if not isinstance(cap, BudgetCap):
            return True
        purse = self._purse(route.route_id, cap)
        purse.asked_at = self._clock()
        return purse.left_nanos > 0

    def spent(self, route: Route, cost_nanos: int) -> None:
        """A call of the route is over, and its provider bills so much."""
        cap = route.terms.budget_cap
        if not isinstance(cap, BudgetCap) or cost_nanos <= 0:
            return
        purse = self._purse(route.route_id, cap)
        purse.unsaved_nanos += cost_nanos
        purse.asked_at = self._clock()
        if purse.runs_low:
            self._wake.set()

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), REPORT_SECONDS)
            self._wake.clear()
            await self.report()
            await asyncio.sleep(REPORT_SECONDS if self._failing else PAUSE_SECONDS)

    async def report(self) -> None:
        """Write down what was spent and lease anew. Raises nothing: what fails is tried again."""
        try:
            await self._exchange([*self._past, *self._purses.values()])
            self._past = [purse for purse in self._past if purse.unsaved_nanos or purse.leased_nanos]
            if self._failing:
                _log.info("budgets are reported again")
            self._failing = False
        except Exception as error:  # whatever it is, the next report must still come
            if not self._failing:
                _log.warning("budgets are not reported", why=type(error).__name__)
            self._failing = True

    async def close(self) -> None:
        """Report the last and give blocks back. Only after the last call."""
        for purse in self._purses.values():
            purse.asked_at = 0
        await self.report()

    def _purse(self, route_id: str, cap: BudgetCap) -> Purse:
        day = day_of(self._clock())
        if day != self._day:
            self._day, self._month_day = day, month_start_day(day)
        window_day = day if cap.per == "day" else self._month_day
        purse = self._purses.get(route_id)
        if purse is None or purse.day != window_day or purse.cap.per != cap.per:
            if purse is not None:
                self._past.append(purse)
            purse = self._purses[route_id] = Purse(route_id, cap, day=window_day)
            self._wake.set()
        elif purse.cap != cap:
            purse.cap = cap
            self._wake.set()
        return purse

    async def _exchange(self, purses: Sequence[Purse]) -> None:
        due = sorted((purse for purse in purses if self._is_due(purse)), key=lambda purse: (purse.route_id, purse.day))
        for purse in due:  # each in a transaction of its own: a busy route keeps no other one waiting
            async with self._connect() as connection:
                await self._exchange_one(connection, purse)
        if due and self._swept_day != self._day:
            async with self._connect() as connection:
                await connection.execute(QUERIES["forget_old_budgets"], {"day": self._day - KEPT_DAYS})
            self._swept_day = self._day

    def _is_due(self, purse: Purse) -> bool:
        if purse.unsaved_nanos:
            return True
        if self._is_idle(purse):
            return purse.leased_nanos > 0
        return purse.runs_low

    def _is_idle(self, purse: Purse) -> bool:
        is_past = self._purses.get(purse.route_id) is not purse
        return is_past or self._clock() - purse.asked_at >= IDLE_SECONDS * MICROS_PER_SECOND

    async def _exchange_one(self, connection: Connection, purse: Purse) -> None:
        spent_nanos = purse.unsaved_nanos
        key = {"route_id": purse.route_id, "per": purse.cap.per, "day": purse.day}
        is_idle = self._is_idle(purse)
        # Never less than the last calls cost, or a busy worker would stand still between two reports.
        block_nanos = 0 if is_idle else max(purse.block_nanos, spent_nanos)
        used_nanos = min(spent_nanos, purse.leased_nanos)
        async with connection.transaction():
            cursor = await connection.execute(
                QUERIES["report_budget"], key | {"spent_nanos": spent_nanos, "used_nanos": used_nanos}
            )
            row = await cursor.fetchone()
            assert row is not None, "an upsert returns its row"
            free_nanos = purse.cap.max_nanos - row[0] - row[1]
            kept_nanos = purse.leased_nanos - used_nanos
            change_nanos = max(-kept_nanos, min(block_nanos - kept_nanos, free_nanos))
            if change_nanos:
                await connection.execute(QUERIES["lease_budget"], key | {"change_nanos": change_nanos})
        purse.unsaved_nanos -= spent_nanos
        purse.leased_nanos = kept_nanos + change_nanos
        purse.rest_nanos = max(0, min(purse.block_nanos, free_nanos - change_nanos))
