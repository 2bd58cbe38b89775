"""Limits of a workspace or a key are changed here alone, with a row in the record of events for each."""

from collections.abc import Sequence
from typing import Final

import msgspec

from farebox.access.parts import Access
from farebox.base.errors import Problem
from farebox.base.money import format_usd
from farebox.identity.audit import RECORD_EVENTS, Event, row_of
from farebox.ledger.batcher import LedgerUnavailable, Rider
from farebox.ledger.commands import Command, SetLimit
from farebox.ledger.limits import LimitChange, LimitHolder, change_limits
from farebox.ledger.outcomes import Outcome, Reason, Refusal
from farebox.ledger.reading import Connection, LimitUse
from farebox.records.balance import SPAN_NAMES

RETRY_AFTER_SECONDS: Final = 1


async def send(access: Access, command: Command, event: Event | None = None) -> Outcome:
    """Send a command to the ledger; its event is written in the same transaction, and only if it did something now.

    Raises Problem(`database_unavailable`): whether it took effect is not known, and the same id may be sent again.
    """
    rider = None
    if event is not None:
        row = row_of(event, now_micros=command.now_micros)
        rider = Rider(RECORD_EVENTS, lambda _: row)
    try:
        return await access.submit(command, rider)
    except LedgerUnavailable:
        message = "The ledger is not available; whether this was booked is not known. Look before sending it again."
        raise Problem("database_unavailable", message, retry_after_seconds=RETRY_AFTER_SECONDS) from None


async def set_limits(
    access: Access,
    connection: Connection,
    holder: LimitHolder,
    changes: Sequence[LimitChange],
    *,
    event: Event | None = None,
) -> list[LimitUse]:
    """Change the limits of a workspace or a key, and return all that it has then; whether there is such a holder is the
    caller's to know. `event` says who did it, and what was set is added to it; None: the caller writes one. Raises
    Problem(`invalid_request`)."""

    async def submit(command: Command) -> None:
        told = _told(event, command) if event is not None and isinstance(command, SetLimit) else None
        outcome = await send(access, command, told)
        if isinstance(outcome, Refusal):
            is_amount = outcome.reason is Reason.INVALID_AMOUNT
            message = "The ledger does not take this amount." if is_amount else "The ledger refuses this limit."
            raise Problem("invalid_request", message)

    return await change_limits(submit, connection, holder, changes=changes, clock=access.clock)


def _told(event: Event, command: SetLimit) -> Event:
    detail = {
        **event.detail,
        "per": SPAN_NAMES[command.span],
        "requests": command.max_requests,
        "usd": None if command.max_nanos is None else format_usd(command.max_nanos),
    }
    return msgspec.structs.replace(event, detail=detail)
