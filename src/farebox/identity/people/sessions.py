"""Sessions in PostgreSQL. Every request reads its row, so a session that was ended is gone with the next request.

All functions take a connection; whoever calls them opens the transaction, so that a proof is used and the session is
opened together or not at all.
"""

import hashlib
import secrets
from typing import Any, Final

import msgspec
import psycopg

from farebox.base.clock import MICROS_PER_SECOND
from farebox.base.ids import random_id
from farebox.identity.people.model import (
    MAX_USER_AGENT_CHARS,
    SECOND_FACTORS,
    Method,
    OpenedSession,
    Session,
    SessionState,
    Visit,
)
from farebox.identity.people.session_life import Move, after, first_state, move_of
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

# 256 bits, of which nobody guesses one.
TOKEN_BYTES: Final = 32
# A longer text is no token; it is not even hashed.
MAX_TOKEN_CHARS: Final = 100
# How exact the moment a session was last seen is: a write a minute, not one a request.
SEEN_EVERY_MICROS: Final = 60 * MICROS_PER_SECOND
# Beyond it the oldest end: nobody uses more browsers, and a list of devices has to stay readable.
MAX_SESSIONS: Final = 50

_QUERIES = load_queries("farebox.identity.people", "sessions.sql")


class SessionTimes(msgspec.Struct, frozen=True, kw_only=True):
    """How long a session lives: since it was last seen, and altogether."""

    idle_seconds: int
    absolute_seconds: int


async def open_session(
    connection: Connection, person_id: int, *, method: Method, visit: Visit, times: SessionTimes, now_micros: int
) -> OpenedSession:
    """A new session of somebody who has just proved who they are: `pending` where a second factor is still missing."""
    has_totp = await _has_totp(connection, person_id)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    cursor = await connection.execute(
        _QUERIES["open_session"],
        {
            "session_id": random_id(),
            "token_hash": hash_token(token),
            "person_id": person_id,
            "state": first_state(method, has_totp=has_totp),
            "methods": [method],
            "now_micros": now_micros,
            "second_factor_at": now_micros if method in SECOND_FACTORS else None,
            "expires_at": now_micros + times.absolute_seconds * MICROS_PER_SECOND,
            "address": visit.address,
            "user_agent": _printable(visit.user_agent),
        },
    )
    row = await cursor.fetchone()
    assert row is not None
    await connection.execute(
        _QUERIES["end_oldest"], {"person_id": person_id, "most": MAX_SESSIONS, "now_micros": now_micros}
    )
    return OpenedSession(_session(row), token)


async def find_session(connection: Connection, token: str, *, times: SessionTimes, now_micros: int) -> Session | None:
    """The open session of a token, noted as seen now; None: there is none, or it has expired, or its person was
    disabled."""
    if not token or len(token) > MAX_TOKEN_CHARS or not token.isascii():
        return None
    idle_since = now_micros - times.idle_seconds * MICROS_PER_SECOND
    wanted = {"token_hash": hash_token(token), "now_micros": now_micros, "idle_since": idle_since}
    cursor = await connection.execute(_QUERIES["find_session"], wanted)
    row = await cursor.fetchone()
    if row is None:
        return None
    found = _session(row)
    if found.seen_at <= now_micros - SEEN_EVERY_MICROS:
        await connection.execute(_QUERIES["note_seen"], {"session_id": found.session_id, "now_micros": now_micros})
    return found


async def prove_session(
    connection: Connection, session: Session, method: Method, *, now_micros: int
) -> OpenedSession | None:
    """The session after another proof, with a new token in place of the old one; None: it cannot be proved that way
    any more (it was ended, or only a second factor will do)."""
    state = after(session.state, move_of(method))
    if state is None:
        return None
    token = secrets.token_urlsafe(TOKEN_BYTES)
    cursor = await connection.execute(
        _QUERIES["prove_session"],
        {
            "session_id": session.session_id,
            "token_hash": hash_token(token),
            "from_state": session.state,
            "state": state,
            "method": method,
            "is_second_factor": method in SECOND_FACTORS,
            "now_micros": now_micros,
        },
    )
    row = await cursor.fetchone()
    return None if row is None else OpenedSession(_session(row), token)


async def renew_token(connection: Connection, session: Session) -> OpenedSession | None:
    """The same session under a new token, no better proved than before; None: it was ended or changed meanwhile."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    wanted = {"session_id": session.session_id, "from_state": session.state, "token_hash": hash_token(token)}
    row = await (await connection.execute(_QUERIES["renew_token"], wanted)).fetchone()
    return None if row is None else OpenedSession(_session(row), token)


async def list_sessions(
    connection: Connection, person_id: int, *, times: SessionTimes, now_micros: int
) -> list[Session]:
    """The open sessions of a person, the newest first; at most MAX_SESSIONS."""
    idle_since = now_micros - times.idle_seconds * MICROS_PER_SECOND
    wanted = {"person_id": person_id, "now_micros": now_micros, "idle_since": idle_since, "most": MAX_SESSIONS}
    cursor = await connection.execute(_QUERIES["list_sessions"], wanted)
    return [_session(row) for row in await cursor.fetchall()]


async def end_session(connection: Connection, person_id: int, session_id: int, *, by: str, now_micros: int) -> bool:
    """End one session of a person. False: there is no such open one. `by`: signed_out, revoked …"""
    wanted = {"person_id": person_id, "session_id": session_id, "by": by, "now_micros": now_micros}
    cursor = await connection.execute(_QUERIES["end_session"], wanted)
    return cursor.rowcount == 1


async def end_sessions(connection: Connection, person_id: int, *, but: int | None, by: str, now_micros: int) -> int:
    """End all sessions of a person but one; returns how many."""
    wanted = {"person_id": person_id, "but": but or 0, "by": by, "now_micros": now_micros}
    cursor = await connection.execute(_QUERIES["end_sessions"], wanted)
    return cursor.rowcount


def is_fresh(session: Session, *, step_up_seconds: int, now_micros: int) -> bool:
    """Whether the newest proof that counts is recent enough for what is delicate: of who has a second factor only that
    counts, or a look into their mail would do instead."""
    counts = session.second_factor_at if session.wants_second_factor else session.proved_at
    since = now_micros - step_up_seconds * MICROS_PER_SECOND
    return session.state is SessionState.ACTIVE and counts is not None and counts > since


def can_end(session: Session) -> bool:
    """Whether it is open."""
    return after(session.state, Move.END) is not None


def hash_token(token: str) -> bytes:
    """What is stored of a token."""
    return hashlib.sha256(token.encode()).digest()


async def _has_totp(connection: Connection, person_id: int) -> bool:
    cursor = await connection.execute(_QUERIES["has_totp"], {"person_id": person_id})
    return await cursor.fetchone() is not None


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text[:MAX_USER_AGENT_CHARS])


def _session(row: tuple[Any, ...]) -> Session:
    return Session(
        session_id=row[0],
        person_id=row[1],
        state=SessionState(row[2]),
        methods=tuple(Method(name) for name in row[3]),
        created_at=row[4],
        seen_at=row[5],
        proved_at=row[6],
        second_factor_at=row[7],
        expires_at=row[8],
        address=row[9],
        user_agent=row[10],
        wants_second_factor=row[11],
    )
