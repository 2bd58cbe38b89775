"""What operators do to a workspace: credit it, correct it, limit it, freeze it, let it work again.

Every act says why, and stands in the record of events beside what it changed; members of the workspace can read it.
"""

from typing import Final
from uuid import UUID

import msgspec

from farebox.access.asking import Operator
from farebox.access.manage_policy import store_policy
from farebox.access.parts import Access
from farebox.access.set_limits import send, set_limits
from farebox.base.errors import Problem
from farebox.base.ids import IdError, read_short, show_short, uuid7
from farebox.base.money import NANOS_PER_USD, format_usd
from farebox.catalog.policy import Rule
from farebox.identity.audit import record
from farebox.identity.model import Status, Workspace
from farebox.identity.store import activate_workspace, show_workspace, suspend_workspace, workspace_of
from farebox.ledger.commands import Credit, OpenBook
from farebox.ledger.draft import MANUAL_CREDIT
from farebox.ledger.limits import LimitChange, LimitHolder
from farebox.ledger.outcomes import Answer, Outcome, Reason, Refusal
from farebox.ledger.reading import LimitUse
from farebox.records.balance import read_balance
from farebox.storage.pool import connected
from farebox.storage.queries import load_queries

# One act by hand moves at most this: more is a slip of the finger, or is done in several acts.
MAX_CREDIT_NANOS: Final = 1_000_000 * NANOS_PER_USD
# A sentence or two, which somebody reads years later.
MIN_REASON_CHARS: Final = 3
MAX_REASON_CHARS: Final = 500

_QUERIES = load_queries("farebox.access", "operate.sql")


class Credited(msgspec.Struct, frozen=True, kw_only=True):
    """What a credit did; amounts in nano-USD. `replayed`: this command id had done it before, nothing happened now."""

    workspace_id: int
    amount_nanos: int
    available_nanos: int
    command_id: UUID
    replayed: bool


async def credit_workspace(
    access: Access, operator: Operator, workspace_id: int, *, amount_nanos: int, reason: str, command_id: UUID
) -> Credited:
    """Credit cash by hand, or take back (a negative amount) at most what is available. The same `command_id` acts once,
    however often it is sent. Raises Problem."""
    reason = read_reason(reason)
    if not 0 < abs(amount_nanos) <= MAX_CREDIT_NANOS:
        most = f"{MAX_CREDIT_NANOS // NANOS_PER_USD:,}"
        message = f"An amount is not zero, and at most {most} dollars at once."
        raise Problem("invalid_request", message, param="amount_usd")
    await require_workspace(access, workspace_id)
    now_micros = access.clock()
    await send(access, OpenBook(workspace_id=workspace_id, command_id=uuid7(now_micros), now_micros=now_micros))
    command = Credit(
        workspace_id=workspace_id,
        command_id=command_id,
        now_micros=now_micros,
        amount_nanos=amount_nanos,
        source_account=MANUAL_CREDIT,
        reason=reason,
        actor=operator.actor,
    )
    event = operator.event(
        "workspace.credited",
        workspace_id=workspace_id,
        subject=str(command_id),
        amount_usd=format_usd(amount_nanos),
        reason=reason,
    )
    replayed = _accepted(await send(access, command, event))
    async with connected(access.pool) as connection:
        balance = await read_balance(connection, workspace_id, 0, access.clock())
    return Credited(
        workspace_id=workspace_id,
        amount_nanos=amount_nanos,
        available_nanos=balance.available_nanos,
        command_id=command_id,
        replayed=replayed,
    )


def _accepted(outcome: Outcome) -> bool:
    """Whether it had been done before. Raises Problem where the ledger refuses."""
    if not isinstance(outcome, Refusal):
        return isinstance(outcome, Answer)
    if outcome.reason is Reason.COMMAND_CONFLICT:
        message = "This command id was used for another amount, another reason or by somebody else; nothing was booked."
        raise Problem("idempotency_conflict", message, param="command_id")
    available = f"${format_usd(outcome.available_nanos)}"
    if outcome.reason is Reason.BALANCE_HELD:
        message = f"Running calls hold a part of this amount; {available} can be taken back now."
        raise Problem("conflict", message, param="amount_usd")
    if outcome.reason is Reason.INSUFFICIENT_BALANCE:
        message = f"A balance never goes below zero: {available} can be taken back at most."
        raise Problem("conflict", message, param="amount_usd")
    raise Problem("invalid_request", "The ledger does not take this amount.", param="amount_usd")


async def freeze_workspace(access: Access, operator: Operator, workspace_id: int, *, reason: str) -> Workspace:
    """Its keys are refused within a second; its money stays, its members can still sign in and read. Freezing a frozen
    one changes nothing. Raises Problem."""
    return await _set_status(access, operator, workspace_id, status=Status.SUSPENDED, reason=reason)


async def unfreeze_workspace(access: Access, operator: Operator, workspace_id: int, *, reason: str) -> Workspace:
    """Its keys work again within a second. Raises Problem."""
    return await _set_status(access, operator, workspace_id, status=Status.ACTIVE, reason=reason)


async def _set_status(
    access: Access, operator: Operator, workspace_id: int, *, status: Status, reason: str
) -> Workspace:
    reason = read_reason(reason)
    action, change = _MOVES[status]
    async with connected(access.pool) as connection, connection.transaction():
        # Of two who do it at once the second finds it done.
        await connection.execute(_QUERIES["lock_workspace"], {"workspace_id": workspace_id})
        found = await workspace_of(connection, workspace_id)
        if found is None:
            raise no_workspace()
        if found.status is not status:
            await change(connection, workspace_id)
            subject = show_workspace(workspace_id)
            event = operator.event(action, workspace_id=workspace_id, subject=subject, reason=reason)
            await record(connection, event, now_micros=access.clock())
    return msgspec.structs.replace(found, status=status)


_MOVES: Final = {
    Status.SUSPENDED: ("workspace.frozen", suspend_workspace),
    Status.ACTIVE: ("workspace.unfrozen", activate_workspace),
}


async def limit_holder(
    access: Access, operator: Operator, holder: LimitHolder, changes: list[LimitChange]
) -> list[LimitUse]:
    """Change limits of a workspace or one of its keys, which exist; they hold for the next call. Raises Problem."""
    event = operator.event("workspace.limits", workspace_id=holder.workspace_id, subject=_shown(holder))
    async with connected(access.pool) as connection:
        return await set_limits(access, connection, holder, changes, event=event)


async def rule_holder(access: Access, operator: Operator, holder: LimitHolder, rule: Rule) -> None:
    """Set the policy of a workspace or one of its keys, which exist; calls heed it within a second."""
    event = operator.event("workspace.policy", workspace_id=holder.workspace_id, subject=_shown(holder))
    async with connected(access.pool) as connection, connection.transaction():
        await store_policy(access, connection, holder, rule)
        await record(connection, event, now_micros=access.clock())


def _shown(holder: LimitHolder) -> str:
    return show_short("key", holder.key_id) if holder.key_id else show_workspace(holder.workspace_id)


# ── what is asked for ─────────────────────────────────────────────────────────────────────────────────────────────


def read_reason(text: str, *, param: str = "reason") -> str:
    """Why something is done. Raises Problem(`invalid_request`)."""
    text = " ".join(text.split())
    if not MIN_REASON_CHARS <= len(text) <= MAX_REASON_CHARS or not text.isprintable():
        message = f"Say why, in {MIN_REASON_CHARS} to {MAX_REASON_CHARS} characters; it stays in the record."
        raise Problem("invalid_request", message, param=param)
    return text


def read_workspace_id(text: str) -> int:
    """The number of `ws_…`. Raises Problem(`not_found`)."""
    try:
        return read_short("ws", text)
    except IdError:
        raise no_workspace() from None


async def require_workspace(access: Access, workspace_id: int) -> Workspace:
    """Raises Problem(`not_found`)."""
    async with connected(access.pool) as connection:
        found = await workspace_of(connection, workspace_id)
    if found is None:
        raise no_workspace()
    return found


def no_workspace() -> Problem:
    """There is none of that id."""
    return Problem("not_found", "There is no such workspace.", param="workspace_id")
