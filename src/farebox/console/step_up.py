"""Proving more than an e-mail does: the second factor at sign-in, and a fresh proof before what is delicate."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from farebox.access.depend import AnyRequest, TheAccess, TheSession, TheVisit
from farebox.access.email_sign_in import begin_email
from farebox.access.form import form_of, refused
from farebox.access.pages import TheTemplates, see_other
from farebox.access.parts import Access
from farebox.access.second_factor import give_code
from farebox.access.step_up import ways_to_step_up
from farebox.base.errors import Problem
from farebox.base.site import local_path
from farebox.console.entry import HOME, WRONG_CODE, about_code, entered, next_of, page_of, with_next
from farebox.identity.people.model import Purpose, Session, SessionState
from farebox.identity.people.sessions import is_fresh

_SECOND: Final = {"pending": True, "back": "/sign-in/second-factor"}
_STEP_UP: Final = {"session": True, "back": "/step-up"}


@get("/sign-in/second-factor", opt=_SECOND)
async def show_second_factor(
    access: TheAccess, session: TheSession, templates: TheTemplates, request: AnyRequest
) -> Response[Any]:
    """Ask for it; who has given it goes on."""
    if session.state is SessionState.ACTIVE and session.second_factor_at is not None:
        return see_other(next_of(request))
    values = await _second(access, session, next_of(request))
    return page_of(templates, "second_factor.html", session=session, **values)


@post("/sign-in/second-factor", opt=_SECOND)
async def give_second_factor(
    access: TheAccess, session: TheSession, visit: TheVisit, templates: TheTemplates, request: AnyRequest
) -> Response[Any]:
    """A code of the authenticator app, or a recovery code."""
    form = await form_of(request)
    onward = local_path(form.text("next"), HOME)
    try:
        opened = await give_code(access, session, form.text("code"), visit=visit)
    except Problem as problem:
        told = about_code(problem, WRONG_CODE)
        values = await _second(access, session, onward)
        return refused(templates, "second_factor.html", told, session=session, **values)
    return entered(access, opened, onward)


@get("/step-up", opt=_STEP_UP)
async def show_step_up(
    access: TheAccess, session: TheSession, templates: TheTemplates, request: AnyRequest
) -> Response[Any]:
    """By what this person can prove it; who has just done so goes on."""
    if is_fresh(session, step_up_seconds=int(access.sign_in.step_up_seconds), now_micros=access.clock()):
        return see_other(next_of(request))
    values = await _step_up(access, session, next_of(request))
    return page_of(templates, "step_up.html", session=session, **values)


@post("/step-up/email", opt=_STEP_UP)
async def send_step_up_code(
    access: TheAccess, session: TheSession, visit: TheVisit, templates: TheTemplates, request: AnyRequest
) -> Response[Any]:
    """Have a letter sent to an address of one's own."""
    form = await form_of(request)
    onward = local_path(form.text("next"), HOME)
    try:
        challenge = await begin_email(access, form.text("email"), visit=visit, purpose=Purpose.STEP_UP, session=session)
    except Problem as problem:
        values = await _step_up(access, session, onward)
        return refused(templates, "step_up.html", problem, session=session, **values)
    return see_other(with_next(f"/sign-in/code?challenge={challenge.challenge_id}", onward))


@post("/step-up/code", opt=_STEP_UP)
async def give_step_up_code(
    access: TheAccess, session: TheSession, visit: TheVisit, templates: TheTemplates, request: AnyRequest
) -> Response[Any]:
    """A code of the authenticator app, or a recovery code."""
    form = await form_of(request)
    onward = local_path(form.text("next"), HOME)
    try:
        opened = await give_code(access, session, form.text("code"), visit=visit)
    except Problem as problem:
        told = about_code(problem, WRONG_CODE)
        values = await _step_up(access, session, onward)
        return refused(templates, "step_up.html", told, session=session, **values)
    return entered(access, opened, onward)


async def _second(access: Access, session: Session, onward: str) -> dict[str, Any]:
    ways = await ways_to_step_up(access, session)
    return {"ways": ways, "action": "/sign-in/second-factor", "purpose": Purpose.STEP_UP, "next": onward}


async def _step_up(access: Access, session: Session, onward: str) -> dict[str, Any]:
    return {
        "ways": await ways_to_step_up(access, session),
        "action": "/step-up/code",
        "purpose": Purpose.STEP_UP,
        "next": onward,
        "minutes": int(access.sign_in.step_up_seconds) // 60,
        "cancel": HOME,
    }


ROUTES: tuple[HTTPRouteHandler, ...] = (
    show_second_factor,
    give_second_factor,
    show_step_up,
    send_step_up_code,
    give_step_up_code,
)
