"""What `decide` answers: accepted with its effects, replayed from the record, or refused. Refusals are values."""

from enum import StrEnum
from uuid import UUID

import msgspec

from farebox.ledger.book import Account, Claim, Entry, Hold, Limit, Window
from farebox.ledger.lifecycle import HoldState


class Reason(StrEnum):
    """Why a command is refused, in the order in which the refusals are looked for."""

    COMMAND_CONFLICT = "command_conflict"  # the id was used for something else
    NO_BOOK = "no_book"  # the workspace has no accounts
    INVALID_AMOUNT = "invalid_amount"
    HOLD_NOT_FOUND = "hold_not_found"
    HOLD_STATE = "hold_state"  # the life cycle has no such move
    ACCOUNT_NOT_FOUND = "account_not_found"
    CLAIM_CONFLICT = "claim_conflict"  # the Idempotency-Key was used with another body
    CLAIM_RUNNING = "claim_running"
    CLAIM_FINISHED = "claim_finished"
    REQUESTS_EXHAUSTED = "requests_exhausted"
    BUDGET_EXHAUSTED = "budget_exhausted"
    BALANCE_HELD = "balance_held"  # open holds have what would suffice
    INSUFFICIENT_BALANCE = "insufficient_balance"


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """A refused command changed nothing and is not recorded: its id stays free."""

    reason: Reason
    required_nanos: int = 0
    available_nanos: int = 0
    held_nanos: int = 0
    balance_nanos: int = 0  # what is available in all, whatever refused the hold
    limit: Limit | None = None
    window: Window | None = None
    hold_id: UUID | None = None
    state: HoldState | None = None


class Answer(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an accepted command did; amounts in nano-USD. Stored with the command's id for ever."""

    available_nanos: int
    held_nanos: int
    state: HoldState | None = None
    amount_nanos: int = 0  # of the hold, or of the credit
    charge_nanos: int = 0  # what the customer paid
    absorbed_nanos: int = 0  # what the operator carries because nothing covered it
    account_id: int = 0
    replayed: bool = False


class Effects(msgspec.Struct, frozen=True, gc=False):
    """The rows as they stand after an accepted command, and its answer."""

    answer: Answer
    accounts: tuple[Account, ...] = ()
    windows: tuple[Window, ...] = ()
    limit: Limit | None = None
    new_hold: Hold | None = None
    moved_hold: Hold | None = None
    entries: tuple[Entry, ...] = ()
    claim: Claim | None = None


Outcome = Effects | Answer | Refusal
"""Effects: accepted now. Answer: accepted before, nothing to do. Refusal: nothing happened."""
