"""GET /api/setup and /api/errors: what clients have to know before their first call. No key, no insides."""

import msgspec
from litestar import get

from farebox.api.depend import TheParts
from farebox.api.parts import Parts
from farebox.base.errors import CATALOGUE
from farebox.base.limits import RequestLimits
from farebox.catalog.model import SCOPES_OF_WORKLOAD, Catalog, Model, Workload
from farebox.identity.model import SCOPES
from farebox.records.readiness import State
from farebox.routing.rules import Ask, Choice

MONITOR_HEADERS = ("Cost-USD", "Balance-After-USD", "Low-Balance", "Recommended-Action", "Call-Id", "Held-USD")


class BrandShape(msgspec.Struct, frozen=True, kw_only=True):
    """What the service is called; keys start with `key_prefix`."""

    name: str
    credit_name: str
    seller_of_record: str
    key_prefix: str
    low_balance_usd: str
    top_up_url: str
    monitor_headers: list[str]


class ModelShape(msgspec.Struct, frozen=True, kw_only=True):
    """A model. `reason` says why it cannot be called, or how far its support goes; it may be empty. A key needs one of
    the scopes of its `workload`. Tokens are 0 where a workload has no such limit."""

    id: str
    display_name: str
    owned_by: str
    workload: str
    context_tokens: int
    max_output_tokens: int
    provider_ready: bool
    reason: str


class WorkloadShape(msgspec.Struct, frozen=True, kw_only=True):
    """What models are for. A key needs one of the `scopes`; `ready` says whether any such model can be called now."""

    workload: Workload
    scopes: list[str]
    ready: bool


class ReadinessShape(msgspec.Struct, frozen=True, kw_only=True):
    """A capability and its state."""

    capability: str
    title: str
    state: State
    detail: str


class SetupShape(msgspec.Struct, frozen=True, kw_only=True):
    """In `request_limits` null means the model's own maximum."""

    brand: BrandShape
    base_path: str
    sandbox: bool
    request_limits: RequestLimits
    models: list[ModelShape]
    workloads: list[WorkloadShape]
    scopes: list[str]
    readiness: list[ReadinessShape]
    error_catalogue: str = "/api/errors"
    openapi: str = "/api/openapi.json"


class ErrorEntryShape(msgspec.Struct, frozen=True, kw_only=True):
    """`retryable`: the same request may succeed without anybody changing anything."""

    code: str
    status: int
    fault: str
    retryable: bool
    advice: str
    docs: str


class ErrorCatalogueShape(msgspec.Struct, frozen=True, kw_only=True):
    """Every error that this service answers with."""

    data: list[ErrorEntryShape]
    object: str = "list"


@get("/api/setup", summary="Brand, limits, models, workloads, scopes and readiness", security=[])
async def show_setup(parts: TheParts) -> SetupShape:
    """Open to anybody: what to send where, and what is ready."""
    catalog = parts.catalog()
    items = parts.readiness()
    models = [_model(parts, catalog, model) for model in catalog.models.values()]
    return SetupShape(
        brand=_brand(parts),
        base_path=parts.base_path,
        sandbox=parts.is_sandbox,
        request_limits=parts.request_limits,
        models=models,
        workloads=_workloads(models),
        scopes=list(SCOPES),
        readiness=[
            ReadinessShape(capability=item.capability, title=item.title, state=item.state, detail=item.detail)
            for item in items
        ],
    )


@get("/api/errors", summary="The catalogue of errors", security=[])
async def list_errors() -> ErrorCatalogueShape:
    """Each code with its status, whose fault it is, whether to send the request again, and what to do."""
    return ErrorCatalogueShape(
        data=[
            ErrorEntryShape(
                code=code,
                status=entry.status,
                fault=entry.fault,
                retryable=entry.retryable,
                advice=entry.advice,
                docs=entry.anchor(code),
            )
            for code, entry in CATALOGUE.items()
        ]
    )


def _brand(parts: Parts) -> BrandShape:
    brand = parts.brand
    return BrandShape(
        name=brand.name,
        credit_name=brand.credit_name,
        seller_of_record=brand.seller_of_record,
        key_prefix=brand.key_prefix,
        low_balance_usd=brand.low_balance_usd,
        top_up_url=brand.top_up_url,
        monitor_headers=[f"X-{brand.header_prefix}-{name}" for name in MONITOR_HEADERS],
    )


def _workloads(models: list[ModelShape]) -> list[WorkloadShape]:
    """Those that the catalog has models of."""
    return [
        WorkloadShape(
            workload=workload,
            scopes=[scope for scope in SCOPES if scope in scopes],
            ready=any(model.provider_ready for model in models if model.workload == workload),
        )
        for workload, scopes in SCOPES_OF_WORKLOAD.items()
        if any(model.workload == workload for model in models)
    ]


def _model(parts: Parts, catalog: Catalog, model: Model) -> ModelShape:
    choice = parts.router.choose(catalog, Ask(model=model), most=1)
    limit = parts.request_limits.max_output_tokens
    return ModelShape(
        id=model.model_id,
        display_name=model.display_name,
        owned_by=model.owned_by,
        workload=model.workload,
        context_tokens=model.context_tokens,
        max_output_tokens=model.max_output_tokens if limit is None else min(limit, model.max_output_tokens),
        provider_ready=bool(choice.routes),
        reason=_reason(catalog, model, choice),
    )


def _reason(catalog: Catalog, model: Model, choice: Choice) -> str:
    if not choice.routes:
        return choice.reason
    route = choice.routes[0]
    return model.status_reason or route.status_reason or catalog.providers[route.provider_id].status_reason
