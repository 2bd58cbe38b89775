"""What each `farebox person …` command does, one function each. They take a DSN and return values for `cli/`."""

from typing import Final, Literal

import msgspec

from farebox.base.clock import monotone_clock, rfc3339
from farebox.base.errors import OperatorError
from farebox.identity.people import directory, totp
from farebox.identity.people.directory import Entry
from farebox.identity.people.model import show_person
from farebox.identity.people.sessions import SessionTimes
from farebox.identity.people.store import person_of_email
from farebox.identity.store import Connection
from farebox.providers.secrets import CannotOpen, Safe
from farebox.wiring.operate import connected
from farebox.wiring.settings import Settings

# Of one list on a terminal; who looks for somebody says a part of their address.
MAX_PEOPLE: Final = 200

_now = monotone_clock()


class PersonView(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who can sign in, for the operator's eyes."""

    person_id: str
    name: str
    status: str
    created_at: str
    emails: list[str]
    wallets: int
    passkeys: int
    authenticator_app: bool
    recovery_codes_left: int
    open_sessions: int
    workspaces: int
    platform_role: str | None


class ResetView(msgspec.Struct, frozen=True, kw_only=True):
    """What a reset took away."""

    person_id: str
    authenticator_app: bool
    passkeys: int
    sessions_ended: int


async def list_people(dsn: str, settings: Settings, text: str) -> list[PersonView]:
    """Those whose name or address has such a text in it ('': everybody), the newest first; at most MAX_PEOPLE."""
    async with connected(dsn) as connection:
        found = await directory.find_people(
            connection, text, most=MAX_PEOPLE, times=_times(settings), now_micros=_now()
        )
    return [_view(entry) for entry in found]


async def show(dsn: str, settings: Settings, email: str) -> PersonView:
    """Whoever signs in with an address. Raises OperatorError."""
    person_id = await _find(dsn, email)
    async with connected(dsn) as connection:
        found = await directory.find_people(
            connection, person_id=person_id, most=1, times=_times(settings), now_micros=_now()
        )
    return _view(found[0])


async def set_status(dsn: str, settings: Settings, email: str, status: Literal["active", "disabled"]) -> PersonView:
    """Shut somebody out, which ends their sessions, or let them in again. Raises OperatorError."""
    person_id = await _find(dsn, email)
    async with connected(dsn) as connection:
        await directory.set_status(connection, person_id, status, now_micros=_now())
    return await show(dsn, settings, email)


async def reset_second_factor(dsn: str, email: str) -> ResetView:
    """Take away the authenticator app, its recovery codes and the passkeys of somebody who has lost them. They sign in
    by e-mail then. Raises OperatorError."""
    person_id = await _find(dsn, email)
    async with connected(dsn) as connection:
        taken = await directory.reset_second_factor(connection, person_id, now_micros=_now())
    return ResetView(
        person_id=show_person(person_id),
        authenticator_app=taken.had_totp,
        passkeys=taken.passkeys,
        sessions_ended=taken.sessions,
    )


async def reseal_apps(connection: Connection, safe: Safe) -> tuple[int, int, list[str]]:
    """Encrypt the secret of every authenticator app with the current key: how many were changed, how many had been
    already, and whose cannot be opened. Each row is whole at any moment, so this may be interrupted and repeated."""
    changed = current = 0
    closed = []
    for person_id, sealed in await totp.sealed_secrets(connection):
        if safe.is_current(sealed):
            current += 1
            continue
        bound_to = totp.bound_to(person_id)
        try:
            secret = safe.open_for(sealed, bound_to)
        except CannotOpen:
            closed.append(show_person(person_id))
            continue
        changed += await totp.reseal(connection, person_id, safe.seal_for(secret, bound_to), former=sealed)
    return changed, current, closed


async def _find(dsn: str, email: str) -> int:
    async with connected(dsn) as connection:
        person = await person_of_email(connection, email.strip().lower())
    if person is None:
        raise OperatorError(
            f"nobody signs in with {email.strip()!r}", "`farebox person list` shows everybody, by a part of the address"
        )
    return person.person_id


def _times(settings: Settings) -> SessionTimes:
    sign_in = settings.sign_in
    return SessionTimes(idle_seconds=int(sign_in.idle_seconds), absolute_seconds=int(sign_in.session_seconds))


def _view(entry: Entry) -> PersonView:
    return PersonView(
        person_id=show_person(entry.person_id),
        name=entry.name,
        status=entry.status,
        created_at=rfc3339(entry.created_at),
        emails=entry.emails,
        wallets=entry.wallets,
        passkeys=entry.passkeys,
        authenticator_app=entry.has_totp,
        recovery_codes_left=entry.recovery_codes_left,
        open_sessions=entry.sessions,
        workspaces=entry.workspaces,
        platform_role=entry.platform_role,
    )
