"""Find a workspace, and everything about one on one sheet."""

from typing import Annotated, Any, Final

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery, QueryParameter

from farebox.access.depend import TheAccess, TheOperator
from farebox.access.look_up import find_workspaces, people_called, read_workspace_sheet, shown_query
from farebox.access.operate import read_workspace_id
from farebox.access.pages import TheTemplates, see_other
from farebox.admin.place import done_of, show_page
from farebox.identity.model import Status
from farebox.identity.roles import PlatformVerb

ROWS: Final = 50
_STATUSES: Final = {"active": Status.ACTIVE, "frozen": Status.SUSPENDED}


@get("/admin", opt={"verb": PlatformVerb.WORKSPACES_READ})
async def show_admin(operator: TheOperator) -> Response[Any]:
    """On to the first list."""
    del operator
    return see_other("/admin/workspaces")


@get("/admin/workspaces", opt={"verb": PlatformVerb.WORKSPACES_READ})
async def list_workspaces(
    access: TheAccess,
    operator: TheOperator,
    templates: TheTemplates,
    *,
    sought: Annotated[str, QueryParameter(name="query")] = "",
    status: FromQuery[str] = "",
    cursor: FromQuery[str] = "",
) -> Response[Any]:
    """Those that a text can mean, the newest first."""
    found = await find_workspaces(
        access, operator, sought, cursor=cursor or None, most=ROWS, status=_STATUSES.get(status)
    )
    return show_page(
        templates,
        "find.html",
        operator,
        here="/admin/workspaces",
        query=shown_query(access, sought),
        chosen=status if status in _STATUSES else "",
        is_first=not cursor,
        found=found,
    )


@get("/admin/workspaces/{workspace_id:str}", opt={"verb": PlatformVerb.WORKSPACES_READ})
async def show_workspace(
    access: TheAccess,
    operator: TheOperator,
    templates: TheTemplates,
    *,
    workspace_id: FromPath[str],
    done: FromQuery[str] = "",
) -> Response[Any]:
    """Its sheet, and what the operator's role may do to it."""
    sheet = await read_workspace_sheet(access, operator, read_workspace_id(workspace_id))
    events = sheet.events or []
    return show_page(
        templates,
        "sheet.html",
        operator,
        here="/admin/workspaces",
        done=done_of(done),
        sheet=sheet,
        now_micros=access.clock(),
        people=await people_called(access, [event.actor for event in events]),
    )


ROUTES: tuple[HTTPRouteHandler, ...] = (show_admin, list_workspaces, show_workspace)
