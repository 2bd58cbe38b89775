import asyncio
import os
from collections import Counter

import psycopg
import pytest

from farebox.base.ids import random_id
from farebox.ledger.batcher import Batcher
from farebox.ledger.commands import Command
from farebox.ledger.outcomes import Effects, Outcome
from farebox.ledger.verify import verify
from tests.ledger.compare import Pair
from tests.ledger.dice import Commands, SeededDice

LONG = os.environ.get("FAREBOX_LONG_TESTS") == "1"
FIRST_SEED = int(os.environ.get("FAREBOX_TEST_SEED", "0"))
EPISODES = 140 if LONG else 3
COMMANDS_PER_EPISODE = 1_500 if LONG else 600
WORKSPACES = 3
# Commands that are under way at once.
MAX_AT_ONCE = 40


@pytest.mark.timeout(3_600)
async def test_random_commands_come_out_the_same_through_the_batcher_in_whatever_batches(
    batcher: Batcher, dsn: str
) -> None:
    kinds: Counter[str] = Counter()
    for seed in range(FIRST_SEED, FIRST_SEED + EPISODES):
        played = await _episode(batcher, SeededDice(seed))
        kinds.update(played)
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            report = await verify(connection)
            assert report.breaches == [], f"after seed {seed}"
    assert batcher.batches < batcher.commands / 4, "commands travel together"
    assert {"Effects", "Answer", "Refusal"} <= kinds.keys()


async def _episode(batcher: Batcher, dice: SeededDice) -> Counter[str]:
    pairs = {workspace_id: Pair(workspace_id) for workspace_id in (random_id() for _ in range(WORKSPACES))}
    makers = [Commands(workspace_id, pair.model) for workspace_id, pair in pairs.items()]
    kinds: Counter[str] = Counter()
    left = COMMANDS_PER_EPISODE
    while left > 0:
        at_once = min(left, dice.pick((1, 5, MAX_AT_ONCE)))
        answered: list[tuple[Command, Outcome]] = []
        await asyncio.gather(
            *(_submit(batcher, dice.pick(makers).next(dice), dice.pick((0, 0, 1, 3)), answered) for _ in range(at_once))
        )
        # Answers come in the order in which the commands were done, across batches too.
        for command, outcome in answered:
            assert _comparable(pairs[command.workspace_id].play(command)) == _comparable(outcome), command
            kinds[type(outcome).__name__] += 1
        left -= at_once
    for pair in pairs.values():
        pair.check()
    return kinds


async def _submit(batcher: Batcher, command: Command, turns: int, answered: list[tuple[Command, Outcome]]) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
    outcome = await batcher.submit(command)
    answered.append((command, outcome))


def _comparable(outcome: Outcome) -> object:
    """All of a refusal or an answer; the rows of an accepted command are compared where they are stored."""
    return outcome.answer if isinstance(outcome, Effects) else outcome
