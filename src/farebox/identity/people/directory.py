"""People as the operator sees them: found, shut out, let in again, and helped when a second factor is lost."""

from typing import Any, Literal

import msgspec
import psycopg

from farebox.base.clock import MICROS_PER_SECOND
from farebox.identity.audit import Event, record
from farebox.identity.model import OPERATOR
from farebox.identity.people import passkeys, recovery, totp
from farebox.identity.people.model import show_person
from farebox.identity.people.sessions import SessionTimes, end_sessions
from farebox.identity.people.store import lock_person
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]
Status = Literal["active", "disabled"]

_QUERIES = load_queries("farebox.identity.people", "directory.sql")


class Entry(msgspec.Struct, frozen=True):
    """Somebody who can sign in, with what they can do it by. `sessions`: those that are open now."""

    person_id: int
    name: str
    status: Status
    created_at: int
    emails: list[str]
    wallets: int
    passkeys: int
    has_totp: bool
    recovery_codes_left: int
    sessions: int
    workspaces: int
    platform_role: str | None


class Taken(msgspec.Struct, frozen=True):
    """What a reset took away."""

    had_totp: bool
    passkeys: int
    sessions: int


async def find_people(
    connection: Connection,
    text: str = "",
    *,
    person_id: int | None = None,
    most: int,
    times: SessionTimes,
    now_micros: int,
) -> list[Entry]:
    """Those whose name or address has such a text in it ('': all), or one alone; the newest first."""
    wanted = {
        "person_id": person_id,
        "text": text.lower(),
        "most": most,
        "now_micros": now_micros,
        "idle_since": now_micros - times.idle_seconds * MICROS_PER_SECOND,
    }
    cursor = await connection.execute(_QUERIES["find_people"], wanted)
    return [Entry(*row) for row in await cursor.fetchall()]


async def set_status(connection: Connection, person_id: int, status: Status, *, now_micros: int) -> bool:
    """Shut somebody out, which ends all their sessions, or let them in again. False: so it was already."""
    async with connection.transaction():
        await lock_person(connection, person_id)
        wanted = {"person_id": person_id, "status": status}
        changed = (await connection.execute(_QUERIES["set_status"], wanted)).rowcount == 1
        ended = 0
        if status == "disabled":
            ended = await end_sessions(connection, person_id, but=None, by="disabled", now_micros=now_micros)
        if changed:
            action = "person.disabled" if status == "disabled" else "person.enabled"
            await _record(connection, person_id, action, now_micros=now_micros, sessions=ended)
    return changed


async def reset_second_factor(connection: Connection, person_id: int, *, now_micros: int) -> Taken:
    """Take away authenticator app, recovery codes and passkeys, and end all sessions: what is left are the ways in
    that are no second factor. Whoever calls it has made sure of who asks, and that there is such a way."""
    async with connection.transaction():
        await lock_person(connection, person_id)
        had_totp = await totp.end_totp(connection, person_id)
        await recovery.forget_codes(connection, person_id)
        unlinked = await passkeys.unlink_passkeys(connection, person_id, now_micros=now_micros)
        ended = await end_sessions(connection, person_id, but=None, by="reset", now_micros=now_micros)
        await _record(
            connection,
            person_id,
            "person.reset",
            now_micros=now_micros,
            totp=had_totp,
            passkeys=unlinked,
            sessions=ended,
        )
    return Taken(had_totp, unlinked, ended)


async def _record(connection: Connection, person_id: int, action: str, *, now_micros: int, **detail: int) -> None:
    shown = show_person(person_id)
    event = Event(action=action, actor=OPERATOR, person_id=person_id, subject=shown, detail=detail)
    await record(connection, event, now_micros=now_micros)
