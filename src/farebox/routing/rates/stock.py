"""What one process has of one limit, and who waits for more of it.

Units are taken from what is here without waiting; what is missing is leased from the database, one statement at a time
for all who wait, first come first served. A process keeps at most a block unused, and none where a block is one unit.
"""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from typing import Final, NamedTuple

import structlog

from farebox.base.clock import MICROS_PER_SECOND, Clock
from farebox.base.errors import Problem
from farebox.routing.rates.leases import Lease, Leases
from farebox.routing.rates.legs import Bound, Leg, kept_of, minute_end, minute_of
from farebox.routing.rates.telling import Reading
from farebox.storage.errors import DatabaseUnavailable

# Calls that wait for one limit's lease: as many as a process has under way at most.
MAX_WAITING: Final = 2_000
# For one statement, and for one call that waits: it must not hang on a database that does not answer. To end a
# statement may take longer, because the server is told first; nobody waits for that.
LEASE_TIMEOUT_SECONDS: Final = 3.0
# The answer of `take` where there was not enough.
REFUSED: Final = -1
# A limit that leaves nothing is not asked about again for so long: a flood of refused calls costs the database nothing.
FLOOD_MICROS: Final = MICROS_PER_SECOND
CONCURRENT_FLOOD_MICROS: Final = MICROS_PER_SECOND // 10
# A client that calls one after the other must not be refused because the slot of its last call is still on its way back
# from another process: before a call is refused for want of a slot, it is asked for once more after so long.
ON_ITS_WAY_SECONDS: Final = 0.025
# Slots that were not used for so long are given back, all of them.
IDLE_MICROS: Final = 5 * MICROS_PER_SECOND
# Longer than a call can be between finding a stock and taking from it.
UNTOUCHED_MICROS: Final = 10 * MICROS_PER_SECOND

_log = structlog.get_logger(__name__)


class _Waiting(NamedTuple):
    units: int
    answer: "asyncio.Future[int]"


class Stock(ABC):
    """The part of windows and slots that is the same."""

    flood_micros = FLOOD_MICROS

    def __init__(self, leg: Leg, leases: Leases, clock: Clock) -> None:
        self.leg = leg
        self.most = 0
        self.left = 0
        self.unleased = 0  # what nobody had when the database was asked last
        self.mark = 0  # the minute that `left` is of
        self._leases = leases
        self._clock = clock
        self._short_at = self._touched_at = 0
        self._refill = self._stopped = False
        self._queue: deque[_Waiting] = deque()
        self._task: asyncio.Task[None] | None = None

    def touch(self, most: int, now_micros: int) -> None:
        """Before each use: the limit and the moment as they are now."""
        self._touched_at = now_micros
        if most != self.most:
            lowered = most < self.most
            self.most, self._short_at = most, 0
            if lowered:
                self._void()

    def reading(self) -> Reading:
        """What is left of the limit as far as this process knows."""
        remaining = min(self.most, max(0, self.left) + self.unleased)
        return Reading(Bound(self.leg, self.most), remaining, self._resets_at())

    def is_spent(self, units: int, now_micros: int) -> bool:
        """Whether so much cannot be had: the database said so a moment ago, and nothing is on its way."""
        known = now_micros < self._short_at + self.flood_micros and not self.is_busy
        return known and units > self.left + self.unleased

    def take_now(self, units: int) -> int:
        """Take from what is here; the mark to give it back with, or REFUSED. Begins to fetch more in time."""
        if self._queue or self.left < units:
            return REFUSED
        self._consume(units)
        kept = kept_of(self.most)
        if kept and self.left <= kept // 2 and self.unleased:
            self._refill = True
            self.begin()
        return self.mark

    async def take(self, units: int) -> int:
        """The same, leasing what is missing. Raises Problem `database_unavailable` or `capacity_exhausted`."""
        if len(self._queue) >= MAX_WAITING:
            raise Problem("capacity_exhausted", "Too many calls wait for their rate limit.", retry_after_seconds=1)
        loop = asyncio.get_running_loop()
        waiting = _Waiting(units, loop.create_future())
        self._queue.append(waiting)
        self.begin()
        timer = loop.call_later(LEASE_TIMEOUT_SECONDS, _tell_unavailable, waiting)
        try:
            return await waiting.answer
        except asyncio.CancelledError:
            answer = waiting.answer
            if not answer.cancelled() and answer.exception() is None and answer.result() != REFUSED:
                self.give_back(units, answer.result())
            raise
        finally:
            timer.cancel()

    @abstractmethod
    def give_back(self, units: int, mark: int) -> None:
        """Units that were taken with that mark and not used."""

    @abstractmethod
    def _void(self) -> None:
        """Nothing that was leased under a higher limit may be used."""

    def begin(self) -> None:
        """Ask the database, unless that is under way: it is asked for all who wait."""
        if self._stopped:
            self._fail()
        elif self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._work(), name="rate limit lease")

    async def stop(self) -> None:
        """End what is under way; who waits is told that the database is not available."""
        self._stopped = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def is_busy(self) -> bool:
        """Whether somebody waits, or a lease is under way."""
        return self._task is not None or bool(self._queue)

    @abstractmethod
    def tend(self, now_micros: int) -> bool:
        """Once a second: do what was put off. False: the stock can be forgotten."""

    def droppable(self, now_micros: int) -> bool:
        """Whether it can be forgotten now, without anybody getting more for it."""
        return not self.is_busy and now_micros > self._touched_at + UNTOUCHED_MICROS

    async def _work(self) -> None:
        try:
            while self._serve(short=False) or self._refill or self._must_ask():
                self._serve(short=await self._asked())
        except asyncio.CancelledError:
            self._fail()
            raise
        except (DatabaseUnavailable, TimeoutError):
            self._fail()
        except Exception as error:  # whatever it is, those who wait must hear of it
            _log.error("rate limit lease failed", why=type(error).__name__)
            self._fail()
        finally:
            self._task = None

    async def _asked(self) -> bool:
        """Lease what is missing; True when there was less."""
        needed = sum(waiting.units for waiting in self._queue)
        spare = kept_of(self.most) if needed or self._refill else 0
        self._refill = False
        want = max(0, needed + spare - max(0, self.left))
        async with asyncio.timeout(LEASE_TIMEOUT_SECONDS):
            lease = await self._ask(want)
        if lease is None:
            return False
        self.unleased = lease.unleased
        if lease.granted == want:
            return False
        self._short_at = self._clock()
        return True

    @abstractmethod
    async def _ask(self, want: int) -> Lease | None:
        """Lease, and add what was granted to what is left; None when it came too late to be of use."""

    @abstractmethod
    def _must_ask(self) -> bool:
        """Whether the database has to be told of something even though nobody waits."""

    @abstractmethod
    def _resets_at(self) -> int | None: ...

    def _consume(self, units: int) -> None:
        self.left -= units

    def _surplus(self, kept: int) -> int:
        """Units to give back: none up to `kept`, else enough that the next few calls do not fetch them again."""
        return 0 if self.left <= kept or self._queue else self.left - (kept - kept // 4)

    def _serve(self, *, short: bool) -> bool:
        """Give what is here to those who wait, in order; `short`: who gets nothing now gets nothing. True: some wait
        still."""
        still: deque[_Waiting] = deque()
        for waiting in self._queue:
            if waiting.answer.done():
                continue
            if waiting.units <= self.left and not still:
                self._consume(waiting.units)
                waiting.answer.set_result(self.mark)
            elif short:
                waiting.answer.set_result(REFUSED)
            else:
                still.append(waiting)
        self._queue = still
        return bool(still)

    def _fail(self) -> None:
        self._refill = False
        waiting, self._queue = self._queue, deque()
        for one in waiting:
            _tell_unavailable(one)


def _tell_unavailable(waiting: _Waiting) -> None:
    if not waiting.answer.done():
        message = "The rate limit cannot be checked: the database is not available."
        waiting.answer.set_exception(Problem("database_unavailable", message, retry_after_seconds=1))


class Window(Stock):
    """Requests or tokens of a UTC minute. `left` below zero is a debt that the database is yet to hear of."""

    def touch(self, most: int, now_micros: int) -> None:
        minute = minute_of(now_micros)
        if minute > self.mark:
            # What was left of the minute before is void, and so is what it owed.
            self.mark, self.left, self.unleased, self._short_at = minute, 0, most, 0
        super().touch(most, now_micros)

    def _void(self) -> None:
        self.left = min(self.left, 0)

    def give_back(self, units: int, mark: int) -> None:
        if mark == self.mark:
            self.left += units
            if self._must_ask():
                self.begin()

    def charge(self, units: int) -> None:
        """Take what was used already, whatever the limit says: below zero nobody is let through."""
        self.left -= units
        if self.left < 0:
            self.begin()

    def tend(self, now_micros: int) -> bool:
        if self.mark == minute_of(now_micros) and self._must_ask():
            self.begin()
        return self.is_busy or self.mark == minute_of(now_micros)

    def _must_ask(self) -> bool:
        return self.left < 0 or self._surplus(kept_of(self.most)) > 0

    async def _ask(self, want: int) -> Lease | None:
        mark, surplus = self.mark, self._surplus(kept_of(self.most))
        settle = max(0, -self.left) - surplus
        # Surplus is out of reach while it is on its way; a debt is paid at once, and owed again if that fails.
        self.left += settle
        self.unleased += surplus
        try:
            lease = await self._leases.window(self.leg, mark, most=self.most, settle=settle, want=want)
        except BaseException:
            if mark == self.mark and settle > 0:
                self.left -= settle
            raise
        self.touch(self.most, self._clock())
        if mark != self.mark:
            return None
        self.left += lease.granted
        return lease

    def _resets_at(self) -> int:
        return minute_end(self.mark)


class Slots(Stock):
    """Calls under way at once. The database knows the sum of `left` and `in_use`; it is told the whole sum each time,
    so that a statement whose fate is unknown is put right by the next one."""

    flood_micros = CONCURRENT_FLOOD_MICROS

    def __init__(self, leg: Leg, leases: Leases, clock: Clock) -> None:
        super().__init__(leg, leases, clock)
        self.in_use = 0
        self._doubtful = False

    def _void(self) -> None:
        self._doubtful, self.left = True, 0

    def give_back(self, units: int, mark: int) -> None:
        self.in_use -= units
        self.left += units
        self._touched_at = self._clock()
        if self._must_ask():
            self.begin()

    def tend(self, now_micros: int) -> bool:
        if self._must_ask():
            self.begin()
        return self.is_busy or self._holds_something() or not self.droppable(now_micros)

    def droppable(self, now_micros: int) -> bool:
        return not self._holds_something() and super().droppable(now_micros)

    def _holds_something(self) -> bool:
        return self.in_use > 0 or self.left > 0 or self._doubtful

    def _kept(self) -> int:
        return 0 if self._clock() > self._touched_at + IDLE_MICROS else kept_of(self.most)

    def _must_ask(self) -> bool:
        return self._doubtful or self._surplus(self._kept()) > 0

    async def _ask(self, want: int) -> Lease | None:
        surplus = self._surplus(self._kept())
        self.left -= surplus
        self.unleased += surplus
        lease = await self._more(want)
        if lease.granted < want and self._queue and self._queue[0].units > self.left:
            await asyncio.sleep(ON_ITS_WAY_SECONDS)
            again = await self._more(want - lease.granted)
            lease = Lease(lease.granted + again.granted, again.unleased)
        return lease

    async def _more(self, want: int) -> Lease:
        self._doubtful = True
        lease = await self._leases.slots(self.leg, most=self.most, held=self.in_use + self.left, want=want)
        self._doubtful = False
        self.left += lease.granted
        return lease

    def _consume(self, units: int) -> None:
        super()._consume(units)
        self.in_use += units

    def _resets_at(self) -> None:
        return None
