"""Passkeys and their challenges in PostgreSQL. What a passkey signed is checked in passkey_proof.py.

A passkey is never deleted: unlinking ends it, so that the history stays. A credential belongs to one person at a time.
"""

import secrets
from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID, uuid4

import msgspec
import psycopg

from farebox.base.ids import random_id
from farebox.identity.people.model import Purpose, Session
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

# Of which an authenticator signs a hash: nobody guesses 256 bits.
CHALLENGE_BYTES: Final = 32
# Of one person: all are named to the browser when another is added, and nobody has more devices.
MAX_PASSKEYS: Final = 20

_QUERIES = load_queries("farebox.identity.people", "passkeys.sql")


class Passkey(msgspec.Struct, frozen=True, kw_only=True):
    """A passkey as it is stored. The key is the public one: nothing here is secret."""

    passkey_id: int
    person_id: int
    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...]
    is_backed_up: bool
    name: str
    linked_at: int
    last_used_at: int | None


class NewPasskey(msgspec.Struct, frozen=True, kw_only=True):
    """What an authenticator has made. `is_backed_up`: it is on several devices by its maker's cloud."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: Sequence[str]
    is_backed_up: bool
    name: str


class PasskeyUse(msgspec.Struct, frozen=True):
    """What a signature said about its authenticator."""

    sign_count: int
    is_backed_up: bool


class StoredChallenge(msgspec.Struct, frozen=True):
    """What is to be signed, for what, and (link, step_up) by which person in which session alone."""

    challenge: bytes
    purpose: Purpose
    person_id: int | None
    session_id: int | None


async def save_challenge(
    connection: Connection, purpose: Purpose, *, session: Session | None, now_micros: int, expires_at: int
) -> tuple[UUID, bytes]:
    """A new challenge and its id."""
    challenge_id, challenge = uuid4(), secrets.token_bytes(CHALLENGE_BYTES)
    await connection.execute(
        _QUERIES["save_challenge"],
        {
            "challenge_id": challenge_id,
            "challenge": challenge,
            "purpose": purpose,
            "person_id": None if session is None else session.person_id,
            "session_id": None if session is None else session.session_id,
            "now_micros": now_micros,
            "expires_at": expires_at,
        },
    )
    return challenge_id, challenge


async def take_challenge(connection: Connection, challenge_id: UUID, *, now_micros: int) -> StoredChallenge | None:
    """Use a challenge up, whatever its answer is worth; None: it is not known, used up or too old."""
    wanted = {"challenge_id": challenge_id, "now_micros": now_micros}
    row = await (await connection.execute(_QUERIES["take_challenge"], wanted)).fetchone()
    return None if row is None else StoredChallenge(row[0], Purpose(row[1]), row[2], row[3])


async def passkey_of_credential(connection: Connection, credential_id: bytes) -> Passkey | None:
    """The passkey that an authenticator names; None: unknown, unlinked, or its person was disabled."""
    cursor = await connection.execute(_QUERIES["passkey_of_credential"], {"credential_id": credential_id})
    row = await cursor.fetchone()
    return None if row is None else _passkey(row)


async def passkeys_of(connection: Connection, person_id: int) -> list[Passkey]:
    """A person's passkeys, the oldest first; at most MAX_PASSKEYS."""
    cursor = await connection.execute(_QUERIES["passkeys_of"], {"person_id": person_id})
    return [_passkey(row) for row in await cursor.fetchall()]


async def link_passkey(connection: Connection, person_id: int, new: NewPasskey, *, now_micros: int) -> Passkey | None:
    """Make it a way to sign in; None: that credential is somebody's already. Lock the person before, and count."""
    wanted = {
        **msgspec.structs.asdict(new),
        "transports": list(new.transports),
        "passkey_id": random_id(),
        "person_id": person_id,
        "now_micros": now_micros,
    }
    row = await (await connection.execute(_QUERIES["link_passkey"], wanted)).fetchone()
    return None if row is None else _passkey(row)


async def note_use(connection: Connection, passkey: Passkey, use: PasskeyUse, *, now_micros: int) -> bool:
    """Store what its signature said. False: another use, or the end of the passkey, came between."""
    wanted = {
        "passkey_id": passkey.passkey_id,
        "former_count": passkey.sign_count,
        "sign_count": use.sign_count,
        "is_backed_up": use.is_backed_up,
        "now_micros": now_micros,
    }
    return (await connection.execute(_QUERIES["note_use"], wanted)).rowcount == 1


async def unlink_passkeys(connection: Connection, person_id: int, *, now_micros: int) -> int:
    """Unlink all passkeys of a person; returns how many."""
    wanted = {"person_id": person_id, "now_micros": now_micros}
    return (await connection.execute(_QUERIES["unlink_passkeys"], wanted)).rowcount


def _passkey(row: tuple[Any, ...]) -> Passkey:
    return Passkey(
        passkey_id=row[0],
        person_id=row[1],
        credential_id=row[2],
        public_key=row[3],
        sign_count=row[4],
        transports=tuple(row[5]),
        is_backed_up=row[6],
        name=row[7],
        linked_at=row[8],
        last_used_at=row[9],
    )
