"""GET /api/routes: every model's routes for planning, those that are not for sale yet with what they lack."""

from typing import Annotated, Final

import msgspec
from litestar import get
from litestar.params import QueryParameter

from farebox.api.depend import AnyRequest, TheKey, TheParts
from farebox.api.describe import MEMBERS, MEMBERS_ERRORS
from farebox.api.explain import asked_model
from farebox.api.filters import Query
from farebox.catalog.model import Catalog, Model
from farebox.identity.model import KeyRecord
from farebox.identity.roles import Verb
from farebox.routing.sale import SaleView, sales

# Routes in one answer; a model's own are asked for by `model`.
MAX_ROUTES: Final = 1_000


class RouteList(msgspec.Struct, frozen=True, kw_only=True):
    """Model by model, those that serve first. `not_shown` counts what did not fit."""

    data: list[SaleView]
    for_sale: int
    planned: int
    not_shown: int
    object: str = "list"


@get(
    "/api/routes",
    summary="Every model's routes, for planning",
    security=MEMBERS,
    opt={"verb": Verb.USAGE_READ},
    responses=MEMBERS_ERRORS.plus(model_not_found="There is no model 'gpt-x'."),
)
async def list_routes(
    request: AnyRequest,
    parts: TheParts,
    key: TheKey,
    *,
    model: Annotated[str | None, QueryParameter(description="Only this model id")] = None,
) -> RouteList:
    """Where each model runs and under which terms, whatever a policy allows; `planned` ones serve nobody yet."""
    del model
    catalog = parts.catalog()
    wanted = Query(request, frozenset({"model"})).text("model")
    models = _visible(catalog, key) if wanted is None else [asked_model(catalog, key, wanted)]
    found = [sale for one in models for sale in sales(parts.router, catalog, model=one, workspace_id=key.workspace_id)]
    for_sale = sum(sale.state == "for_sale" for sale in found)
    return RouteList(
        data=found[:MAX_ROUTES],
        for_sale=for_sale,
        planned=len(found) - for_sale,
        not_shown=max(0, len(found) - MAX_ROUTES),
    )


def _visible(catalog: Catalog, key: KeyRecord) -> list[Model]:
    allowed = key.allowed_models
    return [model for model in catalog.models.values() if allowed is None or model.model_id in allowed]
