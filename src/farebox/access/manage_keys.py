"""The keys of a workspace: list, make, change, roll and revoke them, for members and for keys that manage keys.

Whether the caller may do that at all was asked before (KEYS_READ, KEYS_MANAGE). A secret is in the answer of the act
that made it and nowhere else.
"""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
import structlog

from farebox.access.asking import Caller
from farebox.access.key_views import KeyBody, KeyPage, KeyView, NewKey, views_of
from farebox.access.managing import Manager, key_faults, managing, no_key, read_key_id
from farebox.access.parts import Access
from farebox.access.set_limits import set_limits
from farebox.base.errors import Problem
from farebox.catalog.policy import NO_RULE, Rule
from farebox.identity import store
from farebox.identity.checks import DEFAULT_OVERLAP_SECONDS
from farebox.identity.grants import Reach, changes_of, new_reach
from farebox.identity.model import CreatedKey, KeyCursor, KeyListing, Labels
from farebox.identity.policies import write_rule
from farebox.identity.rates import write_rate
from farebox.identity.store import KeyFilter
from farebox.ledger.limits import LimitHolder
from farebox.storage.pool import connected

__all__ = ("KeyBody", "KeyFilter", "KeyPage", "KeyView", "NewKey")

T = TypeVar("T")
Read = Callable[[], T]
"""Reads what is asked of a key, once it is known that there is such a key. Raises Problem, KeyFault."""

CHANGEABLE: Final = ("name", "labels", "scopes", "models", "ip_allow", "expires_at")
# The newest keys among which one of the same form would be.
RECENT_KEYS: Final = 20
_log = structlog.get_logger(__name__)


async def list_keys(
    access: Access, caller: Caller, wanted: KeyFilter, *, after: KeyCursor | None, most: int
) -> KeyPage:
    """All keys of the workspace, those that work no more too, newest first; `after`: those that follow that place."""
    async with connected(access.pool) as connection:
        found = await store.list_keys(connection, caller.workspace_id, wanted=wanted, after=after, most=most + 1)
        keys = await views_of(connection, found[:most], now_micros=access.clock())
    return KeyPage(keys=keys, next=found[most - 1].cursor if len(found) > most else None)


async def read_key(access: Access, caller: Caller, key_id: str) -> KeyView:
    """A key of the workspace. Raises Problem(`not_found`)."""
    number = read_key_id(key_id)
    async with connected(access.pool) as connection:
        found = await store.read_key(connection, caller.workspace_id, number)
        return await _view(connection, found, access.clock())


async def make_key(access: Access, caller: Caller, body: KeyBody, *, since_micros: int | None = None) -> NewKey:
    """A new key, with its limits and its policy. What is not said is as of the managing key; of a member's, without
    bounds, and with every scope but `keys.manage`. `since_micros`: when a form was shown; one that is sent twice, by a
    double click or a page loaded anew, makes no second key.

    Raises Problem: invalid_request with `param`, exceeds_own_key, conflict for a form that made a key already.
    """
    with key_faults():
        _require_sense(access, body, is_new=True)
        async with managing(access, caller) as manager:
            if since_micros is not None:
                await _refuse_twice(manager, str(body.name), since_micros)
            created = await _make(access, manager, body)
            made = await _new_key(manager, created, None)
            await manager.note("key.created", made.key.key_id, name=made.key.record.name, prefix=_prefix(made.key))
            _log.info("key made", key=made.key.key_id, by=caller.actor)
            return made


async def change_key(access: Access, caller: Caller, key_id: str, read: Read[KeyBody]) -> KeyView:
    """Name, labels, scopes, models, addresses and expiry. Calls heed it within a second.

    Raises Problem: not_found, invalid_request with `param`, exceeds_own_key.
    """
    with key_faults():
        async with managing(access, caller) as manager:
            # First whether there is such a key: what is asked of one that is not there is neither right nor wrong.
            target, body = await manager.find(key_id), read()
            _require_sense(access, body, is_new=False)
            manager.changed(target, wanted := body.wanted)
            change = store.KeyChange(
                name=body.name,
                scopes=wanted.scopes,
                allowed_models=wanted.models,
                expires_at=wanted.expires_at,
                ip_allow=wanted.ip_allow,
                **body.labels,
            )
            found = await store.update_key(
                manager.connection, manager.workspace_id, target.key_id, change, now_micros=manager.now_micros
            )
            await manager.note("key.changed", target.shown, changed=", ".join(_named(body)))
            return await _view(manager.connection, found, manager.now_micros)


async def roll_key(access: Access, caller: Caller, key_id: str, read_overlap: Read[int] | None = None) -> NewKey:
    """A new key in the place of one; both share limits, rate limits and policy, and the former works on for
    `read_overlap()` seconds, a day if it is not given.

    Raises Problem: not_found, invalid_request, exceeds_own_key.
    """
    with key_faults():
        async with managing(access, caller) as manager:
            target = await manager.find(key_id)
            rolled = await store.roll_key(
                manager.connection,
                manager.workspace_id,
                target.key_id,
                key_prefix=access.brand.key_prefix,
                now_micros=manager.now_micros,
                overlap_seconds=DEFAULT_OVERLAP_SECONDS if read_overlap is None else read_overlap(),
                created_by=caller.actor,
            )
            if rolled is None:
                raise no_key()
            made = await _new_key(manager, rolled.created, rolled.former)
            await manager.note("key.rolled", target.shown, successor=made.key.key_id, prefix=_prefix(made.key))
            return made


async def revoke_key(access: Access, caller: Caller, key_id: str) -> KeyView:
    """It stops working within a second and stays in the list. Revoking a revoked key changes nothing.

    Raises Problem: not_found, exceeds_own_key.
    """
    async with managing(access, caller) as manager:
        target = await manager.find(key_id)
        found = await store.revoke_key_by_id(
            manager.connection, manager.workspace_id, target.key_id, now_micros=manager.now_micros
        )
        if target.listing.revoked_at is None:
            await manager.note("key.revoked", target.shown, name=target.listing.record.name)
        return await _view(manager.connection, found, manager.now_micros)


async def _make(access: Access, manager: Manager, body: KeyBody) -> CreatedKey:
    """Nobody can use the key, and nobody sees it, before its limits and its policy are stored as well."""
    connection = manager.connection
    reach = new_reach(manager.reach, body.wanted)
    workspace = await store.workspace_of(connection, manager.workspace_id)
    if workspace is None:
        raise no_key()
    wanted = store.NewKey(
        name=str(body.name),
        scopes=reach.scopes,
        allowed_models=reach.models,
        expires_at=reach.expires_at,
        labels=Labels(**body.labels),
        ip_allow=reach.ip_allow,
        created_by=manager.caller.actor,
    )
    created = await store.create_key(
        connection, workspace, wanted, key_prefix=access.brand.key_prefix, now_micros=manager.now_micros
    )
    await _give(access, manager, LimitHolder(workspace.workspace_id, created.record.key_id), reach=reach, body=body)
    return created


async def _refuse_twice(manager: Manager, name: str, since_micros: int) -> None:
    """Asked while nobody else makes keys in the workspace. Raises Problem(`conflict`)."""
    for found in await store.list_keys(manager.connection, manager.workspace_id, most=RECENT_KEYS):
        is_since = found.created_at >= since_micros and found.created_by == manager.caller.actor
        if is_since and found.record.name == name:
            message = (
                f"This form made a key already: {found.record.visible_prefix}…. Its secret was shown once; if it got "
                "lost, roll or revoke that key."
            )
            raise Problem("conflict", message)


async def _give(access: Access, manager: Manager, holder: LimitHolder, *, reach: Reach, body: KeyBody) -> None:
    """What a new key has beside its own row."""
    rule = Rule(policy=reach.policy, preference=body.preference)
    if rule != NO_RULE:
        await write_rule(manager.connection, *holder, rule=rule, now_micros=manager.now_micros)
    for rate in reach.rates:
        own_rate = msgspec.structs.replace(rate, key_id=holder.key_id)
        await write_rate(manager.connection, holder.workspace_id, own_rate)
    if changes := changes_of(reach.limits):
        await set_limits(access, manager.connection, holder, changes)


async def _new_key(manager: Manager, created: CreatedKey, former: KeyListing | None) -> NewKey:
    found = await store.read_key(manager.connection, manager.workspace_id, created.record.key_id)
    if found is None:
        raise no_key()
    listings = [found] if former is None else [found, former]
    shown = await views_of(manager.connection, listings, now_micros=manager.now_micros)
    return NewKey(key=shown[0], secret=created.secret, replaces=None if former is None else shown[1])


async def _view(connection: store.Connection, found: KeyListing | None, now_micros: int) -> KeyView:
    if found is None:
        raise no_key()
    return (await views_of(connection, [found], now_micros=now_micros))[0]


def _prefix(key: KeyView) -> str:
    return key.record.visible_prefix


def _named(body: KeyBody) -> list[str]:
    """The fields that a change names."""
    said = {
        "name": body.name is not msgspec.UNSET,
        "labels": bool(body.labels),
        "scopes": body.wanted.scopes is not msgspec.UNSET,
        "models": body.wanted.models is not msgspec.UNSET,
        "ip_allow": body.wanted.ip_allow is not msgspec.UNSET,
        "expires_at": body.wanted.expires_at is not msgspec.UNSET,
    }
    return [name for name in CHANGEABLE if said[name]]


def _require_sense(access: Access, body: KeyBody, *, is_new: bool) -> None:
    """What nobody can mean. Raises Problem(`invalid_request`)."""
    if (is_new and body.name is msgspec.UNSET) or body.name == "":
        raise _refuse("name", "is missing; every key has one")
    wanted = body.wanted
    if wanted.scopes == frozenset():
        raise _refuse("scopes", "names none; a key has at least one")
    if isinstance(wanted.expires_at, int) and wanted.expires_at <= access.clock():
        raise _refuse("expires_at", "has passed; to end a key at once, revoke it")
    _require_models(access, wanted.models)


def _require_models(access: Access, models: frozenset[str] | msgspec.UnsetType | None) -> None:
    """A misspelt model would make a key that nobody can use."""
    if models is msgspec.UNSET or models is None:
        return
    if not models:
        raise _refuse("models", "names none; name at least one, or allow all")
    unknown = sorted(models - access.catalog().models.keys())
    if unknown:
        raise _refuse("models", f"has {unknown[0][:100]!r}, and there is no such model")


def _refuse(param: str, message: str) -> Problem:
    return Problem("invalid_request", f"{param} {message}.", param=param)
