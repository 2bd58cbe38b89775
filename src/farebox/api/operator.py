"""/api/operator: limits and policies of any workspace, and the whole checklist, for whoever bears the operator's token
or has a platform role.

Without a token in the settings and without a session there is nothing here.
"""

from typing import Annotated, Final

import msgspec
from litestar import get, put
from litestar.params import FromPath, QueryParameter

from farebox.access.depend import TheAccess, TheOperator
from farebox.access.operate import limit_holder, rule_holder
from farebox.api.depend import AnyRequest, TheParts
from farebox.api.describe import PLATFORM, PLATFORM_ERRORS
from farebox.api.filters import Query
from farebox.api.holders import any_holder
from farebox.api.limits import LIMITS_BODY, LimitsShape, limits_shape, read_changes
from farebox.api.policy import POLICY_BODY, PolicyShape, policy_shape
from farebox.base.errors import Problem
from farebox.identity.roles import PlatformVerb
from farebox.ledger.limits import holder_limits
from farebox.routing.sale import OperatorSaleView, operator_sale, sales
from farebox.routing.wishes import read_policy
from farebox.storage.pool import connected

# Routes in one answer; a model's own are asked for by `model`.
MAX_ROUTES: Final = 1_000
_LIMITS: Final = "/api/operator/workspaces/{workspace_id:str}/limits"
_POLICY: Final = "/api/operator/workspaces/{workspace_id:str}/policy"
_KEY: Final = frozenset({"key"})
_SHOWN: Final = PLATFORM_ERRORS.plus(not_found="There is no such workspace.")
_CHANGED: Final = _SHOWN.fresh().with_body()

OfKey = Annotated[
    str | None, QueryParameter(name="key", description="One of its keys, `key_…`, instead of the workspace")
]


class OperatorRouteList(msgspec.Struct, frozen=True, kw_only=True):
    """Model by model. `not_shown` counts what did not fit."""

    data: list[OperatorSaleView]
    not_shown: int
    object: str = "list"


@get(
    _LIMITS,
    summary="Limits of a workspace or a key",
    security=PLATFORM,
    opt={"verb": PlatformVerb.WORKSPACES_READ},
    responses=_SHOWN,
    tags=["operator"],
)
async def show_workspace_limits(
    request: AnyRequest, parts: TheParts, operator: TheOperator, workspace_id: FromPath[str], *, of_key: OfKey = None
) -> LimitsShape:
    """What it may use by day, month and lifetime, and what is used of it."""
    del operator, of_key
    async with connected(parts.pool) as connection:
        holder = await any_holder(connection, workspace_id, Query(request, _KEY).text("key"))
        uses = await holder_limits(connection, holder, clock=parts.clock)
    return limits_shape(uses, parts.clock())


@put(
    _LIMITS,
    summary="Set limits of a workspace or a key",
    security=PLATFORM,
    opt={"verb": PlatformVerb.LIMITS_CHANGE},
    responses=_CHANGED,
    operation_class=LIMITS_BODY,
    tags=["operator"],
)
async def set_workspace_limits(
    request: AnyRequest, access: TheAccess, operator: TheOperator, workspace_id: FromPath[str], *, of_key: OfKey = None
) -> LimitsShape:
    """They hold for the next call, in every process."""
    del of_key
    named = Query(request, _KEY).text("key")
    changes = read_changes(await request.body())
    async with connected(access.pool) as connection:
        holder = await any_holder(connection, workspace_id, named)
    return limits_shape(await limit_holder(access, operator, holder, changes), access.clock())


@get(
    _POLICY,
    summary="The policy of a workspace or a key",
    security=PLATFORM,
    opt={"verb": PlatformVerb.WORKSPACES_READ},
    responses=_SHOWN,
    tags=["operator"],
)
async def show_workspace_policy(
    request: AnyRequest, parts: TheParts, operator: TheOperator, workspace_id: FromPath[str], *, of_key: OfKey = None
) -> PolicyShape:
    """What its calls may take, and the parts that this is put together from."""
    del operator, of_key
    async with connected(parts.pool) as connection:
        holder = await any_holder(connection, workspace_id, Query(request, _KEY).text("key"))
        return await policy_shape(connection, holder)


@put(
    _POLICY,
    summary="Set the policy of a workspace or a key",
    security=PLATFORM,
    opt={"verb": PlatformVerb.POLICY_CHANGE},
    responses=_CHANGED,
    operation_class=POLICY_BODY,
    tags=["operator"],
)
async def set_workspace_policy(
    request: AnyRequest, access: TheAccess, operator: TheOperator, workspace_id: FromPath[str], *, of_key: OfKey = None
) -> PolicyShape:
    """Calls heed it within a second."""
    del of_key
    named = Query(request, _KEY).text("key")
    rule = read_policy(await request.body(), param="policy")
    async with connected(access.pool) as connection:
        holder = await any_holder(connection, workspace_id, named)
        await rule_holder(access, operator, holder, rule)
        return await policy_shape(connection, holder)


@get(
    "/api/operator/routes",
    summary="The checklist of every route",
    security=PLATFORM,
    opt={"verb": PlatformVerb.WORKSPACES_READ},
    responses=PLATFORM_ERRORS.plus(model_not_found="There is no model 'gpt-x'."),
    tags=["operator"],
)
async def list_operator_routes(
    request: AnyRequest,
    parts: TheParts,
    operator: TheOperator,
    *,
    model: Annotated[str | None, QueryParameter(description="Only this model id")] = None,
) -> OperatorRouteList:
    """What each route says, what it lacks, and how to mend that."""
    del operator, model
    catalog = parts.catalog()
    wanted = Query(request, frozenset({"model"})).text("model")
    if wanted is not None and wanted not in catalog.models:
        raise Problem("model_not_found", f"There is no model {wanted[:100]!r}.", param="model")
    models = [one for one in catalog.models.values() if wanted in (None, one.model_id)]
    found = [operator_sale(catalog, sale) for one in models for sale in sales(parts.router, catalog, model=one)]
    return OperatorRouteList(data=found[:MAX_ROUTES], not_shown=max(0, len(found) - MAX_ROUTES))
