"""Seats: the right of one call to use one credential now. Taken and given back in memory; leases come from the lessor.

A seat is all or nothing: a unit of its credential and one of a lane, of the pool's shared part, or of a lane that is
lent. Who finds none may wait, in a bounded line with a deadline. What comes free goes to whoever has the first right to
it: a lane's slots to its workspace, the rest to the workspaces that wait, in turn.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterable

from farebox.base.clock import MICROS_PER_SECOND, Clock
from farebox.base.limits import Routing
from farebox.catalog.model import Provider
from farebox.catalog.terms import Region
from farebox.providers.pools import Pool
from farebox.routing.capacity.demand import Demand
from farebox.routing.capacity.doors import (
    Accounts,
    Finder,
    Plan,
    WayIn,
    open_pool,
    shared_capacity,
)
from farebox.routing.capacity.leases import UNLIMITED, Lease
from farebox.routing.capacity.lessor import Lessor
from farebox.routing.capacity.lines import Key, Line
from farebox.routing.capacity.pace import Pace
from farebox.routing.capacity.places import Place
from farebox.routing.capacity.seat import NoSeat, Seat

__all__ = ["Draw", "NoSeat", "Seat", "Seats"]

Draw = Callable[[int], int]
"""A number from 0 to one below its argument."""


class Seats:
    """The seats of one worker. Constructed with its parts; nothing runs but the lessor's loop."""

    def __init__(self, accounts: Accounts, lessor: Lessor, *, clock: Clock, routing: Routing, draw: Draw) -> None:
        self.waiting = 0
        self._waiting_of: Counter[int] = Counter()
        self._accounts = accounts
        self._lessor = lessor
        self._clock = clock
        self._routing = routing
        self._draw = draw
        self._finder = Finder(accounts, clock)
        self._states: dict[str, Place] = {}
        self._paces: dict[str, Pace] = {}
        self._demand = Demand()
        lessor.attend(before=self._before_round, after=self._after_round)

    def know(self, providers: Iterable[Provider]) -> None:
        """Lease what these providers have before the first call asks: after each change of catalog or pools."""
        for provider in providers:
            self._state(provider)

    def take_now(self, provider: Provider, region: Region | None, workspace_id: int) -> Seat | NoSeat:
        """A seat if one is free and nobody who waits could have it."""
        at = self._state(provider)
        if at.lines.waiting:
            self._serve(at)
        plan = at.plan(at.key(region, workspace_id))
        if plan.has_lane:
            self._lane_called(plan, workspace_id)
        seat = self._take(at, plan)
        return seat if seat is not None else NoSeat(self._retry_after_seconds(plan))

    async def take(self, provider: Provider, region: Region | None, workspace_id: int, wait_seconds: float) -> Seat:
        """A seat, waiting for one up to `wait_seconds`, or `queue_seconds` where that is less. Raises NoSeat."""
        seat = self.take_now(provider, region, workspace_id)
        if isinstance(seat, Seat):
            return seat
        wait_seconds = min(wait_seconds, self._routing.queue_seconds)
        at = self._state(provider)
        key = at.key(region, workspace_id)
        if wait_seconds <= 0 or not self._may_wait(workspace_id) or not self._ever(at.plan(key)):
            raise seat
        return await self._wait(at, key, workspace_id, wait_seconds)

    def has_capacity(self, provider: Provider, region: Region | None, workspace_id: int) -> bool:
        """False only when nothing could be had, even by waiting."""
        at = self._state(provider)
        plan = at.plan(at.key(region, workspace_id))
        if not self._may_wait(workspace_id):
            return self._finder.find(plan, 0) is not None
        return self._ever(plan)

    # Taking

    def _state(self, provider: Provider) -> Place:
        at = self._states.get(provider.provider_id)
        if at is None:
            at = self._states[provider.provider_id] = Place(provider, self._came_free)
        pools = self._accounts.pools(provider)
        if pools is not at.pools:
            if pools != at.pools:
                self._replace(at, pools)
            at.provider, at.pools = provider, pools
        return at

    def _replace(self, at: Place, pools: tuple[Pool, ...]) -> None:
        now_micros = self._clock()
        states = tuple(
            open_pool(pool, self._accounts, self._lessor, paces=self._paces, now_micros=now_micros) for pool in pools
        )
        for lease in at.replace(pools, states):
            self._lessor.retire(lease)
        self._lessor.counts_workers = bool(self._paces)

    def _take(self, at: Place, plan: Plan) -> Seat | None:
        credentials = at.states[0].credentials if at.states else ()
        draw = self._draw(len(credentials)) if len(credentials) > 1 else 0
        found = self._finder.find(plan, draw)
        return None if found is None else self._seat(at, found)

    def _seat(self, at: Place, found: WayIn) -> Seat:
        state, gate, loans = found
        lease = state.lease
        lease.in_use += 1
        gate.in_use += 1
        if lease.in_use >= lease.ask_at:
            self._ask(lease)
        if gate.in_use >= gate.ask_at:
            self._ask(gate)
        if loans is not None:
            gate.borrowed += 1
            loans.in_use += 1
        now_micros = 0
        if state.pace is not None:
            now_micros = self._clock()
            state.pace.spend(now_micros)
        return Seat(state.credential, found, at, taken_at=now_micros)

    def _ask(self, lease: Lease) -> None:
        lease.ask_at = UNLIMITED  # once; the round sets it anew
        self._lessor.ask(lease)

    def _lane_called(self, plan: Plan, workspace_id: int) -> None:
        now_micros = self._clock()
        for door in plan.doors():
            if door.lane is not None and door.lane.called(now_micros) and door.lane.loans is not None:
                door.lane.slots.tell = True
                self._lessor.ask(door.lane.slots)

    # Waiting

    async def _wait(self, at: Place, key: Key, workspace_id: int, wait_seconds: float) -> Seat:
        loop = asyncio.get_running_loop()
        seat: asyncio.Future[Seat] = loop.create_future()
        plan = at.plan(key)
        waiter = at.lines.join(key, plan, workspace_id, seat)
        self.waiting += 1
        self._waiting_of[workspace_id] += 1
        self._ask_for(plan)
        timer = loop.call_later(wait_seconds, self._expire, seat)
        try:
            return await seat
        except asyncio.CancelledError:
            if seat.done() and not seat.cancelled() and seat.exception() is None:
                seat.result().give_back()  # it came in the same moment
            raise
        finally:
            timer.cancel()
            self.waiting -= 1
            self._waiting_of[workspace_id] -= 1
            if not self._waiting_of[workspace_id]:
                del self._waiting_of[workspace_id]
            at.lines.leave(waiter)

    def _may_wait(self, workspace_id: int) -> bool:
        """Whether there is a place for one more call of the workspace: none has more places than it leaves free to all
        others together, so no crowd of one, paying or not, keeps the next workspace from waiting at all."""
        free = self._routing.max_waiting_calls - self.waiting
        return self._waiting_of.get(workspace_id, 0) < free

    def _expire(self, seat: "asyncio.Future[Seat]") -> None:
        if not seat.done():
            seat.set_exception(NoSeat(self._queue_seconds()))

    def _ask_for(self, plan: Plan) -> None:
        """A call waits: have what it lacks shared at once, unless the database has just said that there is no more.

        What `Demand` would count nobody for must not be asked for here, or the rounds would never rest.
        """
        for pool, lane in plan.doors():
            gates = [pool.shared] if lane is None else [pool.shared, lane.slots]
            lets_in = any(gate.in_use < gate.usable for gate in gates)
            if lets_in or (lane is not None and lane.in_use_by_owner < lane.lane.slots):
                gates += [state.lease for state in pool.credentials]
            for lease in gates:
                if lease.lacks_unasked:
                    self._lessor.ask(lease)

    def _came_free(self, at: Place, leases: Iterable[Lease]) -> None:
        """Units were given back: to other workers what they wait for, the rest to who waits here."""
        for lease in leases:
            if lease.yields:
                self._lessor.ask(lease)
        if at.lines.waiting:
            self._serve(at)

    def _serve(self, at: Place) -> None:
        """Hand out all that is free to who waits: lanes to their workspaces, then the rest in turn."""
        busy = at.lines.busy()
        for line in busy:
            while line.plan.has_lane and line.waiting:
                found = self._finder.find_lane(line.plan, 0)
                if found is None:
                    break
                self._hand(at, line, found)
        blocked: set[Line] = set()
        while line := next((line for line in busy if line.waiting and line not in blocked), None):  # type: ignore[assignment]
            credentials = len(at.states[0].credentials) if at.states else 0
            found = self._finder.find(line.plan, self._draw(credentials) if credentials > 1 else 0)
            if found is None:
                blocked.add(line)
            else:
                self._hand(at, line, found)
                busy = [line for line in at.lines.busy() if line not in blocked]

    def _hand(self, at: Place, line: Line, found: WayIn) -> None:
        waiter = at.lines.serve(line)
        if not waiter.seat.done():  # else it was cancelled or expired, and is about to leave
            waiter.seat.set_result(self._seat(at, found))

    # Beside the rounds of the lessor

    def _before_round(self) -> None:
        """Say what each limit is, and how many calls wait for it."""
        self._demand.clear()
        for at in self._states.values():
            self._state(at.provider)
            for state in at.states:
                capacity = shared_capacity(state.pool, self._accounts)
                if capacity != state.shared.capacity:
                    self._lessor.lease(state.shared.resource, capacity)
                for lane in state.lanes.values():
                    if lane.in_use_by_owner:
                        lane.slots.called_at = self._clock()
            if at.lines.waiting:
                self._demand.count(at.lines, at.states, now_micros=self._clock())

    def _after_round(self) -> None:
        for pace in self._paces.values():
            pace.divide(self._lessor.workers)
        for at in self._states.values():
            if at.lines.waiting:
                self._serve(at)
                for line in at.lines.busy():
                    self._ask_for(line.plan)

    # What to say

    def _ever(self, plan: Plan) -> bool:
        """Whether anybody of that class is let in at any time, as things are now."""
        pools = [door.pool for door in plan.doors() if door.lane is not None or door.pool.shared.capacity != 0]
        pools += [pool for pool, lane in plan.lenders if lane.loans is not None and lane.loans.capacity]
        return any(self._accounts.awake(state.credential) for pool in pools for state in pool.credentials)

    def _retry_after_seconds(self, plan: Plan) -> int:
        """Until a pace lets the next request out, where that is what is missing; else the least."""
        now_micros = self._clock()
        waits = [
            0 if state.pace is None else state.pace.wait_micros(now_micros)
            for door in plan.doors()
            for state in door.pool.credentials
        ]
        longest = self._queue_seconds() if self.waiting >= self._routing.max_waiting_calls // 2 else 1
        return max(longest, -(-min(waits, default=0) // MICROS_PER_SECOND))

    def _queue_seconds(self) -> int:
        return max(1, math.ceil(self._routing.queue_seconds))
