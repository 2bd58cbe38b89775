"""How somebody proves again who they are, before what is delicate: money, keys, members, ways to sign in.

Who has a second factor does it with that alone. Otherwise whoever reads somebody's mail could get past the passkey or
the authenticator app that was to keep them out.
"""

from typing import Any

import msgspec
import psycopg

from farebox.access.parts import Access
from farebox.base.errors import Problem
from farebox.identity.people.factors import factors_of
from farebox.identity.people.model import SECOND_FACTORS, Method, Session
from farebox.identity.people.store import emails_of
from farebox.identity.team.roles import platform_role_of
from farebox.storage.pool import connected

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


class Ways(msgspec.Struct, frozen=True, kw_only=True):
    """By what this person can step up now. `totp`: with a code of the authenticator app, or a recovery code."""

    totp: bool
    passkey: bool
    email: list[str]
    wallet: bool


async def ways_to_step_up(access: Access, session: Session) -> Ways:
    """What to offer: a second factor alone where there is one, else the person's addresses and wallets."""
    async with connected(access.pool) as connection:
        found = await factors_of(connection, session.person_id)
        if found.has_second:
            return Ways(totp=found.has_totp, passkey=found.passkeys > 0, email=[], wallet=False)
        emails = await emails_of(connection, session.person_id)
    return Ways(totp=False, passkey=False, email=emails, wallet=found.has_wallet)


async def require_way(connection: Connection, session: Session, method: Method) -> None:
    """Call it before a session is proved again (purpose step_up). Raises Problem(`second_factor_required`) where the
    person has a second factor and this is none."""
    if method in SECOND_FACTORS:
        return
    found = await factors_of(connection, session.person_id)
    if found.has_second:
        what = "a code of your authenticator app" if found.has_totp else "your passkey"
        if found.has_totp and found.passkeys:
            what = "a code of your authenticator app or your passkey"
        raise Problem("second_factor_required", f"You have a second factor: this needs {what}.")


async def keep_second_factor(connection: Connection, person_id: int, *, without: Method) -> None:
    """Call it before an authenticator app or a passkey is taken away, with the person locked. Raises
    Problem(`conflict`) where an operator would be left without a second factor."""
    found = await factors_of(connection, person_id)
    left = found.passkeys if without is Method.TOTP else found.passkeys - 1 + found.has_totp
    if left < 1 and await platform_role_of(connection, person_id) is not None:
        message = "Operators always have a second factor: add another one before you take this one away."
        raise Problem("conflict", message)
