"""Signing in: by a code or a link from a letter here; with a passkey or a wallet by the modules in web/assets, which
ask the JSON API. Nothing on these pages tells whether somebody has an account."""

from typing import Any, Final
from uuid import UUID

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from farebox.access.account import sign_out
from farebox.access.asking import refuse_cross_site, require_site
from farebox.access.cookies import no_cookie
from farebox.access.depend import AnyRequest, TheAccess, TheAsked, TheVisit
from farebox.access.email_sign_in import begin_email, finish_email, finish_link, read_link
from farebox.access.form import form_of, refused
from farebox.access.pages import TheTemplates, see_other
from farebox.access.parts import Access
from farebox.base.errors import Problem
from farebox.base.site import is_by_number, local_path
from farebox.console.entry import HOME, about_code, browser_session, entered, has_mailbox, next_of, page_of, with_next
from farebox.identity.people.email_codes import EmailChallenge, find_challenge
from farebox.identity.people.model import Purpose, Session, SessionState
from farebox.storage.pool import connected
from farebox.web.pages import Templates

OPEN: Final = {"open": "whoever signs in has not signed in yet"}
# Where an address is typed for a purpose, and where that form is sent.
_BEGIN: Final = {Purpose.SIGN_IN: "/sign-in", Purpose.LINK: "/account", Purpose.STEP_UP: "/step-up"}
_SEND: Final = {Purpose.SIGN_IN: "/sign-in/email", Purpose.LINK: "/account/emails", Purpose.STEP_UP: "/step-up/email"}
# After a link: it may be opened in another tab or browser than the one that waits.
_AFTER_LINK: Final = {Purpose.SIGN_IN: HOME, Purpose.LINK: "/account", Purpose.STEP_UP: HOME}

_WRONG: Final = "This code is not right, or codes were tried too often. Look at the newest letter, or send another one."


@get("/sign-in")
async def show_sign_in(
    access: TheAccess, asked: TheAsked, templates: TheTemplates, request: AnyRequest
) -> Response[Any]:
    """All ways to sign in; who has done so goes on."""
    site = require_site(access)
    if is_by_number(site, asked.headers):
        return see_other(site.url(with_next("/sign-in", next_of(request))))
    session = await browser_session(access, asked)
    if session is not None and session.state is SessionState.ACTIVE:
        return see_other(next_of(request))
    return page_of(templates, "sign_in.html", email="", **_offer(access, next_of(request)))


@post("/sign-in/email", opt=OPEN)
async def send_code(
    access: TheAccess, asked: TheAsked, visit: TheVisit, templates: TheTemplates, request: AnyRequest
) -> Response[Any]:
    """Have a letter sent, and go on to the page for its code."""
    refuse_cross_site(access, asked)
    form = await form_of(request)
    onward = local_path(form.text("next"), HOME)
    try:
        challenge = await begin_email(access, form.text("email"), visit=visit)
    except Problem as problem:
        offer = _offer(access, onward)
        return refused(templates, "sign_in.html", problem, session=None, email=form.text("email"), **offer)
    return see_other(with_next(f"/sign-in/code?challenge={challenge.challenge_id}", onward))


@get("/sign-in/code")
async def show_code(access: TheAccess, asked: TheAsked, templates: TheTemplates, request: AnyRequest) -> Response[Any]:
    """The field for the code of a letter."""
    challenge = await _challenge(access, request.query_params.get("challenge", ""))
    session = await browser_session(access, asked)
    if challenge is None:
        return templates.page("code_gone.html", 404, problem=None, session=session, back="/sign-in")
    return page_of(templates, "code.html", session=session, **_code(access, challenge, next_of(request)))


@post("/sign-in/code", opt=OPEN)
async def give_code(
    access: TheAccess, asked: TheAsked, visit: TheVisit, templates: TheTemplates, request: AnyRequest
) -> Response[Any]:
    """Answer with the code."""
    refuse_cross_site(access, asked)
    form = await form_of(request)
    onward = local_path(form.text("next"), HOME)
    session = await browser_session(access, asked)
    challenge = await _challenge(access, form.text("challenge"))
    try:
        if challenge is None:
            raise Problem("sign_in_failed", "This code was used or is too old. Ask for a new one.")
        opened = await finish_email(access, challenge.challenge_id, form.text("code"), visit=visit, session=session)
    except Problem as problem:
        return await _refused_code(access, templates, problem, challenge=challenge, onward=onward, session=session)
    return entered(access, opened, onward)


@get("/sign-in/link")
async def show_link(access: TheAccess, asked: TheAsked, templates: TheTemplates, request: AnyRequest) -> Response[Any]:
    """A button. Programs that look through mail open links; they press no buttons, so they use nothing up."""
    require_site(access)
    token = request.query_params.get("token", "")
    session = await browser_session(access, asked)
    try:
        link = await read_link(access, token)
    except Problem as problem:
        return refused(templates, "code_gone.html", problem, session=session, back="/sign-in")
    return page_of(templates, "link.html", session=session, token=token, email=link.email, purpose=link.purpose)


@post("/sign-in/link", opt=OPEN)
async def use_link(
    access: TheAccess, asked: TheAsked, visit: TheVisit, templates: TheTemplates, request: AnyRequest
) -> Response[Any]:
    """Answer with the link."""
    refuse_cross_site(access, asked)
    token = (await form_of(request)).text("token")
    session = await browser_session(access, asked)
    try:
        purpose = (await read_link(access, token)).purpose
        opened = await finish_link(access, token, visit=visit, session=session)
    except Problem as problem:
        return refused(templates, "code_gone.html", problem, session=session, back="/sign-in")
    return entered(access, opened, _AFTER_LINK[purpose])


@post("/sign-out", opt={"open": "whose session has ended already is signed out, too"})
async def leave(access: TheAccess, asked: TheAsked, visit: TheVisit) -> Response[Any]:
    """End this browser's session."""
    refuse_cross_site(access, asked)
    session = await browser_session(access, asked)
    if session is not None:
        await sign_out(access, session, visit=visit)
    answer = see_other("/")
    answer.set_cookie(no_cookie())
    return answer


async def _challenge(access: Access, text: str) -> EmailChallenge | None:
    """Whoever knows a challenge's random id has asked for it."""
    try:
        challenge_id = UUID(text)
    except ValueError:
        return None
    async with connected(access.pool) as connection:
        return await find_challenge(connection, challenge_id, now_micros=access.clock())


async def _refused_code(
    access: Access,
    templates: Templates,
    problem: Problem,
    *,
    challenge: EmailChallenge | None,
    onward: str,
    session: Session | None,
) -> Response[str]:
    if challenge is None or await _challenge(access, str(challenge.challenge_id)) is None:
        return refused(templates, "code_gone.html", problem, session=session, back=with_next("/sign-in", onward))
    told = about_code(problem, _WRONG)
    return refused(templates, "code.html", told, session=session, **_code(access, challenge, onward))


def _offer(access: Access, onward: str) -> dict[str, Any]:
    return {"next": onward, "is_open": access.sign_in.open, "has_mail": access.postman.works}


def _code(access: Access, challenge: EmailChallenge, onward: str) -> dict[str, Any]:
    begin = _BEGIN[challenge.purpose]
    return {
        "challenge": str(challenge.challenge_id),
        "email": challenge.email,
        "purpose": challenge.purpose,
        "has_mailbox": has_mailbox(access),
        "minutes": int(access.sign_in.code_seconds) // 60,
        "next": onward,
        "resend": _SEND[challenge.purpose],
        "back": begin if challenge.purpose is Purpose.LINK else with_next(begin, onward),
    }


ROUTES: tuple[HTTPRouteHandler, ...] = (
    show_sign_in,
    send_code,
    show_code,
    give_code,
    show_link,
    use_link,
    leave,
)
