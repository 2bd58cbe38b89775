"""What each `farebox pool …` command does, one function each. A change is in force everywhere within a second."""

from typing import Final, Literal

import msgspec

from farebox.base.clock import monotone_clock
from farebox.base.errors import OperatorError
from farebox.catalog.terms import REGIONS, Region
from farebox.identity.store import find_workspace, show_workspace
from farebox.providers import pool_store, store
from farebox.providers.pool_store import PoolKey, PoolTerms
from farebox.providers.pools import Pool
from farebox.providers.secrets import safe_of
from farebox.wiring.catalogs import current_catalog
from farebox.wiring.operate import connected
from farebox.wiring.providers import accounts_of, find_provider
from farebox.wiring.settings import Settings

_now = monotone_clock()

ANY: Final = "any"
NO_LIMIT: Final = "none"
_MAX_SLOTS: Final = 1_000_000


class LaneView(msgspec.Struct, frozen=True, kw_only=True):
    """Slots that are reserved for a workspace."""

    workspace_id: str
    slots: int
    lends: bool

    def __str__(self) -> str:
        return f"{self.slots} for {self.workspace_id}{'' if self.lends else ' (not lent)'}"


class PoolView(msgspec.Struct, frozen=True, kw_only=True):
    """A pool; `credentials` counts the keys that calls can use. Region None: any; workspaces None: all."""

    pool: str
    provider_id: str
    region: str | None
    access: str
    workspaces: list[str] | None
    max_concurrent: int | None
    credentials: int
    lanes: list[LaneView]


class PoolChange(msgspec.Struct, frozen=True, kw_only=True):
    """What to change, as it was typed; None: stays as it is. `region` "any" and `max_concurrent` "none" lift them."""

    region: str | None = None
    access: Literal["shared", "private"] | None = None
    workspaces: list[str] | None = None
    max_concurrent: str | None = None


async def list_pools(dsn: str, settings: Settings) -> list[PoolView]:
    """Every pool, those without a key and those that nobody made too."""
    catalog = await current_catalog(dsn)
    async with connected(dsn) as connection:
        loaded = await store.load_pools(connection, safe_of(settings.secrets_key, settings.old_secrets_key))
    accounts = accounts_of(settings, loaded)
    found = {(pool.provider_id, pool.pool_id): pool for pool in loaded.pools}
    for provider in catalog.providers.values():
        found |= {(pool.provider_id, pool.pool_id): pool for pool in accounts.pools(provider)}
    return [_view(found[key]) for key in sorted(found)]


async def create_pool(dsn: str, settings: Settings, names: tuple[str, str], wish: PoolChange) -> PoolView:
    """A new pool: its name and its provider. Raises OperatorError."""
    pool_id, provider_id = names
    find_provider(await current_catalog(dsn), provider_id)
    key = PoolKey(provider_id, pool_id)
    async with connected(dsn) as connection:
        terms = await _terms(connection, PoolTerms(), wish)
        await pool_store.create_pool(connection, key, terms, now_micros=_now())
    return await _view_of(dsn, settings, key)


async def change_pool(dsn: str, settings: Settings, name: str, wish: PoolChange) -> PoolView:
    """Change what is named of a pool; a list of workspaces replaces the former one. Raises OperatorError."""
    async with connected(dsn) as connection:
        key = await _find(dsn, connection, name)
        pool = await pool_store.read_pool(connection, key)
        before = PoolTerms(
            region=pool.region, access=pool.access, workspaces=pool.workspaces, max_concurrent=pool.max_concurrent
        )
        await pool_store.change_pool(connection, key, await _terms(connection, before, wish))
    return await _view_of(dsn, settings, key)


async def remove_pool(dsn: str, name: str) -> str:
    """Remove a pool without keys, with its lanes; what it was called. Raises OperatorError."""
    async with connected(dsn) as connection:
        key = await _find(dsn, connection, name)
        await pool_store.remove_pool(connection, key)
    return str(key)


async def set_lane(dsn: str, settings: Settings, names: tuple[str, str], slots: int, *, lends: bool) -> PoolView:
    """Reserve slots of a pool for a workspace, in place of what it had there. Raises OperatorError."""
    async with connected(dsn) as connection:
        key = await _find(dsn, connection, names[0])
        workspace = await find_workspace(connection, names[1])
        await pool_store.set_lane(connection, key, workspace.workspace_id, slots, lends=lends)
    return await _view_of(dsn, settings, key)


async def remove_lane(dsn: str, settings: Settings, names: tuple[str, str]) -> PoolView:
    """Give a workspace's slots back to the pool. Raises OperatorError."""
    async with connected(dsn) as connection:
        key = await _find(dsn, connection, names[0])
        workspace = await find_workspace(connection, names[1])
        await pool_store.remove_lane(connection, key, workspace.workspace_id)
    return await _view_of(dsn, settings, key)


async def _find(dsn: str, connection: store.Connection, name: str) -> PoolKey:
    provider_id, _, _ = name.rpartition("/")
    if provider_id:
        find_provider(await current_catalog(dsn), provider_id)
    return await pool_store.find_pool(connection, name, now_micros=_now())


async def _terms(connection: store.Connection, before: PoolTerms, wish: PoolChange) -> PoolTerms:
    access = wish.access or before.access
    workspaces = before.workspaces if access == "private" else frozenset()
    if wish.workspaces:
        found = [await find_workspace(connection, text) for text in wish.workspaces]
        workspaces = frozenset(workspace.workspace_id for workspace in found)
    return PoolTerms(
        region=before.region if wish.region is None else _region(wish.region),
        access=access,
        workspaces=workspaces,
        max_concurrent=before.max_concurrent if wish.max_concurrent is None else _slots(wish.max_concurrent),
    )


def _region(text: str) -> Region | None:
    if text == ANY:
        return None
    try:
        found: Region = msgspec.convert(text.lower(), Region)
    except msgspec.ValidationError as error:
        raise OperatorError(f"there is no region {text!r}", f"choose {ANY} or one of {', '.join(REGIONS)}") from error
    return found


def _slots(text: str) -> int | None:
    if text == NO_LIMIT:
        return None
    count = int(text) if text.isascii() and text.isdigit() and len(text) < 8 else 0
    if not 1 <= count <= _MAX_SLOTS:
        raise OperatorError(f"{text!r} is not a number of calls", f"write one from 1, or {NO_LIMIT} to lift the limit")
    return count


async def _view_of(dsn: str, settings: Settings, key: PoolKey) -> PoolView:
    return next(view for view in await list_pools(dsn, settings) if view.pool == str(key))


def _view(pool: Pool) -> PoolView:
    return PoolView(
        pool=str(PoolKey(pool.provider_id, pool.pool_id)),
        provider_id=pool.provider_id,
        region=pool.region,
        access=pool.access,
        workspaces=None if pool.access == "shared" else [show_workspace(each) for each in sorted(pool.workspaces)],
        max_concurrent=pool.max_concurrent,
        credentials=len(pool.credentials),
        lanes=[
            LaneView(workspace_id=show_workspace(lane.workspace_id), slots=lane.slots, lends=lane.lends)
            for lane in pool.lanes
        ],
    )
