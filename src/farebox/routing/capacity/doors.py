"""Where a call may get in: the pools of a provider as one worker knows them, and which of their limits are free now.

Every seat needs a unit of a credential and one of exactly one gate: its workspace's lane, the pool's shared part, or a
lane that is lent. So what all gates let in together never exceeds what the credentials take, and a lane's slots are
there whatever the shared traffic does.
"""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, Protocol

from farebox.base.clock import MICROS_PER_SECOND, Clock
from farebox.catalog.model import Provider
from farebox.catalog.terms import Region
from farebox.providers.pools import Credential, Lane, Pool
from farebox.routing.capacity.leases import Lease
from farebox.routing.capacity.lessor import Lessor
from farebox.routing.capacity.pace import Pace

# A lane is lent when its workspace has had no call for so long: longer than the pauses of a busy agent.
LEND_AFTER_SECONDS: Final = 10
_LEND_AFTER_MICROS: Final = LEND_AFTER_SECONDS * MICROS_PER_SECOND
# The part of a lane that is never lent, so that its workspace's first calls find a slot.
_RESERVES: Final = 4


class Accounts(Protocol):
    """What capacity has to know of the providers' accounts."""

    def pools(self, provider: Provider, /) -> tuple[Pool, ...]:
        """The provider's pools; the same object for as long as nothing changes."""

    def awake(self, credential: Credential, /) -> bool:
        """Whether the provider accepts its key as far as we know."""


class CredentialState:
    """One credential: its units, and its pace where it has one."""

    __slots__ = ("credential", "lease", "pace", "weight")

    def __init__(self, credential: Credential, lease: Lease, pace: Pace | None) -> None:
        self.credential = credential
        self.lease = lease
        self.pace = pace
        self.weight = credential.weight


class LaneState:
    """One lane: its slots, and how many of them may be lent. `loans` None: it lends nothing. It was not looked at
    before `known_since`, so it does not count as idle before that either."""

    __slots__ = ("known_since", "lane", "loans", "slots")

    def __init__(self, lane: Lane, slots: Lease, loans: Lease | None, *, known_since: int) -> None:
        self.lane = lane
        self.slots = slots
        self.loans = loans
        self.known_since = known_since

    @property
    def in_use_by_owner(self) -> int:
        """Slots that its own workspace uses here."""
        return self.slots.in_use - self.slots.borrowed

    def called(self, now_micros: int) -> bool:
        """Its workspace calls: True when it was idle, so that all workers have to hear of it."""
        before, self.slots.called_at = self.slots.called_at, now_micros
        return before is None or now_micros - before >= _LEND_AFTER_MICROS

    def is_idle(self, now_micros: int) -> bool:
        """Whether its workspace has had no call for long enough, here and elsewhere."""
        since = now_micros - _LEND_AFTER_MICROS
        slots = self.slots
        return (
            slots.in_use == slots.borrowed
            and self.known_since <= since
            and (slots.called_at is None or slots.called_at <= since)
            and (slots.called_elsewhere_at is None or slots.called_elsewhere_at <= since)
        )


class PoolState:
    """One pool: its credentials, what is left to everybody beside its lanes, and its lanes by workspace."""

    __slots__ = ("credentials", "lanes", "pool", "shared")

    def __init__(
        self, pool: Pool, credentials: Sequence[CredentialState], shared: Lease, lanes: dict[int, LaneState]
    ) -> None:
        self.pool = pool
        self.credentials = tuple(credentials)
        self.shared = shared
        self.lanes = lanes

    def leases(self) -> Iterator[Lease]:
        """All of its resources."""
        yield self.shared
        for state in self.credentials:
            yield state.lease
        for lane in self.lanes.values():
            yield lane.slots
            if lane.loans is not None:
                yield lane.loans


class Door(NamedTuple):
    """A pool that serves a class of callers, with their lane in it."""

    pool: PoolState
    lane: LaneState | None


class Plan:
    """The doors of one class of callers: private pools first, then shared ones. Workspaces without a lane or a private
    pool of their own are one class per region."""

    __slots__ = ("groups", "has_lane", "lenders")

    def __init__(self, groups: tuple[tuple[Door, ...], ...]) -> None:
        self.groups = groups
        self.has_lane = any(door.lane is not None for group in groups for door in group)
        self.lenders = tuple(
            (door.pool, lane)
            for group in groups
            for door in group
            for workspace_id, lane in door.pool.lanes.items()
            if lane.loans is not None and (door.lane is None or door.lane.lane.workspace_id != workspace_id)
        )

    def doors(self) -> Iterator[Door]:
        """All of them, in order."""
        for group in self.groups:
            yield from group


def shared_capacity(pool: Pool, accounts: Accounts) -> int | None:
    """What a pool has beside its lanes: no more than its credentials take that are awake. None: no limit known."""
    most = pool.max_concurrent
    if all(credential.max_concurrent is not None for credential in pool.credentials):
        taken = sum(credential.max_concurrent or 0 for credential in pool.credentials if accounts.awake(credential))
        most = taken if most is None else min(most, taken)
    return None if most is None else max(0, most - sum(lane.slots for lane in pool.lanes))


def loan_capacity(lane: Lane) -> int:
    """How many slots of a lane may be lent at once."""
    return lane.slots - max(1, lane.slots // _RESERVES)


def open_pool(pool: Pool, accounts: Accounts, lessor: Lessor, *, paces: dict[str, Pace], now_micros: int) -> PoolState:
    """The state of a pool; what was there under the same names goes on."""
    credentials = []
    for credential in pool.credentials:
        lease = lessor.lease(f"credential:{credential.credential_id}", credential.max_concurrent)
        credentials.append(CredentialState(credential, lease, _pace(credential, lessor, paces)))
    lanes = {}
    for lane in pool.lanes:
        slots = lessor.lease(f"lane:{lane.lane_id}", lane.slots)
        loans = lessor.lease(f"loan:{lane.lane_id}", loan_capacity(lane)) if lane.lends else None
        lanes[lane.workspace_id] = LaneState(lane, slots, loans, known_since=now_micros)
    shared = lessor.lease(f"pool:{pool.provider_id}:{pool.pool_id}", shared_capacity(pool, accounts))
    return PoolState(pool, credentials, shared, lanes)


def _pace(credential: Credential, lessor: Lessor, paces: dict[str, Pace]) -> Pace | None:
    if credential.requests_per_minute is None:
        paces.pop(credential.credential_id, None)
        return None
    pace = paces.get(credential.credential_id)
    if pace is None or pace.per_minute != credential.requests_per_minute:
        pace = paces[credential.credential_id] = Pace(credential.requests_per_minute, lessor.workers)
    return pace


def plan_for(pools: Sequence[PoolState], region: Region | None, workspace_id: int) -> Plan:
    """The doors of a workspace for routes of a region."""
    serving = [state for state in pools if state.pool.serves(workspace_id, region)]
    groups = [
        tuple(Door(state, state.lanes.get(workspace_id)) for state in serving if state.pool.access == access)
        for access in ("private", "shared")
    ]
    return Plan(tuple(group for group in groups if group))


class WayIn(NamedTuple):
    """A way in: the credential, and the gate whose unit the seat takes with the credential's. `loans`: the gate is a
    lane that is lent."""

    state: CredentialState
    gate: Lease
    loans: Lease | None = None


class Finder:
    """Looks for a way in. Changes nothing."""

    def __init__(self, accounts: Accounts, clock: Clock) -> None:
        self._awake = accounts.awake
        self._clock = clock

    def find(self, plan: Plan, draw: int) -> WayIn | None:
        """A free lane slot, or the least loaded credential of the first group that has one; a loan last.

        `draw` decides among equals.
        """
        for group in plan.groups:
            best: WayIn | None = None
            least = 0.0
            for door in group:
                pool, lane = door
                if lane is not None and lane.slots.in_use < lane.slots.usable:
                    gate, own = lane.slots, True
                elif pool.shared.in_use < pool.shared.usable:
                    gate, own = pool.shared, False
                else:
                    continue
                state = self._least_loaded(pool.credentials, draw)
                if state is None:
                    continue
                if own:
                    return WayIn(state, gate)
                load = (state.lease.in_use + 1) / state.weight
                if best is None or load < least:
                    best, least = WayIn(state, gate), load
            if best is not None:
                return best
        return self._find_loan(plan, draw) if plan.lenders else None

    def find_lane(self, plan: Plan, draw: int) -> WayIn | None:
        """A free slot of the workspace's own lane."""
        for door in plan.doors():
            lane = door.lane
            if lane is not None and lane.slots.in_use < lane.slots.usable:
                state = self._least_loaded(door.pool.credentials, draw)
                if state is not None:
                    return WayIn(state, lane.slots)
        return None

    def _find_loan(self, plan: Plan, draw: int) -> WayIn | None:
        now_micros = self._clock()
        for pool, lane in plan.lenders:
            slots, loans = lane.slots, lane.loans
            if (
                loans is not None
                and loans.in_use < loans.usable
                and slots.in_use < slots.usable
                and lane.is_idle(now_micros)
            ):
                state = self._least_loaded(pool.credentials, draw)
                if state is not None:
                    return WayIn(state, slots, loans)
        return None

    def _least_loaded(self, credentials: Sequence[CredentialState], draw: int) -> CredentialState | None:
        """Weighted: a credential of weight 3 is as loaded with three calls as one of weight 1 with one."""
        if len(credentials) == 1:
            only = credentials[0]
            return only if self._is_free(only) else None
        found: CredentialState | None = None
        least = 0.0
        for place in range(draw, draw + len(credentials)):
            state = credentials[place % len(credentials)]
            load = (state.lease.in_use + 1) / state.weight
            if (found is None or load < least) and self._is_free(state):
                found, least = state, load
        return found

    def _is_free(self, state: CredentialState) -> bool:
        lease, pace = state.lease, state.pace
        return (
            lease.in_use < lease.usable
            and (pace is None or pace.ready(self._clock()))
            and self._awake(state.credential)
        )
