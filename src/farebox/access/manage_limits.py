"""Limits of keys: how many requests and dollars they may use by day, month and lifetime.

A change goes through the ledger like every call, so it holds for the next call of every process.
"""

from collections.abc import Callable, Sequence

from farebox.access.asking import Caller
from farebox.access.managing import managing
from farebox.access.parts import Access
from farebox.base.errors import Problem
from farebox.identity.grants import SPANS, Wanted
from farebox.ledger.commands import Command
from farebox.ledger.limits import LimitChange, LimitHolder, change_limits
from farebox.ledger.outcomes import Reason, Refusal
from farebox.ledger.reading import Connection, LimitUse

_NAMES = {span: name for name, span in SPANS.items()}


async def set_key_limits(
    access: Access, caller: Caller, key_id: str, read: Callable[[], Sequence[LimitChange]]
) -> list[LimitUse]:
    """Change limits of a key, and what it has then. `read` gives the changes once it is known that the key is there.

    Raises Problem: not_found, invalid_request, exceeds_own_key: no key gets a higher limit than the one that sets it
    has, itself included.
    """
    async with managing(access, caller) as manager:
        target, changes = await manager.find_holder(key_id), read()
        manager.changed(target, Wanted(limits=tuple(changes)))
        uses = await apply_limits(access, manager.connection, target.holder, changes)
        await manager.note("workspace.limits", target.shown, spans=", ".join(_NAMES[one.span] for one in changes))
        return uses


async def apply_limits(
    access: Access, connection: Connection, holder: LimitHolder, changes: Sequence[LimitChange]
) -> list[LimitUse]:
    """Change the limits of a workspace or a key; all that it has then. Raises Problem(`invalid_request`)."""

    async def submit(command: Command) -> None:
        outcome = await access.submit(command)
        if isinstance(outcome, Refusal):
            told = "The ledger does not take this amount." if outcome.reason is Reason.INVALID_AMOUNT else None
            raise Problem("invalid_request", told or "The ledger refuses this limit.")

    return list(await change_limits(submit, connection, holder, changes=changes, clock=access.clock))
