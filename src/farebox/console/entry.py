"""What the pages for signing in share: where to go on to, and how a browser gets its session."""

from typing import Any, Final
from urllib.parse import quote

from litestar import Response
from litestar.response import Redirect

from farebox.access.asking import Asked, open_session_of
from farebox.access.cookies import session_cookie
from farebox.access.depend import AnyRequest
from farebox.access.pages import see_other
from farebox.access.parts import Access
from farebox.base.errors import Problem
from farebox.base.site import local_path
from farebox.identity.people.model import OpenedSession, Session, SessionState
from farebox.mail.demo import DemoMailing
from farebox.web.pages import Templates

HOME: Final = "/console"
WRONG_CODE: Final = "This code is not right, or was used before. Wait for the next one, and type that."


def next_of(request: AnyRequest, default: str = HOME) -> str:
    """Where its address says to go on to: a path of this site, whatever stands there."""
    return local_path(request.query_params.get("next"), default)


def with_next(path: str, onward: str) -> str:
    """The address of a page that goes on to `onward` afterwards."""
    return f"{path}{'&' if '?' in path else '?'}next={quote(onward, safe='/')}"


def entered(access: Access, opened: OpenedSession, onward: str) -> Redirect:
    """Hand the session to the browser and go on; first to the second factor, where it is missing."""
    is_pending = opened.session.state is SessionState.PENDING
    answer = see_other(with_next("/sign-in/second-factor", onward) if is_pending else onward)
    answer.set_cookie(session_cookie(access, opened))
    return answer


async def browser_session(access: Access, asked: Asked) -> Session | None:
    """The session that this browser has already, if any; also where nobody can sign in. Raises
    Problem(`cross_site_request`)."""
    return None if access.site is None else await open_session_of(access, asked)


def has_mailbox(access: Access) -> bool:
    """Whether letters are kept for everybody to read, as a demo does."""
    return isinstance(access.postman, DemoMailing)


def page_of(templates: Templates, name: str, *, session: Session | None = None, **values: Any) -> Response[str]:
    """A page whose form was not refused."""
    return templates.page(name, **{"problem": None, "session": session, **values})


def about_code(problem: Problem, message: str) -> Problem:
    """A wrong answer, said of the field `code` and in words that fit it; other refusals as they are."""
    return Problem(problem.code, message, param="code") if problem.code == "sign_in_failed" else problem
