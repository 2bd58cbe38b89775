"""Inviting somebody to a workspace: sent, sent again, withdrawn."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.access.asking import Caller
from farebox.access.depend import AnyRequest, TheAccess, TheCaller
from farebox.access.form import form_of
from farebox.access.pages import TheTemplates, see_other
from farebox.access.parts import Access
from farebox.access.team import invite, resend_invitation, withdraw_invitation
from farebox.base.errors import Problem
from farebox.console.place import place_of, show_page
from farebox.console.team import ROLE_WORDS, members_page
from farebox.identity.roles import Role, Verb
from farebox.web.pages import Templates

_OPT: Final = {"verb": Verb.MEMBERS_MANAGE, "back": "/console/{workspace}/members"}
_INVITE: Final = "/console/{workspace:str}/members/invite"
_INVITATION: Final = "/console/{workspace:str}/invitations/{invitation_id:str}"


@get(_INVITE, opt={"verb": Verb.MEMBERS_MANAGE})
async def show_invite(
    access: TheAccess, caller: TheCaller, templates: TheTemplates, *, workspace: FromPath[str]
) -> Response[Any]:
    """The form of an invitation."""
    del workspace
    return await _invite(access, caller, templates)


@post(
    _INVITE,
    opt={"verb": Verb.MEMBERS_MANAGE, "back": "/console/{workspace}/members/invite"},
    status_code=303,
)
async def send_invitation(
    request: AnyRequest, access: TheAccess, caller: TheCaller, templates: TheTemplates, *, workspace: FromPath[str]
) -> Response[Any]:
    """Sent, and back to the members."""
    form = await form_of(request)
    email, role = form.text("email"), form.text("role")
    try:
        await invite(access, caller, email, role)
    except Problem as problem:
        return await _invite(access, caller, templates, problem=problem, email=email, role=role)
    return see_other(f"/console/{workspace}/members?done=invited")


@post(f"{_INVITATION}/resend", opt=_OPT, status_code=303)
async def resend(
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
    invitation_id: FromPath[str],
) -> Response[Any]:
    """Sent once more with a new link."""
    try:
        await resend_invitation(access, caller, invitation_id)
    except Problem as problem:
        return await members_page(access, caller, templates, problem=problem)
    return see_other(f"/console/{workspace}/members?done=resent")


@post(f"{_INVITATION}/withdraw", opt=_OPT, status_code=303)
async def withdraw(
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
    invitation_id: FromPath[str],
) -> Response[Any]:
    """Its link is void."""
    try:
        await withdraw_invitation(access, caller, invitation_id)
    except Problem as problem:
        return await members_page(access, caller, templates, problem=problem)
    return see_other(f"/console/{workspace}/members?done=withdrawn")


async def _invite(
    access: Access,
    caller: Caller,
    templates: Templates,
    *,
    problem: Problem | None = None,
    email: str = "",
    role: str = Role.DEVELOPER,
) -> Response[Any]:
    return show_page(
        templates,
        "invite.html",
        problem=problem,
        place=await place_of(access, caller),
        session=caller.session,
        here="/members",
        email=email,
        role=role,
        roles=list(ROLE_WORDS.items()),
    )


ROUTES: tuple[HTTPRouteHandler, ...] = (show_invite, send_invitation, resend, withdraw)
