"""How many waiting calls each resource is asked for."""

from collections.abc import Sequence

from farebox.routing.capacity.doors import LaneState, PoolState
from farebox.routing.capacity.leases import Lease
from farebox.routing.capacity.lines import Lines


class Demand:
    """Written into the leases before each round of the lessor.

    A call that could use several resources is counted at each: what it does not use goes back with the next round.
    """

    def __init__(self) -> None:
        self._counted: list[Lease] = []

    def clear(self) -> None:
        """Count anew."""
        for lease in self._counted:
            lease.waiting = lease.loans = 0
        self._counted.clear()

    def count(self, lines: Lines, pools: Sequence[PoolState], *, now_micros: int) -> None:
        """The calls that wait for one provider."""
        for line in lines.busy():
            for door in line.plan.doors():
                self._add(door.pool.shared, line.waiting)
                if door.lane is not None:
                    self._add(door.lane.slots, line.waiting)
            for _, lender in line.plan.lenders:
                if lender.loans is not None and lender.is_idle(now_micros):
                    self._add(lender.loans, line.waiting)
        for pool in pools:
            self._count_credentials(pool)

    def _count_credentials(self, pool: PoolState) -> None:
        """Credentials are asked for no more than the gates let in: what a lane needs of them must not be claimed for
        shared calls that have to wait anyway. For a lane at once, so that its calls wait for one round and not two."""
        expected = max(0, min(pool.shared.waiting, pool.shared.usable - pool.shared.in_use))
        for lane in pool.lanes.values():
            if lane.slots.waiting:
                expected += max(0, min(lane.slots.waiting, _hoped_for(lane)))
            if lane.loans is not None and lane.loans.waiting:
                lane.slots.loans = max(0, min(lane.loans.waiting, lane.loans.usable - lane.loans.in_use))
                self._counted.append(lane.slots)
                expected += lane.slots.loans
        if expected:
            for credential in pool.credentials:
                self._add(credential.lease, expected)

    def _add(self, lease: Lease, waiting: int) -> None:
        lease.waiting += waiting
        self._counted.append(lease)


def _hoped_for(lane: LaneState) -> int:
    """Slots of a lane that its workspace may have next. As many as it is guaranteed, until the database said that some
    are away: lent, or at another worker. Then those that are here: a credential kept for one that does not come would
    be missing where the slot is."""
    slots = lane.slots
    return slots.usable - slots.in_use if slots.refused else lane.lane.slots - lane.in_use_by_owner
