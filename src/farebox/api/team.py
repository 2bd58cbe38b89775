"""/api/members, /api/invitations and /api/workspace/transfer: who belongs to a workspace. For people alone: a key has
no second factor, so none may do this."""

from typing import Any, Final

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.openapi.spec import OpenAPIFormat, OpenAPIType, Schema
from litestar.params import FromPath

from farebox.access import team
from farebox.access.depend import TheAccess, TheCaller, TheSession, TheVisit
from farebox.api.bodies import fields_of, read_text, refuse
from farebox.api.depend import AnyRequest
from farebox.api.describe import PEOPLE, PEOPLE_ERRORS, SIGNED_IN, SIGNED_IN_ERRORS, answers, taking
from farebox.api.workspaces import MembershipShape, membership_shape
from farebox.base.clock import rfc3339
from farebox.base.ids import show_short
from farebox.identity.people.email_codes import MAX_EMAIL_CHARS
from farebox.identity.people.model import show_person
from farebox.identity.roles import Role, Verb
from farebox.identity.team.invitations import MAX_TOKEN_CHARS
from farebox.identity.team.model import Invitation, Member

MAX_BODY_BYTES: Final = 4_000
_TAGS: Final = ["members"]
_TEXT: Final = OpenAPIType.STRING
_GIVEN: Final = [role for role in Role if role is not Role.OWNER]
_ROLE: Final = Schema(
    type=_TEXT, enum=[str(role) for role in _GIVEN], description="docs/reference/roles.md says who may what"
)
_MANAGE_ERRORS: Final = PEOPLE_ERRORS.fresh().plus(
    not_found="This workspace has no such member.",
    role_not_allowed="Nobody changes the owner's role or removes them; ownership is transferred.",
)
_SEND_ERRORS: Final = (
    PEOPLE_ERRORS.fresh()
    .with_body()
    .plus(
        conflict="An invitation to this address is open already; send it again, or withdraw it first.",
        too_many_attempts="This was tried too often. Try again in 40 minutes.",
        sign_in_unavailable="Nobody can be invited: the operator has not set a mail server.",
        not_found="This workspace has no such open invitation.",
    )
)
_ROLE_BODY: Final = taking("The role from now on.", {"role": _ROLE}, required=["role"], example={"role": "developer"})
_HEIR_BODY: Final = taking(
    "Who owns the workspace from now on.",
    {"person_id": Schema(type=_TEXT, description="A member, `person_…`")},
    required=["person_id"],
)
_INVITATION_BODY: Final = taking(
    "Whom to invite, and as what.",
    {"email": Schema(type=_TEXT, format=OpenAPIFormat.EMAIL, max_length=MAX_EMAIL_CHARS), "role": _ROLE},
    required=["email", "role"],
    example={"email": "ben@example.com", "role": "developer"},
)
_TOKEN_BODY: Final = taking(
    "What stands in the link of the letter, behind `/invitations/`.",
    {"token": Schema(type=_TEXT, min_length=1, max_length=MAX_TOKEN_CHARS)},
    required=["token"],
)


class MemberShape(msgspec.Struct, frozen=True, kw_only=True):
    """`email`: the oldest that they sign in with; null: they have none. `added_by`: who invited them, `person_…`."""

    person_id: str
    name: str
    email: str | None
    role: Role
    joined_at: str
    added_by: str
    object: str = "member"


class MemberList(msgspec.Struct, frozen=True, kw_only=True):
    """All members, the owner first."""

    data: list[MemberShape]
    object: str = "list"


class MadeKeyShape(msgspec.Struct, frozen=True, kw_only=True):
    """A key that goes on working."""

    key_id: str
    name: str
    prefix: str


class RemovedShape(msgspec.Struct, frozen=True, kw_only=True):
    """Who is no member any more. `working_keys`: keys that they made. Those belong to the workspace and go on: revoke
    the ones whose secret they may still have. `withdrawn_invitations`: how many of theirs were open."""

    person_id: str
    working_keys: list[MadeKeyShape]
    withdrawn_invitations: int
    note: str
    object: str = "removed_member"


class InvitationShape(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation that nobody has accepted. One that has expired can be sent again."""

    invitation_id: str
    email: str
    role: Role
    status: str
    invited_by: str
    created_at: str
    expires_at: str
    object: str = "invitation"


class InvitationList(msgspec.Struct, frozen=True, kw_only=True):
    """Open and expired ones, the newest first."""

    data: list[InvitationShape]
    object: str = "list"


class OwnInvitationShape(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation to whoever is signed in. The link that accepts it is in its letter alone. `inviter`: their name."""

    invitation_id: str
    workspace_name: str
    email: str
    role: Role
    inviter: str
    expires_at: str
    object: str = "own_invitation"


class OwnInvitationList(msgspec.Struct, frozen=True, kw_only=True):
    """Open ones, the newest first."""

    data: list[OwnInvitationShape]
    object: str = "list"


# ── members ───────────────────────────────────────────────────────────────────────────────────────────────────────


@get(
    "/api/members",
    summary="Members of the workspace",
    security=PEOPLE,
    opt={"verb": Verb.MEMBERS_READ},
    responses=PEOPLE_ERRORS,
    tags=_TAGS,
)
async def list_members(access: TheAccess, caller: TheCaller) -> MemberList:
    """All of them in one answer; there are at most 200."""
    return MemberList(data=[_member(member) for member in await team.list_members(access, caller)])


@patch(
    "/api/members/{person_id:str}",
    summary="Give a member another role",
    security=PEOPLE,
    opt={"verb": Verb.MEMBERS_MANAGE},
    responses=_MANAGE_ERRORS.with_body(),
    operation_class=_ROLE_BODY,
    request_max_body_size=MAX_BODY_BYTES,
    tags=_TAGS,
)
async def change_role(
    request: AnyRequest, access: TheAccess, caller: TheCaller, person_id: FromPath[str]
) -> MemberShape:
    """Their next request has it. The owner's role changes by a transfer alone."""
    role = _one_text(await request.body(), "role", most=20)
    return _member(await team.change_role(access, caller, person_id, role))


@delete(
    "/api/members/{person_id:str}",
    summary="Remove a member",
    security=PEOPLE,
    opt={"verb": Verb.MEMBERS_MANAGE},
    status_code=200,
    responses=answers(
        RemovedShape, "Who was removed", errors=_MANAGE_ERRORS.plus(conflict="The owner leaves only after a transfer.")
    ),
    tags=_TAGS,
)
async def remove_member(access: TheAccess, caller: TheCaller, person_id: FromPath[str]) -> Response[Any]:
    """Their next request is refused. Keys that they made go on working; the answer names them."""
    return Response(_removed(await team.remove_member(access, caller, person_id)))


@delete(
    "/api/me/memberships/{workspace_id:str}",
    summary="Leave a workspace",
    security=SIGNED_IN,
    opt={"fresh": True},
    status_code=200,
    responses=answers(
        RemovedShape,
        "What was left",
        errors=SIGNED_IN_ERRORS.fresh().plus(
            not_found="You belong to no such workspace.", conflict="The owner leaves only after a transfer."
        ),
    ),
    tags=["me"],
)
async def leave_workspace(
    access: TheAccess, session: TheSession, visit: TheVisit, workspace_id: FromPath[str]
) -> Response[Any]:
    """End one's own membership. Keys that one made go on working."""
    return Response(_removed(await team.leave_workspace(access, session, workspace_id, visit=visit)))


@post(
    "/api/workspace/transfer",
    summary="Make another member the owner",
    security=PEOPLE,
    opt={"verb": Verb.OWNERSHIP_TRANSFER},
    status_code=200,
    responses=_MANAGE_ERRORS.with_body().plus(
        role_not_allowed="A member with the role admin may not do this (ownership.transfer).",
        conflict="This member owns 10 workspaces already, and nobody may own more.",
    ),
    operation_class=_HEIR_BODY,
    request_max_body_size=MAX_BODY_BYTES,
    tags=_TAGS,
)
async def transfer_ownership(request: AnyRequest, access: TheAccess, caller: TheCaller) -> MemberShape:
    """For the owner alone, who becomes an admin. The answer is the new owner."""
    person_id = _one_text(await request.body(), "person_id", most=40)
    return _member(await team.transfer_ownership(access, caller, person_id))


# ── invitations ───────────────────────────────────────────────────────────────────────────────────────────────────


@get(
    "/api/invitations",
    summary="Invitations that nobody has accepted",
    security=PEOPLE,
    opt={"verb": Verb.MEMBERS_READ},
    responses=PEOPLE_ERRORS,
    tags=_TAGS,
)
async def list_invitations(access: TheAccess, caller: TheCaller) -> InvitationList:
    """Open and expired ones, the newest first. Never a link."""
    now_micros = access.clock()
    found = await team.list_invitations(access, caller)
    return InvitationList(data=[_invitation(each, now_micros) for each in found])


@post(
    "/api/invitations",
    summary="Invite somebody",
    security=PEOPLE,
    opt={"verb": Verb.MEMBERS_MANAGE},
    responses=_SEND_ERRORS,
    operation_class=_INVITATION_BODY,
    request_max_body_size=MAX_BODY_BYTES,
    tags=_TAGS,
)
async def invite(request: AnyRequest, access: TheAccess, caller: TheCaller) -> InvitationShape:
    """They get a letter with a link, whether they have an account here or not; the answer does not tell which."""
    fields = fields_of(await request.body(), ("email", "role"))
    email = read_text(fields.get("email", b"null"), "email", least=1, most=MAX_EMAIL_CHARS)
    role = read_text(fields.get("role", b"null"), "role", least=1, most=20)
    return _invitation(await team.invite(access, caller, email, role), access.clock())


@post(
    "/api/invitations/{invitation_id:str}/resend",
    summary="Send an invitation again",
    security=PEOPLE,
    opt={"verb": Verb.MEMBERS_MANAGE},
    status_code=200,
    responses=_SEND_ERRORS,
    tags=_TAGS,
)
async def resend_invitation(access: TheAccess, caller: TheCaller, invitation_id: FromPath[str]) -> InvitationShape:
    """With a new link and a new expiry; the former link is void."""
    return _invitation(await team.resend_invitation(access, caller, invitation_id), access.clock())


@delete(
    "/api/invitations/{invitation_id:str}",
    summary="Withdraw an invitation",
    security=PEOPLE,
    opt={"verb": Verb.MEMBERS_MANAGE},
    responses=_MANAGE_ERRORS.plus(not_found="This workspace has no such open invitation."),
    tags=_TAGS,
)
async def withdraw_invitation(access: TheAccess, caller: TheCaller, invitation_id: FromPath[str]) -> None:
    """Its link is void from now on."""
    await team.withdraw_invitation(access, caller, invitation_id)


@post(
    "/api/invitations/accept",
    summary="Accept an invitation",
    security=SIGNED_IN,
    opt={"session": True},
    status_code=200,
    responses=SIGNED_IN_ERRORS.with_body().plus(
        not_found="This invitation is not good any more.",
        conflict="You are a member of this workspace already.",
    ),
    operation_class=_TOKEN_BODY,
    request_max_body_size=MAX_BODY_BYTES,
    tags=_TAGS,
)
async def accept_invitation(
    request: AnyRequest, access: TheAccess, session: TheSession, visit: TheVisit
) -> MembershipShape:
    """Whoever is signed in must have the invited address as their own; else `conflict` says to link it first."""
    token = _one_text(await request.body(), "token", most=MAX_TOKEN_CHARS)
    return membership_shape(await team.accept_invitation(access, session, token, visit=visit))


@get(
    "/api/me/invitations",
    summary="Invitations to whoever is signed in",
    security=SIGNED_IN,
    opt={"session": True},
    responses=SIGNED_IN_ERRORS,
    tags=["me"],
)
async def list_own_invitations(access: TheAccess, session: TheSession) -> OwnInvitationList:
    """Those to any of one's own addresses. They are accepted by the link of their letter."""
    found = await team.own_invitations(access, session)
    return OwnInvitationList(data=[_own_invitation(each) for each in found])


ROUTES = (
    list_members,
    change_role,
    remove_member,
    leave_workspace,
    transfer_ownership,
    list_invitations,
    invite,
    resend_invitation,
    withdraw_invitation,
    accept_invitation,
    list_own_invitations,
)


def _one_text(body: bytes, name: str, *, most: int) -> str:
    fields = fields_of(body, (name,))
    if name not in fields:
        raise refuse(name, "is missing")
    return read_text(fields[name], name, least=1, most=most)


def _member(member: Member) -> MemberShape:
    return MemberShape(
        person_id=show_person(member.person_id),
        name=member.name,
        email=member.email,
        role=member.role,
        joined_at=rfc3339(member.joined_at),
        added_by=member.added_by,
    )


def _removed(removed: team.Removed) -> RemovedShape:
    count = len(removed.keys)
    note = "Keys that they made belong to the workspace and go on working; revoke those that shall not."
    return RemovedShape(
        person_id=show_person(removed.member.person_id),
        working_keys=[
            MadeKeyShape(key_id=show_short("key", key.key_id), name=key.name, prefix=key.visible_prefix)
            for key in removed.keys
        ],
        withdrawn_invitations=removed.withdrawn_invitations,
        note=note if count else "They made no key that works.",
    )


def _invitation(invitation: Invitation, now_micros: int) -> InvitationShape:
    return InvitationShape(
        invitation_id=team.show_invitation(invitation.invitation_id),
        email=invitation.email,
        role=invitation.role,
        status="open" if invitation.is_open_at(now_micros) else "expired",
        invited_by=invitation.invited_by,
        created_at=rfc3339(invitation.created_at),
        expires_at=rfc3339(invitation.expires_at),
    )


def _own_invitation(view: team.InvitationView) -> OwnInvitationShape:
    invitation = view.invitation
    return OwnInvitationShape(
        invitation_id=team.show_invitation(invitation.invitation_id),
        workspace_name=invitation.workspace_name,
        email=invitation.email,
        role=invitation.role,
        inviter=view.inviter,
        expires_at=rfc3339(invitation.expires_at),
    )
