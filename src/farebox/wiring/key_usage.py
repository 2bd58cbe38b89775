"""What `farebox key usage` shows: a workspace's keys, or their labels, with what they used."""

from typing import Any

import msgspec

from farebox.base.clock import day_of, monotone_clock
from farebox.base.money import format_usd
from farebox.identity.store import find_workspace, show_key
from farebox.records.key_usage import KeyUsage, Label, LabelUsage, read_key_usage, read_label_usage
from farebox.wiring.operate import connected

_now = monotone_clock()


class UsageView(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that counted and dollars that were charged, by calls that started today, this month (UTC) or ever."""

    today_requests: int
    today_usd: str
    month_requests: int
    month_usd: str
    all_time_requests: int
    all_time_usd: str


class KeyUsageView(UsageView, frozen=True, kw_only=True):
    """One key's."""

    key_id: str
    name: str
    prefix: str


class LabelUsageView(UsageView, frozen=True, kw_only=True):
    """That of all keys with a label; an empty one: of those without."""

    label: str
    keys: int


async def key_usage(dsn: str, name: str) -> list[KeyUsageView]:
    """The keys of a workspace that used something, the dearest of this month first. Raises OperatorError."""
    async with connected(dsn) as connection:
        workspace = await find_workspace(connection, name)
        found = await read_key_usage(connection, workspace.workspace_id, today_day=day_of(_now()))
    return [
        KeyUsageView(key_id=show_key(each.key_id), name=each.name, prefix=each.visible_prefix, **_sums(each))
        for each in found
    ]


async def label_usage(dsn: str, name: str, label: Label) -> list[LabelUsageView]:
    """The same by a label. Raises OperatorError."""
    async with connected(dsn) as connection:
        workspace = await find_workspace(connection, name)
        found = await read_label_usage(connection, workspace.workspace_id, label, today_day=day_of(_now()))
    return [LabelUsageView(label=each.label, keys=each.keys, **_sums(each)) for each in found]


def _sums(used: KeyUsage | LabelUsage) -> dict[str, Any]:
    spans = {"today": used.today, "month": used.month, "all_time": used.all_time}
    requests: dict[str, Any] = {f"{span}_requests": each.requests for span, each in spans.items()}
    return requests | {f"{span}_usd": format_usd(each.charge_nanos) for span, each in spans.items()}
