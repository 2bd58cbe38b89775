"""The record of security events, of all workspaces and people."""

from typing import Any, Final

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromQuery

from farebox.access.depend import TheAccess, TheOperator
from farebox.access.events_of import EventPage, EventQuery, events_of
from farebox.access.look_up import people_called
from farebox.access.pages import TheTemplates
from farebox.admin.place import show_page
from farebox.base.errors import Problem
from farebox.identity.audit import ACTIONS
from farebox.identity.roles import PlatformVerb

ROWS: Final = 100


@get("/admin/events", opt={"verb": PlatformVerb.AUDIT_READ})
async def list_events(
    access: TheAccess,
    operator: TheOperator,
    templates: TheTemplates,
    *,
    workspace: FromQuery[str] = "",
    person: FromQuery[str] = "",
    action: FromQuery[str] = "",
    cursor: FromQuery[str] = "",
) -> Response[Any]:
    """The newest first; of a workspace, about a person, or of one kind where that was asked for."""
    problem, page = None, EventPage(rows=[], next_cursor=None)
    wanted = EventQuery(workspace=workspace.strip() or None, person=person.strip() or None, action=action or None)
    try:
        page = await events_of(access, wanted, cursor=cursor or None, most=ROWS)
    except Problem as refused:
        problem = refused
    return show_page(
        templates,
        "events.html",
        operator,
        problem=problem,
        here="/admin/events",
        typed={"workspace": workspace[:100], "person": person[:100], "action": action if action in ACTIONS else ""},
        actions=ACTIONS,
        is_first=not cursor,
        page=page,
        people=await people_called(access, [event.actor for event in page.rows]),
    )


ROUTES: tuple[HTTPRouteHandler, ...] = (list_events,)
