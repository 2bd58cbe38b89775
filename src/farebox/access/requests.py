"""What people of a workspace ask the operator for, and what becomes of it.

A purchase request names models that somebody would like to buy more of, in their own words; sales or operations take it
from there, and accepting it changes no balance and no right by itself.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from farebox.access.asking import Caller, Operator
from farebox.access.parts import Access
from farebox.access.places import read_place, show_place
from farebox.base.errors import Problem
from farebox.base.ids import IdError, random_id, read_short, show_short
from farebox.identity.audit import record
from farebox.storage.pool import connected
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

# Of one workspace at a time: enough for every wish, too few to bury the operator's list.
MAX_WAITING: Final = 20
# Of one request: a whole catalog is not a wish.
MAX_MODELS: Final = 50
MAX_NOTE_CHARS: Final = 2_000
MAX_REASON_CHARS: Final = 1_000
MAX_TITLE_CHARS: Final = 200

_QUERIES = load_queries("farebox.access", "requests.sql")


class RequestKind(StrEnum):
    """What is asked for."""

    PURCHASE = "purchase"
    DEPOSIT = "deposit"


class RequestStatus(StrEnum):
    """What has become of it."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


class ReviewRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request. Moments are microseconds since 1970 UTC; `models` and `note` of a purchase."""

    request_id: int
    workspace_id: int
    workspace_name: str
    kind: RequestKind
    title: str
    models: tuple[str, ...]
    note: str
    status: RequestStatus
    created_at: int
    created_by: str
    decided_at: int | None
    decided_by: str | None
    reason: str


class RequestPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of them. `next_cursor` None: there are no more."""

    rows: list[ReviewRequest]
    next_cursor: str | None


# ── of a workspace ────────────────────────────────────────────────────────────────────────────────────────────────


async def make_request(access: Access, caller: Caller, *, models: Sequence[str], note: str) -> ReviewRequest:
    """A purchase request of the caller's workspace. Raises Problem: invalid_request, conflict."""
    wanted = _models(access, models)
    note = _text(note, "note", most=MAX_NOTE_CHARS)
    now_micros, request_id, workspace_id = access.clock(), random_id(), caller.workspace_id
    async with connected(access.pool) as connection, connection.transaction():
        of_workspace = {"workspace_id": workspace_id}
        await connection.execute(_QUERIES["one_at_a_time"], of_workspace)
        row = await (await connection.execute(_QUERIES["count_waiting"], of_workspace)).fetchone()
        if row is None or row[0] >= MAX_WAITING:
            message = f"{MAX_WAITING} requests of this workspace wait already; withdraw one, or wait for the operator."
            raise Problem("conflict", message)
        parameters = {
            "request_id": request_id,
            "kind": RequestKind.PURCHASE,
            "title": _title(wanted),
            "detail": Jsonb({"models": list(wanted), "note": note}),
            "now_micros": now_micros,
            "created_by": caller.actor,
        }
        await connection.execute(_QUERIES["make_request"], of_workspace | parameters)
        event = caller.event("request.made", subject=show_request(request_id), kind=RequestKind.PURCHASE)
        await record(connection, event, now_micros=now_micros)
        return await _read(connection, request_id, workspace_id)


async def list_own_requests(access: Access, caller: Caller, *, cursor: str | None, most: int) -> RequestPage:
    """Those of the caller's workspace, whatever became of them, the newest first. Raises Problem."""
    async with connected(access.pool) as connection:
        return await _page(connection, _Wanted(workspace_id=caller.workspace_id), cursor=cursor, most=most)


async def withdraw_request(access: Access, caller: Caller, request_id: str) -> ReviewRequest:
    """Take back one that waits. Raises Problem: not_found, conflict."""
    number = read_request_id(request_id)
    async with connected(access.pool) as connection, connection.transaction():
        found = await _read(connection, number, caller.workspace_id)
        _require_waiting(found)
        ended = await _end(access, connection, found, RequestStatus.WITHDRAWN, by=caller.actor, reason="")
        event = caller.event("request.withdrawn", subject=show_request(number))
        await record(connection, event, now_micros=access.clock())
    return ended


# ── of operators ──────────────────────────────────────────────────────────────────────────────────────────────────


async def list_requests(
    access: Access,
    operator: Operator,
    *,
    status: RequestStatus = RequestStatus.WAITING,
    kind: RequestKind | None = None,
    cursor: str | None,
    most: int,
) -> RequestPage:
    """Those of all workspaces: who has waited longest first; what was decided, the newest first. Raises Problem."""
    del operator
    async with connected(access.pool) as connection:
        return await _page(connection, _Wanted(status=status, kind=kind), cursor=cursor, most=most)


async def read_request(access: Access, operator: Operator, request_id: str) -> ReviewRequest:
    """One of whatever workspace. Raises Problem(`not_found`)."""
    del operator
    number = read_request_id(request_id)
    async with connected(access.pool) as connection:
        return await _read(connection, number, None)


async def decide_request(
    access: Access, operator: Operator, request_id: str, *, accept: bool, reason: str
) -> ReviewRequest:
    """Accept or decline one that waits; the workspace reads the reason. Raises Problem: not_found, conflict."""
    number = read_request_id(request_id)
    reason = _text(reason, "reason", most=MAX_REASON_CHARS)
    if not reason:
        raise Problem("invalid_request", "Say why; whoever asked will read it.", param="reason")
    status = RequestStatus.ACCEPTED if accept else RequestStatus.DECLINED
    async with connected(access.pool) as connection, connection.transaction():
        found = await _read(connection, number, None)
        _require_waiting(found)
        if found.kind is RequestKind.DEPOSIT:
            raise Problem("conflict", "A deposit is decided by what the chain says of it, which is not looked at yet.")
        ended = await _end(access, connection, found, status, by=operator.actor, reason=reason)
        subject, workspace_id = show_request(number), found.workspace_id
        event = operator.event(
            "request.decided", workspace_id=workspace_id, subject=subject, status=status, reason=reason
        )
        await record(connection, event, now_micros=access.clock())
    return ended


async def waiting_of(connection: Connection, workspace_id: int) -> list[ReviewRequest]:
    """All that wait of one workspace, the oldest first."""
    wanted = _Wanted(workspace_id=workspace_id, status=RequestStatus.WAITING)
    return (await _page(connection, wanted, cursor=None, most=MAX_WAITING)).rows


# ── rows ──────────────────────────────────────────────────────────────────────────────────────────────────────────


class _Wanted(msgspec.Struct, frozen=True, kw_only=True):
    workspace_id: int | None = None
    status: RequestStatus | None = None
    kind: RequestKind | None = None


async def _page(connection: Connection, wanted: _Wanted, *, cursor: str | None, most: int) -> RequestPage:
    name = "list_oldest_first" if wanted.status is RequestStatus.WAITING else "list_newest_first"
    created_at, request_id = read_place(cursor)
    parameters = msgspec.structs.asdict(wanted) | {
        "created_at": created_at,
        "request_id": request_id,
        "most": most + 1,
    }
    rows = await (await connection.execute(_QUERIES[name], parameters)).fetchall()
    found = [_request(*row) for row in rows[:most]]
    last = found[-1] if len(rows) > most else None
    return RequestPage(rows=found, next_cursor=None if last is None else show_place(last.created_at, last.request_id))


async def _read(connection: Connection, request_id: int, workspace_id: int | None) -> ReviewRequest:
    """Locked until the transaction ends. Raises Problem(`not_found`), also for one of another workspace."""
    wanted = {"request_id": request_id, "workspace_id": workspace_id}
    row = await (await connection.execute(_QUERIES["read_request"], wanted)).fetchone()
    if row is None:
        raise _no_request()
    return _request(*row)


async def _end(
    access: Access, connection: Connection, found: ReviewRequest, status: RequestStatus, *, by: str, reason: str
) -> ReviewRequest:
    now_micros = access.clock()
    wanted = {
        "request_id": found.request_id,
        "status": status,
        "now_micros": now_micros,
        "decided_by": by,
        "reason": reason,
    }
    await connection.execute(_QUERIES["end_request"], wanted)
    return msgspec.structs.replace(found, status=status, decided_at=now_micros, decided_by=by, reason=reason)


def _require_waiting(found: ReviewRequest) -> None:
    if found.status is not RequestStatus.WAITING:
        raise Problem("conflict", f"This request does not wait any more: it was {found.status}.")


def _request(*columns: Any) -> ReviewRequest:
    request_id, workspace_id, name, kind, title, detail, status, *rest = columns
    created_at, created_by, decided_at, decided_by, reason = rest
    return ReviewRequest(
        request_id=request_id,
        workspace_id=workspace_id,
        workspace_name=name,
        kind=RequestKind(kind),
        title=title,
        models=tuple(map(str, detail.get("models", ()))),
        note=str(detail.get("note", "")),
        status=RequestStatus(status),
        created_at=created_at,
        created_by=created_by,
        decided_at=decided_at,
        decided_by=decided_by,
        reason=reason,
    )


# ── what is asked for ─────────────────────────────────────────────────────────────────────────────────────────────


def show_request(request_id: int) -> str:
    """`review_…`: a request's own id in answers is `req_…` already."""
    return show_short("review", request_id)


def read_request_id(text: str) -> int:
    """The inverse of `show_request`. Raises Problem(`not_found`)."""
    try:
        return read_short("review", text)
    except IdError:
        raise _no_request() from None


def _models(access: Access, models: Sequence[str]) -> tuple[str, ...]:
    wanted = tuple(dict.fromkeys(models))
    if not 0 < len(wanted) <= MAX_MODELS:
        raise Problem("invalid_request", f"Name 1 to {MAX_MODELS} models.", param="models")
    known = access.catalog().models
    for model in wanted:
        if model not in known:
            raise Problem("invalid_request", f"There is no model {model[:100]!r} here.", param="models")
    return wanted


def _title(models: Sequence[str]) -> str:
    title = f"Purchase of {', '.join(models)}"
    return title if len(title) <= MAX_TITLE_CHARS else f"{title[: MAX_TITLE_CHARS - 1]}…"


def _text(text: str, param: str, *, most: int) -> str:
    """Lines are kept; what no page can show is refused."""
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").strip().split("\n")]
    if sum(map(len, lines)) + len(lines) - 1 > most or not all(line.isprintable() for line in lines):
        raise Problem("invalid_request", f"{param} is a text of at most {most:,} characters.", param=param)
    return "\n".join(lines)


def _no_request() -> Problem:
    return Problem("not_found", "There is no such request.", param="request_id")
