"""By what a person can prove again who they are."""

from typing import Any

import msgspec
import psycopg

from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

_QUERIES = load_queries("farebox.identity.people", "factors.sql")


class Factors(msgspec.Struct, frozen=True):
    """What somebody has linked: an authenticator app, so many passkeys, a wallet."""

    has_totp: bool
    passkeys: int
    has_wallet: bool

    @property
    def has_second(self) -> bool:
        """Whether any of them is a second factor."""
        return self.has_totp or self.passkeys > 0


async def factors_of(connection: Connection, person_id: int) -> Factors:
    """What a person has linked, now."""
    cursor = await connection.execute(_QUERIES["factors_of"], {"person_id": person_id})
    row = await cursor.fetchone()
    assert row is not None
    return Factors(has_totp=row[0], passkeys=row[1], has_wallet=row[2])


async def end_lesser_sessions(connection: Connection, person_id: int, *, but: int, now_micros: int) -> int:
    """End all sessions of a person that never gave a second factor, but one; returns how many."""
    wanted = {"person_id": person_id, "but": but, "now_micros": now_micros}
    return (await connection.execute(_QUERIES["end_lesser_sessions"], wanted)).rowcount


async def forget_second_factor(connection: Connection, person_id: int) -> None:
    """Call it after an authenticator app or a passkey was taken away, with the person locked: of somebody who has no
    second factor any more no session has given one. Whoever gets a role for operators later sets one up first."""
    await connection.execute(_QUERIES["forget_second_factor"], {"person_id": person_id})
