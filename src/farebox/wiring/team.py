"""What the operator does about teams from the terminal: handing a workspace over to whoever shall own it."""

import msgspec

from farebox.base.clock import MICROS_PER_SECOND, monotone_clock, rfc3339
from farebox.base.errors import OperatorError, Problem
from farebox.base.site import Site
from farebox.identity import store
from farebox.identity.audit import Event, record
from farebox.identity.model import OPERATOR, Workspace
from farebox.identity.people.email_codes import read_email
from farebox.identity.roles import Role
from farebox.identity.team import invitations, members
from farebox.identity.team.model import Invitation
from farebox.wiring.operate import connected
from farebox.wiring.people import site_of
from farebox.wiring.settings import Settings

_now = monotone_clock()


class HandOverView(msgspec.Struct, frozen=True, kw_only=True):
    """Who can take a workspace over, and by what link. The link is here and nowhere else."""

    workspace_id: str
    name: str
    email: str
    link: str
    expires_at: str

    def __repr__(self) -> str:
        return f"HandOverView({self.workspace_id})"


async def hand_over(settings: Settings, dsn: str, name: str, email: str) -> HandOverView:
    """Invite an owner for a workspace that has none; a former such invitation is void. Raises OperatorError."""
    address, site = _address(email), _site(settings)
    async with connected(dsn) as connection, connection.transaction():
        workspace = await store.find_workspace(connection, name)
        await members.lock_team(connection, workspace.workspace_id)
        if await members.has_owner(connection, workspace.workspace_id):
            raise OperatorError("this workspace has an owner", "the owner can transfer it on the page of its members")
        now_micros = _now()
        await _withdraw_former(connection, workspace, address, now_micros=now_micros)
        new = invitations.NewInvitation(
            workspace_id=workspace.workspace_id,
            email=address,
            role=Role.OWNER,
            invited_by=OPERATOR,
            expires_at=now_micros + int(settings.sign_in.invitation_seconds * MICROS_PER_SECOND),
        )
        invitation_id, token = await invitations.make_invitation(connection, new, now_micros=now_micros)
        event = Event(
            action="invitation.sent",
            actor=OPERATOR,
            workspace_id=workspace.workspace_id,
            subject=invitations.show_invitation(invitation_id),
            detail={"email": invitations.mask_email(address), "role": Role.OWNER},
        )
        await record(connection, event, now_micros=now_micros)
    return HandOverView(
        workspace_id=store.show_workspace(workspace.workspace_id),
        name=workspace.name,
        email=address,
        link=site.url(f"/invitations/{token}"),
        expires_at=rfc3339(new.expires_at),
    )


async def _withdraw_former(
    connection: members.Connection, workspace: Workspace, address: str, *, now_micros: int
) -> None:
    for each in await invitations.list_invitations(connection, workspace.workspace_id):
        if each.role is Role.OWNER or each.email == address:
            await invitations.withdraw_invitation(connection, each, now_micros=now_micros)
            await record(connection, _event("invitation.withdrawn", each), now_micros=now_micros)


def _event(action: str, invitation: Invitation) -> Event:
    return Event(
        action=action,
        actor=OPERATOR,
        workspace_id=invitation.workspace_id,
        subject=invitations.show_invitation(invitation.invitation_id),
        detail={"email": invitations.mask_email(invitation.email), "role": invitation.role},
    )


def _address(email: str) -> str:
    try:
        return read_email(email)
    except Problem as problem:
        raise OperatorError(f"{email[:100]!r} is no e-mail address", "write one like anna@example.com") from problem


def _site(settings: Settings) -> Site:
    server = settings.server
    found = site_of(server.public_url, host=server.host, port=server.port)
    if found is None:
        fix = 'set public_url under [server], like "https://ai.example.com"'
        raise OperatorError("the link would lead nowhere: the gateway's public address is not set", fix)
    return found
