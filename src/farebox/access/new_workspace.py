"""A workspace that somebody makes for themselves: theirs from the first moment, with the limits and the welcome of the
settings.

The row, its owner and the event are one transaction; the ledger's book, limits and welcome follow in transactions of
the ledger's own. A row of `unopened_workspace` says that they are still to be made: if the process dies in between,
the chores do what is left. The welcome's command id follows from the workspace, so it is given once, however often.
"""

from functools import partial
from typing import Final
from uuid import UUID, uuid5

import structlog

from farebox.access.members import read_workspace_name
from farebox.access.parts import Access
from farebox.base.clock import MICROS_PER_SECOND
from farebox.base.errors import Problem
from farebox.identity import store
from farebox.identity.audit import Event, record
from farebox.identity.model import Kind
from farebox.identity.people.model import Session, Visit
from farebox.identity.people.store import lock_person
from farebox.identity.roles import Role
from farebox.identity.team import members
from farebox.identity.team.members import Connection
from farebox.identity.team.model import Membership
from farebox.identity.team.roles import membership_in
from farebox.ledger.batcher import LedgerBusy, LedgerUnavailable
from farebox.ledger.commands import Command, GrantPromotion
from farebox.ledger.limit_texts import read_limits
from farebox.ledger.limits import LimitChange, LimitHolder, change_limits
from farebox.ledger.outcomes import Reason, Refusal
from farebox.storage.errors import DatabaseUnavailable
from farebox.storage.pool import connected

# Whoever is at it has finished by then; later it is taken for left behind.
UNOPENED_AFTER_SECONDS: Final = 30
# Where the welcome stands among other promotions; lower is spent first.
WELCOME_PRIORITY: Final = 100
_WELCOME_NAMESPACE: Final = UUID("5b3c1f6e-6d0a-4b52-8f0e-3f9d7a1c2e84")
_UNFINISHED: Final = (LedgerUnavailable, LedgerBusy, DatabaseUnavailable)

_log = structlog.get_logger(__name__)


async def create_workspace(access: Access, session: Session, name: str, *, visit: Visit) -> Membership:
    """A workspace that the person owns. Raises Problem: `invalid_request`, `conflict` above `max_owned`."""
    wanted = read_workspace_name(name)
    async with connected(access.pool) as connection, connection.transaction():
        own = await _created(access, connection, session, wanted, visit=visit)
    try:
        await open_workspace(access, own.workspace_id)
    except _UNFINISHED as error:
        _log.warning("workspace not opened yet", workspace=own.workspace_id, why=type(error).__name__)
    return own


async def _created(access: Access, connection: Connection, session: Session, name: str, *, visit: Visit) -> Membership:
    now_micros = access.clock()
    # Two who make one at the same moment follow each other here, so that each sees what the other made.
    await lock_person(connection, session.person_id)
    most = access.max_owned_workspaces
    if await members.count_owned(connection, session.person_id) >= most:
        raise Problem("conflict", f"You own {most} workspaces already, and nobody may own more.")
    workspace = await store.create_workspace(connection, name, kind=Kind.CUSTOMER, now_micros=now_micros)
    workspace_id = workspace.workspace_id
    await members.add_member(
        connection, workspace_id, session.person_id, role=Role.OWNER, added_by=session.actor, now_micros=now_micros
    )
    await members.note_unopened(connection, workspace_id, now_micros=now_micros)
    event = Event(
        action="workspace.created",
        actor=session.actor,
        workspace_id=workspace_id,
        person_id=session.person_id,
        subject=store.show_workspace(workspace_id),
        detail={"name": name},
        address=visit.address,
    )
    await record(connection, event, now_micros=now_micros)
    own = await membership_in(connection, session.person_id, workspace_id)
    assert own is not None
    return own


async def open_workspace(access: Access, workspace_id: int) -> None:
    """Its book, its limits and its welcome, as far as they are missing. May be repeated.

    Raises LedgerUnavailable, LedgerBusy and DatabaseUnavailable.
    """
    changes = [LimitChange(*limit) for limit in read_limits(access.new_workspace_limits)]
    async with connected(access.pool) as connection:
        holder = LimitHolder(workspace_id)
        await change_limits(partial(_submitted, access), connection, holder, changes=changes, clock=access.clock)
        if access.welcome_credit_nanos > 0:
            await _submitted(access, _welcome(access, workspace_id))
        await members.note_opened(connection, workspace_id)


async def finish_unopened(access: Access) -> int:
    """Open what was left behind half made; returns how many."""
    before_micros = access.clock() - UNOPENED_AFTER_SECONDS * MICROS_PER_SECOND
    async with connected(access.pool) as connection:
        found = await members.list_unopened(connection, before_micros=before_micros)
    for workspace_id in found:
        await open_workspace(access, workspace_id)
    return len(found)


def _welcome(access: Access, workspace_id: int) -> GrantPromotion:
    return GrantPromotion(
        workspace_id=workspace_id,
        command_id=uuid5(_WELCOME_NAMESPACE, str(workspace_id)),
        now_micros=access.clock(),
        amount_nanos=access.welcome_credit_nanos,
        priority=WELCOME_PRIORITY,
        expires_at_micros=None,
        reason="welcome",
        actor="farebox",
    )


async def _submitted(access: Access, command: Command) -> None:
    outcome = await access.submit(command)
    # A conflict means that a welcome was given before the settings named another amount: it was given.
    if isinstance(outcome, Refusal) and outcome.reason is not Reason.COMMAND_CONFLICT:
        _log.error("a new workspace lacks something", workspace=command.workspace_id, why=outcome.reason)
