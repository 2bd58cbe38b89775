"""Pools and lanes in PostgreSQL: made, changed and removed. `store.load_pools` reads them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
import psycopg

from farebox.base.errors import OperatorError
from farebox.base.ids import random_id, show_short
from farebox.catalog.terms import Region
from farebox.providers.pools import DEFAULT_POOL, Access, Pool
from farebox.providers.store import QUERIES, Connection, load_pools

# The constraint of 0008_pools.sql that lanes never add up to more than their pool takes.
_LANES_FIT: Final = "pool_lanes_fit"


class PoolKey(msgspec.Struct, frozen=True):
    """Which pool. Names are given once, but for `default`, which every provider has."""

    provider_id: str
    pool_id: str

    def __str__(self) -> str:
        return f"{self.provider_id}/{self.pool_id}" if self.pool_id == DEFAULT_POOL else self.pool_id


class PoolTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What can be changed of a pool. Only a private one has `workspaces`."""

    region: Region | None = None
    access: Access = "shared"
    workspaces: frozenset[int] = frozenset()
    max_concurrent: int | None = None


async def find_pool(connection: Connection, text: str, *, now_micros: int) -> PoolKey:
    """By its name, or `PROVIDER/default`: that one is made when it is first named. Raises OperatorError."""
    provider_id, _, pool_id = text.rpartition("/")
    if pool_id == DEFAULT_POOL and provider_id:
        key = PoolKey(provider_id, DEFAULT_POOL)
        await connection.execute(QUERIES["ensure_pool"], _named(key) | {"now_micros": now_micros})
        return key
    parameters = {"pool_id": pool_id, "provider_id": provider_id or None}
    rows = await (await connection.execute(QUERIES["pools_named"], parameters)).fetchall()
    if text == DEFAULT_POOL:
        raise OperatorError("every provider has a pool `default`", "say whose, like openai/default")
    if not rows:
        raise OperatorError(f"there is no pool {text!r}", "`farebox pool list` shows them")
    return PoolKey(rows[0][0], pool_id)


async def read_pool(connection: Connection, key: PoolKey) -> Pool:
    """The pool as it is stored, without keys. Raises OperatorError when it is gone."""
    for pool in (await load_pools(connection, None)).pools:
        if (pool.provider_id, pool.pool_id) == (key.provider_id, key.pool_id):
            return pool
    raise OperatorError(f"there is no pool {key}", "`farebox pool list` shows them")


async def create_pool(connection: Connection, key: PoolKey, terms: PoolTerms, *, now_micros: int) -> None:
    """Raises OperatorError for a name that is taken or none."""
    _check(key, terms)
    async with connection.transaction(), _explained(key):
        await connection.execute(QUERIES["create_pool"], _parameters(key, terms) | {"now_micros": now_micros})
        await connection.execute(QUERIES["add_workspaces"], _parameters(key, terms))


async def change_pool(connection: Connection, key: PoolKey, terms: PoolTerms) -> None:
    """Replace all of its terms. Raises OperatorError when its lanes do not fit any more."""
    _check(key, terms)
    async with connection.transaction(), _explained(key):
        await connection.execute(QUERIES["change_pool"], _parameters(key, terms))
        await connection.execute(QUERIES["clear_workspaces"], _named(key))
        await connection.execute(QUERIES["add_workspaces"], _parameters(key, terms))


async def remove_pool(connection: Connection, key: PoolKey) -> None:
    """With its lanes. Raises OperatorError while it has credentials."""
    async with _explained(key):
        await connection.execute(QUERIES["remove_pool"], _named(key))


async def set_lane(connection: Connection, key: PoolKey, workspace_id: int, slots: int, *, lends: bool) -> None:
    """Reserve so many slots for a workspace, in place of what it had. Raises OperatorError when they do not fit."""
    pool = await read_pool(connection, key)
    if not pool.serves(workspace_id, pool.region):
        raise OperatorError(
            f"pool {key} is private and does not serve that workspace",
            "add the workspace with `farebox pool change --workspace …` first",
        )
    if pool.max_concurrent is None:
        raise OperatorError(
            f"pool {key} takes any number of calls at once, and a lane is a part of that number",
            f"set it first: `farebox pool change {key} --max-concurrent N`",
        )
    parameters = _named(key) | {
        "lane_id": show_short("lane", random_id()),
        "workspace_id": workspace_id,
        "slots": slots,
        "lends": lends,
    }
    async with _explained(key):
        await connection.execute(QUERIES["set_lane"], parameters)


async def remove_lane(connection: Connection, key: PoolKey, workspace_id: int) -> None:
    """Raises OperatorError when there is none."""
    cursor = await connection.execute(QUERIES["remove_lane"], _named(key) | {"workspace_id": workspace_id})
    if not await cursor.fetchall():
        raise OperatorError(f"that workspace has no lane in pool {key}", "`farebox pool list` shows the lanes")


def _check(key: PoolKey, terms: PoolTerms) -> None:
    if terms.access == "private" and not terms.workspaces:
        raise OperatorError(f"nobody could use pool {key}", "name whom a private pool serves with --workspace")
    if terms.access == "shared" and terms.workspaces:
        raise OperatorError("a shared pool serves every workspace", "add --private, or leave out --workspace")


def _named(key: PoolKey) -> dict[str, Any]:
    return {"provider_id": key.provider_id, "pool_id": key.pool_id}


def _parameters(key: PoolKey, terms: PoolTerms) -> dict[str, Any]:
    found: Mapping[str, Any] = msgspec.structs.asdict(terms)
    return _named(key) | {**found, "workspaces": sorted(terms.workspaces)}


@asynccontextmanager
async def _explained(key: PoolKey) -> AsyncIterator[None]:
    """What the tables refuse, in words."""
    try:
        yield
    except psycopg.errors.UniqueViolation as error:
        raise OperatorError(
            f"there is a pool {key} already", "choose another name, or use `farebox pool change`"
        ) from error
    except psycopg.errors.ForeignKeyViolation as error:
        raise OperatorError(
            f"pool {key} still has credentials", "remove them first; `farebox provider list` shows them"
        ) from error
    except psycopg.errors.CheckViolation as error:
        if error.diag.constraint_name == _LANES_FIT:
            raise OperatorError(
                f"the lanes of pool {key} would take more slots than it has",
                "give the pool a larger --max-concurrent first, or its lanes fewer slots",
            ) from error
        raise OperatorError(
            f"{key.pool_id!r} is not the name of a pool",
            "use up to 64 small letters, digits, and . _ - after the first",
        ) from error
