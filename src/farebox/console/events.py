"""What happened in a workspace, who did it, and from where."""

from typing import Any, Final

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from farebox.access.depend import TheAccess, TheCaller
from farebox.access.events_of import EventQuery, events_of
from farebox.access.pages import TheTemplates
from farebox.console.names import names_of
from farebox.console.place import place_of, show_page
from farebox.identity.audit import ACTIONS, StoredEvent
from farebox.identity.roles import Verb

# Lines of one page: what people can look through.
PAGE: Final = 50
# Kinds of events that have no workspace stand in people's accounts, and are nothing to choose here.
_OF_PEOPLE: Final = ("sign_in.", "session.", "person.", "email.", "wallet.", "passkey.", "totp.", "recovery.")
CHOOSABLE: Final = [(name, words) for name, words in ACTIONS.items() if not name.startswith((*_OF_PEOPLE, "platform_"))]


@get("/console/{workspace:str}/events", opt={"verb": Verb.AUDIT_READ})
async def show_events(
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
    action: FromQuery[str | None] = None,
    cursor: FromQuery[str | None] = None,
) -> Response[Any]:
    """The newest first."""
    del workspace
    place = await place_of(access, caller)
    query = EventQuery(workspace=place.workspace_id, action=action or None, for_members=True)
    page = await events_of(access, query, cursor=cursor or None, most=PAGE)
    return show_page(
        templates,
        "events.html",
        place=place,
        session=caller.session,
        here="/events",
        actions=[("", "everything"), *CHOOSABLE],
        action=action or "",
        is_first=not cursor,
        page=page,
        said=_said,
        names=await names_of(access, caller),
        details=_details,
    )


def _said(action: str) -> str:
    """What happened, as a sentence begins."""
    words = ACTIONS.get(action, action)
    return words[:1].upper() + words[1:]


def _details(event: StoredEvent) -> str:
    """`role: admin; former: viewer`"""
    told = ((name.replace("_", " "), value) for name, value in event.detail.items() if value not in (None, ""))
    return "; ".join(f"{name}: {_shown(value)}" for name, value in told)


def _shown(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


ROUTES: tuple[HTTPRouteHandler, ...] = (show_events,)
