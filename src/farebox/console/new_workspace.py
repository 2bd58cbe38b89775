"""A new workspace of somebody's own."""

from typing import Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from farebox.access.depend import AnyRequest, TheAccess, TheSession, TheVisit
from farebox.access.form import form_of
from farebox.access.pages import TheTemplates, see_other
from farebox.access.parts import Access
from farebox.access.team import create_workspace, own_invitations
from farebox.base.errors import Problem
from farebox.base.ids import show_short
from farebox.console.place import show_page
from farebox.identity.people.model import Session
from farebox.identity.team.roles import memberships_of
from farebox.storage.pool import connected
from farebox.web.pages import Templates


@get("/console/new", opt={"session": True})
async def show_new_workspace(access: TheAccess, session: TheSession, templates: TheTemplates) -> Response[Any]:
    """The form for another workspace."""
    return await _new_workspace(access, session, templates)


@post("/console/new", opt={"session": True, "back": "/console/new"}, status_code=303)
async def make_workspace(
    request: AnyRequest, access: TheAccess, session: TheSession, visit: TheVisit, templates: TheTemplates
) -> Response[Any]:
    """Made, and on to it."""
    name = (await form_of(request)).text("name")
    try:
        made = await create_workspace(access, session, name, visit=visit)
    except Problem as problem:
        return await _new_workspace(access, session, templates, problem=problem, name=name)
    return see_other(f"/console/{show_short('ws', made.workspace_id)}?done=created")


async def _new_workspace(
    access: Access,
    session: Session,
    templates: Templates,
    *,
    problem: Problem | None = None,
    name: str = "",
) -> Response[Any]:
    invitations = await own_invitations(access, session)
    async with connected(access.pool) as connection:
        has_one = bool(await memberships_of(connection, session.person_id))
    return show_page(
        templates,
        "new_workspace.html",
        problem=problem,
        session=session,
        typed={"name": name},
        invitations=invitations,
        has_one=has_one,
        welcome_nanos=access.welcome_credit_nanos,
    )


ROUTES: tuple[HTTPRouteHandler, ...] = (show_new_workspace, make_workspace)
