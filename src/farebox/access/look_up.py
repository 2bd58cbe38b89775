"""What operators look up: workspaces by whatever a customer can name, and everything about one on one sheet."""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

import msgspec

from farebox.access.asking import Operator
from farebox.access.operate import no_workspace
from farebox.access.parts import Access
from farebox.access.places import read_place, show_place
from farebox.access.requests import ReviewRequest, waiting_of
from farebox.base.ids import IdError, read_call, read_short
from farebox.identity.audit import EventFilter, StoredEvent, list_events
from farebox.identity.keys import VISIBLE_LETTERS
from farebox.identity.model import KeyListing, Kind, Status, Workspace
from farebox.identity.people.model import show_person
from farebox.identity.roles import PlatformVerb, Role, platform_may
from farebox.identity.store import Connection, list_keys, workspace_of
from farebox.ledger.reading import read_limits
from farebox.records.balance import Balance, LimitState, limit_states, read_balance
from farebox.records.receipt import workspace_of_call
from farebox.storage.pool import connected
from farebox.storage.queries import load_queries

MAX_QUERY_CHARS: Final = 200
# What fits on a sheet; the rest is asked for by itself.
MAX_SHEET_MEMBERS: Final = 200
MAX_SHEET_KEYS: Final = 200
MAX_SHEET_EVENTS: Final = 20

_QUERIES = load_queries("farebox.access", "look_up.sql")


class WorkspaceRow(msgspec.Struct, frozen=True, kw_only=True):
    """A workspace in a list. `available_nanos` in nano-USD; `last_active_at`: when one of its keys was last used, up to
    a minute old; moments are microseconds since 1970 UTC."""

    workspace: Workspace
    members: int
    available_nanos: int
    last_active_at: int | None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A page of workspaces. `next_cursor` None: there are no more."""

    rows: list[WorkspaceRow]
    next_cursor: str | None


class SheetMember(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who belongs to the workspace."""

    person_id: int
    name: str
    is_active: bool
    role: Role
    joined_at: int
    emails: tuple[str, ...]


class Sheet(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about one workspace. `limits` are its own, not its keys'; `events` None: the operator may not read
    them; keys come without secrets, because nobody has those."""

    workspace: Workspace
    balance: Balance
    limits: tuple[LimitState, ...]
    members: list[SheetMember]
    keys: list[KeyListing]
    events: list[StoredEvent] | None
    requests: list[ReviewRequest]


async def find_workspaces(
    access: Access, operator: Operator, query: str, *, cursor: str | None, most: int, status: Status | None = None
) -> Found:
    """By a part of the name, the id (`ws_…`), a part of a member's e-mail, a key's id or visible prefix, or a call's
    id; '' finds all. The newest first. Raises Problem(`invalid_request`) for a cursor that is none."""
    del operator
    before_created_at, before_workspace_id = read_place(cursor)
    async with connected(access.pool) as connection:
        wanted = await _wanted(connection, shown_query(access, query), access.brand.key_prefix)
        if wanted is None:
            return Found(rows=[], next_cursor=None)
        wanted |= {"status": status, "now_micros": access.clock(), "most": most + 1}
        wanted |= {"before_created_at": before_created_at, "before_workspace_id": before_workspace_id}
        rows = await (await connection.execute(_QUERIES["find_workspaces"], wanted)).fetchall()
    found = [_row(*row) for row in rows[:most]]
    last = found[-1].workspace if len(rows) > most else None
    next_cursor = None if last is None else show_place(last.created_at, last.workspace_id)
    return Found(rows=found, next_cursor=next_cursor)


def shown_query(access: Access, query: str) -> str:
    """What was asked for, as it may be repeated on a page: of a whole key only what is visible of every key."""
    query = query.strip().replace("\0", "")[:MAX_QUERY_CHARS]
    prefix = access.brand.key_prefix
    return query[: len(prefix) + VISIBLE_LETTERS] if query.startswith(prefix) else query


async def read_workspace_sheet(access: Access, operator: Operator, workspace_id: int) -> Sheet:
    """Raises Problem(`not_found`)."""
    now_micros = access.clock()
    async with connected(access.pool) as connection:
        workspace = await workspace_of(connection, workspace_id)
        if workspace is None:
            raise no_workspace()
        limits = await read_limits(connection, workspace_id, key_ids=[0], now_micros=now_micros)
        wanted = EventFilter(workspace_id=workspace_id)
        may_read = platform_may(operator.role, PlatformVerb.AUDIT_READ)
        return Sheet(
            workspace=workspace,
            balance=await read_balance(connection, workspace_id, 0, now_micros),
            limits=limit_states(limits, now_micros),
            members=await _members(connection, workspace_id),
            keys=await list_keys(connection, workspace_id, most=MAX_SHEET_KEYS),
            events=await list_events(connection, wanted, most=MAX_SHEET_EVENTS) if may_read else None,
            requests=await waiting_of(connection, workspace_id),
        )


async def people_called(access: Access, actors: Iterable[str | None]) -> dict[str, str]:
    """What to call the people among the actors (`person_…`) of records: by their name, or their first address."""
    numbers = {number for actor in actors if actor and (number := _number("person", actor)) is not None}
    if not numbers:
        return {}
    async with connected(access.pool) as connection:
        cursor = await connection.execute(_QUERIES["people_called"], {"person_ids": sorted(numbers)})
        return {show_person(person_id): name for person_id, name in await cursor.fetchall() if name}


async def _wanted(connection: Connection, query: str, key_prefix: str) -> dict[str, Any] | None:
    """What a text can be the name of; None: of nothing that there is."""
    wanted: dict[str, Any] = dict.fromkeys(("workspace_id", "name_like", "email_like", "key_id", "prefix_like"))
    if not query:
        return wanted
    call_id = _call_id(query)
    if call_id is not None:
        workspace_id = await workspace_of_call(connection, call_id)
        return None if workspace_id is None else wanted | {"workspace_id": workspace_id}
    for field, short in (("workspace_id", "ws"), ("key_id", "key")):
        if (number := _number(short, query)) is not None:
            return wanted | {field: number}
    if query.startswith(key_prefix):
        return wanted | {"prefix_like": f"{_escaped(query)}%"}
    wanted["name_like"] = f"%{_escaped(query)}%"
    if "@" in query:
        wanted["email_like"] = f"%{_escaped(query.lower())}%"
    return wanted


def _call_id(query: str) -> UUID | None:
    try:
        return read_call(query)
    except IdError:
        return None


def _number(short: str, query: str) -> int | None:
    if not query.startswith(f"{short}_"):
        return None
    try:
        return read_short(short, query)
    except IdError:
        return None


def _escaped(text: str) -> str:
    """For LIKE: a text that stands for itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


async def _members(connection: Connection, workspace_id: int) -> list[SheetMember]:
    wanted = {"workspace_id": workspace_id, "most": MAX_SHEET_MEMBERS}
    cursor = await connection.execute(_QUERIES["members"], wanted)
    return [
        SheetMember(
            person_id=row[0], name=row[1], is_active=row[2], role=Role(row[3]), joined_at=row[4], emails=tuple(row[5])
        )
        for row in await cursor.fetchall()
    ]


def _row(*columns: Any) -> WorkspaceRow:
    workspace_id, name, kind, status, created_at, members, available_nanos, last_active_at = columns
    return WorkspaceRow(
        workspace=Workspace(workspace_id, name, Kind(kind), Status(status), created_at),
        members=members,
        available_nanos=available_nanos,
        last_active_at=last_active_at,
    )
