"""Codes of an authenticator app as second factor, and the recovery codes that stand in for it.

Turning it on ends the person's other sessions that never gave a second factor: somebody who came in before with a
stolen mailbox is out. Turning it off, and making new recovery codes, wants a fresh proof by a second factor.
"""

from typing import Any, Final

import msgspec
import psycopg
import segno

from farebox.access.asking import require_fresh
from farebox.access.letters import tell
from farebox.access.opening import limit, note_failure, open_for, sign_in_failed
from farebox.access.parts import Access, Sealer
from farebox.access.step_up import keep_second_factor
from farebox.base.clock import MICROS_PER_SECOND
from farebox.base.errors import Problem
from farebox.identity.audit import Event, record
from farebox.identity.people import recovery, totp
from farebox.identity.people.attempts import Attempt, whence
from farebox.identity.people.factors import end_lesser_sessions, forget_second_factor
from farebox.identity.people.model import Method, OpenedSession, Session, Visit, show_person
from farebox.identity.people.store import emails_of, lock_person
from farebox.providers.secrets import CannotOpen
from farebox.storage.pool import connected

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

# Three codes of a million are good at a time. Five tries in five minutes are enough for trembling fingers; fifty a day
# leave who guesses (and has the first factor already) a chance of 1 in 6,000 a day.
_TRIES: Final = 5
_TRY_SECONDS: Final = 300
_DAILY_TRIES: Final = 50
_DAY_SECONDS: Final = 86_400
# Of one address, over all persons.
_ADDRESS_TRIES: Final = 60
# Recovery codes of one person: nobody guesses 80 bits, so this is not what keeps a guesser out. It is more than one
# address may try, so that whoever has somebody's mailbox cannot keep them from their recovery codes, too.
_RECOVERY_TRIES: Final = 300
MAX_CODE_CHARS: Final = 40
_UNAVAILABLE: Final = (
    "Authenticator apps cannot be used here: the operator has not set FAREBOX_SECRETS_KEY, with which their secrets "
    "are stored."
)


class TotpSetup(msgspec.Struct, frozen=True):
    """What an app is given: the secret to type, or the same as an address in a QR code. Shown once, to its owner."""

    secret: str
    uri: str

    def __repr__(self) -> str:
        return "TotpSetup()"

    @property
    def qr_data_uri(self) -> str:
        """The QR code as an `<img src=…>`: a picture in SVG, black on white in dark pages, too."""
        return segno.make(self.uri, error="m").svg_data_uri(scale=5, border=4, light="#fff", dark="#000")


async def give_code(access: Access, session: Session, code: str, *, visit: Visit) -> OpenedSession:
    """The session after its second factor was given, or given again: a code of the app, or a recovery code.

    Raises Problem: sign_in_failed (wrong or used), conflict (the person has no authenticator app), too_many_attempts,
    sign_in_unavailable (a code of the app where secrets cannot be opened; recovery codes still work).
    """
    is_recovery = recovery.is_recovery_code(code)
    await _limit(access, session, is_recovery=is_recovery, visit=visit)
    method = Method.RECOVERY if is_recovery else Method.TOTP
    async with connected(access.pool) as connection:
        async with connection.transaction():
            await lock_person(connection, session.person_id)
            stored = await totp.lock_totp(connection, session.person_id)
            if stored is None or stored.confirmed_at is None:
                raise Problem("conflict", "You have no authenticator app; prove who you are in another way.")
            if is_recovery:
                is_right = await _use_recovery(connection, access, session, code, visit=visit)
            else:
                step = _step(access, session.person_id, stored, code)
                is_right = step is not None and await totp.use_step(connection, session.person_id, step)
            opened = await _prove(connection, access, session, method=method, visit=visit) if is_right else None
        if opened is not None:
            if is_recovery:
                await _tell(connection, access, session, what="A recovery code was used")
            return opened
        raise await _failed(connection, access, session, method=method, visit=visit)


async def begin_totp(access: Access, session: Session) -> TotpSetup:
    """A new secret for an app; it counts for nothing until `confirm_totp`. Raises Problem: step_up_required, conflict
    (there is one already), sign_in_unavailable."""
    require_fresh(access, session)
    sealer = _sealer(access)
    secret = totp.new_secret()
    sealed = sealer.seal_for(secret, totp.bound_to(session.person_id))
    async with connected(access.pool) as connection:
        if not await totp.begin_totp(connection, session.person_id, sealed, now_micros=access.clock()):
            raise Problem("conflict", "You have an authenticator app; turn it off before you set up another.")
        emails = await emails_of(connection, session.person_id)
    account = emails[0] if emails else show_person(session.person_id)
    return TotpSetup(secret, totp.setup_uri(secret, account=account, issuer=access.brand.name))


async def confirm_totp(access: Access, session: Session, code: str, *, visit: Visit) -> tuple[OpenedSession, list[str]]:
    """Turn it on with a first code; the session, which has given its second factor with that, and the recovery codes,
    which are shown this once.

    Raises Problem: step_up_required, conflict (nothing to confirm), sign_in_failed, too_many_attempts,
    sign_in_unavailable.
    """
    require_fresh(access, session)
    await _limit(access, session, visit=visit)
    async with connected(access.pool) as connection:
        async with connection.transaction():
            await lock_person(connection, session.person_id)
            stored = await totp.lock_totp(connection, session.person_id)
            step = _step(access, session.person_id, _to_confirm(access, stored), code)
            turned_on = None if step is None else await _turn_on(connection, access, session, step, visit=visit)
        if turned_on is not None:
            await _tell(connection, access, session, what="An authenticator app was turned on")
            return turned_on
        raise await _failed(connection, access, session, method=Method.TOTP, visit=visit)


async def end_totp(access: Access, session: Session, *, visit: Visit) -> None:
    """Turn it off; the recovery codes are void with it. Raises Problem: step_up_required, not_found, conflict (an
    operator would be left without a second factor)."""
    require_fresh(access, session)
    async with connected(access.pool) as connection:
        async with connection.transaction():
            was_on = await _turn_off(connection, access, session, visit=visit)
        if was_on:
            await _tell(connection, access, session, what="The authenticator app was turned off")


async def renew_recovery_codes(access: Access, session: Session, *, visit: Visit) -> list[str]:
    """New recovery codes, shown this once; the former are void. Raises Problem: step_up_required, not_found (who has
    no authenticator app needs none)."""
    require_fresh(access, session)
    async with connected(access.pool) as connection:
        async with connection.transaction():
            await lock_person(connection, session.person_id)
            stored = await totp.lock_totp(connection, session.person_id)
            if stored is None or stored.confirmed_at is None:
                raise _no_app()
            codes = await recovery.renew_codes(connection, session.person_id, now_micros=access.clock())
            await _record(connection, access, session, "recovery.renewed", visit=visit)
        await _tell(connection, access, session, what="New recovery codes were made")
    return codes


async def recovery_codes_left(access: Access, person_id: int) -> int:
    """How many recovery codes of a person are still good."""
    async with connected(access.pool) as connection:
        return await recovery.codes_left(connection, person_id)


async def _turn_on(
    connection: Connection, access: Access, session: Session, step: int, *, visit: Visit
) -> tuple[OpenedSession, list[str]]:
    now_micros = access.clock()
    await totp.confirm_totp(connection, session.person_id, step=step, now_micros=now_micros)
    codes = await recovery.renew_codes(connection, session.person_id, now_micros=now_micros)
    ended = await end_lesser_sessions(connection, session.person_id, but=session.session_id, now_micros=now_micros)
    await _record(connection, access, session, "totp.enabled", visit=visit, sessions_ended=ended)
    opened = await _prove(connection, access, session, method=Method.TOTP, visit=visit)
    return opened, codes


async def _prove(
    connection: Connection, access: Access, session: Session, *, method: Method, visit: Visit
) -> OpenedSession:
    opened = await open_for(connection, access, session.person_id, method=method, visit=visit, session=session)
    if opened.session.session_id != session.session_id:
        # It was ended meanwhile; a code is a second factor and opens no session by itself.
        raise Problem("not_signed_in", "This session has ended. Sign in again.", facts={"reason": "ended"})
    return opened


async def _turn_off(connection: Connection, access: Access, session: Session, *, visit: Visit) -> bool:
    await lock_person(connection, session.person_id)
    stored = await totp.lock_totp(connection, session.person_id)
    if stored is None:
        raise _no_app()
    if stored.confirmed_at is not None:
        await keep_second_factor(connection, session.person_id, without=Method.TOTP)
        await _record(connection, access, session, "totp.disabled", visit=visit)
        # What waits for a code would wait for ever.
        await end_lesser_sessions(connection, session.person_id, but=session.session_id, now_micros=access.clock())
    await totp.end_totp(connection, session.person_id)
    await recovery.forget_codes(connection, session.person_id)
    await forget_second_factor(connection, session.person_id)
    return stored.confirmed_at is not None


async def _use_recovery(connection: Connection, access: Access, session: Session, code: str, *, visit: Visit) -> bool:
    if not await recovery.use_code(connection, session.person_id, code, now_micros=access.clock()):
        return False
    left = await recovery.codes_left(connection, session.person_id)
    await _record(connection, access, session, "recovery.used", visit=visit, left=left)
    return True


def _to_confirm(access: Access, stored: totp.StoredTotp | None) -> totp.StoredTotp:
    since = access.clock() - totp.SETUP_SECONDS * MICROS_PER_SECOND
    if stored is None or stored.confirmed_at is not None or stored.created_at <= since:
        raise Problem("conflict", "There is no authenticator app to confirm; begin again.")
    return stored


def _step(access: Access, person_id: int, stored: totp.StoredTotp, code: str) -> int | None:
    """The step that a code is of; None: it is wrong or used. Raises Problem(`sign_in_unavailable`)."""
    digits = "".join(code.split())
    if len(digits) != totp.DIGITS or not (digits.isascii() and digits.isdigit()):
        return None
    try:
        secret = _sealer(access).open_for(stored.sealed, totp.bound_to(person_id))
    except CannotOpen:
        message = "Your authenticator app cannot be checked now: the operator has changed the key of stored secrets."
        raise Problem("sign_in_unavailable", f"{message} Use a recovery code, or tell the operator.") from None
    return totp.matching_step(secret, digits, last_step=stored.last_step, now_micros=access.clock())


def _sealer(access: Access) -> Sealer:
    if access.sealer is None:
        raise Problem("sign_in_unavailable", _UNAVAILABLE)
    return access.sealer


async def _limit(access: Access, session: Session, *, is_recovery: bool = False, visit: Visit) -> None:
    person = show_person(session.person_id)
    attempts = [Attempt(f"code:{whence(visit.address)}", _ADDRESS_TRIES, _TRY_SECONDS)]
    if is_recovery:
        attempts += [Attempt(f"recovery:{person}", _RECOVERY_TRIES, _TRY_SECONDS)]
    else:
        attempts += [
            Attempt(f"code:{person}", _TRIES, _TRY_SECONDS),
            Attempt(f"code-day:{person}", _DAILY_TRIES, _DAY_SECONDS),
        ]
    await limit(access, *attempts, visit=visit, method=Method.RECOVERY if is_recovery else Method.TOTP)


async def _failed(connection: Connection, access: Access, session: Session, *, method: Method, visit: Visit) -> Problem:
    await note_failure(connection, access, method=method, visit=visit, person_id=session.person_id)
    return sign_in_failed()


async def _tell(connection: Connection, access: Access, session: Session, *, what: str) -> None:
    tell(access, await emails_of(connection, session.person_id), what=what)


def _no_app() -> Problem:
    return Problem("not_found", "You have no authenticator app.")


async def _record(
    connection: Connection,
    access: Access,
    session: Session,
    action: str,
    *,
    visit: Visit,
    **detail: int,
) -> None:
    event = Event(action=action, actor=session.actor, person_id=session.person_id, detail=detail, address=visit.address)
    await record(connection, event, now_micros=access.clock())
