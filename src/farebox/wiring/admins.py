"""Who works on the whole installation, from the terminal: the first superadmin has to come from somewhere.

Whoever can run these commands has the database; so they may also take the last superadmin away, and are told.
"""

from typing import Final

import msgspec

from farebox.access.platform_roles import grant_role_to, take_role_from
from farebox.base.clock import monotone_clock, rfc3339
from farebox.base.errors import OperatorError, Problem
from farebox.identity.audit import Event
from farebox.identity.model import OPERATOR
from farebox.identity.people.email_codes import read_email
from farebox.identity.people.model import show_person
from farebox.identity.people.store import Connection, count_ways_in, emails_of, person_of_email
from farebox.identity.roles import PlatformRole
from farebox.identity.team.platform import Holder, is_last_superadmin, list_holders, lock_roles, read_holder
from farebox.wiring.operate import connected
from farebox.wiring.people import site_of
from farebox.wiring.settings import Settings

SIGN_IN_PATH: Final = "/sign-in?next=/admin"
MAILBOX_PATH: Final = "/demo/mailbox"

_now = monotone_clock()


class Hint(msgspec.Struct, frozen=True):
    """Something that keeps them from working, or may; and what to do about it."""

    problem: str
    fix: str


class AdminView(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with a role in the whole installation. `second_factor` no: the role is of no use to them yet."""

    person_id: str
    email: str
    name: str
    role: str
    granted_at: str
    granted_by: str
    second_factor: str


class GrantView(msgspec.Struct, frozen=True, kw_only=True):
    """What giving a role did. `was_new`: there was no account with that address; `sign_in_url` None: nobody can sign in
    here yet. `mailbox_url`: where a demo shows its letters; None: this is none. `hints`: what is still in the way."""

    admin: AdminView
    was_new: bool
    role_before: str | None
    sign_in_url: str | None
    mailbox_url: str | None
    hints: list[Hint]


class RemovalView(msgspec.Struct, frozen=True, kw_only=True):
    """What taking a role did. `was_last_superadmin`: nobody is left who could give roles in the pages."""

    person_id: str
    email: str
    role: str
    was_last_superadmin: bool


async def create_admin(settings: Settings, dsn: str, email: str, role: str) -> GrantView:
    """Give a role to whoever signs in with that address; there is an account for it from then on, and no second one is
    made for the same address. Raises OperatorError."""
    address, wanted = _address(email), _role(role)
    event = Event(action="platform_role.granted", actor=OPERATOR)
    async with connected(dsn) as connection, connection.transaction():
        before = await person_of_email(connection, address)
        held = None if before is None else await read_holder(connection, before.person_id)
        try:
            holder = await grant_role_to(connection, address, wanted, event=event, now_micros=_now())
        except Problem as problem:
            message = problem.message.rstrip(".")
            fix = "name another address, or make another superadmin first"
            raise OperatorError(f"{message[0].lower()}{message[1:]}", fix) from problem
        hints = await _hints(settings, connection, holder, address)
    server = settings.server
    site = site_of(server.public_url, host=server.host, port=server.port)
    return GrantView(
        admin=_view(holder, address),
        was_new=before is None,
        role_before=None if held is None else held.role,
        sign_in_url=None if site is None else site.url(SIGN_IN_PATH),
        mailbox_url=site.url(MAILBOX_PATH) if site is not None and _is_demo(settings) else None,
        hints=hints,
    )


async def list_admins(dsn: str) -> list[AdminView]:
    """Everybody with a role, who got it first first."""
    async with connected(dsn) as connection:
        return [_view(holder) for holder in await list_holders(connection)]


async def remove_admin(dsn: str, email: str) -> RemovalView:
    """Take the role of whoever signs in with that address; the account stays. Raises OperatorError."""
    address = _address(email)
    async with connected(dsn) as connection, connection.transaction():
        await lock_roles(connection)
        person = await person_of_email(connection, address)
        holder = None if person is None else await read_holder(connection, person.person_id)
        if holder is None:
            raise OperatorError(f"{address} has no role here", "list who has one with `farebox admin list`")
        is_superadmin = holder.role is PlatformRole.SUPERADMIN
        was_last = is_superadmin and await is_last_superadmin(connection, holder.person_id)
        event = Event(action="platform_role.taken", actor=OPERATOR)
        await take_role_from(connection, holder, event=event, now_micros=_now())
    return RemovalView(
        person_id=show_person(holder.person_id), email=address, role=holder.role, was_last_superadmin=was_last
    )


async def has_superadmin(dsn: str) -> bool:
    """Whether somebody could give roles in the pages."""
    async with connected(dsn) as connection:
        return not await is_last_superadmin(connection, 0)


async def _hints(settings: Settings, connection: Connection, holder: Holder, address: str) -> list[Hint]:
    server = settings.server
    site = site_of(server.public_url, host=server.host, port=server.port)
    found = []
    if site is None:
        problem = "nobody can sign in here yet: the gateway's public address is not set"
        found.append(Hint(problem, 'set public_url under [server] in farebox.toml, like "https://ai.example.com"'))
    if _is_demo(settings):
        return found
    emails = await emails_of(connection, holder.person_id)
    if not settings.mail.host and await count_ways_in(connection, holder.person_id) <= len(emails):
        problem = f"no mail server is set, so no code can be sent to {address}"
        fix = "set host, username and sender under [mail] in farebox.toml, and FAREBOX_SMTP_PASSWORD"
        found.append(Hint(problem, f"{fix}; docs/how-to/mail.md says more"))
    if settings.secrets_key is None and not holder.has_second_factor:
        problem = (
            "the second factor can only be a passkey: authenticator apps need FAREBOX_SECRETS_KEY, which is not set"
        )
        fix = "use a passkey, or set FAREBOX_SECRETS_KEY to what `openssl rand -base64 32` prints, and keep it"
        found.append(Hint(problem, fix))
    return found


def _is_demo(settings: Settings) -> bool:
    """Whether a demo ran in this home: it sends no letters, but shows them, and has a key of its own for secrets."""
    return not settings.mail.host and settings.secrets_key is None and settings.home.demo_secrets_key.exists()


def _view(holder: Holder, address: str = "") -> AdminView:
    return AdminView(
        person_id=show_person(holder.person_id),
        email=address or ", ".join(holder.emails),
        name=holder.name,
        role=holder.role,
        granted_at=rfc3339(holder.granted_at),
        granted_by=holder.granted_by,
        second_factor="yes" if holder.has_second_factor else "no",
    )


def _address(email: str) -> str:
    try:
        return read_email(email)
    except Problem as problem:
        raise OperatorError(f"{email[:100]!r} is no e-mail address", "write one like anna@example.com") from problem


def _role(text: str) -> PlatformRole:
    try:
        return PlatformRole(text)
    except ValueError:
        known = ", ".join(PlatformRole)
        raise OperatorError(f"there is no role {text[:40]!r}", f"choose among {known}") from None
