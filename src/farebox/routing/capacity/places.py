"""What one worker knows of the capacity of one provider."""

from collections.abc import Callable, Iterable

from farebox.catalog.model import Provider
from farebox.catalog.terms import Region
from farebox.providers.pools import Pool
from farebox.routing.capacity.doors import Plan, PoolState, plan_for
from farebox.routing.capacity.leases import Lease
from farebox.routing.capacity.lines import Key, Lines


class Place:
    """What is known of one provider: its pools, who may use which of them, and who waits."""

    def __init__(self, provider: Provider, on_free: Callable[["Place", Iterable[Lease]], None]) -> None:
        self.provider = provider
        self.pools: tuple[Pool, ...] | None = None
        self.states: tuple[PoolState, ...] = ()
        self.lines = Lines()
        self._on_free = on_free
        self._special: frozenset[int] = frozenset()
        self._plans: dict[Key, Plan] = {}

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return self.lines.waiting

    def came_free(self, *leases: Lease) -> None:
        """Units were given back."""
        self._on_free(self, leases)

    def key(self, region: Region | None, workspace_id: int) -> Key:
        """The class of a caller."""
        return (region, workspace_id if workspace_id in self._special else 0)

    def plan(self, key: Key) -> Plan:
        """The doors of that class."""
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = plan_for(self.states, *key)
        return plan

    def replace(self, pools: tuple[Pool, ...], states: tuple[PoolState, ...]) -> list[Lease]:
        """The operator changed the pools: returns the leases of what is there no more."""
        kept = {lease.resource for state in states for lease in state.leases()}
        gone = [lease for state in self.states for lease in state.leases() if lease.resource not in kept]
        self.pools, self.states, self._plans = pools, states, {}
        self._special = frozenset(
            workspace_id for pool in pools for workspace_id in (*pool.workspaces, *(x.workspace_id for x in pool.lanes))
        )
        for key, line in self.lines.by_class():
            line.plan = self.plan(key)
        return gone
