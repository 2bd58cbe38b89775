"""Challenges by e-mail: a code of six digits and a link in one letter. Who answers with either has read the letter.

A code may be tried five times and the link is good once; who signs in with one uses up the other. Wrong codes do not
use up the link: it cannot be guessed, and nobody can take it from its reader by guessing codes.
"""

import hashlib
import hmac
import re
import secrets
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
import psycopg

from farebox.base.errors import Problem
from farebox.base.ids import random_id
from farebox.identity.people.model import Purpose
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

CODE_DIGITS: Final = 6
# Of a million codes: whoever guesses has one chance in 200,000 for each letter.
MAX_CODE_ATTEMPTS: Final = 5
# 256 bits, of which nobody guesses one.
LINK_BYTES: Final = 32
# A longer text is no link's token; it is not even hashed.
MAX_LINK_CHARS: Final = 100
# RFC 5321: of the part before the @, and of the whole as it fits between angle brackets.
MAX_LOCAL_CHARS: Final = 64
MAX_EMAIL_CHARS: Final = 254

_QUERIES = load_queries("farebox.identity.people", "email_codes.sql")
_LOCAL: Final = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL: Final = re.compile(rf"(?P<local>{_LOCAL})@(?P<domain>{_LABEL}(?:\.{_LABEL})+)")


class EmailChallenge(msgspec.Struct, frozen=True):
    """An open challenge. `person_id` and `session_id`: whose it is, and who alone can answer it (link, step_up)."""

    challenge_id: UUID
    email: str
    purpose: Purpose
    person_id: int | None
    session_id: int | None


class NewChallenge(msgspec.Struct, frozen=True, kw_only=True):
    """A challenge that was just made, with its secrets: they belong into the letter and nowhere else."""

    challenge: EmailChallenge
    code: str
    link_token: str

    def __repr__(self) -> str:
        return f"NewChallenge({self.challenge.challenge_id})"


class Standing(msgspec.Struct, frozen=True):
    """What an address is here: whose (None: nobody's), whether that person may sign in, whether it is invited."""

    person_id: int | None
    is_active: bool
    is_invited: bool


def read_email(text: str) -> str:
    """An address in lower case, as it is stored and compared. Raises Problem(`invalid_request`).

    One @; before it letters, digits and signs of RFC 5322 without quotes; after it a name with a dot. ASCII alone: a
    domain in another script is written as it stands in the DNS (xn--…), so that no two addresses look alike.
    """
    found = _EMAIL.fullmatch(text.strip(" ").lower()) if len(text) <= 2 * MAX_EMAIL_CHARS and text.isascii() else None
    if found is None or len(found["local"]) > MAX_LOCAL_CHARS or len(found[0]) > MAX_EMAIL_CHARS:
        raise Problem("invalid_request", "email is an address like anna@example.com.", param="email")
    return found[0]


async def make_challenge(
    connection: Connection,
    email: str,
    purpose: Purpose,
    *,
    bound_to: tuple[int, int] | None,
    lives_micros: tuple[int, int],
) -> NewChallenge:
    """A new challenge. `bound_to`: person and session that alone can answer; `lives_micros`: from when, until when."""
    challenge_id, code = uuid4(), f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"
    link_token = secrets.token_urlsafe(LINK_BYTES)
    person_id, session_id = bound_to or (None, None)
    await connection.execute(
        _QUERIES["make_challenge"],
        {
            "challenge_id": challenge_id,
            "email": email,
            "purpose": purpose,
            "person_id": person_id,
            "session_id": session_id,
            "code_hash": _hash_code(challenge_id, code),
            "link_hash": _hash_link(link_token),
            "now_micros": lives_micros[0],
            "expires_at": lives_micros[1],
        },
    )
    challenge = EmailChallenge(challenge_id, email, purpose, person_id, session_id)
    return NewChallenge(challenge=challenge, code=code, link_token=link_token)


async def find_challenge(connection: Connection, challenge_id: UUID, *, now_micros: int) -> EmailChallenge | None:
    """An open challenge; uses nothing up. None: used, too late, or there never was one."""
    wanted = {"challenge_id": challenge_id, "now_micros": now_micros}
    row = await (await connection.execute(_QUERIES["find_challenge"], wanted)).fetchone()
    return None if row is None else _challenge(row)


async def find_link(connection: Connection, token: str, *, now_micros: int) -> EmailChallenge | None:
    """The open challenge of a link; uses nothing up."""
    if not _is_token(token):
        return None
    wanted = {"link_hash": _hash_link(token), "now_micros": now_micros}
    row = await (await connection.execute(_QUERIES["find_link"], wanted)).fetchone()
    return None if row is None else _challenge(row)


async def use_code(
    connection: Connection, challenge_id: UUID, code: str, *, session_id: int | None, now_micros: int
) -> EmailChallenge | None:
    """Try a code; a right one of the right session uses the challenge up. None: wrong, used, too late, too often.

    The try counts only if the transaction is committed, so whoever calls it must not let the transaction fail.
    """
    wanted = {"challenge_id": challenge_id, "now_micros": now_micros, "most": MAX_CODE_ATTEMPTS}
    row = await (await connection.execute(_QUERIES["try_code"], wanted)).fetchone()
    if row is None:
        return None
    challenge = _challenge(row)
    is_right = hmac.compare_digest(_hash_code(challenge_id, code), bytes(row[5]))
    if not is_right or challenge.session_id not in (None, session_id):
        return None
    await connection.execute(_QUERIES["use_challenge"], wanted)
    return challenge


async def use_link(
    connection: Connection, token: str, *, session_id: int | None, now_micros: int
) -> EmailChallenge | None:
    """Use a link up; None: used, too late, none, or another session's."""
    if not _is_token(token):
        return None
    wanted = {"link_hash": _hash_link(token), "session_id": session_id, "now_micros": now_micros}
    row = await (await connection.execute(_QUERIES["use_link"], wanted)).fetchone()
    return None if row is None else _challenge(row)


async def lock_email(connection: Connection, email: str) -> None:
    """Until the transaction ends nobody else makes that address a way to sign in."""
    await connection.execute(_QUERIES["lock_email"], {"email": email})


async def standing_of(connection: Connection, email: str, *, now_micros: int) -> Standing:
    """What an address is here."""
    cursor = await connection.execute(_QUERIES["standing_of"], {"email": email, "now_micros": now_micros})
    row = await cursor.fetchone()
    assert row is not None
    return Standing(row[0], bool(row[1]), row[2])


async def link_email(connection: Connection, person_id: int, email: str, *, now_micros: int) -> int:
    """Make a free address a way to sign in; returns its id. Hold `lock_email`."""
    email_id = random_id()
    wanted = {"email_id": email_id, "person_id": person_id, "email": email, "now_micros": now_micros}
    await connection.execute(_QUERIES["link_email"], wanted)
    return email_id


def _is_token(token: str) -> bool:
    return 0 < len(token) <= MAX_LINK_CHARS and token.isascii()


def _hash_code(challenge_id: UUID, code: str) -> bytes:
    # With the challenge's id, so that equal codes look different. Slower hashing would not help: all codes of a stolen
    # table are tried in a second, and are void ten minutes later.
    return hashlib.sha256(challenge_id.bytes + code.encode()).digest()


def _hash_link(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _challenge(row: tuple[Any, ...]) -> EmailChallenge:
    return EmailChallenge(row[0], row[1], Purpose(row[2]), row[3], row[4])
