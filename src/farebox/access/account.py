"""Somebody's own account: their name, their ways in, their devices."""

from typing import Any, Final

import msgspec
import psycopg

from farebox.access.letters import tell
from farebox.access.parts import Access
from farebox.access.step_up import keep_second_factor
from farebox.base.errors import Problem
from farebox.base.ids import IdError, read_short, show_short
from farebox.identity.audit import Event, record
from farebox.identity.people.factors import forget_second_factor
from farebox.identity.people.model import MAX_NAME_CHARS, Method, Person, Session, Visit
from farebox.identity.people.sessions import end_session, end_sessions, list_sessions
from farebox.identity.people.store import count_ways_in, emails_of, lock_person, read_person, rename_person
from farebox.identity.people.ways import LinkedEmail, LinkedPasskey, LinkedWallet, Way, unlink, ways_of
from farebox.identity.roles import PlatformRole
from farebox.identity.team.model import Membership
from farebox.identity.team.roles import memberships_of, platform_role_of
from farebox.storage.pool import connected

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

SIGNED_OUT: Final = "signed_out"
REVOKED: Final = "revoked"
_CALLED: Final = {"email": "e-mail address", "wallet": "wallet", "passkey": "passkey"}


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an account's page shows."""

    person: Person
    emails: list[LinkedEmail]
    wallets: list[LinkedWallet]
    passkeys: list[LinkedPasskey]
    has_totp: bool
    recovery_codes_left: int
    memberships: list[Membership]
    platform_role: PlatformRole | None


class Device(msgspec.Struct, frozen=True):
    """An open session. `is_this`: the one that asks."""

    session: Session
    is_this: bool


async def read_account(access: Access, session: Session) -> Account:
    """The account of whoever is signed in."""
    async with connected(access.pool) as connection:
        person = await read_person(connection, session.person_id)
        assert person is not None
        ways = await ways_of(connection, session.person_id)
        return Account(
            person=person,
            emails=ways.emails,
            wallets=ways.wallets,
            passkeys=ways.passkeys,
            has_totp=ways.has_totp,
            recovery_codes_left=ways.recovery_codes_left,
            memberships=await memberships_of(connection, session.person_id),
            platform_role=await platform_role_of(connection, session.person_id),
        )


async def rename(access: Access, session: Session, name: str, *, visit: Visit) -> None:
    """Change the name that others see; '' for none. Raises Problem(`invalid_request`)."""
    plain = name.strip()
    if len(plain) > MAX_NAME_CHARS or not plain.isprintable():
        message = f"name is a text of at most {MAX_NAME_CHARS} printable characters."
        raise Problem("invalid_request", message, param="name")
    async with connected(access.pool) as connection, connection.transaction():
        await rename_person(connection, session.person_id, plain)
        await _record(connection, access, session, action="person.renamed", visit=visit)


async def unlink_email(access: Access, session: Session, email_id: str, *, visit: Visit) -> None:
    """`email_…` is no way in any more. Raises Problem: not_found, conflict (the last way in)."""
    await _unlink(access, session, "email", email_id, visit=visit)


async def unlink_wallet(access: Access, session: Session, wallet_id: str, *, visit: Visit) -> None:
    """`wallet_…` is no way in any more. Raises Problem: not_found, conflict (the last way in)."""
    await _unlink(access, session, "wallet", wallet_id, visit=visit)


async def unlink_passkey(access: Access, session: Session, passkey_id: str, *, visit: Visit) -> None:
    """`passkey_…` is no way in any more. Raises Problem: not_found, conflict (the last way in, or an operator's last
    second factor)."""
    await _unlink(access, session, "passkey", passkey_id, visit=visit)


async def list_devices(access: Access, session: Session) -> list[Device]:
    """The open sessions of whoever asks, the newest first."""
    async with connected(access.pool) as connection:
        found = await list_sessions(connection, session.person_id, times=access.times, now_micros=access.clock())
    return [Device(each, is_this=each.session_id == session.session_id) for each in found]


async def end_device(access: Access, session: Session, session_id: str, *, visit: Visit) -> None:
    """End one's session `session_…`; its browser is signed out with its next request. Raises Problem(`not_found`)."""
    await _end(access, session, _number("session", session_id), by=REVOKED, visit=visit)


async def end_other_devices(access: Access, session: Session, *, visit: Visit) -> int:
    """End all of one's sessions but this; returns how many."""
    async with connected(access.pool) as connection, connection.transaction():
        count = await end_sessions(
            connection, session.person_id, but=session.session_id, by=REVOKED, now_micros=access.clock()
        )
        if count:
            await _record(connection, access, session, action="session.ended", visit=visit, others=count, by=REVOKED)
    return count


async def sign_out(access: Access, session: Session, *, visit: Visit) -> None:
    """End this session. One that was ended meanwhile is as well ended."""
    try:
        await _end(access, session, session.session_id, by=SIGNED_OUT, visit=visit)
    except Problem as problem:
        if problem.code != "not_found":
            raise


async def _end(access: Access, session: Session, session_id: int, *, by: str, visit: Visit) -> None:
    async with connected(access.pool) as connection, connection.transaction():
        if not await end_session(connection, session.person_id, session_id, by=by, now_micros=access.clock()):
            raise Problem("not_found", "You have no such session.", param="session_id")
        subject = show_short("session", session_id)
        await _record(connection, access, session, action="session.ended", visit=visit, subject=subject, by=by)


async def _unlink(access: Access, session: Session, way: Way, way_id: str, *, visit: Visit) -> None:
    number = _number(way, way_id)
    async with connected(access.pool) as connection, connection.transaction():
        await lock_person(connection, session.person_id)
        known = await emails_of(connection, session.person_id)
        if way == "passkey":
            await keep_second_factor(connection, session.person_id, without=Method.PASSKEY)
        if not await unlink(connection, session.person_id, way, number, now_micros=access.clock()):
            raise Problem("not_found", f"You have no such {_CALLED[way]}.", param=f"{way}_id")
        if await count_ways_in(connection, session.person_id) < 1:
            message = "This is your last way to sign in. Link another one before you unlink it."
            raise Problem("conflict", message)
        await forget_second_factor(connection, session.person_id)
        await _record(connection, access, session, action=f"{way}.unlinked", visit=visit, subject=way_id)
    tell(access, known, what=f"A way to sign in, {'an' if way == 'email' else 'a'} {_CALLED[way]}, was unlinked")


async def _record(
    connection: Connection,
    access: Access,
    session: Session,
    *,
    action: str,
    visit: Visit,
    subject: str = "",
    **detail: str | int,
) -> None:
    event = Event(
        action=action,
        actor=session.actor,
        person_id=session.person_id,
        subject=subject,
        detail=detail,
        address=visit.address,
    )
    await record(connection, event, now_micros=access.clock())


def _number(kind: str, text: str) -> int:
    try:
        return read_short(kind, text)
    except IdError:
        raise Problem("not_found", f"You have no such {_CALLED.get(kind, kind)}.", param=f"{kind}_id") from None
