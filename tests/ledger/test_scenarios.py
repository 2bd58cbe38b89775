import psycopg
import pytest

from farebox.base.ids import random_id
from farebox.ledger.batcher import Batcher
from farebox.ledger.lifecycle import MOVES, HoldState, Step
from farebox.ledger.verify import verify
from tests.ledger.limit_scenarios import LIMIT_SCENARIOS
from tests.ledger.scenarios import LIFE_CYCLE, REACHED_BY, SCENARIOS, STEPS
from tests.ledger.script import Script
from tests.ledger.stage import PureStage, StoredStage

ALL_SCENARIOS = SCENARIOS | LIMIT_SCENARIOS
MOVES_TO_TRY = [(state, step) for state in REACHED_BY for step in range(len(STEPS))]


def _rows_of_move(state: str, step: int) -> str:
    reached = LIFE_CYCLE[state][step]
    before = ["open", "credit 100", *REACHED_BY[state]]
    asked = "\n".join(f"{row} | {came}" for row, came in zip(before, _balances(before), strict=True))
    if reached == "no":
        return f"{asked}\n{STEPS[step]} | hold_state state={state}"
    return f"{asked}\n{STEPS[step]} | {_balances([*before, STEPS[step]])[-1]} state={reached}"


def _balances(rows: list[str]) -> list[str]:
    """What these rows leave available and held, knowing only that a hold is of 10 and a settlement of 5."""
    cash, held, came = 0, 0, []
    for row in rows:
        match row.split()[0]:
            case "credit":
                cash = 100
            case "reserve":
                held = 10
            case "settle":
                cash, held = cash - 5, 0
            case "release" | "writeoff":
                held = 0
        came.append(f"{cash - held}/{held}")
    return came


@pytest.mark.parametrize("name", ALL_SCENARIOS)
async def test_scenario(name: str) -> None:
    await Script(PureStage(1), 1).play(ALL_SCENARIOS[name])


@pytest.mark.parametrize("name", ALL_SCENARIOS)
async def test_scenario_on_postgresql(name: str, shared_batcher: Batcher, shared_dsn: str) -> None:
    workspace_id = random_id()
    await Script(StoredStage(workspace_id, shared_batcher, shared_dsn), workspace_id).play(ALL_SCENARIOS[name])


@pytest.mark.parametrize(("state", "step"), MOVES_TO_TRY)
async def test_each_step_from_each_state_is_as_the_table_says(state: str, step: int) -> None:
    await Script(PureStage(1), 1).play(_rows_of_move(state, step))


def test_the_table_of_the_tests_and_the_table_of_the_code_agree() -> None:
    steps = tuple(Step)
    drawn = {
        (HoldState[state.upper()], step): HoldState[reached.upper()]
        for state, row in LIFE_CYCLE.items()
        for step, reached in zip(steps, row, strict=True)
        if reached != "no"
    }
    assert drawn == MOVES


async def test_after_all_scenarios_the_rows_prove_every_invariant(shared_dsn: str) -> None:
    async with await psycopg.AsyncConnection.connect(shared_dsn) as connection:
        report = await verify(connection)
    # Life-cycle moves under ids of the tests' own are played in memory only.
    assert report.breaches == []
    assert report.holds > 50
