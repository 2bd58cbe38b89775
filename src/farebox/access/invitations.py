"""Invitations: sent, sent again, withdrawn, looked at and accepted.

Whether the invited address belongs to an account is nobody's business: every address gets the same letter and the same
answer. Who accepts must have that address as their own, so a link that somebody else came by is worth nothing to them.
"""

from typing import Final

import msgspec

from farebox.access.asking import Caller, require_site
from farebox.access.letters import invitation_letter, invitation_subject
from farebox.access.members import require_room_to_own
from farebox.access.parts import Access
from farebox.access.team_act import TeamAct, read_role, team_act
from farebox.base.clock import MICROS_PER_SECOND
from farebox.base.errors import Problem
from farebox.base.ids import IdError, read_short
from farebox.identity.model import OPERATOR
from farebox.identity.people.attempts import Attempt, count_attempts
from farebox.identity.people.email_codes import read_email
from farebox.identity.people.model import Session, Visit
from farebox.identity.people.store import emails_of, lock_person, read_person
from farebox.identity.roles import Role, Verb, outranks
from farebox.identity.team import invitations, members
from farebox.identity.team.invitations import mask_email, show_invitation
from farebox.identity.team.model import Invitation, Membership
from farebox.identity.team.roles import membership_in
from farebox.mail.letter import Letter
from farebox.storage.pool import connected

_HOUR: Final = 3_600
_DAY: Final = 86_400
# A team that grows invites a dozen people on a busy day; more from one workspace is a mailing at our cost.
MAX_SENT_BY_WORKSPACE_PER_HOUR: Final = 30
# Whoever it is, from whatever workspace: nobody's mailbox is filled from here.
MAX_SENT_TO_ADDRESS_PER_DAY: Final = 5

__all__ = [
    "InvitationView",
    "accept_invitation",
    "invite",
    "list_invitations",
    "own_invitations",
    "read_invitation",
    "resend_invitation",
    "show_invitation",
    "withdraw_invitation",
]


class InvitationView(msgspec.Struct, frozen=True, kw_only=True):
    """What the invited person reads. `inviter`: a name, an id, or `operator`."""

    invitation: Invitation
    inviter: str


async def invite(access: Access, caller: Caller, email: str, role: str) -> Invitation:
    """Send an invitation. Raises Problem: `invalid_request`, `conflict`, `too_many_attempts`, `sign_in_unavailable`."""
    address, wanted = read_email(email), read_role(role)
    await _count(access, caller, address)
    async with team_act(access, caller, Verb.MEMBERS_MANAGE) as act:
        _require_outranks(act, wanted)
        _require_at_work(act)
        await _require_room(act, address)
        new = invitations.NewInvitation(
            workspace_id=act.workspace_id,
            email=address,
            role=wanted,
            invited_by=act.session.actor,
            expires_at=_expiry(access, act.now_micros),
        )
        invitation_id, token = await invitations.make_invitation(act.connection, new, now_micros=act.now_micros)
        invitation = await _find(act, invitation_id)
        await _note(act, "invitation.sent", invitation)
        await _send(access, act, invitation, token)
    return invitation


async def resend_invitation(access: Access, caller: Caller, invitation_id: str) -> Invitation:
    """Send it again with a new link and a new expiry; the former link is void. Raises Problem."""
    number = _read_id(invitation_id)
    found = await _open_of(access, caller, number)
    await _count(access, caller, found.email)
    async with team_act(access, caller, Verb.MEMBERS_MANAGE) as act:
        invitation = await _find(act, number)
        _require_outranks(act, invitation.role)
        _require_at_work(act)
        token = await invitations.renew_invitation(
            act.connection, invitation, expires_at=_expiry(access, act.now_micros)
        )
        assert token is not None
        renewed = await _find(act, number)
        await _note(act, "invitation.resent", renewed)
        await _send(access, act, renewed, token)
    return renewed


async def withdraw_invitation(access: Access, caller: Caller, invitation_id: str) -> Invitation:
    """Take it back: its link is void. Raises Problem(`not_found`) for one that is not open any more."""
    number = _read_id(invitation_id)
    async with team_act(access, caller, Verb.MEMBERS_MANAGE) as act:
        invitation = await _find(act, number)
        _require_outranks(act, invitation.role)
        await invitations.withdraw_invitation(act.connection, invitation, now_micros=act.now_micros)
        await _note(act, "invitation.withdrawn", invitation)
    return invitation


async def list_invitations(access: Access, caller: Caller) -> list[Invitation]:
    """Those that nobody has accepted or withdrawn, the newest first; expired ones, too: they can be sent again."""
    async with connected(access.pool) as connection:
        return await invitations.list_invitations(connection, caller.workspace_id)


async def own_invitations(access: Access, session: Session) -> list[InvitationView]:
    """The open invitations to any address of the person. The link to accept one is in its letter alone."""
    async with connected(access.pool) as connection:
        emails = await emails_of(connection, session.person_id)
        found = await invitations.invitations_to(connection, emails, now_micros=access.clock())
        return [await _view(connection, invitation) for invitation in found]


async def read_invitation(access: Access, token: str) -> InvitationView:
    """What a link leads to; it is not used up. Raises Problem(`not_found`)."""
    async with connected(access.pool) as connection:
        found = await invitations.find_invitation(connection, token, now_micros=access.clock())
        if found is None:
            raise _is_void()
        return await _view(connection, found)


async def accept_invitation(access: Access, session: Session, token: str, *, visit: Visit) -> Membership:
    """Become a member. Raises Problem: `not_found` for a link that is void, `conflict` where the address is not the
    person's own, or they are a member already."""
    async with connected(access.pool) as connection, connection.transaction():
        now_micros = access.clock()
        found = await invitations.find_invitation(connection, token, now_micros=now_micros)
        if found is None:
            raise _is_void()
        await members.lock_team(connection, found.workspace_id)
        # Nobody unlinks the address meanwhile.
        await lock_person(connection, session.person_id)
        invitation = await invitations.find_invitation(connection, token, now_micros=now_micros)
        if invitation is None:
            raise _is_void()
        await _require_own_address(connection, session, invitation)
        own = Membership(
            invitation.workspace_id,
            invitation.workspace_name,
            is_active=True,
            role=invitation.role,
            joined_at=now_micros,
        )
        act = TeamAct(connection, session, own, now_micros, visit.address)
        await _join(access, act, invitation)
        joined = await membership_in(connection, session.person_id, invitation.workspace_id)
    assert joined is not None
    return joined


async def _join(access: Access, act: TeamAct, invitation: Invitation) -> None:
    person_id = act.session.person_id
    if invitation.role is Role.OWNER:
        if await members.has_owner(act.connection, act.workspace_id):
            raise Problem("conflict", "This workspace has an owner already.")
        await require_room_to_own(access, act, person_id)
    if len(await members.list_members(act.connection, act.workspace_id)) >= members.MAX_MEMBERS:
        raise Problem("conflict", f"This workspace has {members.MAX_MEMBERS} members, and none may have more.")
    is_new = await members.add_member(
        act.connection,
        act.workspace_id,
        person_id,
        role=invitation.role,
        added_by=invitation.invited_by,
        now_micros=act.now_micros,
    )
    if not is_new:
        raise Problem("conflict", "You are a member of this workspace already.")
    await invitations.accept_invitation(act.connection, invitation, person_id, now_micros=act.now_micros)
    subject = show_invitation(invitation.invitation_id)
    await act.note("member.joined", about=person_id, subject=subject, role=invitation.role)


async def _require_own_address(connection: members.Connection, session: Session, invitation: Invitation) -> None:
    if invitation.email not in await emails_of(connection, session.person_id):
        message = (
            f"This invitation is for {invitation.email}, which is not one of your addresses. "
            "Link that address to your account first, or sign in with it; then accept the invitation."
        )
        raise Problem("conflict", message)


async def _count(access: Access, caller: Caller, address: str) -> None:
    """Raises Problem: `too_many_attempts`, and `sign_in_unavailable` where no letter can be sent at all."""
    require_site(access)
    if not access.postman.works:
        message = "Nobody can be invited: the operator has not set a mail server."
        raise Problem("sign_in_unavailable", message)
    attempts = [
        Attempt(f"invite:workspace:{caller.workspace_id}", MAX_SENT_BY_WORKSPACE_PER_HOUR, _HOUR),
        Attempt(f"invite:email:{address}", MAX_SENT_TO_ADDRESS_PER_DAY, _DAY),
    ]
    async with connected(access.pool) as connection:
        await count_attempts(connection, attempts, now_micros=access.clock())


async def _require_room(act: TeamAct, address: str) -> None:
    """Raises Problem(`conflict`). Only addresses that the caller sees among the members are told to be a member's."""
    team = await members.list_members(act.connection, act.workspace_id)
    if any(member.email == address for member in team):
        raise Problem("conflict", "Somebody with this address is a member already.", param="email")
    listed = await invitations.list_invitations(act.connection, act.workspace_id)
    still_open = [each for each in listed if each.is_open_at(act.now_micros)]
    if any(each.email == address for each in still_open):
        raise _is_open()
    for each in listed:
        # What has expired gives way to a new one to the same address, and to others where the list is full.
        if each not in still_open and (each.email == address or len(listed) >= invitations.MAX_OPEN):
            await invitations.withdraw_invitation(act.connection, each, now_micros=act.now_micros)
    if len(still_open) >= invitations.MAX_OPEN:
        message = f"{invitations.MAX_OPEN} invitations are open, which is as many as a workspace may have."
        raise Problem("conflict", message)
    if len(team) + len(still_open) >= members.MAX_MEMBERS:
        message = f"A workspace has at most {members.MAX_MEMBERS} members, open invitations among them."
        raise Problem("conflict", message)


def _require_outranks(act: TeamAct, role: Role) -> None:
    if not outranks(act.own.role, role):
        message = f"A member with the role {act.own.role} may not invite with the role {role}."
        raise Problem("role_not_allowed", message, facts={"role": act.own.role, "verb": Verb.MEMBERS_MANAGE})


def _require_at_work(act: TeamAct) -> None:
    """A workspace is often suspended for what was done from it; it writes to nobody then. Raises Problem."""
    if not act.own.is_active:
        message = "This workspace is suspended; nobody can be invited until the operator lets it work again."
        raise Problem("conflict", message)


async def _send(access: Access, act: TeamAct, invitation: Invitation, token: str) -> None:
    """The last thing in the transaction: where no letter can be sent, nothing was done."""
    inviter = await read_person(act.connection, act.session.person_id)
    name = "Somebody" if inviter is None or not inviter.name else inviter.name
    url = require_site(access).url(f"/invitations/{token}")
    body = invitation_letter(access, invitation.workspace_name, invitation.role, inviter=name, url=url)
    access.postman.take(Letter(invitation.email, invitation_subject(access, invitation.workspace_name), body))


async def _note(act: TeamAct, action: str, invitation: Invitation) -> None:
    subject, email = show_invitation(invitation.invitation_id), mask_email(invitation.email)
    await act.note(action, about=act.session.person_id, subject=subject, email=email, role=invitation.role)


async def _open_of(access: Access, caller: Caller, number: int) -> Invitation:
    async with connected(access.pool) as connection:
        found = await invitations.list_invitations(connection, caller.workspace_id, invitation_id=number)
    if not found:
        raise _no_invitation()
    return found[0]


async def _find(act: TeamAct, number: int) -> Invitation:
    found = await invitations.list_invitations(act.connection, act.workspace_id, invitation_id=number)
    if not found:
        raise _no_invitation()
    return found[0]


async def _view(connection: members.Connection, invitation: Invitation) -> InvitationView:
    inviter = invitation.invited_by
    person = None if inviter == OPERATOR else await read_person(connection, read_short("person", inviter))
    return InvitationView(invitation=invitation, inviter=inviter if person is None else person.name or inviter)


def _expiry(access: Access, now_micros: int) -> int:
    return now_micros + int(access.sign_in.invitation_seconds * MICROS_PER_SECOND)


def _read_id(text: str) -> int:
    try:
        return read_short("invitation", text)
    except IdError:
        raise _no_invitation() from None


def _no_invitation() -> Problem:
    return Problem("not_found", "This workspace has no such open invitation.", param="invitation_id")


def _is_open() -> Problem:
    message = "An invitation to this address is open already; send it again, or withdraw it first."
    return Problem("conflict", message, param="email")


def _is_void() -> Problem:
    message = (
        "This invitation is not good any more. It was accepted, withdrawn or sent anew, or it has expired; ask whoever "
        "invited you for a new one."
    )
    return Problem("not_found", message)
