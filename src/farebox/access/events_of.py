"""The record of security events, read page by page: by operators whole, by members that of their workspace."""

import msgspec

from farebox.access.parts import Access
from farebox.base.errors import Problem
from farebox.base.ids import IdError, read_short
from farebox.identity.audit import ACTIONS, EventFilter, StoredEvent, list_events
from farebox.records.page import Cursor, CursorError, read_cursor, show_cursor
from farebox.storage.pool import connected


class EventQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which events: None is any. `workspace`: `ws_…`, `person`: `person_…`, `action`: a name of ACTIONS.

    `for_members`: without the addresses of operators.
    """

    workspace: str | None = None
    person: str | None = None
    action: str | None = None
    for_members: bool = False


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of them, the newest first. `next_cursor` None: there are no more."""

    rows: list[StoredEvent]
    next_cursor: str | None


async def events_of(access: Access, query: EventQuery, *, cursor: str | None, most: int) -> EventPage:
    """Raises Problem(`invalid_request`) for what cannot be meant."""
    if query.action is not None and query.action not in ACTIONS:
        message = "There is no such action; events have names like workspace.credited."
        raise Problem("invalid_request", message, param="action")
    wanted = EventFilter(
        workspace_id=_number(query.workspace, "ws", "workspace"),
        person_id=_number(query.person, "person", "person"),
        action=query.action,
        before=None if cursor is None else _place(cursor).before_id,
        for_members=query.for_members,
    )
    return await events_page(access, wanted, most=most)


async def events_page(access: Access, wanted: EventFilter, *, most: int) -> EventPage:
    """At most so many of those that the filter names."""
    async with connected(access.pool) as connection:
        found = await list_events(connection, wanted, most=most + 1)
    has_more, rows = len(found) > most, found[:most]
    return EventPage(rows=rows, next_cursor=show_cursor(Cursor(rows[-1].event_id)) if has_more else None)


def _number(text: str | None, prefix: str, param: str) -> int | None:
    try:
        return None if text is None else read_short(prefix, text)
    except IdError:
        raise Problem("invalid_request", f"{param} is an id like {prefix}_….", param=param) from None


def _place(cursor: str) -> Cursor:
    try:
        return read_cursor(cursor)
    except CursorError:
        raise Problem("invalid_request", "Use the next_cursor of the page before, unchanged.", param="cursor") from None
