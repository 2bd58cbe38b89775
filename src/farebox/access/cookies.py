"""The one cookie: the token of a session."""

from typing import Final

from litestar.datastructures import Cookie

from farebox.access.asking import COOKIE
from farebox.access.parts import Access
from farebox.identity.people.model import OpenedSession

_SECONDS: Final = 1_000_000


def session_cookie(access: Access, opened: OpenedSession) -> Cookie:
    """Hands the token to the browser: to no script, to no other site, to no other host."""
    max_age = max(0, (opened.session.expires_at - access.clock()) // _SECONDS)
    return Cookie(key=COOKIE, value=opened.token, path="/", max_age=max_age, secure=True, httponly=True, samesite="lax")


def no_cookie() -> Cookie:
    """Makes the browser forget it."""
    return Cookie(key=COOKIE, value="", path="/", max_age=0, secure=True, httponly=True, samesite="lax")
