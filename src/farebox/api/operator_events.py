"""/api/operator/events: the record of security events, of all workspaces and people."""

from typing import Annotated, Any, Final

from litestar import Response, get
from litestar.params import QueryParameter

from farebox.access.depend import TheAccess, TheOperator
from farebox.access.events_of import EventQuery, events_of
from farebox.api.depend import AnyRequest
from farebox.api.describe import PLATFORM, PLATFORM_ERRORS, answers
from farebox.api.events import EventList, event_list
from farebox.api.filters import Query
from farebox.identity.roles import PlatformVerb

_PARAMETERS: Final = frozenset({"workspace", "person", "action", "cursor", "limit"})

Text = str | None


@get(
    "/api/operator/events",
    summary="Security events, newest first",
    security=PLATFORM,
    opt={"verb": PlatformVerb.AUDIT_READ},
    responses=answers(EventList, "A page", errors=PLATFORM_ERRORS),
    tags=["operator"],
)
async def list_events(
    request: AnyRequest,
    access: TheAccess,
    operator: TheOperator,
    *,
    workspace: Annotated[Text, QueryParameter(description="Only of this workspace, `ws_…`")] = None,
    person: Annotated[Text, QueryParameter(description="Only about this person, `person_…`")] = None,
    action: Annotated[Text, QueryParameter(description="Only this, like `workspace.credited`")] = None,
    cursor: Annotated[Text, QueryParameter(description="`next_cursor` of the page before")] = None,
    limit: Annotated[Text, QueryParameter(description="Lines of a page, 1 to 500, default 50")] = None,
) -> Response[Any]:
    """Who did what, to what, from where. Rows are only ever added."""
    del operator, workspace, person, action, cursor, limit
    query = Query(request, _PARAMETERS)
    wanted = EventQuery(workspace=query.text("workspace"), person=query.text("person"), action=query.text("action"))
    page = await events_of(access, wanted, cursor=query.text("cursor"), most=query.page())
    return Response(event_list(page))


ROUTES: Final = (list_events,)
