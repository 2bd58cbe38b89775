"""GET /api/events: what happened in a workspace, who did it and from where. Rows are only ever added."""

from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get
from litestar.params import QueryParameter

from farebox.access.depend import TheAccess, TheCaller
from farebox.access.events_of import EventPage, events_page
from farebox.api.depend import AnyRequest
from farebox.api.describe import PEOPLE, PEOPLE_ERRORS, answers
from farebox.api.filters import Query
from farebox.base.clock import rfc3339
from farebox.base.ids import show_short
from farebox.identity.audit import ACTIONS, EventFilter, StoredEvent
from farebox.identity.people.model import show_person
from farebox.identity.roles import Verb
from farebox.records.page import FIRST_PAGE

_PARAMETERS: Final = frozenset({"action", "cursor", "limit"})
Text = str | None


class EventShape(msgspec.Struct, frozen=True, kw_only=True):
    """One event. `actor`: `person_…`, `key_…`, `operator`, `farebox` or `nobody`; `about`: whose way in, session or
    role it is; `address`: whence the request came."""

    event_id: str
    at: str
    action: str
    meaning: str
    actor: str
    workspace_id: str | None
    about: str | None
    subject: str
    detail: dict[str, Any]
    address: str
    object: str = "event"


class EventList(msgspec.Struct, frozen=True, kw_only=True):
    """Events, newest first. Go on with `?cursor=<next_cursor>`."""

    data: list[EventShape]
    has_more: bool
    next_cursor: str | None
    object: str = "list"


@get(
    "/api/events",
    summary="What happened in the workspace, newest first",
    security=PEOPLE,
    opt={"verb": Verb.AUDIT_READ},
    responses=answers(EventList, "A page", errors=PEOPLE_ERRORS),
    tags=["events"],
)
async def show_events(
    request: AnyRequest,
    access: TheAccess,
    caller: TheCaller,
    *,
    action: Annotated[Text, QueryParameter(description="Only this action, like `member.role`")] = None,
    cursor: Annotated[Text, QueryParameter(description="`next_cursor` of the page before")] = None,
    limit: Annotated[Text, QueryParameter(description="Lines of a page, 1 to 500, default 50")] = None,
) -> Response[Any]:
    """Members, invitations, keys, policies, and what the operator did. Never a secret."""
    del action, cursor, limit
    query = Query(request, _PARAMETERS)
    action_asked = query.choice("action", tuple(ACTIONS))
    wanted = EventFilter(workspace_id=caller.workspace_id, action=action_asked, for_members=True)
    return Response(await filtered_events(access, wanted, query))


ROUTES = (show_events,)


async def filtered_events(access: TheAccess, wanted: EventFilter, query: Query) -> EventList:
    """A page of events of whomever the filter names. Raises Problem for a cursor that is none."""
    after = query.cursor()
    if after != FIRST_PAGE:
        wanted = msgspec.structs.replace(wanted, before=after.before_id)
    return event_list(await events_page(access, wanted, most=query.page()))


def event_list(page: EventPage) -> EventList:
    """A page as the API shows it."""
    rows = [event_shape(event) for event in page.rows]
    return EventList(data=rows, has_more=page.next_cursor is not None, next_cursor=page.next_cursor)


def event_shape(event: StoredEvent) -> EventShape:
    """An event as the API shows it."""
    return EventShape(
        event_id=f"event_{event.event_id.hex}",
        at=rfc3339(event.happened_at),
        action=event.action,
        meaning=ACTIONS.get(event.action, ""),
        actor=event.actor,
        workspace_id=None if event.workspace_id is None else show_short("ws", event.workspace_id),
        about=None if event.person_id is None else show_person(event.person_id),
        subject=event.subject,
        detail=event.detail,
        address=event.address,
    )
