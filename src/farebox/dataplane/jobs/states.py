"""The life of a video job: one table. Nobody else may change a job's state.

    SUBMITTING ──accept──▶ QUEUED ──work──▶ RUNNING
        │                    │                │
        └──────decide────────┴─────decide─────┴──▶ SETTLING ──complete──▶ COMPLETED ─┐
                                                     ├────────fail──────▶ FAILED ────┼─delete─▶ DELETED
                                                     └────────expire────▶ EXPIRED ───┘

SETTLING: how the job ended is written down, the ledger has not been told, or its answer is not known. What is written
down does not change any more, so the ledger may be told as often as it takes.
"""

from enum import StrEnum


class JobState(StrEnum):
    """Values are stored in `video_job.state`."""

    SUBMITTING = "submitting"
    QUEUED = "queued"
    RUNNING = "running"
    SETTLING = "settling"
    COMPLETED = "completed"
    FAILED = "failed"
    EXPIRED = "expired"
    DELETED = "deleted"


class Move(StrEnum):
    """What may happen to a job."""

    ACCEPT = "accept"  # the provider has it
    WORK = "work"  # the provider works on it
    DECIDE = "decide"  # how it ended is known
    COMPLETE = "complete"  # charged
    FAIL = "fail"  # released: there is no film
    EXPIRE = "expire"  # released: nobody knows whether there is one
    DELETE = "delete"  # the customer wants it gone


_S = JobState
MOVES: dict[tuple[JobState, Move], JobState] = {
    (_S.SUBMITTING, Move.ACCEPT): _S.QUEUED,
    (_S.SUBMITTING, Move.DECIDE): _S.SETTLING,
    (_S.QUEUED, Move.WORK): _S.RUNNING,
    (_S.QUEUED, Move.DECIDE): _S.SETTLING,
    (_S.RUNNING, Move.WORK): _S.RUNNING,  # further on
    (_S.RUNNING, Move.DECIDE): _S.SETTLING,
    (_S.SETTLING, Move.COMPLETE): _S.COMPLETED,
    (_S.SETTLING, Move.FAIL): _S.FAILED,
    (_S.SETTLING, Move.EXPIRE): _S.EXPIRED,
    (_S.COMPLETED, Move.DELETE): _S.DELETED,
    (_S.FAILED, Move.DELETE): _S.DELETED,
    (_S.EXPIRED, Move.DELETE): _S.DELETED,
}


class WebhookState(StrEnum):
    """Whether a job's receiver was told of its end. Values are stored in `video_job.webhook_state` and shown."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"  # given up


OPEN_STATES = frozenset({_S.SUBMITTING, _S.QUEUED, _S.RUNNING, _S.SETTLING})
ENDED_STATES = frozenset(_S) - OPEN_STATES


def next_state(state: JobState, move: Move) -> JobState | None:
    """The state after the move, or None where the table has no such move."""
    return MOVES.get((state, move))
