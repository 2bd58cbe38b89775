"""Members of a workspace in PostgreSQL. Who changes them holds the team's lock first, in a transaction of its own."""

from typing import Any, Final

import psycopg

from farebox.identity.people.model import show_person
from farebox.identity.roles import Role
from farebox.identity.team.model import MadeKey, Member
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

# Members and open invitations of one workspace: a page that people can look through, in one answer.
MAX_MEMBERS: Final = 200
# Keys of somebody who leaves that are named in the answer.
MAX_NAMED_KEYS: Final = 100
# Workspaces that one round of looking after the unfinished ones takes on.
MAX_UNOPENED: Final = 100

_QUERIES = load_queries("farebox.identity.team", "members.sql")


async def lock_team(connection: Connection, workspace_id: int) -> None:
    """Until the transaction ends nobody else changes who belongs to the workspace. Lock this before a person."""
    await connection.execute(_QUERIES["lock_team"], {"workspace_id": workspace_id})


async def add_member(
    connection: Connection, workspace_id: int, person_id: int, *, role: Role, added_by: str, now_micros: int
) -> bool:
    """Make somebody a member. False: they are one already, and nothing changed."""
    wanted = {
        "workspace_id": workspace_id,
        "person_id": person_id,
        "role": role,
        "added_by": added_by,
        "now_micros": now_micros,
    }
    return (await connection.execute(_QUERIES["add_member"], wanted)).rowcount == 1


async def list_members(connection: Connection, workspace_id: int) -> list[Member]:
    """The owner first, then in the order in which they came; at most MAX_MEMBERS."""
    return await _members(connection, workspace_id, None)


async def read_member(connection: Connection, workspace_id: int, person_id: int) -> Member | None:
    """One member; None: they are none."""
    found = await _members(connection, workspace_id, person_id)
    return found[0] if found else None


async def set_role(connection: Connection, workspace_id: int, person_id: int, role: Role) -> None:
    """Give a member another role. There is one owner at most, and the database refuses a second."""
    wanted = {"workspace_id": workspace_id, "person_id": person_id, "role": role}
    await connection.execute(_QUERIES["set_role"], wanted)


async def remove_member(connection: Connection, workspace_id: int, person_id: int) -> bool:
    """End a membership. False: there was none."""
    wanted = {"workspace_id": workspace_id, "person_id": person_id}
    return (await connection.execute(_QUERIES["remove_member"], wanted)).rowcount == 1


async def count_owned(connection: Connection, person_id: int) -> int:
    """How many workspaces somebody owns. Hold the person's lock where a decision hangs on it."""
    cursor = await connection.execute(_QUERIES["count_owned"], {"person_id": person_id})
    row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def has_owner(connection: Connection, workspace_id: int) -> bool:
    """Whether somebody owns the workspace; one that the operator made has no owner until it is handed over."""
    cursor = await connection.execute(_QUERIES["has_owner"], {"workspace_id": workspace_id})
    return await cursor.fetchone() is not None


async def working_keys_by(
    connection: Connection, workspace_id: int, person_id: int, *, now_micros: int
) -> list[MadeKey]:
    """The working keys of a workspace that somebody made, the newest first; at most MAX_NAMED_KEYS."""
    wanted = {
        "workspace_id": workspace_id,
        "created_by": show_person(person_id),
        "now_micros": now_micros,
        "most": MAX_NAMED_KEYS,
    }
    cursor = await connection.execute(_QUERIES["working_keys_by"], wanted)
    return [MadeKey(*row) for row in await cursor.fetchall()]


async def rename_workspace(connection: Connection, workspace_id: int, name: str) -> bool:
    """Change its name. False: it had that one."""
    cursor = await connection.execute(_QUERIES["rename_workspace"], {"workspace_id": workspace_id, "name": name})
    return cursor.rowcount == 1


# ── workspaces that are not quite made ────────────────────────────────────────────────────────────────────────────


async def note_unopened(connection: Connection, workspace_id: int, *, now_micros: int) -> None:
    """The workspace has no book, limits and welcome yet; they follow."""
    await connection.execute(_QUERIES["note_unopened"], {"workspace_id": workspace_id, "now_micros": now_micros})


async def note_opened(connection: Connection, workspace_id: int) -> None:
    """Nothing is left to do."""
    await connection.execute(_QUERIES["note_opened"], {"workspace_id": workspace_id})


async def list_unopened(connection: Connection, *, before_micros: int) -> list[int]:
    """Workspaces made until that moment to which something is left to do; at most MAX_UNOPENED, the oldest first."""
    cursor = await connection.execute(_QUERIES["list_unopened"], {"before": before_micros, "most": MAX_UNOPENED})
    return [row[0] for row in await cursor.fetchall()]


async def _members(connection: Connection, workspace_id: int, person_id: int | None) -> list[Member]:
    wanted = {"workspace_id": workspace_id, "person_id": person_id, "most": MAX_MEMBERS}
    cursor = await connection.execute(_QUERIES["list_members"], wanted)
    return [Member(row[0], row[1], row[2], Role(row[3]), row[4], row[5]) for row in await cursor.fetchall()]
