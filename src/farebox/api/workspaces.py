"""/api/workspaces and /api/workspace: the workspaces of whoever is signed in, and the one that a request is about."""

from typing import Final

import msgspec
from litestar import get, patch, post
from litestar.openapi.spec import OpenAPIType, Schema

from farebox.access import team
from farebox.access.depend import TheAccess, TheCaller, TheSession, TheVisit
from farebox.api.bodies import fields_of, read_text
from farebox.api.depend import AnyRequest
from farebox.api.describe import (
    MEMBERS,
    MEMBERS_ERRORS,
    PEOPLE,
    PEOPLE_ERRORS,
    SIGNED_IN,
    SIGNED_IN_ERRORS,
    taking,
)
from farebox.base.clock import rfc3339
from farebox.base.errors import Problem
from farebox.base.ids import show_short
from farebox.identity.model import Status
from farebox.identity.roles import Role, Verb
from farebox.identity.store import workspace_of
from farebox.identity.team.model import Membership
from farebox.storage.pool import connected

MAX_BODY_BYTES: Final = 4_000
_TAGS: Final = ["workspaces"]
_NAME_BODY: Final = taking(
    "Its name.",
    {
        "name": Schema(
            type=OpenAPIType.STRING,
            min_length=1,
            max_length=team.MAX_WORKSPACE_NAME_CHARS,
            description="What people call it; names need not be unique",
        )
    },
    required=["name"],
    example={"name": "Acme"},
)


class MembershipShape(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace that somebody belongs to, and as what."""

    workspace_id: str
    name: str
    status: Status
    role: Role
    joined_at: str
    object: str = "membership"


class MembershipList(msgspec.Struct, frozen=True, kw_only=True):
    """All of them, the first joined first."""

    data: list[MembershipShape]
    object: str = "list"


class WorkspaceShape(msgspec.Struct, frozen=True, kw_only=True):
    """`role`: what the person who asks is in it; null where an API key asks."""

    workspace_id: str
    name: str
    status: Status
    role: Role | None
    created_at: str
    object: str = "workspace"


@get(
    "/api/workspaces",
    summary="Workspaces of whoever is signed in",
    security=SIGNED_IN,
    opt={"session": True},
    responses=SIGNED_IN_ERRORS,
    tags=_TAGS,
)
async def list_workspaces(access: TheAccess, session: TheSession) -> MembershipList:
    """Name one of them in the header X-Farebox-Workspace for what is done in it."""
    found = await team.list_workspaces(access, session)
    return MembershipList(data=[membership_shape(membership) for membership in found])


@post(
    "/api/workspaces",
    summary="Make a workspace",
    security=SIGNED_IN,
    opt={"session": True},
    responses=SIGNED_IN_ERRORS.with_body().plus(conflict="You own 10 workspaces already, and nobody may own more."),
    operation_class=_NAME_BODY,
    request_max_body_size=MAX_BODY_BYTES,
    tags=_TAGS,
)
async def create_workspace(
    request: AnyRequest, access: TheAccess, session: TheSession, visit: TheVisit
) -> MembershipShape:
    """Whoever makes it owns it. It has the limits, and the welcome credit if there is one, that the operator set."""
    name = _name(await request.body())
    return membership_shape(await team.create_workspace(access, session, name, visit=visit))


@get(
    "/api/workspace",
    summary="The workspace",
    security=MEMBERS,
    opt={"verb": Verb.WORKSPACE_READ},
    responses=MEMBERS_ERRORS,
    tags=_TAGS,
)
async def show_workspace(access: TheAccess, caller: TheCaller) -> WorkspaceShape:
    """Of the key that asks, or the one that the header names."""
    return await _workspace(access, caller)


@patch(
    "/api/workspace",
    summary="Rename the workspace",
    security=PEOPLE,
    opt={"verb": Verb.WORKSPACE_CHANGE},
    responses=PEOPLE_ERRORS.with_body(),
    operation_class=_NAME_BODY,
    request_max_body_size=MAX_BODY_BYTES,
    tags=_TAGS,
)
async def rename_workspace(request: AnyRequest, access: TheAccess, caller: TheCaller) -> WorkspaceShape:
    """Everybody in it sees the new name."""
    await team.rename_workspace(access, caller, _name(await request.body()))
    return await _workspace(access, caller)


ROUTES = (list_workspaces, create_workspace, show_workspace, rename_workspace)


def membership_shape(membership: Membership) -> MembershipShape:
    """A membership as the API shows it."""
    return MembershipShape(
        workspace_id=show_short("ws", membership.workspace_id),
        name=membership.workspace_name,
        status=Status.ACTIVE if membership.is_active else Status.SUSPENDED,
        role=membership.role,
        joined_at=rfc3339(membership.joined_at),
    )


def _name(body: bytes) -> str:
    fields = fields_of(body, ("name",))
    return read_text(fields.get("name", b"null"), "name", least=1, most=team.MAX_WORKSPACE_NAME_CHARS)


async def _workspace(access: TheAccess, caller: TheCaller) -> WorkspaceShape:
    async with connected(access.pool) as connection:
        found = await workspace_of(connection, caller.workspace_id)
    if found is None:
        raise Problem("not_found", "There is no such workspace.")
    return WorkspaceShape(
        workspace_id=show_short("ws", found.workspace_id),
        name=found.name,
        status=found.status,
        role=caller.role,
        created_at=rfc3339(found.created_at),
    )
