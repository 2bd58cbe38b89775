"""The gate that every call passes before anything is held for it: all of its rate limits, or none of them."""

import asyncio
from collections import OrderedDict
from contextlib import suppress
from typing import Final, NamedTuple

from farebox.base.clock import Clock
from farebox.base.errors import Problem
from farebox.base.limits import RateLimits
from farebox.identity.model import KeyRecord
from farebox.routing.rates.leases import Connect, Leases
from farebox.routing.rates.legs import Bound, Leg, Unit, bounds_of
from farebox.routing.rates.stock import REFUSED, Slots, Stock, Window
from farebox.routing.rates.telling import Pairs, RateLimited, Reading, headers, refusal
from farebox.storage.errors import DatabaseUnavailable

# Limits that a process remembers at once: what a thousand calls a second of as many keys touch in the time for which
# one cannot be forgotten, five times over. About 30 MB.
MAX_STOCKS: Final = 50_000
# Old ones looked at for one to forget, when a new one finds no place.
MAX_LOOKED_AT: Final = 16
# Of them so many are looked after at a time, about a millisecond's work.
MAX_TENDED: Final = 2_000
TEND_SECONDS: Final = 1.0


class Taken(NamedTuple):
    """Units of one limit; `mark` says of which minute."""

    stock: Stock
    units: int
    mark: int


class RateTicket:
    """What a call took. Call `finish` when the call has ended, however it ended."""

    __slots__ = ("_ended", "_gate", "_taken")

    def __init__(self, gate: "RateGate | None", taken: list[Taken]) -> None:
        self._gate = gate
        self._taken = taken
        self._ended = False

    def finish(self, tokens_used: int) -> None:
        """Give the call's slots back and correct its tokens, input and output together. The second time does nothing.

        Tokens beyond the estimate count in the minute in which the call ends.
        """
        if self._ended or self._gate is None:
            return
        self._ended = True
        for stock, units, mark in self._taken:
            if stock.leg.unit is Unit.CONCURRENT:
                stock.give_back(units, mark)
            elif stock.leg.unit is Unit.TOKENS:
                self._gate.correct(stock, tokens_used - units, mark)

    def headers(self, anthropic: bool) -> Pairs:
        """The rate-limit headers as of now: the tightest limit of each unit; empty where no limit holds."""
        return [] if self._gate is None else self._gate.headers(self._taken, anthropic=anthropic)


# What a call without limits has.
UNLIMITED: Final = RateTicket(None, [])


class RateGate:
    """The rate limits of one process. `owner_id` is the process's in `ledger_owner`; `connect` lends a connection."""

    def __init__(self, connect: Connect, *, owner_id: int, clock: Clock, defaults: RateLimits) -> None:
        self._leases = Leases(connect, owner_id)
        self._clock = clock
        self._defaults = defaults
        self._limits_all = defaults != RateLimits()
        self._stocks: OrderedDict[Leg, Stock] = OrderedDict()
        self._untended: list[Stock] = []
        self._task: asyncio.Task[None] | None = None

    async def take(self, key: KeyRecord, model_id: str, tokens: int) -> RateTicket:
        """One request, `tokens` of estimated input and one call under way, of every limit that holds; nothing is
        waited for where this process has them.

        Raises Problem: `rate_limit_exceeded` (a RateLimited, see `headers_of`), `database_unavailable`,
        `capacity_exhausted`. What was taken is given back then.
        """
        if not key.rates and not self._limits_all:
            return UNLIMITED
        bounds = bounds_of(key, model_id, self._defaults)
        if not bounds:
            return UNLIMITED
        now_micros = self._clock()
        # A call without any tokens, say one for a picture, passes while something is left.
        wanted = [(self._stock(bound, now_micros), _units(bound.leg, tokens)) for bound in bounds]
        for stock, units in wanted:
            if units > stock.most or stock.is_spent(units, now_micros):
                raise self._refusal(stock, units, wanted)
        return RateTicket(self, await self._take_all(wanted))

    async def _take_all(self, wanted: list[tuple[Stock, int]]) -> list[Taken]:
        taken: list[Taken] = []
        try:
            for stock, units in wanted:
                mark = stock.take_now(units)
                if mark == REFUSED:
                    mark = await stock.take(units)
                if mark == REFUSED:
                    raise self._refusal(stock, units, wanted)
                taken.append(Taken(stock, units, mark))
        except BaseException:
            for stock, units, mark in taken:
                stock.give_back(units, mark)
            raise
        return taken

    def _refusal(self, stock: Stock, units: int, wanted: list[tuple[Stock, int]]) -> RateLimited:
        now_micros = self._clock()
        readings = [self._reading(other, now_micros) for other, _ in wanted]
        return refusal(stock.reading(), units, readings=readings, now_micros=now_micros)

    def _reading(self, stock: Stock, now_micros: int) -> Reading:
        stock.touch(stock.most, now_micros)
        return stock.reading()

    def correct(self, stock: Stock, tokens_more: int, mark: int) -> None:
        """A call has used so many tokens more (or, below zero, less) than were taken for it."""
        # The one that was taken from may have been forgotten since, and another begun.
        current = self._stocks.get(stock.leg, stock)
        assert isinstance(current, Window)
        current.touch(current.most, self._clock())
        if tokens_more > 0:
            current.charge(tokens_more)
        elif tokens_more < 0:
            current.give_back(-tokens_more, mark)

    def headers(self, taken: list[Taken], *, anthropic: bool) -> Pairs:
        """The headers of a call that took these."""
        now_micros = self._clock()
        readings = [self._reading(one.stock, now_micros) for one in taken]
        return headers(readings, now_micros, anthropic=anthropic)

    def _stock(self, bound: Bound, now_micros: int) -> Stock:
        """The stock of a limit, as of now; a limit that changed is noticed here."""
        stock = self._stocks.get(bound.leg)
        if stock is None:
            self._make_place(now_micros)
            made = Slots if bound.leg.unit is Unit.CONCURRENT else Window
            stock = self._stocks[bound.leg] = made(bound.leg, self._leases, self._clock)
        else:
            self._stocks.move_to_end(bound.leg)
        stock.touch(bound.most, now_micros)
        return stock

    def _make_place(self, now_micros: int) -> None:
        if len(self._stocks) < MAX_STOCKS:
            return
        oldest = [stock for stock, _ in zip(self._stocks.values(), range(MAX_LOOKED_AT), strict=False)]
        for stock in oldest:
            if stock.droppable(now_micros):
                del self._stocks[stock.leg]
                return
        raise Problem("capacity_exhausted", "Too many rate limits are in use at once.", retry_after_seconds=1)

    def __len__(self) -> int:
        return len(self._stocks)

    def tend(self) -> None:
        """Forget what nobody uses, and say again what the database did not hear."""
        now_micros = self._clock()
        if not self._untended:
            self._untended = list(self._stocks.values())
        for _ in range(min(MAX_TENDED, len(self._untended))):
            stock = self._untended.pop()
            if not stock.tend(now_micros) and self._stocks.get(stock.leg) is stock:
                del self._stocks[stock.leg]

    def start(self) -> None:
        """Begin to look after the stocks in the running event loop."""
        self._task = asyncio.create_task(self._run(), name="rate limits")

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TEND_SECONDS)
            self.tend()

    async def stop(self) -> None:
        """When all calls have ended: give back what this process holds."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for stock in self._stocks.values():
            await stock.stop()
        if any(isinstance(stock, Slots) for stock in self._stocks.values()):
            # If it cannot be said, the others will see that this process is gone.
            with suppress(DatabaseUnavailable):
                await self._leases.leave()


def _units(leg: Leg, tokens: int) -> int:
    return max(1, tokens) if leg.unit is Unit.TOKENS else 1
