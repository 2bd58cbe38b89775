"""Keeps this worker's leases in step with the other workers: a loop beside the calls, which never wait for it unless
they wait for a slot anyway.

While the database is away, what was granted stays usable for as long as this worker cannot have been declared gone
(`OWNER_GRACE_SECONDS` after its lock was lost). Then nothing new is served from leases until the database has answered.
Calls in progress go on: their units are the tolerance.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from typing import Final

import structlog

from farebox.base.clock import MICROS_PER_SECOND, Clock
from farebox.ledger.owners import OWNER_GRACE_SECONDS
from farebox.routing.capacity.leases import Lease
from farebox.routing.capacity.shares import Share, share
from farebox.routing.capacity.store import Connect, Found, LeaseStore, Stored

# What is short or in dispute is shared anew this often, also when no announcement came through.
TICK_SECONDS: Final = 0.25
# Everything else: so that units of the dead and changes that were missed are found.
REFRESH_SECONDS: Final = 2.0
# Between two rounds, however often calls ask: a worker uses a small part of one connection.
PAUSE_SECONDS: Final = 0.005
# A unit that cannot be divided goes to another worker after so long.
TURN_SECONDS: Final = 1
# Resources shared in one transaction, so that its locks are held for milliseconds.
MAX_RESOURCES_PER_ROUND: Final = 256

_log = structlog.get_logger(__name__)


class Lessor:
    """The leases of one worker. `run()` is its life; `heard` takes what the change feed says of the topic `capacity`.

    `alive` tells whether the session that proves the owner alive is believed to stand.
    """

    def __init__(self, connect: Connect, *, owner_id: int, clock: Clock, alive: Callable[[], bool]) -> None:
        self.workers = 1
        self.counts_workers = False
        self._store = LeaseStore(connect, owner_id)
        self.owner_id = owner_id
        self._clock = clock
        self._alive = alive
        self._alive_at = clock()
        self._swept_at = 0
        self._leases: dict[str, Lease] = {}
        self._retired: set[str] = set()
        self._asked: dict[str, Lease] = {}
        self._wake = asyncio.Event()
        self._before: Callable[[], None] = _nothing
        self._after: Callable[[], None] = _nothing
        self._failing = False

    def attend(self, *, before: Callable[[], None], after: Callable[[], None]) -> None:
        """Who counts what is waited for before a round, and hands out what came of it."""
        self._before, self._after = before, after

    def lease(self, resource: str, capacity: int | None) -> Lease:
        """This worker's lease of a resource, with that capacity from now on. None: unlimited."""
        lease = self._leases.get(resource)
        if lease is None:
            lease = self._leases[resource] = Lease(resource, capacity)
        elif lease.capacity != capacity:
            lease.resize(capacity)
        else:
            self._retired.discard(resource)
            return lease
        self._retired.discard(resource)
        self.ask(lease)
        return lease

    def leases(self) -> tuple[Lease, ...]:
        """All of them, unlimited ones too."""
        return tuple(self._leases.values())

    def retire(self, lease: Lease) -> None:
        """The resource is there no more: nothing new of it, and its row goes with its last call."""
        if lease.capacity is None and not lease.stored:
            self._leases.pop(lease.resource, None)
            return
        self._retired.add(lease.resource)
        lease.resize(0)
        self.ask(lease)

    def ask(self, lease: Lease) -> None:
        """Share a resource anew as soon as may be."""
        self._asked[lease.resource] = lease
        self._wake.set()

    def heard(self, subject: str) -> None:
        """Another worker is short of a resource, gave some back, or had a call for a lane: `<owner> <resource>`."""
        owner, _, resource = subject.partition(" ")
        lease = self._leases.get(resource)
        if lease is not None and owner != str(self.owner_id):
            self.ask(lease)

    async def run(self) -> None:
        """Work until cancelled."""
        loop = asyncio.get_running_loop()
        tick_at = 0.0
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), max(0.0, tick_at - loop.time()))
            self._wake.clear()
            is_tick = loop.time() >= tick_at
            await self.round(everything=is_tick)
            if is_tick:
                tick_at = loop.time() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS if self._failing else PAUSE_SECONDS)

    async def round(self, *, everything: bool = True) -> None:
        """Share anew what was asked for, or everything that is due. Raises nothing: what fails is tried again."""
        try:
            try:
                await self._round(everything=everything)
            finally:
                self._after()
            if self._failing:
                _log.info("capacity is shared again")
                self._failing = False
        except Exception as error:  # whatever it is, the next round must still come
            if not self._failing:
                _log.warning("capacity is not shared", why=type(error).__name__)
            self._failing = True

    async def _round(self, *, everything: bool) -> None:
        self._mind_the_owner()
        self._before()
        due = self._due(everything=everything)
        if due or (everything and self._refresh_due()):
            await self._share(due)

    async def close(self) -> None:
        """Give everything back. Only after the last call."""
        for lease in self._leases.values():
            lease.suspend()
        await self._store.end_all()

    def _mind_the_owner(self) -> None:
        now_micros = self._clock()
        if self._alive():
            self._alive_at = now_micros
        elif now_micros - self._alive_at >= OWNER_GRACE_SECONDS * MICROS_PER_SECOND:
            self._suspend(self._leases.values())

    def _suspend(self, leases: Collection[Lease]) -> None:
        for lease in leases:
            lease.suspend()

    def _due(self, *, everything: bool) -> list[Lease]:
        asked, self._asked = self._asked, {}
        if everything:
            now_micros = self._clock()
            for resource, lease in self._leases.items():
                restless = lease.restless(now_micros, refresh_micros=int(REFRESH_SECONDS * MICROS_PER_SECOND))
                if restless or resource in self._retired:
                    asked[resource] = lease
        due = [lease for lease in asked.values() if lease.capacity is not None or lease.stored]
        for lease in due[MAX_RESOURCES_PER_ROUND:]:
            self.ask(lease)
        return due[:MAX_RESOURCES_PER_ROUND]

    def _refresh_due(self) -> bool:
        return self.counts_workers and self._clock() - self._swept_at >= REFRESH_SECONDS * MICROS_PER_SECOND

    async def _share(self, due: Sequence[Lease]) -> None:
        shares: dict[str, tuple[int, Share]] = {}
        told: list[str] = []

        def decide(found: Found) -> tuple[list[Stored], list[str]]:
            return self._decide(due, found, shares, told) if found.living else ([], [])

        found = await self._store.exchange([lease.resource for lease in due], decide)
        self.workers = max(1, found.workers)
        if not found.living:
            self._suspend(due)
            return
        for lease in due:
            self._settle(lease, found, shares)
        if told:
            await self._store.announce(told)
        if self._clock() - self._swept_at >= REFRESH_SECONDS * MICROS_PER_SECOND:
            await self._store.forget_the_gone()
            self._swept_at = self._clock()

    def _decide(
        self, due: Sequence[Lease], found: Found, shares: dict[str, tuple[int, Share]], told: list[str]
    ) -> tuple[list[Stored], list[str]]:
        turn = self._clock() // (TURN_SECONDS * MICROS_PER_SECOND)
        rows, ended = [], []
        for lease in due:
            lease.alone = found.workers <= 1
            capacity = lease.capacity
            if capacity is None or (lease.resource in self._retired and lease.in_use == 0):
                ended.append(lease.resource)
                continue
            others = found.rows.get(lease.resource, [])
            part = share(capacity, others, lease.need, owner_id=self.owner_id, turn=turn)
            wanted = lease.need.wanted
            if _should_be_told(lease, part, wanted):
                told.append(lease.resource)
            lease.promise(part)
            lease.tell = False
            shares[lease.resource] = (capacity, part)
            rows.append(Stored(lease.resource, part.granted, wanted, lease.called_at))
        return rows, ended

    def _settle(self, lease: Lease, found: Found, shares: dict[str, tuple[int, Share]]) -> None:
        if lease.resource not in shares:
            lease.stored = False
            if lease.resource in self._retired and lease.in_use == 0:
                self._leases.pop(lease.resource, None)
                self._retired.discard(lease.resource)
            return
        capacity, part = shares[lease.resource]
        lease.stored = True
        if lease.capacity == capacity:
            lease.settle(part, found.rows.get(lease.resource, []), now_micros=self._clock())
        else:  # the operator changed it meanwhile
            self.ask(lease)


def _should_be_told(lease: Lease, part: Share, wanted: int) -> bool:
    """Newly short; or something comes free that others wait for; or a lane's workspace is back."""
    newly_short = part.granted < wanted and not lease.short
    return newly_short or lease.tell or (part.contended and part.granted < lease.granted)


def _nothing() -> None:
    return
