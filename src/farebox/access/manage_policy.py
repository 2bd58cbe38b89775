"""Policies: which routes the calls of a workspace, and of each of its keys, may take. A key's only narrows its
workspace's."""

from collections.abc import Callable

import msgspec
import structlog

from farebox.access.asking import Caller
from farebox.access.managing import managing
from farebox.access.parts import Access
from farebox.base.errors import Problem
from farebox.base.ids import show_short
from farebox.catalog.policy import Rule
from farebox.identity.audit import record
from farebox.identity.grants import Wanted
from farebox.identity.policies import WORKSPACE, Connection, StoredRules, UnreadableRule, read_rules, write_rule
from farebox.ledger.limits import LimitHolder
from farebox.storage.pool import connected

_log = structlog.get_logger(__name__)


class PolicyView(msgspec.Struct, frozen=True):
    """What holds for a workspace (`key_id` 0) or one of its keys, and the parts that this is put together from."""

    workspace_id: int
    key_id: int
    rules: StoredRules


async def set_key_policy(access: Access, caller: Caller, key_id: str, read: Callable[[], Rule]) -> PolicyView:
    """Put a key's policy in the place of the one before; calls heed it within a second. What the caller's own key may
    not do is taken out of it. `read` gives the policy once it is known that the key is there.

    Raises Problem: not_found, invalid_request, exceeds_own_key.
    """
    async with managing(access, caller) as manager:
        target, rule = await manager.find_holder(key_id), read()
        reach = manager.changed(target, Wanted(policy=rule.policy))
        narrowed = Rule(policy=reach.policy, preference=rule.preference)
        await store_policy(access, manager.connection, target.holder, narrowed)
        await manager.note("workspace.policy", target.shown)
        return await read_policy_of(manager.connection, target.holder, key_id=target.key_id)


async def set_workspace_policy(access: Access, caller: Caller, rule: Rule) -> PolicyView:
    """Put a workspace's policy in the place of the one before; calls heed it within a second."""
    holder = LimitHolder(caller.workspace_id)
    async with connected(access.pool) as connection, connection.transaction():
        await store_policy(access, connection, holder, rule)
        await record(connection, caller.event("workspace.policy"), now_micros=access.clock())
        return await read_policy_of(connection, holder)


async def store_policy(access: Access, connection: Connection, holder: LimitHolder, rule: Rule) -> None:
    """Store the policy of a workspace or a key. Whether it may be set is the caller's to know."""
    workspace_id, key_id = holder
    await write_rule(connection, workspace_id, key_id, rule=rule, now_micros=access.clock())
    _log.info("policy set", workspace=show_short("ws", workspace_id), key=key_id and show_short("key", key_id))


async def read_policy_of(connection: Connection, holder: LimitHolder, *, key_id: int = WORKSPACE) -> PolicyView:
    """The policy of a workspace or a key. `key_id`: the key that was asked for, where it shares that of another.

    Raises Problem(`internal_error`) for one that cannot be read.
    """
    workspace_id, holder_id = holder
    try:
        stored = await read_rules(connection, workspace_id, holder_id)
    except UnreadableRule as error:
        message = "The stored policy cannot be read, so it allows nothing; it has to be set again."
        raise Problem("internal_error", message) from error
    return PolicyView(workspace_id, (key_id or holder_id) if holder_id else WORKSPACE, stored)
