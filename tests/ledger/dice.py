"""Random commands for one workspace, likely enough to hit every refusal and every state of a hold."""

import random
from collections.abc import Sequence
from typing import Protocol, TypeVar
from uuid import UUID

import msgspec
from hypothesis import strategies as st

from farebox.base.ids import step_id
from farebox.base.money import MAX_AMOUNT_NANOS
from farebox.ledger.commands import (
    Command,
    Cost,
    Credit,
    Dispatch,
    ExpirePromotion,
    GrantPromotion,
    HoldCommand,
    Lose,
    OpenBook,
    Release,
    Reserve,
    SetLimit,
    Settle,
    WriteOff,
)
from tests.ledger.model import Model
from tests.ledger.stage import DAY_MICROS, OWNER, make_id

T = TypeVar("T")

# 2026-11-29T20:00Z: a few hours before a midnight, two days before a month's end.
START_MICROS = 1_795_982_400_000_000
_KINDS = (
    *("reserve",) * 8,
    *("end",) * 7,
    *("move",) * 3,
    *("credit",) * 2,
    *("grant",) * 2,
    *("limit",) * 2,
    *("again",) * 2,
    "expire",
    "open",
    "twist",
)
_AMOUNTS = (*range(1, 12), 20, 35, 60, 0, -1, MAX_AMOUNT_NANOS + 1)
_PAUSES_MICROS = (0, 0, 0, 0, 1, 1_000_000, 3_600_000_000, DAY_MICROS)


class Dice(Protocol):
    """Picks."""

    def pick(self, options: Sequence[T]) -> T: ...


class DrawnDice:
    """Picks by Hypothesis, which can then find a smaller failure."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data

    def pick(self, options: Sequence[T]) -> T:
        return self._data.draw(st.sampled_from(options))


class SeededDice:
    """Picks that are the same for the same seed, and cheap."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def pick(self, options: Sequence[T]) -> T:
        return self._random.choice(options)


class Commands:
    """Makes commands for a workspace from what the model knows of it."""

    def __init__(self, workspace_id: int, model: Model) -> None:
        self.workspace_id = workspace_id
        self.now_micros = START_MICROS
        self._model = model
        self._issued: list[Command] = []
        self._numbers = 0

    def next(self, dice: Dice) -> Command:
        """One more command; time may pass."""
        self.now_micros += dice.pick(_PAUSES_MICROS)
        command = self._make(dice, dice.pick(_KINDS)) if self._issued else self._open(dice)
        self._issued.append(command)
        return command

    def _make(self, dice: Dice, kind: str) -> Command:
        made = getattr(self, f"_{kind}")(dice)
        assert isinstance(made, Command)
        return made

    def _common(self) -> dict[str, int]:
        return {"workspace_id": self.workspace_id, "now_micros": self.now_micros}

    def _id(self) -> UUID:
        self._numbers += 1
        return make_id(self.now_micros, self._numbers)

    def _open(self, dice: Dice) -> Command:
        return OpenBook(command_id=self._id(), **self._common())

    def _credit(self, dice: Dice) -> Command:
        amount_nanos = dice.pick((60, 35, 20, -5, -20, -40, -80, *_AMOUNTS))
        said = {"source_account": "manual_credit", "reason": "r", "actor": "a"}
        return Credit(command_id=self._id(), amount_nanos=amount_nanos, **said, **self._common())  # type: ignore[arg-type]

    def _grant(self, dice: Dice) -> Command:
        lives_micros = dice.pick((None, None, 1, 1_000_000, 3_600_000_000, DAY_MICROS, 3 * DAY_MICROS, 0))
        return GrantPromotion(
            command_id=self._id(),
            amount_nanos=dice.pick(_AMOUNTS),
            priority=dice.pick((0, 0, 1)),
            expires_at_micros=None if lives_micros is None else self.now_micros + lives_micros,
            reason="r",
            actor="a",
            **self._common(),
        )

    def _expire(self, dice: Dice) -> Command:
        account_id = dice.pick([0, 5, *[pot.number for pot in self._model.grants]])
        return ExpirePromotion(command_id=self._id(), account_id=account_id, **self._common())

    def _limit(self, dice: Dice) -> Command:
        return SetLimit(
            command_id=self._id(),
            key_id=dice.pick((0, 1, 2)),
            span=dice.pick((1, 2, 3)),
            max_requests=dice.pick((None, 3, 8, 30, 0, -1)),
            max_nanos=dice.pick((None, 20, 60, 200, 0, -1)),
            **self._common(),
        )

    def _reserve(self, dice: Dice) -> Command:
        hold_id = self._id()
        claim = dice.pick((None, None, None, 1, 2))
        return Reserve(
            command_id=hold_id,
            hold_id=hold_id,
            key_id=dice.pick((0, 1, 2)),
            owner_id=OWNER,
            amount_nanos=dice.pick(_AMOUNTS),
            dispatched=dice.pick((True, True, False)),
            memo="",
            claim_id=None if claim is None else UUID(int=claim),
            claim_body_hash=None if claim is None else UUID(int=dice.pick((7, 7, 7, 8))),
            **self._common(),
        )

    def _hold_id(self, dice: Dice) -> UUID:
        """Mostly one that is open."""
        if dice.pick((True, True, True, False)):
            found = [hold_id for hold_id, call in self._model.calls.items() if call.open]
        else:
            found = list(self._model.calls)
        return dice.pick(found) if found else UUID(int=9)

    def _end(self, dice: Dice) -> Command:
        hold_id = self._hold_id(dice)
        call = self._model.calls.get(hold_id)
        # A hold ends by the command of its last step; only where it must be refused may the id be another.
        own = (call is not None and call.open) or dice.pick((True, False))
        common = {"command_id": step_id(hold_id, 15) if own else self._id(), "hold_id": hold_id, **self._common()}
        costs = {"cost_nanos": dice.pick((0, 3, 7, -1)), "cost_account": "cost:p", "payable_account": "payable:p"}
        failed = dice.pick(((), (), (Cost("cost:q", "payable:q", 2), Cost("cost:r", "payable:r", 0))))
        counted = {"count_request": dice.pick((True, True, False))}
        match dice.pick(("settle", "settle", "settle", "release", "write off")):
            case "settle":
                charge = {"charge_nanos": dice.pick(_AMOUNTS), "revenue_account": "revenue:m", "failed_costs": failed}
                return Settle(**charge, **counted, **costs, **common)  # type: ignore[arg-type]
            case "release":
                return Release(failed_costs=failed, **counted, **costs, **common)  # type: ignore[arg-type]
        return WriteOff(**costs, **common)  # type: ignore[arg-type]

    def _move(self, dice: Dice) -> Command:
        common = {"command_id": self._id(), "hold_id": self._hold_id(dice), **self._common()}
        if dice.pick((True, False)):
            return Lose(**common)  # type: ignore[arg-type]
        return Dispatch(attempt=dice.pick((1, 2, 3)), **common)  # type: ignore[arg-type]

    def _again(self, dice: Dice) -> Command:
        """The same command, later: its sender never heard the answer."""
        return msgspec.structs.replace(dice.pick(self._issued[-40:]), now_micros=self.now_micros)

    def _twist(self, dice: Dice) -> Command:
        """Another command under an id that may be taken."""
        command = self._make(dice, dice.pick(("credit", "grant", "limit", "move")))
        taken = dice.pick(self._issued[-40:])
        # An id of a hold's life stays with that hold: the rows are proved by it.
        if isinstance(taken, HoldCommand | Reserve) and taken.command_id not in self._model.done:
            return command
        return msgspec.structs.replace(command, command_id=taken.command_id)
