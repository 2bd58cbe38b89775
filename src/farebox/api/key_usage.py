"""GET /api/keys/usage: requests and spend of each key, or of all keys of a label, today, this month and in all."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, cast

import msgspec
from litestar import Response, get
from litestar.params import QueryParameter

from farebox.api.depend import AnyRequest, TheKey, TheParts
from farebox.api.describe import MEMBERS, answers
from farebox.api.filters import Query
from farebox.base.clock import day_of, rfc3339
from farebox.base.ids import show_short
from farebox.base.money import format_usd
from farebox.identity.authenticate import require_scope
from farebox.identity.roles import Verb
from farebox.records.key_usage import (
    MAX_GROUPS,
    KeyUsage,
    Label,
    LabelUsage,
    Used,
    read_key_usage,
    read_label_usage,
)
from farebox.storage.pool import connected
from farebox.web.csv_text import csv_lines

By = Literal["key", "department", "project", "customer"]
BY: Final = ("key", "department", "project", "customer")
_FORMATS: Final = ("json", "csv")
_PARAMETERS: Final = frozenset({"by", "key", "limit", "format"})
_USAGE: Final = "usage.read"
_MANAGE: Final = "keys.manage"

Text = str | None


class KeyUseShape(msgspec.Struct, frozen=True, kw_only=True):
    """What a key used, or all `keys` with a label that used something; `name` is the key's, or the label's text (empty:
    keys without one). `key_id` and `prefix` are null for a label. Requests are those that counted; days and months are
    UTC, and a call belongs to the day on which it started."""

    by: By
    name: str
    key_id: str | None
    prefix: str | None
    keys: int
    today_requests: int
    today_usd: str
    today_nanos: int
    month_requests: int
    month_usd: str
    month_nanos: int
    all_time_requests: int
    all_time_usd: str
    all_time_nanos: int


class KeyUseList(msgspec.Struct, frozen=True, kw_only=True):
    """Those that cost most this month first. `has_more`: there are more than `limit`; ask for one by its id."""

    data: list[KeyUseShape]
    has_more: bool
    as_of: str
    object: str = "list"


CSV_COLUMNS: Final = KeyUseShape.__struct_fields__


@get(
    "/api/keys/usage",
    summary="Requests and spend by key or label",
    security=MEMBERS,
    opt={"verb": Verb.USAGE_READ},
    responses=answers(KeyUseList, "The dearest first"),
    tags=["keys"],
)
async def list_key_usage(
    request: AnyRequest,
    parts: TheParts,
    key: TheKey,
    *,
    by: Annotated[Text, QueryParameter(description=f"One of {', '.join(BY)}; default key")] = None,
    key_filter: Annotated[Text, QueryParameter(name="key", description="Only this key id, `key_…`")] = None,
    limit: Annotated[Text, QueryParameter(description=f"Lines, 1 to {MAX_GROUPS}, default all of these")] = None,
    format_name: Annotated[Text, QueryParameter(name="format", description="One of json, csv; default json")] = None,
) -> Response[Any]:
    """By calls that started today, this month, or ever, and that have ended. Scope `usage.read` or `keys.manage`."""
    del by, key_filter, limit, format_name
    require_scope(key, _MANAGE if _MANAGE in key.scopes else _USAGE)
    query, now_micros = Query(request, _PARAMETERS), parts.clock()
    group = cast("By", query.choice("by", BY) or "key")
    only, form = query.key("key") if group == "key" else None, query.choice("format", _FORMATS)
    most, today = query.limit(MAX_GROUPS) or MAX_GROUPS, day_of(now_micros)
    found: Sequence[KeyUsage | LabelUsage]
    async with connected(parts.pool) as connection:
        if group == "key":
            ids = None if only is None else [only]
            found = await read_key_usage(connection, key.workspace_id, today_day=today, key_ids=ids, most=most + 1)
        else:
            label: Label = group
            found = await read_label_usage(connection, key.workspace_id, label, today_day=today, most=most + 1)
    shown = [_shape(group, used) for used in found[:most]]
    if form == "csv":
        text = csv_lines([CSV_COLUMNS]) + csv_lines([getattr(row, name) for name in CSV_COLUMNS] for row in shown)
        headers = {"content-disposition": f'attachment; filename="usage-by-{group}.csv"'}
        return Response(text.encode(), media_type="text/csv", headers=headers)
    return Response(KeyUseList(data=shown, has_more=len(found) > most, as_of=rfc3339(now_micros)))


def _shape(group: By, used: KeyUsage | LabelUsage) -> KeyUseShape:
    sums = _sums("today", used.today) | _sums("month", used.month) | _sums("all_time", used.all_time)
    if isinstance(used, LabelUsage):
        return KeyUseShape(by=group, name=used.label, key_id=None, prefix=None, keys=used.keys, **sums)
    key_id = show_short("key", used.key_id)
    return KeyUseShape(by=group, name=used.name, key_id=key_id, prefix=used.visible_prefix, keys=1, **sums)


def _sums(span: str, used: Used) -> dict[str, Any]:
    return {
        f"{span}_requests": used.requests,
        f"{span}_usd": format_usd(used.charge_nanos),
        f"{span}_nanos": used.charge_nanos,
    }
