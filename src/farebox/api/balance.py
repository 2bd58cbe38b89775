"""GET /api/balance: any valid key, and any member, may ask what is left to spend."""

from litestar import get

from farebox.api.depend import TheKey, TheParts
from farebox.api.describe import MEMBERS, MEMBERS_ERRORS
from farebox.api.parts import Parts
from farebox.api.shapes import BalanceShape, grant_shape, limit_shape, money
from farebox.base.clock import rfc3339
from farebox.base.ids import show_short
from farebox.base.money import format_usd, parse_usd
from farebox.identity.model import KeyRecord
from farebox.identity.roles import Verb
from farebox.records.advice import recommended_action
from farebox.records.balance import Balance, read_balance
from farebox.storage.pool import connected


@get(
    "/api/balance",
    summary="Balance, grants and limits of this key and its workspace",
    security=MEMBERS,
    opt={"verb": Verb.USAGE_READ},
    responses=MEMBERS_ERRORS,
)
async def show_balance(parts: TheParts, key: TheKey) -> BalanceShape:
    """What can be spent, what running calls hold, and how much of each limit is left."""
    now_micros = parts.clock()
    async with connected(parts.pool) as connection:
        balance = await read_balance(connection, key.workspace_id, key.holder_id, now_micros)
    return _shape(parts, key, balance, now_micros)


def _shape(parts: Parts, key: KeyRecord, balance: Balance, now_micros: int) -> BalanceShape:
    low_balance_nanos = parse_usd(parts.brand.low_balance_usd)
    action = recommended_action(
        available_nanos=balance.available_nanos,
        low_balance_nanos=low_balance_nanos,
        empty_limit=balance.first_empty_limit(now_micros),
    )
    return BalanceShape(
        workspace_id=show_short("ws", key.workspace_id),
        key_id=show_short("key", key.key_id) if key.key_id else None,
        credit_name=parts.brand.credit_name,
        **money(balance),  # type: ignore[arg-type]
        low_balance=balance.available_nanos <= low_balance_nanos,
        low_balance_usd=format_usd(low_balance_nanos),
        recommended_action=action,
        top_up_url=parts.brand.top_up_url,
        grants=[grant_shape(grant) for grant in balance.grants],
        limits=[limit_shape(limit) for limit in balance.limits],
        as_of=rfc3339(now_micros),
    )
