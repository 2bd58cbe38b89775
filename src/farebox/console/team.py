"""The members of a workspace: who they are, other roles, removal, leaving, and the transfer of ownership."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from farebox.access.asking import Caller
from farebox.access.depend import AnyRequest, TheAccess, TheCaller, TheSession, TheVisit
from farebox.access.form import form_of
from farebox.access.pages import TheTemplates, see_other
from farebox.access.parts import Access
from farebox.access.team import (
    change_role,
    leave_workspace,
    list_invitations,
    list_members,
    remove_member,
    show_invitation,
    transfer_ownership,
)
from farebox.base.errors import Problem
from farebox.console.names import called
from farebox.console.place import done_of, place_of, session_of, show_page
from farebox.identity.people.model import show_person
from farebox.identity.roles import Role, Verb, outranks
from farebox.identity.team.members import working_keys_by
from farebox.identity.team.model import MadeKey
from farebox.storage.pool import connected
from farebox.web.pages import Templates

ROLE_WORDS: Final = {
    Role.ADMIN: "Admin: everything but the transfer of ownership",
    Role.DEVELOPER: "Developer: makes and changes keys",
    Role.BILLING: "Billing: requests, wallets and money",
    Role.VIEWER: "Viewer: looks and changes nothing",
}
_MEMBERS: Final = "/console/{workspace:str}/members"


@get(_MEMBERS, opt={"verb": Verb.MEMBERS_READ})
async def show_members(
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
    done: FromQuery[str | None] = None,
) -> Response[Any]:
    """Who belongs here, and who is invited."""
    del workspace
    return await members_page(access, caller, templates, done=done_of(done))


@get(f"{_MEMBERS}/leave", opt={"verb": Verb.WORKSPACE_READ, "fresh": True})
async def show_leave(
    access: TheAccess, caller: TheCaller, session: TheSession, templates: TheTemplates, *, workspace: FromPath[str]
) -> Response[Any]:
    """Asks once more."""
    del workspace, session
    return await _leave(access, caller, templates)


@post(
    f"{_MEMBERS}/leave",
    opt={"verb": Verb.WORKSPACE_READ, "fresh": True, "back": "/console/{workspace}/members/leave"},
    status_code=303,
)
async def leave(
    access: TheAccess,
    caller: TheCaller,
    session: TheSession,
    visit: TheVisit,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
) -> Response[Any]:
    """Gone, and on to what is left."""
    try:
        await leave_workspace(access, session, workspace, visit=visit)
    except Problem as problem:
        return await _leave(access, caller, templates, problem=problem)
    return see_other("/console")


@get(f"{_MEMBERS}/transfer", opt={"verb": Verb.OWNERSHIP_TRANSFER})
async def show_transfer(
    access: TheAccess, caller: TheCaller, templates: TheTemplates, *, workspace: FromPath[str]
) -> Response[Any]:
    """Who could own it, and what that means."""
    del workspace
    return await _transfer(access, caller, templates)


@post(
    f"{_MEMBERS}/transfer",
    opt={"verb": Verb.OWNERSHIP_TRANSFER, "back": "/console/{workspace}/members/transfer"},
    status_code=303,
)
async def transfer(
    request: AnyRequest, access: TheAccess, caller: TheCaller, templates: TheTemplates, *, workspace: FromPath[str]
) -> Response[Any]:
    """Handed on; only with the box ticked."""
    form = await form_of(request)
    heir = form.text("person_id")
    try:
        if not form.is_ticked("sure"):
            raise Problem("invalid_request", "Tick the box to hand the workspace on.", param="sure")
        await transfer_ownership(access, caller, heir)
    except Problem as problem:
        return await _transfer(access, caller, templates, problem=problem, heir=heir)
    return see_other(f"/console/{workspace}/members?done=transferred")


@get(f"{_MEMBERS}/{{person_id:str}}", opt={"verb": Verb.MEMBERS_MANAGE})
async def show_member(
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
    person_id: FromPath[str],
) -> Response[Any]:
    """Another role, or the end of it."""
    del workspace
    return await _member(access, caller, templates, person_id)


@post(
    f"{_MEMBERS}/{{person_id:str}}/role",
    opt={"verb": Verb.MEMBERS_MANAGE, "back": "/console/{workspace}/members/{person_id}"},
    status_code=303,
)
async def give_role(
    request: AnyRequest,
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
    person_id: FromPath[str],
) -> Response[Any]:
    """Their next request has it."""
    try:
        await change_role(access, caller, person_id, (await form_of(request)).text("role"))
    except Problem as problem:
        return await _member(access, caller, templates, person_id, problem=problem)
    return see_other(f"/console/{workspace}/members?done=saved")


@post(
    f"{_MEMBERS}/{{person_id:str}}/remove",
    opt={"verb": Verb.MEMBERS_MANAGE, "back": "/console/{workspace}/members/{person_id}"},
    status_code=303,
)
async def remove(
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
    person_id: FromPath[str],
) -> Response[Any]:
    """Their next request is refused."""
    try:
        await remove_member(access, caller, person_id)
    except Problem as problem:
        return await _member(access, caller, templates, person_id, problem=problem)
    return see_other(f"/console/{workspace}/members?done=removed")


async def members_page(
    access: Access, caller: Caller, templates: Templates, *, problem: Problem | None = None, done: str = ""
) -> Response[Any]:
    """Who belongs here, and who is invited; `problem`: why a button on it did nothing."""
    place = await place_of(access, caller)
    return show_page(
        templates,
        "members.html",
        problem=problem,
        place=place,
        session=caller.session,
        here="/members",
        done=done,
        members=await list_members(access, caller),
        invitations=await list_invitations(access, caller),
        now_micros=access.clock(),
        outranked=[role for role in Role if outranks(place.role, role)],
        show_person=show_person,
        show_invitation=show_invitation,
    )


async def _leave(
    access: Access, caller: Caller, templates: Templates, *, problem: Problem | None = None
) -> Response[Any]:
    return show_page(
        templates,
        "leave.html",
        problem=problem,
        place=await place_of(access, caller),
        session=caller.session,
        here="/members",
        keys=await _keys_by(access, caller, session_of(caller).person_id),
    )


async def _transfer(
    access: Access, caller: Caller, templates: Templates, *, problem: Problem | None = None, heir: str = ""
) -> Response[Any]:
    own_id = session_of(caller).person_id
    others = [member for member in await list_members(access, caller) if member.person_id != own_id]
    return show_page(
        templates,
        "transfer.html",
        problem=problem,
        place=await place_of(access, caller),
        session=caller.session,
        here="/members",
        heirs=[(show_person(member.person_id), called(member)) for member in others],
        heir=heir,
    )


async def _member(
    access: Access, caller: Caller, templates: Templates, person_id: str, *, problem: Problem | None = None
) -> Response[Any]:
    """Raises Problem(`not_found`) for whoever is no member."""
    members = await list_members(access, caller)
    member = next((one for one in members if show_person(one.person_id) == person_id), None)
    if member is None:
        raise Problem("not_found", "This workspace has no such member.", param="person_id")
    place = await place_of(access, caller)
    return show_page(
        templates,
        "member.html",
        problem=problem,
        place=place,
        session=caller.session,
        here="/members",
        member=member,
        person_id=person_id,
        called=called(member),
        is_outranked=outranks(place.role, member.role),
        roles=list(ROLE_WORDS.items()),
        keys=await _keys_by(access, caller, member.person_id),
    )


async def _keys_by(access: Access, caller: Caller, person_id: int) -> list[MadeKey]:
    async with connected(access.pool) as connection:
        return await working_keys_by(connection, caller.workspace_id, person_id, now_micros=access.clock())


ROUTES: tuple[HTTPRouteHandler, ...] = (
    show_members,
    show_leave,
    leave,
    show_transfer,
    transfer,
    show_member,
    give_role,
    remove,
)
