import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from farebox.ledger.lifecycle import HoldState
from farebox.ledger.outcomes import Effects, Reason, Refusal
from tests.ledger.compare import Pair
from tests.ledger.dice import Commands, DrawnDice, SeededDice

LONG = os.environ.get("FAREBOX_LONG_TESTS") == "1"
FIRST_SEED = int(os.environ.get("FAREBOX_TEST_SEED", "0"))
STEPS_PER_EXAMPLE = 50
EXAMPLES = 1_000 if LONG else 40
# Runs of cheaper dice besides, which reach deeper into a workspace's life.
WALKS, STEPS_PER_WALK = (150, 1_000) if LONG else (4, 250)


class LedgerMachine(RuleBasedStateMachine):
    """Hypothesis picks each command, and looks for the shortest way to a difference."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair(1)
        self.commands = Commands(1, self.pair.model)

    @rule(data=st.data())
    def one_more_command(self, data: st.DataObject) -> None:
        self.pair.play(self.commands.next(DrawnDice(data)))

    @invariant()
    def rows_model_and_journal_agree(self) -> None:
        self.pair.check()


@pytest.mark.timeout(3_600)
def test_the_rules_and_the_model_agree_whatever_hypothesis_tries() -> None:
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS_PER_EXAMPLE,
            deadline=None,
            derandomize=not LONG,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.timeout(3_600)
def test_the_rules_and_the_model_agree_on_long_random_walks_that_reach_everything() -> None:
    reasons: set[Reason] = set()
    states: set[HoldState] = set()
    for seed in range(FIRST_SEED, FIRST_SEED + WALKS):
        pair, dice = Pair(1), SeededDice(seed)
        commands = Commands(1, pair.model)
        for step in range(STEPS_PER_WALK):
            command = commands.next(dice)
            outcome = pair.play(command)
            if step % 10 == 0:
                pair.check()
            if isinstance(outcome, Refusal):
                reasons.add(outcome.reason)
            elif isinstance(outcome, Effects) and outcome.answer.state is not None:
                states.add(outcome.answer.state)
        pair.check()
    assert reasons == set(Reason) - {Reason.NO_BOOK}
    assert states == set(HoldState)
