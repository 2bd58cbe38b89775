"""One change of who belongs to a workspace: alone, and judged by what everybody is at that moment."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from farebox.access.asking import Caller
from farebox.access.parts import Access
from farebox.base.errors import Problem
from farebox.base.ids import IdError, read_short
from farebox.identity.audit import Event, record
from farebox.identity.people.model import Session, show_person
from farebox.identity.roles import Role, Verb, may
from farebox.identity.team.invitations import list_invitations, show_invitation, withdraw_invitation
from farebox.identity.team.members import Connection, lock_team, read_member
from farebox.identity.team.model import Member, Membership
from farebox.identity.team.roles import membership_in
from farebox.storage.pool import connected


class TeamAct(NamedTuple):
    """Who acts, as what they are now, in a transaction that holds the team's lock."""

    connection: Connection
    session: Session
    own: Membership
    now_micros: int
    address: str

    @property
    def workspace_id(self) -> int:
        """Whose team it is."""
        return self.own.workspace_id

    async def find(self, person_id: str) -> Member:
        """A member of the workspace. Raises Problem(`not_found`)."""
        member = await read_member(self.connection, self.workspace_id, read_person_id(person_id))
        if member is None:
            raise no_member()
        return member

    async def note(self, action: str, *, about: int, subject: str = "", **detail: str | int | bool | None) -> None:
        """Write the event. `about`: whose role it is, or who acts."""
        event = Event(
            action=action,
            actor=self.session.actor,
            workspace_id=self.workspace_id,
            person_id=about,
            subject=subject,
            detail=detail,
            address=self.address,
        )
        await record(self.connection, event, now_micros=self.now_micros)

    async def withdraw_invitations_of(self, person_id: int) -> int:
        """Take back what somebody invited who may not invite any more: they might have invited themselves."""
        inviter = show_person(person_id)
        found = await list_invitations(self.connection, self.workspace_id, invited_by=inviter)
        for invitation in found:
            await withdraw_invitation(self.connection, invitation, now_micros=self.now_micros)
            subject = show_invitation(invitation.invitation_id)
            await self.note("invitation.withdrawn", about=person_id, subject=subject, reason="inviter_may_not_invite")
        return len(found)


@asynccontextmanager
async def team_act(access: Access, caller: Caller, verb: Verb) -> AsyncIterator[TeamAct]:
    """Raises Problem where the caller is no member who may do that any more; what was done is undone with it."""
    session = person_of(caller, verb)
    async with connected(access.pool) as connection, connection.transaction():
        await lock_team(connection, caller.workspace_id)
        own = await membership_in(connection, session.person_id, caller.workspace_id)
        if own is None:
            raise Problem("not_found", "You belong to no such workspace.", param="workspace_id")
        require_role(own.role, verb)
        yield TeamAct(connection, session, own, access.clock(), caller.visit.address)


def person_of(caller: Caller, verb: Verb) -> Session:
    """The person who asks. Raises Problem(`insufficient_scope`) for an API key."""
    if caller.session is None:
        message = f"No API key may do this ({verb}); a member of the workspace has to sign in."
        facts = {"required_scope": None, "scopes": sorted(caller.key.scopes)}
        raise Problem("insufficient_scope", message, facts=facts)
    return caller.session


def require_role(role: Role, verb: Verb) -> None:
    """Raises Problem(`role_not_allowed`)."""
    if not may(role, verb):
        message = f"A member with the role {role} may not do this ({verb})."
        raise Problem("role_not_allowed", message, facts={"role": role, "verb": verb})


def read_person_id(text: str) -> int:
    """The number of `person_…`. Raises Problem(`not_found`): what cannot be an id is nobody's."""
    try:
        return read_short("person", text)
    except IdError:
        raise no_member() from None


def no_member() -> Problem:
    """Whoever is no member is refused as if they did not exist."""
    return Problem("not_found", "This workspace has no such member.", param="person_id")


def read_role(text: str) -> Role:
    """A role that can be given. Raises Problem(`invalid_request`): ownership is transferred, not given."""
    choices = [role for role in Role if role is not Role.OWNER]
    if text not in choices:
        message = f"role is one of {', '.join(choices)}; ownership is transferred."
        raise Problem("invalid_request", message, param="role")
    return Role(text)
