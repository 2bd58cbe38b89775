"""/api/policy and PUT /api/keys/{key}/policy: which routes calls may take. A key's policy only narrows its
workspace's, and a request's `provider` narrows both."""

from typing import Final

import msgspec
from litestar import get, put
from litestar.params import FromPath

from farebox.access import manage_policy
from farebox.access.depend import TheAccess, TheCaller
from farebox.access.manage_policy import PolicyView, read_policy_of, set_workspace_policy
from farebox.api.depend import AnyRequest, TheParts
from farebox.api.describe import MANAGED, MEMBERS, MEMBERS_ERRORS, PEOPLE, PEOPLE_ERRORS, body_schema, taking
from farebox.base.ids import show_short
from farebox.identity.policies import WORKSPACE, Connection
from farebox.identity.roles import Verb
from farebox.ledger.limits import LimitHolder
from farebox.routing.shown import RuleView, rule_view
from farebox.routing.wishes import MAX_WISHES_BYTES, POLICY_FIELDS, read_policy
from farebox.storage.pool import connected

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
_WORKSPACE_ERRORS: Final = (
    PEOPLE_ERRORS.fresh()
    .with_body()
    .plus(insufficient_scope="No API key may do this (policy.change); a member of the workspace has to sign in.")
)


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
    security=MEMBERS,
    opt={"verb": Verb.POLICY_READ},
    responses=MEMBERS_ERRORS,
)
async def show_policy(parts: TheParts, caller: TheCaller) -> PolicyShape:
    """The policy that calls by this key have, and its parts; for a member the workspace's."""
    key = caller.key
    async with connected(parts.pool) as connection:
        return await policy_shape(connection, LimitHolder(key.workspace_id, key.holder_id), key_id=key.key_id)


@put(
    "/api/policy",
    summary="Set the policy of the workspace",
    security=PEOPLE,
    opt={"verb": Verb.POLICY_CHANGE},
    responses=_WORKSPACE_ERRORS,
    operation_class=POLICY_BODY,
    request_max_body_size=MAX_BODY_BYTES,
)
async def set_own_policy(request: AnyRequest, access: TheAccess, caller: TheCaller) -> PolicyShape:
    """For owners and admins. Calls heed it within a second; it holds for every key, whatever its own policy is."""
    rule = read_policy(await request.body(), param="policy")
    return _shape(await set_workspace_policy(access, caller, rule))


@put(
    "/api/keys/{key_id:str}/policy",
    summary="Set the policy of a key of this workspace",
    security=MEMBERS,
    opt={"verb": Verb.KEYS_MANAGE},
    responses=MANAGED,
    operation_class=POLICY_BODY,
    request_max_body_size=MAX_BODY_BYTES,
)
async def set_key_policy(
    request: AnyRequest, access: TheAccess, caller: TheCaller, key_id: FromPath[str]
) -> PolicyShape:
    """Calls heed it within a second. It never allows what the workspace's policy does not, and what the key that sets
    it may not do itself is taken out of it."""
    body = await request.body()
    view = await manage_policy.set_key_policy(access, caller, key_id, lambda: read_policy(body, param="policy"))
    return _shape(view)


async def policy_shape(connection: Connection, holder: LimitHolder, *, key_id: int = WORKSPACE) -> PolicyShape:
    """The policy of a workspace or a key, as the API shows it. `key_id`: the key that was asked for, where it shares
    that of another. Raises Problem."""
    return _shape(await read_policy_of(connection, holder, key_id=key_id))


def _shape(view: PolicyView) -> PolicyShape:
    stored = view.rules
    return PolicyShape(
        workspace_id=show_short("ws", view.workspace_id),
        key_id=show_short("key", view.key_id) if view.key_id else None,
        effective=rule_view(stored.effective),
        workspace=rule_view(stored.workspace),
        key=rule_view(stored.key) if view.key_id else None,
    )
