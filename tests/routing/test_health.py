"""What a process learns of routes, and when it leaves one alone."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from farebox.routing.health import (
    COOL_SECONDS,
    FAULT_STEPS_PERMILLE,
    FORGET_SECONDS,
    MAX_COOL_SECONDS,
    MAX_OPEN_SECONDS,
    MOVES,
    OPEN_SECONDS,
    SLOWEST_FIRST_TOKEN_MS,
    TRIAL_SECONDS,
    TRIP_IN_A_ROW,
    UNSEEN,
    Breaker,
    Health,
    Seen,
    Step,
    Verdict,
)
from tests.routing.offers import Hand

A, B, C = ROUTES = ("acme", "bolt", "core")


def fresh(*, jitter: float = 0.5) -> tuple[Health, Hand]:
    clock = Hand()
    return Health(clock, lambda: jitter), clock


def let(health: Health, *verdicts: Verdict, times: int = 1) -> None:
    """Calls at the first route, one after the other."""
    for verdict in verdicts * times:
        health.began(A)
        health.ended(A, verdict)


def opened(*, jitter: float = 0.5) -> tuple[Health, Hand]:
    health, clock = fresh(jitter=jitter)
    let(health, "faulted", times=TRIP_IN_A_ROW)
    assert health.seen(A).broken
    return health, clock


def test_a_route_that_nobody_called_is_well() -> None:
    health, _ = fresh()
    assert health.seen(A) == UNSEEN
    assert health.is_well(A)
    assert health.cooling_seconds(A) is None


def test_three_faults_in_a_row_open_the_breaker_and_an_answer_between_them_does_not() -> None:
    health, _ = fresh()
    let(health, "answered", times=20)
    let(health, "faulted", "faulted", "answered", "faulted", "faulted")
    assert not health.seen(A).broken
    let(health, "faulted")
    assert health.seen(A).broken
    assert not health.is_well(A)


def test_half_of_the_calls_failing_opens_it_once_there_are_enough_of_them() -> None:
    health, _ = fresh()
    let(health, "faulted", "answered", "faulted", "answered")
    assert not health.seen(A).broken
    let(health, "faulted")
    assert health.seen(A).broken


def test_neutral_endings_say_nothing_about_a_route() -> None:
    health, _ = fresh()
    let(health, "faulted", "faulted")
    let(health, "neutral", times=50)
    assert not health.seen(A).broken
    let(health, "faulted")
    assert health.seen(A).broken


def test_routes_are_judged_each_on_its_own() -> None:
    health, _ = opened()
    assert health.is_well(B)
    assert health.seen(B) == UNSEEN


@pytest.mark.parametrize(("jitter", "factor"), [(0.0, 0.75), (0.5, 1.0), (1.0, 1.25)])
def test_a_breaker_stays_open_for_a_jittered_while_that_doubles_up_to_the_longest(jitter: float, factor: float) -> None:
    health, clock = opened(jitter=jitter)
    for seconds in (OPEN_SECONDS, 10, 20, 40, MAX_OPEN_SECONDS, MAX_OPEN_SECONDS):
        clock.tick(seconds * factor - 0.001)
        assert health.seen(A).broken
        clock.tick(0.001)
        assert not health.seen(A).broken
        let(health, "faulted")
        assert health.seen(A).broken


def test_one_call_probes_and_its_answer_closes_the_breaker() -> None:
    health, clock = opened()
    clock.tick(OPEN_SECONDS)
    assert health.seen(A).fault_permille == 0, "it stands where it would if it were well, or no call would find out"
    assert not health.is_well(A), "but no conversation goes back to it yet"
    health.began(A)
    assert health.seen(A).broken
    health.ended(A, "answered")
    assert health.seen(A) == Seen(0, SLOWEST_FIRST_TOKEN_MS, 0, False)
    assert health.is_well(A)


def test_a_probe_that_says_nothing_gives_its_place_to_the_next() -> None:
    health, clock = opened()
    clock.tick(OPEN_SECONDS)
    let(health, "neutral")
    assert not health.seen(A).broken
    let(health, "answered")
    assert health.is_well(A)


def test_a_probe_that_never_ends_is_given_up() -> None:
    health, clock = opened()
    clock.tick(OPEN_SECONDS)
    health.began(A)
    clock.tick(TRIAL_SECONDS - 0.001)
    assert health.seen(A).broken
    clock.tick(0.001)
    assert not health.seen(A).broken
    health.ended(A, "answered")
    assert health.is_well(A), "its answer counts all the same when it comes"


def test_calls_that_went_out_before_it_opened_neither_close_nor_prolong_it() -> None:
    health, clock = opened()
    health.ended(A, "answered")
    health.ended(A, "faulted")
    assert health.seen(A).broken
    clock.tick(OPEN_SECONDS)
    health.ended(A, "faulted")
    assert not health.seen(A).broken


def test_who_fails_again_soon_after_a_recovery_is_left_alone_for_longer() -> None:
    health, clock = opened()
    clock.tick(OPEN_SECONDS)
    let(health, "answered")
    let(health, "faulted", times=TRIP_IN_A_ROW)
    clock.tick(OPEN_SECONDS)
    assert health.seen(A).broken
    clock.tick(OPEN_SECONDS)
    let(health, "answered")
    clock.tick(MAX_OPEN_SECONDS + 1)
    let(health, "faulted", times=TRIP_IN_A_ROW)
    clock.tick(OPEN_SECONDS)
    assert not health.seen(A).broken, "it was well for long enough to start at the shortest again"


def test_every_move_of_the_table_is_reached_and_leads_out_again() -> None:
    assert {state for state, _ in MOVES} == set(Breaker)
    reached, ways = {Breaker.CLOSED}, list(MOVES.items())
    for _ in Breaker:
        reached |= {to for (state, _), to in ways if state in reached}
    assert reached == set(Breaker)
    assert {step for _, step in MOVES} == set(Step)


def test_faults_fade_with_time_alone() -> None:
    health, clock = fresh()
    let(health, "faulted", "faulted")
    assert health.seen(A).fault_permille == 500
    assert not health.is_well(A)
    shares = []
    for _ in range(FORGET_SECONDS):
        clock.tick(1)
        shares.append(health.seen(A).fault_permille)
    assert shares == sorted(shares, reverse=True)
    assert set(shares) <= set(FAULT_STEPS_PERMILLE)
    assert len(set(shares)) > 4
    assert shares[-1] == 0
    assert health.is_well(A)


def test_one_fault_among_many_answers_is_no_more_than_noise() -> None:
    health, _ = fresh()
    let(health, "answered", times=150)
    let(health, "faulted")
    assert health.seen(A).fault_permille == 0


def test_speeds_are_means_that_move_in_steps_of_a_quarter() -> None:
    health, _ = fresh()
    health.ended(A, "answered", first_token_ms=1_000, tokens_per_second=50)
    seen = health.seen(A)
    assert seen.first_token_ms is not None
    assert seen.tokens_per_second is not None
    assert 890 <= seen.first_token_ms <= 1_120
    assert 44 <= seen.tokens_per_second <= 56
    before = health.epoch
    health.ended(A, "answered", first_token_ms=1_060, tokens_per_second=53)
    assert (health.seen(A), health.epoch) == (seen, before)
    for _ in range(20):
        health.ended(A, "answered", first_token_ms=3_000, tokens_per_second=20)
    slower = health.seen(A)
    assert slower.first_token_ms is not None
    assert slower.tokens_per_second is not None
    assert slower.first_token_ms > 2_000
    assert slower.tokens_per_second < 30
    assert health.epoch > before


def test_old_speeds_weigh_less_than_new_ones() -> None:
    health, clock = fresh()
    for _ in range(10):
        health.ended(A, "answered", first_token_ms=100)
    clock.tick(300)
    health.ended(A, "answered", first_token_ms=1_000)
    first_token_ms = health.seen(A).first_token_ms
    assert first_token_ms is not None
    assert first_token_ms > 800


def test_only_answers_say_how_fast_a_route_is() -> None:
    health, _ = fresh()
    health.ended(A, "faulted", first_token_ms=5, tokens_per_second=900)
    health.ended(A, "neutral", first_token_ms=5, tokens_per_second=900)
    assert health.seen(A)[1:3] == (None, None)


def test_while_the_first_call_finds_out_how_fast_a_route_is_others_take_it_for_the_slowest() -> None:
    health, clock = fresh()
    health.began(A)
    assert health.seen(A)[1:3] == (SLOWEST_FIRST_TOKEN_MS, 0)
    health.ended(A, "neutral")
    assert health.seen(A)[1:3] == (None, None)
    health.began(A)
    clock.tick(TRIAL_SECONDS)
    assert health.seen(A)[1:3] == (None, None), "it may never end"


def test_a_route_whose_answers_tell_no_speed_is_not_measured_for_ever() -> None:
    health, _ = fresh()
    let(health, "answered")
    assert health.seen(A)[1:3] == (SLOWEST_FIRST_TOKEN_MS, 0)


def test_without_traffic_everything_is_forgotten() -> None:
    health, clock = opened()
    health.ended(B, "answered", first_token_ms=100)
    before = health.epoch
    clock.tick(FORGET_SECONDS)
    assert health.epoch > before
    assert health.seen(A) == health.seen(B) == UNSEEN
    assert len(health) == 0


def test_the_number_of_routes_is_bounded_and_those_without_traffic_go_first() -> None:
    health = Health(Hand(), lambda: 0.5, max_routes=10)
    for number in range(10):
        health.ended(f"route-{number}", "faulted")
    health.began("route-0")
    for number in range(10, 19):
        health.ended(f"route-{number}", "faulted")
    assert len(health) == 10
    assert health.seen("route-0").fault_permille > 0
    assert health.seen("route-1") == UNSEEN


def test_a_rate_limit_cools_a_route_down_for_as_long_as_the_provider_says_within_reason() -> None:
    health, clock = fresh()
    health.cool_down(A, 20)
    assert health.cooling_seconds(A) == 20
    clock.tick(0.5)
    assert health.cooling_seconds(A) == 20
    health.cool_down(A, 2)
    assert health.cooling_seconds(A) == 20, "a shorter wish does not end a longer one"
    clock.tick(19.5)
    assert health.cooling_seconds(A) is None
    health.cool_down(A)
    assert health.cooling_seconds(A) == COOL_SECONDS
    health.cool_down(A, 10**9)
    assert health.cooling_seconds(A) == MAX_COOL_SECONDS
    health.cool_down(B, -5)
    assert health.cooling_seconds(B) == 1


def test_cooling_down_is_no_fault_and_changes_no_ranking() -> None:
    health, _ = fresh()
    before = health.epoch
    health.cool_down(A, 20)
    assert (health.epoch, health.seen(A), health.is_well(A)) == (before, UNSEEN, True)


@given(st.lists(st.tuples(st.sampled_from(ROUTES), st.sampled_from(["answered", "faulted", "neutral"]))))
def test_a_change_of_speed_alone_is_nothing_to_rankings_that_do_not_look_at_it(
    happened: list[tuple[str, Verdict]],
) -> None:
    health, _ = fresh()
    for route_id, verdict in happened:
        before, speeds = health.fault_epoch, health.seen(route_id)
        health.ended(route_id, verdict, first_token_ms=len(happened) * 100)
        after = health.seen(route_id)
        changed = (speeds.fault_permille, speeds.broken) != (after.fault_permille, after.broken)
        assert (health.fault_epoch > before) is changed


class _Model:
    """What is simply true of one route."""

    def __init__(self) -> None:
        self.faults = 0
        self.under_way = 0
        self.probe_until_micros = 0


class HealthMachine(RuleBasedStateMachine):
    """Calls at three routes begin and end in any order, while time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Hand()
        self.jitter = 0.5
        self.health = Health(self.clock, lambda: self.jitter)
        self.models = {route_id: _Model() for route_id in ROUTES}
        self.shown: dict[tuple[int, str], Seen] = {}
        self.shown_faults: dict[tuple[int, str], tuple[int, bool]] = {}

    def _is_due(self, route_id: str) -> bool:
        """Half open: nobody would call it broken, and it is not well either, though no fault is counted."""
        seen = self.health.seen(route_id)
        return not seen.broken and seen.fault_permille == 0 and not self.health.is_well(route_id)

    @rule(route_id=st.sampled_from(ROUTES))
    def begin(self, route_id: str) -> None:
        model = self.models[route_id]
        probes = self._is_due(route_id)
        self.health.began(route_id)
        model.under_way += 1
        if probes:
            assert model.probe_until_micros <= self.clock(), "a second probe while one is under way"
            model.probe_until_micros = self.clock() + TRIAL_SECONDS * 1_000_000
            assert self.health.seen(route_id).broken

    @rule(
        route_id=st.sampled_from(ROUTES),
        verdict=st.sampled_from(["answered", "faulted", "faulted", "neutral"]),
        first_token_ms=st.none() | st.integers(0, 10_000),
    )
    def end(self, route_id: str, verdict: Verdict, first_token_ms: int | None) -> None:
        model = self.models[route_id]
        if not model.under_way:
            return
        model.under_way -= 1
        model.probe_until_micros = 0
        model.faults += verdict == "faulted"
        self.health.ended(route_id, verdict, first_token_ms=first_token_ms)

    @rule(route_id=st.sampled_from(ROUTES), count=st.integers(1, 4))
    def fail_in_a_row(self, route_id: str, count: int) -> None:
        for _ in range(count):
            self.begin(route_id)
            self.end(route_id, "faulted", None)

    @rule(seconds=st.sampled_from([0.001, 0.5, 3, 5, 11, 30, 61, 599, 600]), jitter=st.sampled_from([0.0, 0.5, 1.0]))
    def wait(self, seconds: float, jitter: float) -> None:
        self.clock.tick(seconds)
        self.jitter = jitter

    @rule(route_id=st.sampled_from(ROUTES))
    def recover(self, route_id: str) -> None:
        """However it came to stand, a while and one answer later it is well."""
        self.clock.tick(MAX_OPEN_SECONDS * 1.25)
        assert not self.health.seen(route_id).broken
        if self._is_due(route_id):
            self.begin(route_id)
            self.end(route_id, "answered", 100)
            assert self.health.is_well(route_id)

    @invariant()
    def a_breaker_is_never_open_without_faults(self) -> None:
        for route_id, model in self.models.items():
            if self.health.seen(route_id).broken:
                assert model.faults >= TRIP_IN_A_ROW

    @invariant()
    def nobody_follows_a_probe_that_is_under_way(self) -> None:
        for route_id, model in self.models.items():
            if model.probe_until_micros > self.clock():
                assert self.health.seen(route_id).broken

    @invariant()
    def nothing_changes_within_an_epoch(self) -> None:
        epoch, fault_epoch = self.health.epoch, self.health.fault_epoch
        for route_id in ROUTES:
            seen = self.health.seen(route_id)
            assert self.shown.setdefault((epoch, route_id), seen) == seen
            faults = (seen.fault_permille, seen.broken)
            assert self.shown_faults.setdefault((fault_epoch, route_id), faults) == faults


def test_at_most_one_probe_no_opening_without_faults_and_always_a_recovery() -> None:
    run_state_machine_as_test(
        HealthMachine,
        settings=settings(
            max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
