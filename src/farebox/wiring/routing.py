"""The parts of a process that choose routes and bound what goes by them: router, health, capacity, rate limits."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import psycopg

from farebox.base.clock import Clock
from farebox.catalog.model import Catalog
from farebox.providers.accounts import Accounts
from farebox.routing.capacity.budgets import Budgets
from farebox.routing.capacity.lessor import Lessor
from farebox.routing.capacity.seats import Seats
from farebox.routing.health import Health
from farebox.routing.moment import LiveMoment
from farebox.routing.rates import RateGate
from farebox.routing.router import Router
from farebox.routing.sticky import Sticky
from farebox.wiring.settings import Settings

Connect = Callable[[], AbstractAsyncContextManager[psycopg.AsyncConnection[tuple[Any, ...]]]]


class RoutingParts:
    """Built once per process. `alive` tells whether the session that proves this owner alive is believed to stand."""

    def __init__(
        self,
        settings: Settings,
        connect: Connect,
        *,
        owner_id: int,
        clock: Clock,
        accounts: Accounts,
        alive: Callable[[], bool],
    ) -> None:
        draw = random.SystemRandom().randrange
        self.health = Health(clock, jitter=random.random)
        self.sticky = Sticky(clock, ttl_seconds=settings.routing.sticky_seconds)
        self.lessor = Lessor(connect, owner_id=owner_id, clock=clock, alive=alive)
        self.seats = Seats(accounts, self.lessor, clock=clock, routing=settings.routing, draw=draw)
        self.budgets = Budgets(connect, clock=clock)
        self.rates = RateGate(connect, owner_id=owner_id, clock=clock, defaults=settings.rate_limits)
        self.router = Router(moment_of=self._moment, health=self.health, sticky=self.sticky, draw=draw)
        self._accounts = accounts

    def _moment(self, catalog: Catalog) -> LiveMoment:
        return LiveMoment(
            catalog,
            accounts=self._accounts,
            health=self.health,
            has_capacity=self.seats.has_capacity,
            budget_left=self.budgets.left,
        )

    def know(self, catalog: Catalog) -> None:
        """Lease what the catalog's providers have before the first call asks."""
        self.seats.know(catalog.providers.values())

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Inside the block leases are kept in step with other processes; afterwards everything is given back."""
        tasks = [
            asyncio.create_task(self.lessor.run(), name="capacity"),
            asyncio.create_task(self.budgets.run(), name="budgets"),
        ]
        self.rates.start()
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            closing = (self.rates.stop(), self.budgets.close(), self.lessor.close())
            # What cannot be given back now is free when the others see that this process is gone.
            await asyncio.gather(*closing, return_exceptions=True)
