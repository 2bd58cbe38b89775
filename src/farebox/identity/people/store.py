"""People in PostgreSQL: made, named, found by how they sign in."""

from typing import Any, Final

import psycopg

from farebox.base.ids import random_id
from farebox.identity.people.model import Person
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

_QUERIES = load_queries("farebox.identity.people", "queries.sql")
_COLUMNS: Final = 4


async def create_person(connection: Connection, *, now_micros: int, name: str = "") -> Person:
    """A new person without any way to sign in yet: link one in the same transaction."""
    wanted = {"person_id": random_id(), "name": name, "now_micros": now_micros}
    return _person(await (await connection.execute(_QUERIES["create_person"], wanted)).fetchone())


async def read_person(connection: Connection, person_id: int) -> Person | None:
    """A person by id; None: there is none."""
    cursor = await connection.execute(_QUERIES["read_person"], {"person_id": person_id})
    row = await cursor.fetchone()
    return None if row is None else _person(row)


async def person_of_email(connection: Connection, email: str) -> Person | None:
    """Who signs in with that address, in lower case; None: nobody."""
    cursor = await connection.execute(_QUERIES["person_of_email"], {"email": email})
    row = await cursor.fetchone()
    return None if row is None else _person(row)


async def emails_of(connection: Connection, person_id: int) -> list[str]:
    """The addresses that a person signs in with, the oldest first."""
    cursor = await connection.execute(_QUERIES["emails_of"], {"person_id": person_id})
    return [row[0] for row in await cursor.fetchall()]


async def rename_person(connection: Connection, person_id: int, name: str) -> None:
    """Change the name that others see."""
    await connection.execute(_QUERIES["rename_person"], {"person_id": person_id, "name": name})


async def lock_person(connection: Connection, person_id: int) -> None:
    """Until the transaction ends nobody else changes how that person signs in."""
    await connection.execute(_QUERIES["lock_person"], {"person_id": person_id})


async def count_ways_in(connection: Connection, person_id: int) -> int:
    """How many e-mail addresses, wallets and passkeys a person can sign in with."""
    cursor = await connection.execute(_QUERIES["count_ways_in"], {"person_id": person_id})
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


def _person(row: tuple[Any, ...] | None) -> Person:
    assert row is not None and len(row) == _COLUMNS
    return Person(person_id=row[0], name=row[1], is_active=row[2], created_at=row[3])
