"""Roles in the whole installation: who has one, given and taken. Each function wants a transaction around it.

Events of it are written by whoever calls, who knows who did it.
"""

from typing import Any, Final

import msgspec
import psycopg

from farebox.identity.roles import PlatformRole
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

# Far more than work on one installation; what is beyond is not shown.
MAX_HOLDERS: Final = 500

_QUERIES = load_queries("farebox.identity.team", "platform.sql")


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody with a role in the whole installation. `has_second_factor`: an authenticator app or a passkey, without
    which the role is of no use yet. `granted_at` in microseconds since 1970 UTC."""

    person_id: int
    name: str
    is_active: bool
    role: PlatformRole
    granted_at: int
    granted_by: str
    emails: tuple[str, ...]
    has_second_factor: bool


async def lock_roles(connection: Connection) -> None:
    """Until the transaction ends nobody else gives or takes a role."""
    await connection.execute(_QUERIES["lock_roles"])


async def put_role(
    connection: Connection, person_id: int, role: PlatformRole, *, granted_by: str, now_micros: int
) -> None:
    """Give somebody a role in place of the one they may have."""
    wanted = {"person_id": person_id, "role": role, "granted_by": granted_by, "now_micros": now_micros}
    await connection.execute(_QUERIES["grant_role"], wanted)


async def drop_role(connection: Connection, person_id: int) -> PlatformRole | None:
    """Take somebody's role; None: they had none."""
    cursor = await connection.execute(_QUERIES["take_role"], {"person_id": person_id})
    row = await cursor.fetchone()
    return None if row is None else PlatformRole(row[0])


async def is_last_superadmin(connection: Connection, person_id: int) -> bool:
    """Whether nobody but that person could manage roles."""
    cursor = await connection.execute(_QUERIES["count_others"], {"person_id": person_id})
    row = await cursor.fetchone()
    return row is None or row[0] == 0


async def list_holders(connection: Connection) -> list[Holder]:
    """Everybody with a role, the first one who got one first; at most MAX_HOLDERS."""
    return await _holders(connection, None)


async def read_holder(connection: Connection, person_id: int) -> Holder | None:
    """Somebody with a role; None: they have none."""
    found = await _holders(connection, person_id)
    return found[0] if found else None


async def _holders(connection: Connection, person_id: int | None) -> list[Holder]:
    cursor = await connection.execute(_QUERIES["list_holders"], {"person_id": person_id, "most": MAX_HOLDERS})
    return [
        Holder(
            person_id=row[0],
            name=row[1],
            is_active=row[2],
            role=PlatformRole(row[3]),
            granted_at=row[4],
            granted_by=row[5],
            emails=tuple(row[6]),
            has_second_factor=row[7],
        )
        for row in await cursor.fetchall()
    ]
