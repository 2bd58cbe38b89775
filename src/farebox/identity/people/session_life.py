"""The life of a session: the one table. Nobody else changes its state.

    from      prove second factor   prove again   end
    PENDING   ACTIVE                –             ENDED
    ACTIVE    ACTIVE                ACTIVE        ENDED

ENDED is final. Each proof gives the session a new token and ends the old one, so that a token that somebody knew before
is worth nothing after.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from farebox.identity.people.model import SECOND_FACTORS, Method, SessionState


class Move(StrEnum):
    """What happens to a session."""

    SECOND_FACTOR = "second_factor"
    PROVE = "prove"
    END = "end"


MOVES: Final[Mapping[tuple[SessionState, Move], SessionState]] = {
    (SessionState.PENDING, Move.SECOND_FACTOR): SessionState.ACTIVE,
    (SessionState.PENDING, Move.END): SessionState.ENDED,
    (SessionState.ACTIVE, Move.SECOND_FACTOR): SessionState.ACTIVE,
    (SessionState.ACTIVE, Move.PROVE): SessionState.ACTIVE,
    (SessionState.ACTIVE, Move.END): SessionState.ENDED,
}


def first_state(method: Method, *, has_totp: bool) -> SessionState:
    """Where a session begins that was opened by that method."""
    return SessionState.PENDING if has_totp and method not in SECOND_FACTORS else SessionState.ACTIVE


def move_of(method: Method) -> Move:
    """What a proof by that method is to a session that is open already."""
    return Move.SECOND_FACTOR if method in SECOND_FACTORS else Move.PROVE


def after(state: SessionState, move: Move) -> SessionState | None:
    """The state after a move; None: there is no such move."""
    return MOVES.get((state, move))
