"""Passkeys: signing in with one, linking one, proving oneself again with one.

A passkey is asked for with user verification, so it is two factors in one. At sign-in nobody says first who they are:
the browser offers what it has for this site. A challenge is used up by its first answer, and one for a link or a
step-up is good in the session that asked for it alone.
"""

from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg

from farebox.access.asking import require_fresh, require_site
from farebox.access.letters import tell
from farebox.access.opening import limit, note_failure, open_for, sign_in_failed
from farebox.access.parts import Access
from farebox.base.clock import MICROS_PER_SECOND
from farebox.base.errors import Problem
from farebox.base.ids import show_short
from farebox.identity.audit import Event, record
from farebox.identity.people import passkey_proof as proof
from farebox.identity.people import passkeys
from farebox.identity.people.attempts import Attempt, whence
from farebox.identity.people.model import MAX_NAME_CHARS, Method, OpenedSession, Purpose, Session, SessionState, Visit
from farebox.identity.people.passkey_proof import Account, BadPasskey, Claim
from farebox.identity.people.passkeys import MAX_PASSKEYS, Passkey, StoredChallenge
from farebox.identity.people.store import emails_of, lock_person, read_person
from farebox.storage.pool import connected

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

# Of one address in five minutes. A page that offers passkeys by itself asks for a challenge whenever it is shown, and
# an office may be behind one address; a wrong answer gains nobody anything, as there is nothing to guess.
_WINDOW_SECONDS: Final = 300
_CHALLENGES: Final = 300
_ANSWERS: Final = 120


class PasskeyChallenge(msgspec.Struct, frozen=True):
    """`options`: what `navigator.credentials.get` takes (link: `create`), in the JSON form of the specification."""

    challenge_id: UUID
    options: dict[str, Any]
    expires_at: int


async def begin_passkey(
    access: Access, *, visit: Visit, purpose: Purpose, session: Session | None = None
) -> PasskeyChallenge:
    """A challenge. link wants a fresh session, step_up any, a pending one too (there it is the second factor).

    Raises Problem: sign_in_unavailable, not_signed_in, second_factor_required, step_up_required, conflict (step_up
    without a passkey, link of too many), too_many_attempts.
    """
    site = require_site(access)
    bound_to = None if purpose is Purpose.SIGN_IN else _needed(access, session, purpose)
    attempt = Attempt(f"passkey-challenge:{whence(visit.address)}", _CHALLENGES, _WINDOW_SECONDS)
    await limit(access, attempt, visit=visit, method=Method.PASSKEY)
    now_micros = access.clock()
    seconds = access.sign_in.challenge_seconds
    expires_at = now_micros + int(seconds * MICROS_PER_SECOND)
    async with connected(access.pool) as connection:
        own = [] if bound_to is None else await passkeys.passkeys_of(connection, bound_to.person_id)
        _check_own(own, purpose)
        challenge_id, challenge = await passkeys.save_challenge(
            connection, purpose, session=bound_to, now_micros=now_micros, expires_at=expires_at
        )
        if purpose is Purpose.LINK:
            assert bound_to is not None
            account = await _account(connection, bound_to.person_id)
            options = proof.options_to_create(
                site, challenge, account, brand=access.brand.name, timeout_seconds=seconds, known=own
            )
        else:
            options = proof.options_to_get(site, challenge, timeout_seconds=seconds, allowed=own)
    return PasskeyChallenge(challenge_id, options, expires_at)


async def finish_passkey(
    access: Access,
    challenge_id: UUID,
    credential: bytes,
    *,
    visit: Visit,
    session: Session | None = None,
    name: str = "",
) -> OpenedSession:
    """The session after a passkey was used or linked. `credential`: JSON, as `PublicKeyCredential.toJSON` has it;
    `name` of a new one, else it is called after the browser.

    Raises Problem: sign_in_unavailable, sign_in_failed (a session of somebody else, too), not_signed_in,
    step_up_required, conflict (known already, too many), too_many_attempts.
    """
    require_site(access)
    attempt = Attempt(f"passkey:{whence(visit.address)}", _ANSWERS, _WINDOW_SECONDS)
    await limit(access, attempt, visit=visit, method=Method.PASSKEY)
    async with connected(access.pool) as connection:
        # By itself: what follows may fail, and the challenge stays used up.
        challenge = await passkeys.take_challenge(connection, challenge_id, now_micros=access.clock())
        if challenge is None:
            raise await _failed(connection, access, visit=visit, person_id=None)
        if challenge.purpose is not Purpose.SIGN_IN:
            needed = _needed(access, session, challenge.purpose)
            if needed.session_id != challenge.session_id or needed.person_id != challenge.person_id:
                raise await _failed(connection, access, visit=visit, person_id=challenge.person_id)
        try:
            claim = proof.read_claim(credential)
            if challenge.purpose is Purpose.LINK:
                assert session is not None
                return await _link(connection, access, challenge, claim, session=session, visit=visit, name=name)
            return await _use(connection, access, challenge, claim, session=session, visit=visit)
        except BadPasskey:
            raise await _failed(connection, access, visit=visit, person_id=challenge.person_id) from None


async def _use(
    connection: Connection,
    access: Access,
    challenge: StoredChallenge,
    claim: Claim,
    *,
    session: Session | None,
    visit: Visit,
) -> OpenedSession:
    passkey = await passkeys.passkey_of_credential(connection, claim.credential_id)
    if passkey is None or challenge.person_id not in (None, passkey.person_id):
        raise BadPasskey("is not known, or another person's")
    try:
        use = proof.check_use(require_site(access), challenge.challenge, claim, passkey)
    except BadPasskey:
        # A wrong signature of a known passkey is that person's business.
        raise await _failed(connection, access, visit=visit, person_id=passkey.person_id) from None
    async with connection.transaction():
        await lock_person(connection, passkey.person_id)
        if not await passkeys.note_use(connection, passkey, use, now_micros=access.clock()):
            raise BadPasskey("was used or unlinked meanwhile")
        return await open_for(
            connection, access, passkey.person_id, method=Method.PASSKEY, visit=visit, session=session
        )


async def _link(
    connection: Connection,
    access: Access,
    challenge: StoredChallenge,
    claim: Claim,
    *,
    session: Session,
    visit: Visit,
    name: str,
) -> OpenedSession:
    shown = name.strip()[:MAX_NAME_CHARS] or proof.default_name(visit.user_agent)
    new = proof.check_new(require_site(access), challenge.challenge, claim, name=shown)
    async with connection.transaction():
        await lock_person(connection, session.person_id)
        _check_own(await passkeys.passkeys_of(connection, session.person_id), Purpose.LINK)
        linked = await passkeys.link_passkey(connection, session.person_id, new, now_micros=access.clock())
        if linked is None:
            raise Problem("conflict", "This passkey is linked already.")
        event = Event(
            action="passkey.linked",
            actor=session.actor,
            person_id=session.person_id,
            subject=show_short("passkey", linked.passkey_id),
            detail={"name": linked.name, "backed_up": linked.is_backed_up},
            address=visit.address,
        )
        await record(connection, event, now_micros=access.clock())
        # Whoever may link one may prove themselves with it in the next moment: they need not do it twice.
        opened = await open_for(
            connection, access, session.person_id, method=Method.PASSKEY, visit=visit, session=session
        )
        if opened.session.session_id != session.session_id:
            # It was ended meanwhile: whoever was thrown out leaves no way in behind, and gets no other session.
            raise Problem("not_signed_in", "This session has ended. Sign in again.", facts={"reason": "ended"})
        known = await emails_of(connection, session.person_id)
    tell(access, known, what="A passkey was added as a way to sign in")
    return opened


def _needed(access: Access, session: Session | None, purpose: Purpose) -> Session:
    if session is None:
        raise Problem("not_signed_in", "Sign in first.", facts={"reason": "missing"})
    if purpose is Purpose.LINK:
        if session.state is SessionState.PENDING:
            raise Problem("second_factor_required", "The second factor is still missing.")
        require_fresh(access, session)
    return session


def _check_own(own: list[Passkey], purpose: Purpose) -> None:
    if purpose is Purpose.STEP_UP and not own:
        raise Problem("conflict", "You have no passkey.")
    if purpose is Purpose.LINK and len(own) >= MAX_PASSKEYS:
        raise Problem("conflict", f"You have {MAX_PASSKEYS} passkeys; unlink one that you do not use.")


async def _account(connection: Connection, person_id: int) -> Account:
    person = await read_person(connection, person_id)
    emails = await emails_of(connection, person_id)
    name = "" if person is None else person.name
    login = emails[0] if emails else name or show_short("person", person_id)
    return Account(person_id, login, name or login)


async def _failed(connection: Connection, access: Access, *, visit: Visit, person_id: int | None) -> Problem:
    await note_failure(connection, access, method=Method.PASSKEY, visit=visit, person_id=person_id)
    return sign_in_failed()
