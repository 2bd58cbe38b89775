"""Signing in by e-mail: a letter with a code and a link, and what its reader does with either.

Nobody learns here who has an account: asking is answered alike, in words and in work, whether a letter goes out or not.
What is limited cannot shut somebody out: wallets and passkeys pass by these limits, and each letter that a stranger
asked for in somebody's name still has a link in it that lets its reader in, whatever codes the stranger tries.
"""

from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg

from farebox.access.asking import require_fresh, require_site
from farebox.access.letters import sign_in_letter, tell
from farebox.access.opening import keep_open, limit, note_failure, open_for, sign_in_failed
from farebox.access.parts import Access
from farebox.access.step_up import require_way
from farebox.base.clock import MICROS_PER_SECOND
from farebox.base.errors import Problem
from farebox.base.ids import show_short
from farebox.identity.audit import Event, record
from farebox.identity.people import email_codes
from farebox.identity.people.attempts import Attempt, whence
from farebox.identity.people.email_codes import EmailChallenge, NewChallenge, Standing, read_email
from farebox.identity.people.model import Method, OpenedSession, Purpose, Session, SessionState, Visit, show_person
from farebox.identity.people.store import create_person, emails_of, lock_person
from farebox.mail.letter import Letter
from farebox.storage.pool import connected

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
# Letters to one address: enough for somebody whose mail is slow, too few to fill a mailbox. No longer than a letter is
# good: a stranger who asked for all of them leaves none behind that is void while there is no new one.
LETTERS_PER_EMAIL: Final = (5, 10 * _MINUTE)
# Letters that one client asks for: an office behind one address, but nobody who writes to all the world.
LETTERS_PER_CLIENT: Final = (30, _HOUR)
# Codes tried for one address, whoever tries. A guesser needs years; somebody who mistypes ten codes opens the link.
CODES_PER_EMAIL: Final = ((10, _HOUR), (30, _DAY))
# Codes and links tried by one client, of whatever address.
ANSWERS_PER_CLIENT: Final = (60, _HOUR)
# Addresses of one person: a few jobs' and one's own.
MAX_EMAILS: Final = 10


class Challenge(msgspec.Struct, frozen=True):
    """What whoever asked for a letter is told: nothing of which follows from who they are."""

    challenge_id: UUID
    expires_at: int


class LinkView(msgspec.Struct, frozen=True):
    """What a page says before its reader presses the button."""

    email: str
    purpose: Purpose


async def begin_email(
    access: Access, email: str, *, visit: Visit, purpose: Purpose = Purpose.SIGN_IN, session: Session | None = None
) -> Challenge:
    """Send a code and a link, if this address may have one. Raises Problem: invalid_request, too_many_attempts,
    sign_in_unavailable; of link and step_up also not_signed_in, step_up_required, second_factor_required."""
    require_site(access)
    address = read_email(email)
    bound_to = None if purpose is Purpose.SIGN_IN else _required(session)
    if purpose is Purpose.LINK:
        require_fresh(access, _active(session))
    letters = Attempt(f"letters to {address}", *LETTERS_PER_EMAIL)
    asked = Attempt(f"letters from {whence(visit.address)}", *LETTERS_PER_CLIENT)
    await limit(access, letters, asked, visit=visit, method=Method.EMAIL)
    now_micros = access.clock()
    expires_at = now_micros + int(access.sign_in.code_seconds) * MICROS_PER_SECOND
    async with connected(access.pool) as connection:
        if purpose is Purpose.STEP_UP:
            await _require_own(connection, _active(session), address)
        standing = await email_codes.standing_of(connection, address, now_micros=now_micros)
        made = await email_codes.make_challenge(
            connection, address, purpose, bound_to=bound_to, lives_micros=(now_micros, expires_at)
        )
    # Who gets no letter is refused with those who would, where none can be sent, and makes as much work.
    gets_one = purpose is not Purpose.SIGN_IN or _may_enter(access, standing)
    (access.postman.take if gets_one else access.postman.feign)(_letter(access, made))
    return Challenge(made.challenge.challenge_id, expires_at)


async def finish_email(
    access: Access, challenge_id: UUID, code: str, *, visit: Visit, session: Session | None = None
) -> OpenedSession:
    """Answer with the code. Raises Problem: sign_in_failed, too_many_attempts; of link also conflict."""
    await limit(access, _answering(visit), visit=visit, method=Method.EMAIL)
    now_micros = access.clock()
    async with connected(access.pool) as connection:
        found = await email_codes.find_challenge(connection, challenge_id, now_micros=now_micros)
    if found is not None:
        tries = [Attempt(f"codes of {found.email}", most, seconds) for most, seconds in CODES_PER_EMAIL]
        await limit(access, *tries, visit=visit, method=Method.EMAIL)
    answering = _Answering(access, visit, session)
    async with connected(access.pool) as connection, connection.transaction():
        used = await email_codes.use_code(
            connection, challenge_id, _plain(code), session_id=answering.session_id, now_micros=now_micros
        )
        outcome = await answering.finish(connection, used, asked_for=None if found is None else found.email)
    return _opened(outcome)


async def read_link(access: Access, token: str) -> LinkView:
    """What a link is for; it stays good. Raises Problem(`sign_in_failed`)."""
    async with connected(access.pool) as connection:
        found = await email_codes.find_link(connection, token, now_micros=access.clock())
    if found is None:
        raise sign_in_failed()
    return LinkView(found.email, found.purpose)


async def finish_link(access: Access, token: str, *, visit: Visit, session: Session | None = None) -> OpenedSession:
    """Answer with the link. Raises Problem: sign_in_failed, too_many_attempts; of link also conflict."""
    await limit(access, _answering(visit), visit=visit, method=Method.EMAIL)
    answering = _Answering(access, visit, session)
    async with connected(access.pool) as connection, connection.transaction():
        used = await email_codes.use_link(connection, token, session_id=answering.session_id, now_micros=access.clock())
        outcome = await answering.finish(connection, used, asked_for=None)
    return _opened(outcome)


class _Answering:
    """One answer to a challenge, in the transaction that used it up. Refusals are given back and not raised, because
    the challenge stays used and the try stays counted."""

    def __init__(self, access: Access, visit: Visit, session: Session | None) -> None:
        self._access = access
        self._visit = visit
        self._session = session
        self._now_micros = access.clock()

    @property
    def session_id(self) -> int | None:
        """Of the session that answers; one whose second factor is missing answers for nobody."""
        session = self._session
        return session.session_id if session is not None and session.state is SessionState.ACTIVE else None

    async def finish(
        self, connection: Connection, used: EmailChallenge | None, *, asked_for: str | None
    ) -> OpenedSession | Problem:
        try:
            if used is None:
                raise sign_in_failed()
            # A refusal after this point takes back what was written, but not that the challenge was used.
            async with connection.transaction():
                return await self._open(connection, used)
        except Problem as problem:
            email = asked_for if used is None else used.email
            await self._note_failure(connection, email)
            return problem

    async def _open(self, connection: Connection, used: EmailChallenge) -> OpenedSession:
        await email_codes.lock_email(connection, used.email)
        standing = await email_codes.standing_of(connection, used.email, now_micros=self._now_micros)
        if used.purpose is Purpose.SIGN_IN:
            return await self._sign_in(connection, used.email, standing)
        session = self._session
        if session is None or session.person_id != used.person_id:
            raise sign_in_failed()
        if used.purpose is Purpose.LINK:
            await self._link(connection, session, email=used.email, standing=standing)
            return await keep_open(connection, session)
        if standing.person_id != session.person_id:
            raise sign_in_failed()
        await require_way(connection, session, Method.EMAIL)
        return await open_for(
            connection, self._access, session.person_id, method=Method.EMAIL, visit=self._visit, session=session
        )

    async def _sign_in(self, connection: Connection, email: str, standing: Standing) -> OpenedSession:
        if not _may_enter(self._access, standing):
            raise sign_in_failed()
        person_id = standing.person_id
        if person_id is None:
            person_id = (await create_person(connection, now_micros=self._now_micros)).person_id
            await self._record(connection, "person.created", person_id, subject=show_person(person_id))
            await self._make_way(connection, person_id, email)
        return await open_for(
            connection, self._access, person_id, method=Method.EMAIL, visit=self._visit, session=self._session
        )

    async def _link(self, connection: Connection, session: Session, *, email: str, standing: Standing) -> None:
        if standing.person_id == session.person_id:
            return
        if standing.person_id is not None:
            message = "This address signs in to another account. Unlink it there first, or use another one."
            raise Problem("conflict", message)
        await lock_person(connection, session.person_id)
        known = await emails_of(connection, session.person_id)
        if len(known) >= MAX_EMAILS:
            raise Problem("conflict", f"You have {MAX_EMAILS} addresses already; unlink one first.")
        await self._make_way(connection, session.person_id, email)
        tell(self._access, known, what=f"The e-mail address {email} can be used to sign in to it now")

    async def _make_way(self, connection: Connection, person_id: int, email: str) -> None:
        email_id = await email_codes.link_email(connection, person_id, email, now_micros=self._now_micros)
        await self._record(connection, "email.linked", person_id, subject=show_short("email", email_id))

    async def _record(self, connection: Connection, action: str, person_id: int, *, subject: str) -> None:
        actor, address = show_person(person_id), self._visit.address
        event = Event(action=action, actor=actor, person_id=person_id, subject=subject, address=address)
        await record(connection, event, now_micros=self._now_micros)

    async def _note_failure(self, connection: Connection, email: str | None) -> None:
        standing = await email_codes.standing_of(connection, email or "", now_micros=self._now_micros)
        await note_failure(
            connection, self._access, method=Method.EMAIL, visit=self._visit, person_id=standing.person_id
        )


def _opened(outcome: OpenedSession | Problem) -> OpenedSession:
    if isinstance(outcome, Problem):
        raise outcome
    return outcome


def _may_enter(access: Access, standing: Standing) -> bool:
    """Whether somebody who reads that mail may sign in, or sign up."""
    return standing.is_active if standing.person_id is not None else access.sign_in.open or standing.is_invited


def _active(session: Session | None) -> Session:
    if session is None:
        raise Problem("not_signed_in", "Nobody is signed in.", facts={"reason": "missing"})
    if session.state is not SessionState.ACTIVE:
        raise Problem("second_factor_required", "The second factor is still missing.")
    return session


def _required(session: Session | None) -> tuple[int, int]:
    found = _active(session)
    return found.person_id, found.session_id


async def _require_own(connection: Connection, session: Session, email: str) -> None:
    await require_way(connection, session, Method.EMAIL)
    if email not in await emails_of(connection, session.person_id):
        message = "email is one of the addresses that you sign in with."
        raise Problem("invalid_request", message, param="email")


def _answering(visit: Visit) -> Attempt:
    return Attempt(f"answers from {whence(visit.address)}", *ANSWERS_PER_CLIENT)


def _letter(access: Access, made: NewChallenge) -> Letter:
    url = require_site(access).url(f"/sign-in/link?token={made.link_token}")
    challenge = made.challenge
    return sign_in_letter(access, challenge.email, code=made.code, url=url, purpose=challenge.purpose)


def _plain(code: str) -> str:
    """As people write it: with blanks or a dash in the middle."""
    return "".join(letter for letter in code[:40] if letter not in " -\u00a0")
