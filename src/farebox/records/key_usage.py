"""What the keys of a workspace used: requests and charges today, this month and in all, per key and per label.

A call belongs to the UTC day on which it started, as in the list of calls and in the ledger's limits by day and month,
however late it ends. It counts when it has ended: what still runs is in none of the sums. The sums are those of the
receipts, to the nano-dollar, because one statement writes both (migration 0014).

The cost does not grow with calls but with keys times days: a key that was in use every day of ten years has 3,650 rows.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from farebox.base.clock import month_start_day, next_month_start_day
from farebox.ledger.reading import Connection
from farebox.ledger.verify import MAX_BREACHES_SHOWN, Breach
from farebox.storage.queries import load_queries

# Lines of one answer: what a person can look through. Whoever pages through more keys asks for a page's by their ids.
MAX_GROUPS: Final = 1_000

Label = Literal["department", "project", "customer"]

_QUERIES = load_queries("farebox.records", "key_usage.sql")
_INVARIANT: Final = "usage_days_equal_their_receipts"


class Used(msgspec.Struct, frozen=True):
    """Requests that counted, and what was charged in nano-USD."""

    requests: int = 0
    charge_nanos: int = 0


class KeyUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What one key used. `name` and `visible_prefix` are empty for a key that is not stored."""

    key_id: int
    name: str
    visible_prefix: str
    today: Used = Used()
    month: Used = Used()
    all_time: Used = Used()


class LabelUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What the keys of one label used, `keys` of them; an empty label: those without one."""

    label: str
    keys: int
    today: Used = Used()
    month: Used = Used()
    all_time: Used = Used()


class WorkspaceUsage(msgspec.Struct, frozen=True, kw_only=True):
    """What all keys of a workspace used together."""

    today: Used = Used()
    month: Used = Used()
    all_time: Used = Used()


async def read_workspace_usage(connection: Connection, workspace_id: int, *, today_day: int) -> WorkspaceUsage:
    """The sum over all keys. `today_day` as in `read_key_usage`."""
    cursor = await connection.execute(_QUERIES["in_all"], _days(today_day) | {"workspace_id": workspace_id})
    row: Any = await cursor.fetchone()
    return WorkspaceUsage(**_spans(row))


async def read_key_usage(
    connection: Connection,
    workspace_id: int,
    *,
    today_day: int,
    key_ids: Sequence[int] | None = None,
    most: int = MAX_GROUPS,
) -> list[KeyUsage]:
    """The keys that used something, of `key_ids` if given; those that cost most this month first.

    `today_day` is a UTC day number (`base.clock.day_of`); the month is the one that it lies in.
    """
    ids = None if key_ids is None else list(key_ids)
    wanted = _days(today_day) | {"workspace_id": workspace_id, "key_ids": ids, "most": most}
    cursor = await connection.execute(_QUERIES["by_key"], wanted)
    rows: list[Any] = await cursor.fetchall()
    return [
        KeyUsage(key_id=key_id, name=name, visible_prefix=prefix, **_spans(sums))
        for key_id, name, prefix, *sums in rows
    ]


async def read_label_usage(
    connection: Connection, workspace_id: int, label: Label, *, today_day: int, most: int = MAX_GROUPS
) -> list[LabelUsage]:
    """The same by a label, as the keys bear it now; the label that costs most this month first."""
    wanted = _days(today_day) | {"workspace_id": workspace_id, "label": label, "most": most}
    cursor = await connection.execute(_QUERIES["by_label"], wanted)
    rows: list[Any] = await cursor.fetchall()
    return [LabelUsage(label=shown, keys=keys, **_spans(sums)) for shown, keys, *sums in rows]


async def verify_usage(connection: Connection) -> list[Breach]:
    """The days whose sums are not those of their receipts, the first of them. Reads all receipts, in one snapshot."""
    cursor = await connection.execute(_QUERIES["breaches"], {"most": MAX_BREACHES_SHOWN})
    return [Breach(_INVARIANT, str(row), str(problem)) for row, problem in await cursor.fetchall()]


def _days(today_day: int) -> dict[str, object]:
    return {"today": today_day, "month": month_start_day(today_day), "next_month": next_month_start_day(today_day)}


def _spans(sums: Sequence[int]) -> dict[str, Used]:
    today_requests, today_nanos, month_requests, month_nanos, all_requests, all_nanos = sums
    return {
        "today": Used(today_requests, today_nanos),
        "month": Used(month_requests, month_nanos),
        "all_time": Used(all_requests, all_nanos),
    }
