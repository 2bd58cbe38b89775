"""What keys reach, read from PostgreSQL: their own rows, and the policies, limits and rate limits that they hold."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

import msgspec
import psycopg

from farebox.catalog.policy import NO_RULE, Policy, Rule
from farebox.identity.grants import Reach, limits_of
from farebox.identity.model import KeyRecord, RateLimit
from farebox.identity.policies import UnreadableRule, decode_rule
from farebox.ledger.reading import LimitUse, read_limits
from farebox.storage.queries import load_queries

Connection = psycopg.AsyncConnection[tuple[Any, ...]]

_QUERIES = load_queries("farebox.identity", "reaches.sql")
_NOTHING: Final = Policy(models=frozenset())


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """What a key holds. `rule` None: one is stored that this version cannot read, so nothing is allowed by it.

    `uses`: limits that limit something, with what is used of them.
    """

    rule: Rule | None = NO_RULE
    uses: tuple[LimitUse, ...] = ()
    rates: tuple[RateLimit, ...] = ()


async def take_turns(connection: Connection, workspace_id: int) -> None:
    """Until the transaction ends nobody else manages keys of the workspace."""
    await connection.execute(_QUERIES["one_manager_at_a_time"], {"workspace_id": workspace_id})


async def read_holdings(
    connection: Connection, workspace_id: int, keys: Iterable[KeyRecord], *, now_micros: int
) -> dict[int, Holding]:
    """What each key holds, by its own id."""
    holders = {key.key_id: key.holder_id for key in keys}
    wanted = {"workspace_id": workspace_id, "key_ids": (ids := sorted(set(holders.values())))}
    rules = {key_id: _rule(body) for key_id, body in await _fetch(connection, "rules_of", wanted)}
    rates: defaultdict[int, list[RateLimit]] = defaultdict(list)
    for row in await _fetch(connection, "rates_of", wanted):
        rates[row[0]].append(RateLimit(*row))
    uses: defaultdict[int, list[LimitUse]] = defaultdict(list)
    for use in await read_limits(connection, workspace_id, key_ids=ids, now_micros=now_micros):
        if use.max_requests is not None or use.max_nanos is not None:
            uses[use.key_id].append(use)
    return {
        key_id: Holding(rule=rules.get(holder, NO_RULE), uses=tuple(uses[holder]), rates=tuple(rates[holder]))
        for key_id, holder in holders.items()
    }


def reach_of(key: KeyRecord, holding: Holding) -> Reach:
    """What the key reaches."""
    return Reach(
        scopes=key.scopes,
        models=key.allowed_models,
        ip_allow=key.ip_allow,
        expires_at=key.expires_at,
        policy=_NOTHING if holding.rule is None else holding.rule.policy,
        limits=limits_of(holding.uses),
        rates=holding.rates,
    )


def _rule(body: str) -> Rule | None:
    try:
        return decode_rule(body)
    except UnreadableRule:
        return None


async def _fetch(connection: Connection, name: str, wanted: dict[str, Any]) -> list[tuple[Any, ...]]:
    cursor = await connection.execute(_QUERIES[name], wanted)
    return await cursor.fetchall()
