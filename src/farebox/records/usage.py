"""A workspace's calls, newest first, in pages: those that ended and those that still run."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, Literal
from uuid import UUID

import msgspec

from farebox.base.ids import uuid7_floor
from farebox.base.usage import Usage
from farebox.ledger.lifecycle import HoldState
from farebox.ledger.reading import Connection, HoldRow, read_open_holds
from farebox.records.call import QUERIES, CallRow, HoldMemo, usage_of
from farebox.records.page import FIRST_PAGE, LAST_ID, MAX_PAGE, Cursor

# A page with a filter looks at this many calls at most and then answers with what it found, perhaps nothing, and a
# cursor: the time of a page stays flat however rare the match. About 20 ms of reading.
MAX_SCANNED: Final = 20_000

CallStatus = Literal["running", "pending", "settled", "released", "settled_late", "written_off"]
STATUS_OF_HOLD: Final[dict[int, CallStatus]] = {
    HoldState.RESERVED: "running",
    HoldState.DISPATCHED: "running",
    HoldState.UNKNOWN: "pending",
    HoldState.SETTLED: "settled",
    HoldState.RELEASED: "released",
    HoldState.SETTLED_LATE: "settled_late",
    HoldState.WRITTEN_OFF: "written_off",
}
_OPEN: Final = ("running", "pending")
_MAX_MILLISECONDS: Final = (1 << 48) - 1

Connect = Callable[[], AbstractAsyncContextManager[Connection]]
"""Lends a connection, as a pool does."""


class CallItem(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line of the list. What is not known while a call runs or is pending is None."""

    call_id: UUID
    key_id: int
    model_id: str
    dialect: str
    streamed: bool
    status: CallStatus
    error_code: str | None
    evidence: str | None
    usage: Usage | None
    held_nanos: int
    charge_nanos: int
    request_counted: bool | None
    started_at: int
    finished_at: int | None
    first_byte_ms: int | None


class UsageFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What to list. Calls count by the moment they started: `from_micros` inclusive, `to_micros` exclusive."""

    model_id: str | None = None
    key_id: int | None = None
    status: CallStatus | None = None
    streamed: bool | None = None
    from_micros: int | None = None
    to_micros: int | None = None

    @property
    def selects(self) -> bool:
        """Whether a call inside the range of dates may be left out."""
        return any(value is not None for value in (self.model_id, self.key_id, self.status, self.streamed))

    def id_range(self, cursor: Cursor) -> tuple[UUID, UUID]:
        """The ids of the calls to list: from the first, below the second."""
        from_id = UUID(int=0) if self.from_micros is None else _id_at(self.from_micros)
        to_id = LAST_ID if self.to_micros is None else _id_at(self.to_micros)
        return from_id, min(to_id, cursor.before_id)

    def matches(self, item: CallItem) -> bool:
        """Whether a call that still runs belongs to the list; for the others the database decides."""
        of_key = self.key_id in (None, item.key_id)
        return of_key and self.model_id in (None, item.model_id) and self.streamed in (None, item.streamed)


class UsagePage(msgspec.Struct, frozen=True):
    """Calls, newest first; `next_cursor` None: there are no older ones. A page may be empty and not be the last."""

    items: list[CallItem]
    next_cursor: Cursor | None


def _id_at(micros: int) -> UUID:
    return uuid7_floor(min(max(-(-micros // 1_000), 0), _MAX_MILLISECONDS))


async def read_usage(
    connection: Connection,
    workspace_id: int,
    wanted: UsageFilter,
    *,
    cursor: Cursor = FIRST_PAGE,
    page: int,
    scan: int = MAX_SCANNED,
) -> UsagePage:
    """One page of at most `page` calls; a filtered one looks at about `scan` calls."""
    from_id, before_id = wanted.id_range(cursor)
    most = page + 1
    bounds = {"workspace_id": workspace_id, "from_id": from_id, "before_id": before_id}
    floor = await _scan_floor(connection, bounds, scan) if wanted.selects and wanted.status not in _OPEN else None
    bounds["from_id"] = floor or from_id
    # Open holds first: a call that ends between the two reads is found twice rather than not at all.
    most_running = scan if wanted.selects else most
    holds = await _open_holds(
        connection, workspace_id, wanted, id_range=(floor or from_id, before_id), most=most_running
    )
    running = [item for hold in holds if wanted.matches(item := item_of_hold(hold))]
    ended = [] if wanted.status in _OPEN else await _ended(connection, wanted, bounds, most)
    known = {item.call_id for item in ended}
    if wanted.selects and len(holds) == most_running:
        # Never below the scan's floor, where it started.
        floor = holds[-1].hold_id
    found = [*ended, *(item for item in running if item.call_id not in known)]
    found.sort(key=lambda item: item.call_id, reverse=True)
    if floor is not None:
        found = [item for item in found if item.call_id >= floor]
    if len(found) > page:
        return UsagePage(found[:page], Cursor(found[page - 1].call_id))
    return UsagePage(found, None if floor is None else Cursor(floor))


async def stream_usage(
    connect: Connect, workspace_id: int, wanted: UsageFilter, *, cursor: Cursor = FIRST_PAGE, most: int | None = None
) -> AsyncIterator[list[CallItem]]:
    """All calls (or the newest `most`), page by page. No connection is kept while the reader is slow."""
    left = most
    while left is None or left > 0:
        async with connect() as connection:
            size = MAX_PAGE if left is None else min(MAX_PAGE, left)
            page = await read_usage(connection, workspace_id, wanted, cursor=cursor, page=size)
        if page.items:
            yield page.items
        if page.next_cursor is None:
            return
        cursor = page.next_cursor
        left = None if left is None else left - len(page.items)


async def _scan_floor(connection: Connection, bounds: dict[str, Any], scan: int) -> UUID | None:
    found = await connection.execute(QUERIES["scan_floor"], {**bounds, "scan": scan})
    row = await found.fetchone()
    return None if row is None else row[0]


async def _ended(connection: Connection, wanted: UsageFilter, bounds: dict[str, Any], most: int) -> list[CallItem]:
    parameters = {
        **bounds,
        "model_id": wanted.model_id,
        "key_id": wanted.key_id,
        "status": wanted.status,
        "streamed": wanted.streamed,
        "most": most,
    }
    found = await connection.execute(QUERIES["calls"], parameters)
    return [item_of_call(CallRow(*row)) for row in await found.fetchall()]


async def _open_holds(
    connection: Connection, workspace_id: int, wanted: UsageFilter, *, id_range: tuple[UUID, UUID], most: int
) -> list[HoldRow]:
    states = [int(state) for state, status in STATUS_OF_HOLD.items() if wanted.status in (None, status)]
    return await read_open_holds(connection, workspace_id, id_range=id_range, states=states, most=most)


def item_of_call(row: CallRow) -> CallItem:
    """The line of a call that ended."""
    return CallItem(
        call_id=row.call_id,
        key_id=row.key_id,
        model_id=row.model_id,
        dialect=row.dialect,
        streamed=row.streamed,
        status=row.status,
        error_code=row.error_code,
        evidence=row.evidence,
        usage=usage_of(row),
        held_nanos=row.held_nanos,
        charge_nanos=row.charge_nanos,
        request_counted=row.request_counted,
        started_at=row.started_at,
        finished_at=row.finished_at,
        first_byte_ms=row.first_byte_ms,
    )


def item_of_hold(hold: HoldRow) -> CallItem:
    """The line of a call that has not ended, or that ended without a record of its own."""
    memo = read_memo(hold.memo)
    return CallItem(
        call_id=hold.hold_id,
        # The hold's own is the one whose limits count it.
        key_id=memo.key_id or hold.key_id,
        model_id=memo.model_id,
        dialect=memo.dialect,
        streamed=memo.streamed,
        status=STATUS_OF_HOLD[hold.state],
        error_code=None,
        evidence=None,
        usage=None,
        held_nanos=hold.amount_nanos,
        charge_nanos=hold.charge_nanos,
        request_counted=hold.request_counted,
        started_at=hold.reserved_at,
        finished_at=hold.finished_at,
        first_byte_ms=None,
    )


def read_memo(text: str) -> HoldMemo:
    """What the hold's maker noted; an empty memo when it is not in the form of ours."""
    try:
        return msgspec.json.decode(text, type=HoldMemo)
    except msgspec.DecodeError:
        return HoldMemo()
