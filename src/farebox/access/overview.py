"""A workspace at one look: what it has, what it used, what is left of its limits."""

from collections.abc import Sequence

import msgspec

from farebox.access.asking import Caller
from farebox.access.parts import Access
from farebox.base.clock import day_of
from farebox.base.money import parse_usd
from farebox.records.advice import Action, recommended_action
from farebox.records.balance import Balance, read_balance
from farebox.records.key_usage import WorkspaceUsage, read_workspace_usage
from farebox.records.readiness import ReadinessItem
from farebox.records.workspace import Counts, read_counts
from farebox.storage.pool import connected


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """`unready`: capabilities of this deployment that are not live. Amounts are nano-USD, moments microseconds."""

    balance: Balance
    used: WorkspaceUsage
    counts: Counts
    action: Action
    is_low: bool
    unready: Sequence[ReadinessItem]
    as_of: int


async def read_overview(access: Access, caller: Caller) -> Overview:
    """The workspace of the caller, by the very readings that the JSON API answers with."""
    now_micros, workspace_id = access.clock(), caller.workspace_id
    async with connected(access.pool) as connection:
        balance = await read_balance(connection, workspace_id, caller.key.holder_id, now_micros)
        used = await read_workspace_usage(connection, workspace_id, today_day=day_of(now_micros))
        counts = await read_counts(connection, workspace_id, now_micros=now_micros)
    low_balance_nanos = parse_usd(access.brand.low_balance_usd)
    return Overview(
        balance=balance,
        used=used,
        counts=counts,
        action=recommended_action(
            available_nanos=balance.available_nanos,
            low_balance_nanos=low_balance_nanos,
            empty_limit=balance.first_empty_limit(now_micros),
        ),
        is_low=balance.available_nanos <= low_balance_nanos,
        unready=[item for item in access.readiness() if item.state != "live"],
        as_of=now_micros,
    )
