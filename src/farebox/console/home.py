"""Where somebody lands: their workspaces, a new one, and one at a look."""

from typing import Any, Final

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from farebox.access.asking import require_site
from farebox.access.depend import TheAccess, TheCaller, TheSession
from farebox.access.overview import Overview, read_overview
from farebox.access.pages import TheTemplates, see_other
from farebox.access.parts import Access
from farebox.base.ids import show_short
from farebox.console.place import done_of, place_of, show_page
from farebox.console.show import limit_lines
from farebox.console.snippets import curl, first_model
from farebox.identity.roles import Verb
from farebox.identity.team.roles import memberships_of
from farebox.storage.pool import connected

BASE_PATH: Final = "/v1"
_ADVICE: Final = {
    "create_deposit": "The balance is low. Top it up before calls are refused.",
    "hold_more": "The allowance is used up.",
    "wait_for_reset": "A limit of the workspace is used up; calls are refused until it starts anew.",
    "raise_key_limit": "A limit of the workspace is used up. Ask the operator to raise it.",
}


@get("/console", opt={"session": True})
async def show_console(access: TheAccess, session: TheSession, templates: TheTemplates) -> Response[Any]:
    """On to the only workspace; a list of several; a form for the first."""
    async with connected(access.pool) as connection:
        memberships = await memberships_of(connection, session.person_id)
    if not memberships:
        return see_other("/console/new")
    if len(memberships) == 1:
        return see_other(f"/console/{show_short('ws', memberships[0].workspace_id)}")
    return show_page(templates, "workspaces.html", session=session, memberships=memberships)


@get("/console/{workspace:str}", opt={"verb": Verb.WORKSPACE_READ})
async def show_workspace(
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    workspace: FromPath[str],
    done: FromQuery[str | None] = None,
) -> Response[Any]:
    """The balance, this month, the limits, and how to call."""
    del workspace
    place = await place_of(access, caller)
    seen = await read_overview(access, caller)
    url = base_url(access)
    return show_page(
        templates,
        "overview.html",
        place=place,
        session=caller.session,
        here="",
        done=done_of(done),
        seen=seen,
        advice=_advice(seen),
        limits=limit_lines(seen.balance.limits),
        base_url=url,
        curl=curl(url, f"{access.brand.key_prefix}…", first_model(access.catalog())),
    )


def base_url(access: Access) -> str:
    """What clients are pointed at. Raises Problem(`sign_in_unavailable`)."""
    return require_site(access).url(BASE_PATH)


def _advice(seen: Overview) -> str:
    return _ADVICE.get(seen.action, "")


ROUTES: tuple[HTTPRouteHandler, ...] = (show_console, show_workspace)
