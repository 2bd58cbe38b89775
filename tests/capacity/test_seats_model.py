"""Any order of calls, ends, waits, cancellations and pauses: units are conserved, lanes kept, turns respected."""

import asyncio
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from farebox.routing.capacity.doors import LEND_AFTER_SECONDS
from farebox.routing.capacity.seat import NoSeat, Seat
from tests.capacity.stand import (
    OWNER_OF_LANE,
    PROVIDER,
    HandClock,
    PlainAccounts,
    credential,
    grant_all,
    lane,
    pool,
    without_database,
)

WORKSPACES = (1, 2, OWNER_OF_LANE)


class SeatsModel(RuleBasedStateMachine):
    """One worker that holds all leases."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.seats_of: list[tuple[int, Seat]] = []
        self.waits: list[tuple[int, asyncio.Task[Seat]]] = []

    @initialize(slots=st.integers(1, 6), beside=st.integers(0, 4), more=st.integers(0, 2), lends=st.booleans())
    def start(self, slots: int, beside: int, more: int, lends: bool) -> None:
        self.slots, self.lends = slots, lends
        most = slots + beside
        half = most // 2
        credentials = [credential("a", most=half + more)] if half + more else []
        credentials.append(credential("b", most=most - half, weight=2))
        self.clock = HandClock()
        accounts = PlainAccounts(pool(*credentials, most=most, lanes=[lane(slots, lends=lends)]))
        self.total = most
        self.seats, self.lessor = without_database(accounts, self.clock)
        self.seats.know([PROVIDER])
        grant_all(self.lessor)
        self.owner_called_at = -(10**15)

    def run(self, steps: int = 3) -> None:
        """Let tasks go on, and take in what they got."""
        for _ in range(steps):
            self.loop.run_until_complete(asyncio.sleep(0))
        for workspace_id, task in [*self.waits]:
            if task.done():
                self.waits.remove((workspace_id, task))
                if not task.cancelled() and isinstance(task.exception(), NoSeat):
                    assert workspace_id != OWNER_OF_LANE
                    assert self.total == self.slots, "refused only where nothing could ever come free"
                    assert not self.lends or self._lease("loan:lane").capacity == 0
                elif not task.cancelled():
                    self.seats_of.append((workspace_id, task.result()))

    @property
    def used_by_owner(self) -> int:
        return sum(workspace_id == OWNER_OF_LANE for workspace_id, _ in self.seats_of)

    @rule(workspace_id=st.sampled_from(WORKSPACES))
    def take_now(self, workspace_id: int) -> None:
        lent_before = self._lease("loan:lane").in_use if self.lends else 0
        found = self.seats.take_now(PROVIDER, None, workspace_id)
        if workspace_id == OWNER_OF_LANE:
            self.owner_called_at = self.clock()
            if isinstance(found, NoSeat):
                assert self.used_by_owner + lent_before >= self.slots, "kept out by no more than borrowed calls"
        if isinstance(found, Seat):
            self.seats_of.append((workspace_id, found))
        self.run()

    @rule(workspace_id=st.sampled_from(WORKSPACES))
    def wait(self, workspace_id: int) -> None:
        if workspace_id == OWNER_OF_LANE:
            self.owner_called_at = self.clock()
        self.waits.append((workspace_id, self.loop.create_task(self.seats.take(PROVIDER, None, workspace_id, 5.0))))
        self.run()

    @precondition(lambda self: self.seats_of)
    @rule(data=st.data(), twice=st.booleans())
    def end(self, data: st.DataObject, twice: bool) -> None:
        _, seat = self.seats_of.pop(data.draw(st.integers(0, len(self.seats_of) - 1)))
        seat.give_back()
        if twice:
            seat.give_back()
        self.run()

    @precondition(lambda self: self.waits)
    @rule(data=st.data(), ending=st.booleans())
    def cancel(self, data: st.DataObject, ending: bool) -> None:
        """Also in the very moment in which a seat is handed to it."""
        _, task = self.waits[data.draw(st.integers(0, len(self.waits) - 1))]
        if ending and self.seats_of:
            self.seats_of.pop()[1].give_back()
        task.cancel()
        self.run()

    @rule(seconds=st.sampled_from([1, LEND_AFTER_SECONDS]))
    def pause(self, seconds: int) -> None:
        self.clock.pass_seconds(seconds)

    def _lease(self, resource: str) -> Any:
        return next(lease for lease in self.lessor.leases() if lease.resource == resource)

    @invariant()
    def units_are_conserved(self) -> None:
        leases = self.lessor.leases() if hasattr(self, "lessor") else ()
        for lease in leases:
            assert lease.capacity is not None
            assert 0 <= lease.borrowed <= lease.in_use <= lease.capacity
        by_credential = sum(lease.in_use for lease in leases if lease.resource.startswith("credential:"))
        by_gate = sum(lease.in_use for lease in leases if lease.resource.startswith(("pool:", "lane:")))
        assert by_credential == by_gate == len(self.seats_of)

    @invariant()
    def a_lane_keeps_its_reserve(self) -> None:
        if hasattr(self, "lessor") and self.lends:
            assert self._lease("loan:lane").in_use <= self.slots - max(1, self.slots // 4)

    @invariant()
    def nobody_waits_beside_a_free_slot(self) -> None:
        if not hasattr(self, "lessor"):
            return
        shared, slots = self._lease("pool:p:default"), self._lease("lane:lane")
        if self.waits:
            assert shared.in_use == shared.capacity
        if any(workspace_id == OWNER_OF_LANE for workspace_id, _ in self.waits):
            assert slots.in_use == slots.capacity

    def teardown(self) -> None:
        try:
            self.leave_nothing_behind()
        finally:
            self.loop.close()

    def leave_nothing_behind(self) -> None:
        tasks = [task for _, task in self.waits]
        for task in tasks:
            task.cancel()
        self.run(5)
        assert all(task.cancelled() for task in tasks)
        for _, seat in self.seats_of:
            seat.give_back()
        if hasattr(self, "lessor"):
            assert all(lease.in_use == lease.borrowed == 0 for lease in self.lessor.leases())
            assert self.seats.waiting == 0


TestSeatsModel = SeatsModel.TestCase
TestSeatsModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
