"""How a proof becomes a session: the one place for all ways to sign in, with its line in the record.

Call these inside the transaction that uses the proof up, so that a proof is used and the session is opened together.
"""

from typing import Any

import psycopg

from farebox.access.parts import Access
from farebox.base.errors import Problem
from farebox.base.ids import show_short
from farebox.identity.audit import NOBODY, Event, record
from farebox.identity.people.attempts import Attempt, TriedTooOften, count_attempts
from farebox.identity.people.model import (
    SECOND_FACTORS,
    Method,
    OpenedSession,
    Session,
    SessionState,
    Visit,
    show_person,
)
from farebox.identity.people.sessions import end_session, open_session, prove_session, renew_token
from farebox.identity.people.store import lock_person, read_person
from farebox.storage.pool import connected

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

REPLACED = "replaced"


async def open_for(
    connection: Connection,
    access: Access,
    person_id: int,
    *,
    method: Method,
    visit: Visit,
    session: Session | None = None,
) -> OpenedSession:
    """The session of somebody who has just proved who they are by `method`, under a token that nobody had before.

    `session`: the one that the browser has already. Of the same person it is proved again (or gets its second factor);
    of another person, or where it cannot be proved that way (an e-mail code alone, of somebody with an authenticator
    app), it is ended and a new one opened. Raises Problem(`sign_in_failed`) for somebody who may not sign in any more.
    """
    # Who is shut out, or turns on a second factor, in this very moment: one of both comes first and the other sees it.
    # Who uses up a row of the person's (a wallet, a passkey, a code) in the same transaction locks the person before.
    await lock_person(connection, person_id)
    person = await read_person(connection, person_id)
    if person is None or not person.is_active:
        raise sign_in_failed()
    if session is not None:
        proved = await _prove(connection, access, session, person_id=person_id, method=method, visit=visit)
        if proved is not None:
            return proved
        await _replace(connection, access, session, visit=visit)
    opened = await open_session(
        connection, person_id, method=method, visit=visit, times=access.times, now_micros=access.clock()
    )
    await _record(connection, access, "sign_in.succeeded", opened.session, method=method, visit=visit)
    return opened


async def keep_open(connection: Connection, session: Session) -> OpenedSession:
    """The session after a way to sign in was linked: under a new token, but no better proved, because the new wallet,
    address or passkey says nothing about who the person was before. Raises Problem(`not_signed_in`) if it was ended."""
    kept = await renew_token(connection, session)
    if kept is None:
        raise Problem("not_signed_in", "This session has ended. Sign in again.", facts={"reason": "ended"})
    return kept


def sign_in_failed() -> Problem:
    """One text for whatever is wrong, so that it tells nobody what was right."""
    return Problem("sign_in_failed", "This is wrong, was used before, or is too old. Begin again.")


async def note_failure(
    connection: Connection, access: Access, *, method: Method, visit: Visit, person_id: int | None
) -> None:
    """A line in the record about a proof that failed; the person whom it would have signed in can read it."""
    event = Event(
        action="sign_in.failed",
        actor=NOBODY,
        person_id=person_id,
        detail={"method": method},
        address=visit.address,
    )
    await record(connection, event, now_micros=access.clock())


async def limit(access: Access, *attempts: Attempt, visit: Visit, method: Method) -> None:
    """Count something that may be tried only so often. Raises Problem(`too_many_attempts`), the first time in a window
    with a line in the record."""
    async with connected(access.pool) as connection:
        try:
            await count_attempts(connection, attempts, now_micros=access.clock())
        except TriedTooOften as refused:
            if refused.is_first:
                detail = {"method": str(method)}
                event = Event(action="sign_in.limited", actor=NOBODY, detail=detail, address=visit.address)
                await record(connection, event, now_micros=access.clock())
            raise


async def _prove(
    connection: Connection, access: Access, session: Session, *, person_id: int, method: Method, visit: Visit
) -> OpenedSession | None:
    """None: this is not the same person's, or not to be proved that way."""
    if session.person_id != person_id:
        return None
    if session.second_factor_at is None and session.wants_second_factor and method not in SECOND_FACTORS:
        return None
    proved = await prove_session(connection, session, method, now_micros=access.clock())
    if proved is not None:
        was_pending = session.state is SessionState.PENDING
        action = "session.second_factor" if was_pending else "session.stepped_up"
        await _record(connection, access, action, proved.session, method=method, visit=visit)
    return proved


async def _replace(connection: Connection, access: Access, session: Session, *, visit: Visit) -> None:
    now_micros = access.clock()
    ended = await end_session(connection, session.person_id, session.session_id, by=REPLACED, now_micros=now_micros)
    if ended:
        event = Event(
            action="session.ended",
            actor=session.actor,
            person_id=session.person_id,
            subject=show_short("session", session.session_id),
            detail={"by": REPLACED},
            address=visit.address,
        )
        await record(connection, event, now_micros=now_micros)


async def _record(
    connection: Connection, access: Access, action: str, session: Session, *, method: Method, visit: Visit
) -> None:
    event = Event(
        action=action,
        actor=show_person(session.person_id),
        person_id=session.person_id,
        subject=show_short("session", session.session_id),
        detail={"method": method, "state": session.state},
        address=visit.address,
    )
    await record(connection, event, now_micros=access.clock())
