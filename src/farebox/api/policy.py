"""GET /api/policy and PUT /api/keys/{key}/policy: which routes calls may take. A key's policy only narrows its
workspace's, and a request's `provider` narrows both."""

from typing import Final

import msgspec
import structlog
from litestar import get, put
from litestar.params import FromPath

from farebox.api.depend import AnyRequest, TheKey, TheParts
from farebox.api.describe import ERRORS, KEYED, MANAGED, body_schema, taking
from farebox.api.managed import managing
from farebox.api.parts import Parts
from farebox.base.errors import Problem
from farebox.base.ids import show_short
from farebox.catalog.policy import Rule
from farebox.identity.authenticate import require_scope
from farebox.identity.grants import Wanted
from farebox.identity.policies import Connection, UnreadableRule, read_rules, write_rule
from farebox.identity.roles import Verb
from farebox.ledger.limits import LimitHolder
from farebox.routing.shown import RuleView, rule_view
from farebox.routing.wishes import MAX_WISHES_BYTES, POLICY_FIELDS, read_policy
from farebox.storage.pool import connected

_log = structlog.get_logger(__name__)

_POLICY: Final = (
    "A policy replaces the one before; what it does not name is not limited, and `{}` lifts it all. "
    "docs/reference/routing.md explains each field."
)
POLICY_SCHEMA: Final = body_schema(_POLICY, dict.fromkeys(POLICY_FIELDS, "See docs/reference/routing.md"))
POLICY_BODY: Final = taking(
    _POLICY,
    dict.fromkeys(POLICY_FIELDS, "See docs/reference/routing.md"),
    example={"regions": ["sg"], "retention": "no_training", "max_price": {"prompt": "3.00"}},
)
# A policy has a bound of its own, which is told in its own words; this one is behind it.
MAX_BODY_BYTES: Final = 4 * MAX_WISHES_BYTES


class PolicyShape(msgspec.Struct, frozen=True, kw_only=True):
    """`effective` is what holds: the workspace's policy and the key's, put together. `key` is null where the
    workspace's own was asked for."""

    workspace_id: str
    key_id: str | None
    effective: RuleView
    workspace: RuleView
    key: RuleView | None
    object: str = "policy"


@get(
    "/api/policy",
    summary="What this key and its workspace allow",
    security=KEYED,
    opt={"verb": Verb.POLICY_READ},
    responses=ERRORS,
)
async def show_policy(parts: TheParts, key: TheKey) -> PolicyShape:
    """The policy that calls by this key have, and its parts."""
    require_scope(key, "usage.read")
    async with connected(parts.pool) as connection:
        return await policy_shape(connection, LimitHolder(key.workspace_id, key.holder_id), key_id=key.key_id)


@put(
    "/api/keys/{key_id:str}/policy",
    summary="Set the policy of a key of this workspace",
    security=KEYED,
    opt={"verb": Verb.KEYS_MANAGE},
    responses=MANAGED,
    operation_class=POLICY_BODY,
    request_max_body_size=MAX_BODY_BYTES,
)
async def set_key_policy(request: AnyRequest, parts: TheParts, key: TheKey, key_id: FromPath[str]) -> PolicyShape:
    """Calls heed it within a second. It never allows what the workspace's policy does not, and what the key that sets
    it may not do itself is taken out of it."""
    require_scope(key, "keys.manage")
    body = await request.body()
    async with managing(parts, key) as manager:
        target, rule = await manager.find_holder(key_id), read_policy(body, param="policy")
        reach = manager.changed(target, Wanted(policy=rule.policy))
        narrowed = Rule(policy=reach.policy, preference=rule.preference)
        await _store(parts, manager.connection, target.holder, narrowed)
        return await policy_shape(manager.connection, target.holder, key_id=target.key_id)


async def set_policy(parts: Parts, connection: Connection, holder: LimitHolder, body: bytes) -> PolicyShape:
    """Store the policy of a workspace or a key, and show what holds then. Raises Problem."""
    await _store(parts, connection, holder, read_policy(body, param="policy"))
    return await policy_shape(connection, holder)


async def _store(parts: Parts, connection: Connection, holder: LimitHolder, rule: Rule) -> None:
    workspace_id, key_id = holder
    await write_rule(connection, workspace_id, key_id, rule=rule, now_micros=parts.clock())
    _log.info("policy set", workspace=show_short("ws", workspace_id), key=key_id and show_short("key", key_id))


async def policy_shape(connection: Connection, holder: LimitHolder, *, key_id: int | None = None) -> PolicyShape:
    """The policy of a workspace or a key, as the API shows it. `key_id`: the key that was asked for, where it shares
    that of another. Raises Problem."""
    workspace_id, holder_id = holder
    try:
        stored = await read_rules(connection, workspace_id, holder_id)
    except UnreadableRule as error:
        message = "The stored policy cannot be read, so it allows nothing; it has to be set again."
        raise Problem("internal_error", message) from error
    return PolicyShape(
        workspace_id=show_short("ws", workspace_id),
        key_id=show_short("key", key_id or holder_id) if holder_id else None,
        effective=rule_view(stored.effective),
        workspace=rule_view(stored.workspace),
        key=rule_view(stored.key) if holder_id else None,
    )
