"""What each operator command does, one function each. They take a DSN and return values; `cli/` shows them.

A command that changes a balance or a limit goes through the ledger like every call does, so it may run while the
gateway serves.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from uuid import UUID

import msgspec
import psycopg

from farebox.base.clock import monotone_clock, rfc3339
from farebox.base.errors import OperatorError
from farebox.base.ids import IdError, random_id, read_call, uuid7
from farebox.base.money import format_usd
from farebox.identity import store
from farebox.identity.audit import RECORD_EVENTS, RECORD_EVENTS_SQL, Event, record, row_of
from farebox.identity.model import Kind, Status, Workspace
from farebox.ledger.batcher import Batcher, Rider
from farebox.ledger.book import Span
from farebox.ledger.commands import Command, Credit, GrantPromotion, OpenBook, SetLimit
from farebox.ledger.draft import MANUAL_CREDIT
from farebox.ledger.limits import LimitChange, LimitHolder, change_limits
from farebox.ledger.outcomes import Answer, Reason, Refusal
from farebox.ledger.reading import LimitUse, read_limits
from farebox.ledger.verify import Report, verify
from farebox.records.balance import SPAN_NAMES, Balance, read_balance
from farebox.records.key_usage import verify_usage
from farebox.records.receipt import Receipt, read_receipt, workspace_of_call
from farebox.storage.pool import mapped_errors
from farebox.wiring.arguments import WantedLimit, read_limit_usd, read_requests

# Who did it, in the ledger's record: whoever can run these commands is the operator.
ACTOR = "operator"
# Where a promotion without a priority stands among others; lower is spent first.
DEFAULT_PRIORITY = 100
# Of a reason, in the record of events; the books keep all of it.
MAX_REASON_CHARS = 500

_now = monotone_clock()

_REFUSALS = {
    Reason.COMMAND_CONFLICT: ("this command id was used for something else", "use a new --command-id"),
    Reason.INVALID_AMOUNT: ("the ledger does not take this amount", "use one above zero and below 100,000,000"),
    Reason.BALANCE_HELD: ("running calls hold a part of this amount", "try again when they have ended"),
    Reason.INSUFFICIENT_BALANCE: ("the workspace has less than that", "take back at most what is available"),
}


class WorkspaceView(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace for the operator's eyes; amounts in dollars."""

    workspace_id: str
    name: str
    kind: str
    status: str
    created_at: str
    available_usd: str
    held_usd: str


class CreditView(msgspec.Struct, frozen=True, kw_only=True):
    """What a credit did. `replayed`: this command id had done it before, so nothing happened now."""

    workspace_id: str
    workspace: str
    credited_usd: str
    promotional: bool
    available_usd: str
    command_id: str
    replayed: bool


class CreditWish(msgspec.Struct, frozen=True, kw_only=True):
    """What to credit: nano-USD of cash, or with `promotional` a grant. The same `command_id` acts once."""

    amount_nanos: int
    reason: str
    promotional: bool = False
    priority: int = DEFAULT_PRIORITY
    expires_at_micros: int | None = None
    command_id: UUID | None = None


class LimitView(msgspec.Struct, frozen=True, kw_only=True):
    """One limit and what its running window has used, open holds included."""

    holder: str
    per: str
    max_requests: int | None
    max_usd: str | None
    used_requests: int
    used_usd: str


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[store.Connection]:
    """One connection for a short command. Raises DatabaseUnavailable."""
    with mapped_errors():
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
            yield connection


@asynccontextmanager
async def opened_ledger(dsn: str) -> AsyncIterator[Batcher]:
    """A ledger for a short command. Raises DatabaseUnavailable."""
    batcher = Batcher(dsn, owner_id=random_id(), rider_statements={RECORD_EVENTS: RECORD_EVENTS_SQL})
    with mapped_errors():
        await batcher.connect()
    working = asyncio.create_task(batcher.run(), name="ledger")
    try:
        yield batcher
    finally:
        await batcher.close()
        await working


async def _accepted(ledger: Batcher, command: Command, event: Event | None = None) -> Answer:
    """`event` is written with the command, if that does something now."""
    rider = None
    if event is not None:
        row = row_of(event, now_micros=command.now_micros)
        rider = Rider(RECORD_EVENTS, lambda _: row)
    outcome = await ledger.submit(command, rider)
    if isinstance(outcome, Refusal):
        message, fix = _REFUSALS.get(outcome.reason, (f"the ledger refuses: {outcome.reason}", "check the arguments"))
        if outcome.reason in (Reason.INSUFFICIENT_BALANCE, Reason.BALANCE_HELD):
            message += f"; ${format_usd(outcome.available_nanos)} are available"
        raise OperatorError(message, fix)
    return outcome if isinstance(outcome, Answer) else outcome.answer


async def _open_book(ledger: Batcher, workspace_id: int) -> None:
    """Harmless when it is open; a workspace whose creation was interrupted is completed by it."""
    now_micros = _now()
    await _accepted(ledger, OpenBook(workspace_id=workspace_id, command_id=uuid7(now_micros), now_micros=now_micros))


# ── workspaces ────────────────────────────────────────────────────────────────────────────────────────────────────


async def create_workspace(dsn: str, name: str, *, limits: Sequence[WantedLimit] = ()) -> WorkspaceView:
    """A new customer workspace with an empty balance and these limits; the settings' `new_workspace` has them."""
    async with opened_ledger(dsn) as ledger, connected(dsn) as connection:
        workspace = await store.create_workspace(connection, name, kind=Kind.CUSTOMER, now_micros=_now())
        await set_limits(ledger, connection, LimitHolder(workspace.workspace_id), limits)
        return await _workspace_view(connection, workspace)


async def list_workspaces(dsn: str) -> list[WorkspaceView]:
    """All of them, the newest first."""
    async with connected(dsn) as connection:
        workspaces = await store.list_workspaces(connection)
        return [await _workspace_view(connection, workspace) for workspace in workspaces]


async def set_workspace_status(dsn: str, name: str, status: Status) -> WorkspaceView:
    """Suspend or activate by id or name. Raises OperatorError when there is no such workspace."""
    async with connected(dsn) as connection:
        workspace = await store.find_workspace(connection, name)
        if workspace.status is not status:
            change = store.suspend_workspace if status is Status.SUSPENDED else store.activate_workspace
            action = "workspace.frozen" if status is Status.SUSPENDED else "workspace.unfrozen"
            async with connection.transaction():
                await change(connection, workspace.workspace_id)
                await record(connection, _event(action, workspace.workspace_id), now_micros=_now())
        return await _workspace_view(connection, msgspec.structs.replace(workspace, status=status))


def _event(action: str, workspace_id: int, **detail: str | int | bool | None) -> Event:
    """What was done from the terminal, for the record that members of the workspace can read."""
    subject = store.show_workspace(workspace_id)
    return Event(action=action, actor=ACTOR, workspace_id=workspace_id, subject=subject, detail=detail)


async def _workspace_view(connection: store.Connection, workspace: Workspace) -> WorkspaceView:
    balance = await balance_of(connection, workspace.workspace_id)
    return WorkspaceView(
        workspace_id=store.show_workspace(workspace.workspace_id),
        name=workspace.name,
        kind=workspace.kind,
        status=workspace.status,
        created_at=rfc3339(workspace.created_at),
        available_usd=format_usd(balance.available_nanos),
        held_usd=format_usd(balance.held_nanos),
    )


async def balance_of(connection: store.Connection, workspace_id: int) -> Balance:
    """The workspace's balance, with its own limits and no key's."""
    return await read_balance(connection, workspace_id, 0, _now())


# ── money ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def credit(dsn: str, name: str, wish: CreditWish) -> CreditView:
    """Credit cash or a promotion; a negative amount of cash is a correction. Raises OperatorError."""
    if wish.amount_nanos == 0 or (wish.promotional and wish.amount_nanos < 0):
        raise OperatorError("there is nothing to credit", "name an amount above zero; only cash can be corrected")
    if not wish.promotional and wish.expires_at_micros is not None:
        raise OperatorError("cash does not expire", "add --promotional, or leave out --expires")
    async with opened_ledger(dsn) as ledger, connected(dsn) as connection:
        workspace = await store.find_workspace(connection, name)
        await _open_book(ledger, workspace.workspace_id)
        command = _credit_command(workspace.workspace_id, wish)
        answer = await _accepted(ledger, command, _credit_event(command, wish))
        balance = await balance_of(connection, workspace.workspace_id)
    return CreditView(
        workspace_id=store.show_workspace(workspace.workspace_id),
        workspace=workspace.name,
        credited_usd=format_usd(wish.amount_nanos),
        promotional=wish.promotional,
        available_usd=format_usd(balance.available_nanos),
        command_id=str(command.command_id),
        replayed=answer.replayed,
    )


def _credit_event(command: Credit | GrantPromotion, wish: CreditWish) -> Event:
    amount_usd = format_usd(wish.amount_nanos)
    detail: dict[str, str | bool] = {"amount_usd": amount_usd, "reason": wish.reason[:MAX_REASON_CHARS]}
    if wish.promotional:
        detail["promotional"] = True
    event = _event("workspace.credited", command.workspace_id)
    return msgspec.structs.replace(event, subject=str(command.command_id), detail=detail)


def _credit_command(workspace_id: int, wish: CreditWish) -> Credit | GrantPromotion:
    now_micros = _now()
    command_id = wish.command_id or uuid7(now_micros)
    if wish.promotional:
        return GrantPromotion(
            workspace_id=workspace_id,
            command_id=command_id,
            now_micros=now_micros,
            amount_nanos=wish.amount_nanos,
            priority=wish.priority,
            expires_at_micros=wish.expires_at_micros,
            reason=wish.reason,
            actor=ACTOR,
        )
    return Credit(
        workspace_id=workspace_id,
        command_id=command_id,
        now_micros=now_micros,
        amount_nanos=wish.amount_nanos,
        source_account=MANUAL_CREDIT,
        reason=wish.reason,
        actor=ACTOR,
    )


# ── limits ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def set_limit(
    dsn: str, name: str, *, key: str | None, span: int, requests: str | None, usd: str | None
) -> list[LimitView]:
    """Set or lift (`none`) a limit of a workspace, or of one of its keys; what is not named stays.

    Returns all limits of that holder. Raises OperatorError.
    """
    if requests is None and usd is None:
        raise OperatorError("there is no limit to set", "name --requests, --usd or both; none lifts a limit")
    change = LimitChange(
        Span(span),
        msgspec.UNSET if requests is None else read_requests(requests),
        msgspec.UNSET if usd is None else read_limit_usd(usd),
    )
    async with opened_ledger(dsn) as ledger, connected(dsn) as connection:
        holder = await find_holder(connection, name, key)
        submit = partial(_submit_limit, ledger)
        uses = await change_limits(submit, connection, holder, changes=[change], clock=_now)
        return [_limit_view(use) for use in uses]


async def _submit_limit(ledger: Batcher, command: Command) -> Answer:
    if not isinstance(command, SetLimit):
        return await _accepted(ledger, command)
    event = _event(
        "workspace.limits",
        command.workspace_id,
        per=SPAN_NAMES[command.span],
        requests=command.max_requests,
        usd=None if command.max_nanos is None else format_usd(command.max_nanos),
    )
    if command.key_id:
        event = msgspec.structs.replace(event, subject=store.show_key(command.key_id))
    return await _accepted(ledger, command, event)


async def list_limits(dsn: str, name: str) -> list[LimitView]:
    """Every limit of a workspace and of its keys."""
    async with connected(dsn) as connection:
        workspace = await store.find_workspace(connection, name)
        keys = await store.list_keys(connection, workspace.workspace_id)
        return await _limit_views(connection, workspace.workspace_id, [0, *{key.record.holder_id for key in keys}])


async def set_limits(
    ledger: Batcher, connection: store.Connection, holder: LimitHolder, limits: Sequence[WantedLimit]
) -> list[LimitView]:
    """Set the limits of a workspace or a key; returns all that it has then. Raises OperatorError."""
    changes = [LimitChange(*limit) for limit in limits]
    uses = await change_limits(partial(_accepted, ledger), connection, holder, changes=changes, clock=_now)
    return [_limit_view(use) for use in uses]


async def _limit_views(connection: store.Connection, workspace_id: int, key_ids: list[int]) -> list[LimitView]:
    found = await read_limits(connection, workspace_id, key_ids=key_ids, now_micros=_now())
    return [_limit_view(use) for use in found if use.max_requests is not None or use.max_nanos is not None]


def _limit_view(use: LimitUse) -> LimitView:
    return LimitView(
        holder=store.show_key(use.key_id) if use.key_id else "workspace",
        per={1: "day", 2: "month", 3: "lifetime"}[use.span],
        max_requests=use.max_requests,
        max_usd=None if use.max_nanos is None else format_usd(use.max_nanos),
        used_requests=use.used_requests + use.held_requests,
        used_usd=format_usd(use.used_nanos + use.held_nanos),
    )


# ── whose they are ────────────────────────────────────────────────────────────────────────────────────────────────


async def find_holder(connection: store.Connection, name: str, key: str | None) -> LimitHolder:
    """A workspace by id or name, or one of its keys by id, visible prefix or name. Raises OperatorError.

    A key that took over from another shares the other's limits, rates and policy, so that one is the holder.
    """
    workspace = await store.find_workspace(connection, name)
    key_id = 0 if key is None else (await store.find_key_called(connection, workspace, key)).record.holder_id
    return LimitHolder(workspace.workspace_id, key_id)


# ── looking into it ───────────────────────────────────────────────────────────────────────────────────────────────


async def find_receipt(dsn: str, call: str) -> Receipt:
    """The operator's receipt of a call, of whatever workspace. Raises OperatorError when there is none."""
    try:
        call_id = read_call(call)
    except IdError as error:
        raise OperatorError(str(error), "give the id of the response's Call-Id header: call_…") from error
    async with connected(dsn) as connection:
        workspace_id = await workspace_of_call(connection, call_id)
        receipt = None if workspace_id is None else await read_receipt(connection, workspace_id, call_id)
    if receipt is None:
        raise OperatorError(f"there is no call {call}", "refused requests leave no call; check the id")
    return receipt


async def verify_ledger(dsn: str) -> Report:
    """Prove every invariant from the rows, and the sums of use from the receipts; the gateway may go on meanwhile."""
    async with connected(dsn) as connection:
        report = await verify(connection)
        breaches = await verify_usage(connection)
    return report._replace(breaches=[*report.breaches, *breaches], checks=report.checks + 1)
