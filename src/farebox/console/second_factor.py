"""The authenticator app of one's own account, and its recovery codes. What is secret is shown on the answer to a form
and nowhere else: no address leads to it, and no cache keeps it."""

from typing import Any, Final

from litestar import Response, post
from litestar.handlers import HTTPRouteHandler

from farebox.access.cookies import session_cookie
from farebox.access.depend import AnyRequest, TheAccess, TheSession, TheVisit
from farebox.access.form import form_of, refused
from farebox.access.pages import TheTemplates, see_other
from farebox.access.second_factor import begin_totp, confirm_totp, end_totp, renew_recovery_codes
from farebox.base.errors import Problem
from farebox.console.account import account_refused
from farebox.console.entry import WRONG_CODE, about_code, page_of
from farebox.identity.people.recovery import CODES, is_recovery_code

_DELICATE: Final = {"fresh": True, "back": "/account"}


@post("/account/authenticator", opt=_DELICATE)
async def set_up(access: TheAccess, session: TheSession, templates: TheTemplates) -> Response[Any]:
    """A new secret, as a picture and as text."""
    try:
        setup = await begin_totp(access, session)
    except Problem as problem:
        return await account_refused(access, session, templates, problem)
    return page_of(templates, "authenticator.html", session=session, setup=setup)


@post("/account/authenticator/confirm", opt=_DELICATE)
async def confirm(
    access: TheAccess, session: TheSession, visit: TheVisit, templates: TheTemplates, request: AnyRequest
) -> Response[Any]:
    """Turn it on with a first code, and show the recovery codes."""
    code = (await form_of(request)).text("code")
    try:
        opened, codes = await confirm_totp(access, session, code, visit=visit)
    except Problem as problem:
        told = about_code(problem, WRONG_CODE)
        return refused(templates, "authenticator.html", told, session=session, setup=None)
    done = "The authenticator app is on. From now on signing in by e-mail or wallet asks for its code."
    answer = page_of(templates, "recovery_codes.html", session=opened.session, codes=codes, done=done)
    answer.set_cookie(session_cookie(access, opened))
    return answer


@post("/account/authenticator/remove", opt=_DELICATE)
async def turn_off(access: TheAccess, session: TheSession, visit: TheVisit, templates: TheTemplates) -> Response[Any]:
    """No code is asked for any more."""
    try:
        await end_totp(access, session, visit=visit)
    except Problem as problem:
        return await account_refused(access, session, templates, problem)
    return see_other("/account?done=totp-off")


@post("/account/recovery-codes", opt=_DELICATE)
async def renew_codes(
    access: TheAccess, session: TheSession, visit: TheVisit, templates: TheTemplates
) -> Response[Any]:
    """New codes in place of the former."""
    try:
        codes = await renew_recovery_codes(access, session, visit=visit)
    except Problem as problem:
        return await account_refused(access, session, templates, problem)
    done = "These are your new codes. The former ones are void."
    return page_of(templates, "recovery_codes.html", session=session, codes=codes, done=done)


@post("/account/recovery-codes/download", opt={"session": True, "back": "/account"})
async def download_codes(access: TheAccess, session: TheSession, request: AnyRequest) -> Response[str]:
    """The codes that the page shows, as a file: they come from it, because nothing else knows them any more."""
    del session
    codes = [code for code in (await form_of(request)).all("code") if is_recovery_code(code)][:CODES]
    if not codes:
        raise Problem("invalid_request", "These are no recovery codes.", param="code")
    origin = "" if access.site is None else f" ({access.site.origin})"
    lines = [f"Recovery codes of {access.brand.name}{origin}", "Each is good once.", "", *codes, ""]
    headers = {"content-disposition": 'attachment; filename="recovery-codes.txt"', "cache-control": "no-store"}
    return Response("\r\n".join(lines), status_code=200, media_type="text/plain", headers=headers)


ROUTES: tuple[HTTPRouteHandler, ...] = (set_up, confirm, turn_off, renew_codes, download_codes)
