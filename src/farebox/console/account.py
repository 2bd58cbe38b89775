"""One's own account: name, ways to sign in, devices. The second factor's pages are in second_factor.py; passkeys and
wallets are added by the modules in web/assets, which ask the JSON API."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from farebox.access.account import (
    end_device,
    end_other_devices,
    list_devices,
    read_account,
    rename,
    unlink_email,
    unlink_passkey,
    unlink_wallet,
)
from farebox.access.depend import AnyRequest, TheAccess, TheSession, TheVisit
from farebox.access.email_sign_in import begin_email
from farebox.access.form import form_of, refused
from farebox.access.invitations import own_invitations
from farebox.access.pages import TheTemplates, see_other
from farebox.access.parts import Access
from farebox.base.errors import Problem
from farebox.base.ids import show_short
from farebox.console.entry import page_of, with_next
from farebox.identity.audit import ACTIONS, EventFilter, list_events
from farebox.identity.people.ethereum import checksummed
from farebox.identity.people.model import Purpose, Session
from farebox.identity.people.passkey_proof import default_name
from farebox.storage.pool import connected
from farebox.web.pages import Templates

# Of what happened lately; all of it is at /api/me/events.
MAX_EVENTS: Final = 20
_BACK: Final = {"session": True, "back": "/account"}
_DELICATE: Final = {"fresh": True, "back": "/account"}
_DONE: Final = {
    "name": "Your name is saved.",
    "email": "The address signs you in now.",
    "passkey": "The passkey is added. Next time, choose “Use a passkey”.",
    "wallet": "The wallet is added.",
    "removed": "It is removed.",
    "ended": "It is signed out.",
    "totp-off": "The authenticator app is turned off.",
}
"""What the page says after something was done, by the `done` of its address."""


@get("/account", opt=_BACK)
async def show_account(
    access: TheAccess, session: TheSession, templates: TheTemplates, done: FromQuery[str | None] = None
) -> Response[Any]:
    """Everything about whoever is signed in."""
    values = await _account(access, session, {})
    return page_of(templates, "account.html", session=session, **{**values, "done": _DONE.get(done or "", "")})


@post("/account/name", opt=_BACK)
async def change_name(
    access: TheAccess, session: TheSession, visit: TheVisit, templates: TheTemplates, request: AnyRequest
) -> Response[Any]:
    """Change the name that others see."""
    typed = (await form_of(request)).typed("name")
    try:
        await rename(access, session, typed["name"], visit=visit)
    except Problem as problem:
        return await account_refused(access, session, templates, problem, typed=typed)
    return see_other("/account?done=name")


@post("/account/emails", opt=_DELICATE)
async def add_email(
    access: TheAccess, session: TheSession, visit: TheVisit, templates: TheTemplates, request: AnyRequest
) -> Response[Any]:
    """Send a code to a new address; whoever reads it owns the address."""
    typed = (await form_of(request)).typed("email")
    try:
        challenge = await begin_email(access, typed["email"], visit=visit, purpose=Purpose.LINK, session=session)
    except Problem as problem:
        return await account_refused(access, session, templates, problem, typed=typed)
    return see_other(with_next(f"/sign-in/code?challenge={challenge.challenge_id}", "/account?done=email"))


@post("/account/emails/{email_id:str}/remove", opt=_DELICATE)
async def remove_email(
    access: TheAccess, session: TheSession, visit: TheVisit, templates: TheTemplates, email_id: FromPath[str]
) -> Response[Any]:
    """An address signs in no more."""
    try:
        await unlink_email(access, session, email_id, visit=visit)
    except Problem as problem:
        return await account_refused(access, session, templates, problem)
    return see_other("/account?done=removed")


@post("/account/passkeys/{passkey_id:str}/remove", opt=_DELICATE)
async def remove_passkey(
    access: TheAccess, session: TheSession, visit: TheVisit, templates: TheTemplates, passkey_id: FromPath[str]
) -> Response[Any]:
    """A passkey signs in no more."""
    try:
        await unlink_passkey(access, session, passkey_id, visit=visit)
    except Problem as problem:
        return await account_refused(access, session, templates, problem)
    return see_other("/account?done=removed")


@post("/account/wallets/{wallet_id:str}/remove", opt=_DELICATE)
async def remove_wallet(
    access: TheAccess, session: TheSession, visit: TheVisit, templates: TheTemplates, wallet_id: FromPath[str]
) -> Response[Any]:
    """A wallet signs in no more."""
    try:
        await unlink_wallet(access, session, wallet_id, visit=visit)
    except Problem as problem:
        return await account_refused(access, session, templates, problem)
    return see_other("/account?done=removed")


@post("/account/devices/{session_id:str}/end", opt=_BACK)
async def end_one_device(
    access: TheAccess, session: TheSession, visit: TheVisit, templates: TheTemplates, session_id: FromPath[str]
) -> Response[Any]:
    """Another browser is signed out with its next request. No fresh proof: who finds a stranger there is in a hurry."""
    try:
        await end_device(access, session, session_id, visit=visit)
    except Problem as problem:
        return await account_refused(access, session, templates, problem)
    return see_other("/account?done=ended")


@post("/account/devices/end-others", opt=_BACK)
async def end_others(access: TheAccess, session: TheSession, visit: TheVisit) -> Response[Any]:
    """All browsers but this are signed out."""
    await end_other_devices(access, session, visit=visit)
    return see_other("/account?done=ended")


async def account_refused(
    access: Access, session: Session, templates: Templates, problem: Problem, *, typed: dict[str, str] | None = None
) -> Response[str]:
    """The page again, with what was refused and what was typed."""
    values = await _account(access, session, typed or {})
    return refused(templates, "account.html", problem, session=session, done="", **values)


async def _account(access: Access, session: Session, typed: dict[str, str]) -> dict[str, Any]:
    account = await read_account(access, session)
    async with connected(access.pool) as connection:
        wanted = EventFilter(person_id=session.person_id, for_person=True)
        events = await list_events(connection, wanted, most=MAX_EVENTS)
    return {
        "account": account,
        "typed": {"name": account.person.name, "email": "", **typed},
        "devices": await list_devices(access, session),
        "invitations": await own_invitations(access, session),
        "events": events,
        "has_secrets": access.sealer is not None,
        "actions": ACTIONS,
        "short": show_short,
        "checksummed": checksummed,
        "browser_of": _browser_of,
    }


def _browser_of(user_agent: str) -> str:
    """`Firefox on Linux`, or the beginning of what the program calls itself."""
    name = default_name(user_agent)
    return (user_agent[:40] or "not known") if name == "Passkey" else name


ROUTES: tuple[HTTPRouteHandler, ...] = (
    show_account,
    change_name,
    add_email,
    remove_email,
    remove_passkey,
    remove_wallet,
    end_one_device,
    end_others,
)
