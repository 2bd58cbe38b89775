"""The life of a hold: one table. Nobody else may change a hold's state.

    RESERVED ──dispatch──▶ DISPATCHED ──settle──▶ SETTLED
        │                    │  │  └───lose────▶ UNKNOWN ──settle────▶ SETTLED_LATE
        └──────release───────┴──┴─▶ RELEASED        └────write off──▶ WRITTEN_OFF

A dispatched hold may have cost the operator money upstream, so time alone never releases it: when its owner is gone it
becomes UNKNOWN, its money stays held, and only evidence or the write-off deadline ends it.
"""

from enum import IntEnum, StrEnum


class HoldState(IntEnum):
    """Numbers are stored in `ledger_hold.state`; never reuse one."""

    RESERVED = 1
    DISPATCHED = 2
    SETTLED = 3
    RELEASED = 4
    UNKNOWN = 5
    SETTLED_LATE = 6
    WRITTEN_OFF = 7


class Step(StrEnum):
    """What may happen to a hold."""

    DISPATCH = "dispatch"
    SETTLE = "settle"
    RELEASE = "release"
    LOSE = "lose"
    WRITE_OFF = "write_off"


_S = HoldState
MOVES: dict[tuple[HoldState, Step], HoldState] = {
    (_S.RESERVED, Step.DISPATCH): _S.DISPATCHED,
    (_S.RESERVED, Step.RELEASE): _S.RELEASED,
    (_S.DISPATCHED, Step.DISPATCH): _S.DISPATCHED,  # the next attempt, at another route
    (_S.DISPATCHED, Step.SETTLE): _S.SETTLED,
    (_S.DISPATCHED, Step.RELEASE): _S.RELEASED,
    (_S.DISPATCHED, Step.LOSE): _S.UNKNOWN,
    (_S.UNKNOWN, Step.SETTLE): _S.SETTLED_LATE,
    (_S.UNKNOWN, Step.WRITE_OFF): _S.WRITTEN_OFF,
}

OPEN_STATES = frozenset({_S.RESERVED, _S.DISPATCHED, _S.UNKNOWN})
TERMINAL_STATES = frozenset(_S) - OPEN_STATES


def next_state(state: HoldState, step: Step) -> HoldState | None:
    """The state after the step, or None where the table has no such move."""
    return MOVES.get((state, step))
