"""Which role somebody has, read from its row on every request: what is taken away is gone with the next one."""

from typing import Any, Final

import psycopg

from farebox.identity.roles import PlatformRole, Role
from farebox.identity.team.model import Membership
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

# Workspaces of one person in one list.
MAX_MEMBERSHIPS: Final = 1_000

_QUERIES = load_queries("farebox.identity.team", "roles.sql")


async def memberships_of(connection: Connection, person_id: int) -> list[Membership]:
    """The workspaces that a person belongs to, the first joined first."""
    cursor = await connection.execute(_QUERIES["memberships_of"], {"person_id": person_id, "most": MAX_MEMBERSHIPS})
    return [_membership(row) for row in await cursor.fetchall()]


async def membership_in(connection: Connection, person_id: int, workspace_id: int) -> Membership | None:
    """What a person is in a workspace; None: no member, or there is no such workspace."""
    wanted = {"person_id": person_id, "workspace_id": workspace_id}
    row = await (await connection.execute(_QUERIES["membership_in"], wanted)).fetchone()
    return None if row is None else _membership(row)


async def platform_role_of(connection: Connection, person_id: int) -> PlatformRole | None:
    """A person's role in the whole installation."""
    row = await (await connection.execute(_QUERIES["platform_role_of"], {"person_id": person_id})).fetchone()
    return None if row is None else PlatformRole(row[0])


def _membership(row: tuple[Any, ...]) -> Membership:
    return Membership(row[0], row[1], is_active=row[2], role=Role(row[3]), joined_at=row[4])
