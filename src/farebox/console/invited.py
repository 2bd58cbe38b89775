"""The page that the link of an invitation opens: which workspace, by whom, for which address. Looking costs nothing."""

from typing import Any
from urllib.parse import quote

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.access.asking import open_session_of
from farebox.access.depend import TheAccess, TheAsked, TheSession, TheVisit
from farebox.access.pages import TheTemplates, see_other
from farebox.access.team import accept_invitation, read_invitation
from farebox.base.errors import Problem
from farebox.base.ids import show_short
from farebox.console.place import show_page
from farebox.identity.people.model import SessionState
from farebox.identity.people.store import emails_of
from farebox.storage.pool import connected


@get("/invitations/{token:str}", opt={"open": "whoever has the link may read what it is about"})
async def show_invitation(
    access: TheAccess, asked: TheAsked, templates: TheTemplates, *, token: FromPath[str]
) -> Response[Any]:
    """Asks who is not signed in to do that first, and to come back."""
    found = await read_invitation(access, token)
    session = await open_session_of(access, asked)
    is_signed_in = session is not None and session.state is SessionState.ACTIVE
    is_own = False
    if session is not None and is_signed_in:
        async with connected(access.pool) as connection:
            is_own = found.invitation.email in await emails_of(connection, session.person_id)
    return show_page(
        templates,
        "invitation.html",
        session=session if is_signed_in else None,
        found=found,
        token=token,
        is_own=is_own,
        sign_in=f"/sign-in?next={quote(f'/invitations/{token}', safe='/')}",
    )


@post("/invitations/{token:str}", opt={"session": True, "back": "/invitations/{token}"}, status_code=303)
async def accept(
    access: TheAccess, session: TheSession, visit: TheVisit, templates: TheTemplates, *, token: FromPath[str]
) -> Response[Any]:
    """A member from now on."""
    try:
        joined = await accept_invitation(access, session, token, visit=visit)
    except Problem as problem:
        found = await read_invitation(access, token)
        return show_page(
            templates,
            "invitation.html",
            problem=problem,
            session=session,
            found=found,
            token=token,
            is_own=True,
            sign_in="/sign-in",
        )
    return see_other(f"/console/{show_short('ws', joined.workspace_id)}?done=joined")


ROUTES: tuple[HTTPRouteHandler, ...] = (show_invitation, accept)
