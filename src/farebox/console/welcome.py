"""What somebody finds who has not signed in: what this address is, and a demo's letters."""

import re
from typing import Any, Final

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from farebox.access.depend import TheAccess, TheAsked
from farebox.access.pages import TheTemplates, see_other
from farebox.access.parts import Access
from farebox.base.errors import Problem
from farebox.console.entry import HOME, browser_session, has_mailbox, page_of
from farebox.identity.people.model import SessionState
from farebox.mail.demo import KeptLetter, list_letters
from farebox.storage.pool import connected

# Letters set apart what their reader is to use: a code, or an address.
_CODE: Final = re.compile(r"^ {4}([0-9]{6})$", re.MULTILINE)
_LINK: Final = re.compile(r"^ {4}(https?://\S+)$", re.MULTILINE)


class ShownLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A letter of a demo. `code`, `link`: what can be used of it; '': nothing. The link is a path of this site."""

    to: str
    subject: str
    body: str
    sent_at: int
    code: str
    link: str

    def __repr__(self) -> str:
        return f"ShownLetter({self.sent_at})"


@get("/")
async def show_welcome(access: TheAccess, asked: TheAsked, templates: TheTemplates) -> Response[Any]:
    """What this gateway is and how to call it; who has signed in goes to the console."""
    session = await browser_session(access, asked)
    if session is not None and session.state is SessionState.ACTIVE:
        return see_other(HOME)
    return page_of(
        templates,
        "welcome.html",
        can_sign_in=access.site is not None,
        is_open=access.sign_in.open,
        has_mailbox=has_mailbox(access),
    )


@get("/demo/mailbox")
async def show_mailbox(access: TheAccess, asked: TheAsked, templates: TheTemplates) -> Response[Any]:
    """A demo's letters, newest first. Raises Problem(`not_found`) anywhere else."""
    if not has_mailbox(access):
        raise Problem("not_found", "There is no such page.")
    async with connected(access.pool) as connection:
        kept = await list_letters(connection)
    session = await browser_session(access, asked)
    return page_of(templates, "mailbox.html", session=session, letters=[_shown(access, each) for each in kept])


def _shown(access: Access, letter: KeptLetter) -> ShownLetter:
    code, link = _CODE.search(letter.body), _LINK.search(letter.body)
    origin = "" if access.site is None else access.site.origin
    is_ours = link is not None and bool(origin) and link[1].startswith(f"{origin}/")
    return ShownLetter(
        to=letter.recipient,
        subject=letter.subject,
        body=letter.body,
        sent_at=letter.sent_at,
        code="" if code is None else code[1],
        link=link[1].removeprefix(origin) if link is not None and is_ours else "",
    )


ROUTES: tuple[HTTPRouteHandler, ...] = (show_welcome, show_mailbox)
