"""Members: listed, given other roles, removed; leaving, handing ownership on, and the workspace's name.

Who may: a verb of identity/roles.py, and `outranks` for whom it is done to. What is decided is decided under the team's
lock by what everybody is at that moment, so two who act at once follow each other.
"""

from typing import Final

import msgspec

from farebox.access.asking import Caller
from farebox.access.parts import Access
from farebox.access.team_act import TeamAct, read_role, require_role, team_act
from farebox.base.errors import Problem
from farebox.base.ids import IdError, read_short
from farebox.identity.people.model import Session, Visit, show_person
from farebox.identity.people.store import lock_person, read_person
from farebox.identity.roles import Role, Verb, may, outranks
from farebox.identity.team import members
from farebox.identity.team.members import lock_team
from farebox.identity.team.model import MadeKey, Member, Membership
from farebox.identity.team.roles import membership_in, memberships_of
from farebox.storage.pool import connected

# What fits in a line of a list and in the subject of a letter.
MAX_WORKSPACE_NAME_CHARS: Final = 100


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is no member any more. `keys`: working keys that they made; those are the workspace's and go on."""

    member: Member
    keys: list[MadeKey]
    withdrawn_invitations: int


def read_workspace_name(text: str) -> str:
    """A name without blanks around it. Raises Problem(`invalid_request`)."""
    name = text.strip()
    if not 0 < len(name) <= MAX_WORKSPACE_NAME_CHARS or not name.isprintable():
        message = f"name is a text of 1 to {MAX_WORKSPACE_NAME_CHARS} printable characters."
        raise Problem("invalid_request", message, param="name")
    return name


async def list_workspaces(access: Access, session: Session) -> list[Membership]:
    """Where the person belongs, the first joined first."""
    async with connected(access.pool) as connection:
        return await memberships_of(connection, session.person_id)


async def list_members(access: Access, caller: Caller) -> list[Member]:
    """The owner first; all of them (there are at most members.MAX_MEMBERS)."""
    async with connected(access.pool) as connection:
        return await members.list_members(connection, caller.workspace_id)


async def rename_workspace(access: Access, caller: Caller, name: str) -> str:
    """The name that it has then. Raises Problem."""
    wanted = read_workspace_name(name)
    async with team_act(access, caller, Verb.WORKSPACE_CHANGE) as act:
        if await members.rename_workspace(act.connection, act.workspace_id, wanted):
            about = act.session.person_id
            await act.note("workspace.renamed", about=about, former=act.own.workspace_name, name=wanted)
    return wanted


async def change_role(access: Access, caller: Caller, person_id: str, role: str) -> Member:
    """Give a member another role; their next request has it. Raises Problem.

    Who may not invite any more has their open invitations withdrawn.
    """
    wanted = read_role(role)
    async with team_act(access, caller, Verb.MEMBERS_MANAGE) as act:
        member = await act.find(person_id)
        _require_outranks(act, member)
        if member.role is wanted:
            return member
        await members.set_role(act.connection, act.workspace_id, member.person_id, wanted)
        subject = show_person(member.person_id)
        await act.note("member.role", about=member.person_id, subject=subject, former=member.role, role=wanted)
        if not may(wanted, Verb.MEMBERS_MANAGE):
            await act.withdraw_invitations_of(member.person_id)
    return msgspec.structs.replace(member, role=wanted)


async def remove_member(access: Access, caller: Caller, person_id: str) -> Removed:
    """End a membership: somebody else's by who manages members, one's own by anybody but the owner. Raises Problem.

    Their next request is refused. Keys that they made belong to the workspace and go on.
    """
    async with team_act(access, caller, Verb.WORKSPACE_READ) as act:
        member = await act.find(person_id)
        if member.person_id != act.session.person_id:
            require_role(act.own.role, Verb.MEMBERS_MANAGE)
            _require_outranks(act, member)
        return await _removed(act, member)


async def leave_workspace(access: Access, session: Session, workspace_id: str, *, visit: Visit) -> Removed:
    """End one's own membership. Raises Problem: `not_found`, `conflict` for the owner."""
    number = _workspace_id(workspace_id)
    async with connected(access.pool) as connection, connection.transaction():
        await lock_team(connection, number)
        own = await membership_in(connection, session.person_id, number)
        if own is None:
            raise _no_workspace()
        act = TeamAct(connection, session, own, access.clock(), visit.address)
        return await _removed(act, await act.find(show_person(session.person_id)))


async def transfer_ownership(access: Access, caller: Caller, person_id: str) -> Member:
    """Make another member the owner; the former owner becomes an admin. Returns the new owner. Raises Problem."""
    async with team_act(access, caller, Verb.OWNERSHIP_TRANSFER) as act:
        heir = await act.find(person_id)
        if heir.person_id == act.session.person_id:
            raise Problem("conflict", "You own this workspace already.", param="person_id")
        await require_room_to_own(access, act, heir.person_id)
        person = await read_person(act.connection, heir.person_id)
        if person is None or not person.is_active:
            # Nobody could sign in as the owner, and nobody else could hand it on.
            raise Problem("conflict", "The account of this member is disabled; choose another one.", param="person_id")
        # In this order: at no moment are there two owners.
        await members.set_role(act.connection, act.workspace_id, act.session.person_id, Role.ADMIN)
        await members.set_role(act.connection, act.workspace_id, heir.person_id, Role.OWNER)
        former, subject = act.session.actor, show_person(heir.person_id)
        await act.note("ownership.transferred", about=heir.person_id, subject=subject, former_owner=former)
    return msgspec.structs.replace(heir, role=Role.OWNER)


async def require_room_to_own(access: Access, act: TeamAct, person_id: int) -> None:
    """Raises Problem(`conflict`) where somebody owns as many workspaces as one may."""
    await lock_person(act.connection, person_id)
    if await members.count_owned(act.connection, person_id) >= access.max_owned_workspaces:
        most = access.max_owned_workspaces
        raise Problem("conflict", f"This member owns {most} workspaces already, and nobody may own more.")


def _require_outranks(act: TeamAct, member: Member) -> None:
    if not outranks(act.own.role, member.role):
        message = f"Nobody changes the {member.role}'s role or removes them; ownership is transferred."
        raise Problem("role_not_allowed", message, facts={"role": act.own.role, "verb": Verb.MEMBERS_MANAGE})


async def _removed(act: TeamAct, member: Member) -> Removed:
    if member.role is Role.OWNER:
        raise Problem("conflict", "The owner leaves only after a transfer: make another member the owner first.")
    keys = await members.working_keys_by(act.connection, act.workspace_id, member.person_id, now_micros=act.now_micros)
    await members.remove_member(act.connection, act.workspace_id, member.person_id)
    left = member.person_id == act.session.person_id
    subject = show_person(member.person_id)
    await act.note("member.removed", about=member.person_id, subject=subject, role=member.role, left=left)
    withdrawn = await act.withdraw_invitations_of(member.person_id)
    return Removed(member=member, keys=keys, withdrawn_invitations=withdrawn)


def _workspace_id(text: str) -> int:
    try:
        return read_short("ws", text)
    except IdError:
        raise _no_workspace() from None


def _no_workspace() -> Problem:
    return Problem("not_found", "You belong to no such workspace.", param="workspace_id")
