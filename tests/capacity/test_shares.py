"""How a resource is shared among workers."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from farebox.routing.capacity.shares import Need, Row, block_of, entitled, share

capacities = st.integers(0, 200)
wants = st.dictionaries(st.integers(1, 1_000), st.integers(0, 300), min_size=1, max_size=6)
turns = st.integers(0, 1_000_000)


@given(capacities, wants, turns)
def test_fair_parts_are_all_that_there_is_or_all_that_is_wanted(
    capacity: int, wanted: dict[int, int], turn: int
) -> None:
    parts = {owner: entitled(capacity, wanted, owner, turn) for owner in wanted}
    assert sum(parts.values()) == min(capacity, sum(wanted.values()))
    assert all(0 <= parts[owner] <= wanted[owner] for owner in wanted)


@given(capacities, wants, turns)
def test_nobody_gets_more_than_a_unit_more_than_one_who_wants_more(
    capacity: int, wanted: dict[int, int], turn: int
) -> None:
    parts = {owner: entitled(capacity, wanted, owner, turn) for owner in wanted}
    for owner, part in parts.items():
        for other, part_of_other in parts.items():
            if part_of_other < wanted[other]:  # the other one is not satisfied
                assert part <= part_of_other + 1, (owner, other)


@given(st.integers(1, 20), wants)
def test_whoever_wants_something_has_it_at_some_turn(capacity: int, wanted: dict[int, int]) -> None:
    for owner, units in wanted.items():
        if units:
            assert any(entitled(capacity, wanted, owner, turn) for turn in range(len(wanted)))


rows = st.lists(
    st.builds(Row, st.integers(2, 9), st.integers(0, 60), st.integers(0, 120)), max_size=4, unique_by=lambda r: r[0]
)


@st.composite
def needs(draw: st.DrawFn) -> Need:
    in_use = draw(st.integers(0, 100))
    return Need(in_use, draw(st.integers(0, in_use)), draw(st.integers(0, 100)), draw(st.integers(1, 20)))


@given(capacities, rows, needs(), turns)
def test_no_share_takes_what_another_one_holds(capacity: int, others: list[Row], need: Need, turn: int) -> None:
    found = share(capacity, others, need, owner_id=1, turn=turn)
    assert 0 <= found.usable <= max(0, capacity - sum(row.granted for row in others))
    # Beyond that only what runs already, so that nobody else counts it as free.
    assert found.granted == max(found.usable, need.in_use)


@given(capacities, rows, needs(), turns)
def test_nobody_keeps_idle_units_that_another_one_waits_for(
    capacity: int, others: list[Row], need: Need, turn: int
) -> None:
    found = share(capacity, others, need, owner_id=1, turn=turn)
    idle = found.usable - need.in_use - need.waiting
    assert idle <= (0 if any(row.short for row in others) else need.spare)


@dataclass
class Worker:
    """One worker of the model, with what it is allowed and its row."""

    in_use: int = 0
    waiting: int = 0
    usable: int = 0
    row: Row | None = None


class Workers(RuleBasedStateMachine):
    """Three workers that take, give back, and share anew in any order, with a capacity that the operator changes."""

    @initialize(capacity=st.integers(0, 40))
    def start(self, capacity: int) -> None:
        self.capacity = capacity
        self.turn = 0
        self.workers = {owner: Worker() for owner in (1, 2, 3)}

    @rule(owner=st.sampled_from([1, 2, 3]), calls=st.integers(1, 30))
    def call(self, owner: int, calls: int) -> None:
        worker = self.workers[owner]
        worker.waiting += calls
        self._seat(worker)

    @rule(owner=st.sampled_from([1, 2, 3]), calls=st.integers(1, 30))
    def end(self, owner: int, calls: int) -> None:
        worker = self.workers[owner]
        worker.in_use -= min(calls, worker.in_use)
        self._seat(worker)

    @rule(owner=st.sampled_from([1, 2, 3]))
    def share_anew(self, owner: int) -> None:
        worker = self.workers[owner]
        others = [other.row for name, other in self.workers.items() if name != owner and other.row is not None]
        need = Need(worker.in_use, 0, min(worker.waiting, self.capacity), block_of(self.capacity))
        found = share(self.capacity, others, need, owner_id=owner, turn=self.turn)
        worker.row = Row(owner, found.granted, need.wanted)
        worker.usable = found.usable
        self._seat(worker)

    @rule(owner=st.sampled_from([1, 2, 3]))
    def die(self, owner: int) -> None:
        self.workers[owner] = Worker()

    @rule()
    def settle_down(self) -> None:
        """All share anew again and again while calls end and new ones come: everybody who waits gets its part."""
        served = dict.fromkeys(self.workers, 0)
        waits = [owner for owner, worker in self.workers.items() if worker.waiting]
        for round_number in range(36):
            self.turn += round_number % 3 == 0  # several rounds fit into a turn
            for owner, worker in self.workers.items():
                worker.in_use -= min(worker.in_use, 1 + worker.in_use // 2)
                before = worker.in_use
                self.share_anew(owner)
                served[owner] += worker.in_use - before
                worker.waiting += owner in waits  # pressure does not cease
        if self.capacity:
            assert all(served[owner] for owner in waits)
        for worker in self.workers.values():
            worker.waiting = worker.in_use = 0
        for owner in self.workers:
            self.share_anew(owner)
        for owner in self.workers:
            self.share_anew(owner)
        assert all(worker.usable <= block_of(self.capacity) for worker in self.workers.values())

    @rule(capacity=st.integers(0, 40))
    def change_capacity(self, capacity: int) -> None:
        self.capacity = capacity
        for worker in self.workers.values():
            worker.usable = min(worker.usable, capacity)
        for owner in self.workers:  # each hears of it, in any order
            self.share_anew(owner)

    def _seat(self, worker: Worker) -> None:
        seated = max(0, min(worker.waiting, worker.usable - worker.in_use))
        worker.in_use += seated
        worker.waiting -= seated
        if seated:  # also after the operator lowered it, while calls of before go on anywhere
            assert sum(other.in_use for other in self.workers.values()) <= self.capacity

    @invariant()
    def never_usable_more_than_there_is(self) -> None:
        if hasattr(self, "workers"):
            assert sum(w.usable for w in self.workers.values() if w.row is not None) <= self.capacity
            assert all(w.row is None or w.usable <= w.row.granted for w in self.workers.values())


TestWorkers = Workers.TestCase
