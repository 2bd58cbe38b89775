"""GET /api/route/explain and POST /api/estimate: where a call would go, why not elsewhere, and what it would cost.
Nothing is held, sent or spent; the router that answers is the one that routes calls."""

from typing import Annotated, Final

import msgspec
from litestar import get, post
from litestar.params import QueryParameter

from farebox.api.depend import AnyRequest, TheKey, TheParts
from farebox.api.describe import MEMBERS, MEMBERS_ERRORS, taking
from farebox.api.filters import Query
from farebox.api.parts import Parts
from farebox.base.errors import Problem
from farebox.catalog.model import SCOPES_OF_WORKLOAD, Catalog, Model
from farebox.catalog.policy import Rule, combined
from farebox.identity.model import SCOPES, KeyRecord
from farebox.identity.roles import Verb
from farebox.routing.asking import find_model
from farebox.routing.estimate import SURFACE_OF_WORKLOAD, SURFACES, Estimate
from farebox.routing.explain import Explanation, explanation
from farebox.routing.rules import Ask
from farebox.routing.wishes import read_wishes

MAX_INPUT_TOKENS: Final = 100_000_000
_PARAMETERS: Final = frozenset({"model", "provider", "scope", "input_tokens"})
_LONG: Final = frozenset({"provider"})
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
_text = msgspec.json.Decoder(str)

_ERRORS: Final = MEMBERS_ERRORS.plus(
    model_not_found="There is no model 'gpt-x' for this key.",
    request_limit_exceeded="max_tokens is 100000; at most 4096 are taken here.",
    invalid_max_tokens="max_tokens is a positive whole number.",
)

Text = str | None
ESTIMATE_BODY: Final = taking(
    "The body of a call, as it would be sent; it is neither kept nor passed on.",
    {
        "model": "A model id",
        "surface": f"Where the call would be made, one of {', '.join(SURFACES)}; by default the model's usual one",
        "provider": "Wishes for the route, as in a call",
        "max_cost": "The most that the call may cost in dollars, as in a call",
    },
)


@get(
    "/api/route/explain",
    summary="Where a call would go, and why not elsewhere",
    security=MEMBERS,
    opt={"verb": Verb.USAGE_READ},
    responses=_ERRORS,
)
async def explain_route(
    request: AnyRequest,
    parts: TheParts,
    key: TheKey,
    *,
    model: Annotated[Text, QueryParameter(description="A model id")] = None,
    provider: Annotated[Text, QueryParameter(description="A call's `provider` object, as JSON")] = None,
    called_by: Annotated[
        Text, QueryParameter(name="scope", description="The scope by which it would be called")
    ] = None,
    input_tokens: Annotated[Text, QueryParameter(description="The most that the call reads; default 0")] = None,
) -> Explanation:
    """Every route of a model: those that remain in the order in which they are tried, the others with their reasons."""
    del model, provider, called_by, input_tokens
    query = Query(request, _PARAMETERS, long=_LONG)
    catalog = parts.catalog()
    found = asked_model(catalog, key, query.text("model"))
    rule = combined(key.rule, *_wishes(request, parts, query.text("provider")))
    ask = Ask(
        model=found,
        workspace_id=key.workspace_id,
        policy=rule.policy,
        preference=rule.preference,
        scope=query.choice("scope", SCOPES) or _usual_scope(found),
        input_tokens=query.number("input_tokens", least=0, most=MAX_INPUT_TOKENS) or 0,
    )
    return explanation(catalog, ask, parts.router.choose(catalog, ask, most=None))


@post(
    "/api/estimate",
    summary="What a call would cost, by each route",
    status_code=200,
    security=MEMBERS,
    opt={"verb": Verb.USAGE_READ},
    responses=_ERRORS.with_body(),
    operation_class=ESTIMATE_BODY,
)
async def estimate_call(
    request: AnyRequest,
    parts: TheParts,
    key: TheKey,
    *,
    surface: Annotated[Text, QueryParameter(description=f"One of {', '.join(SURFACES)}")] = None,
) -> Estimate:
    """The most that a call can cost and what it likely costs, what it would hold, and why routes are left out."""
    del surface
    query = Query(request, frozenset({"surface"}))
    fields = _read_fields(await request.body())
    in_body = fields.pop("surface", None)
    asked = query.choice("surface", SURFACES) or _surface(in_body)
    if asked is None:
        asked = SURFACE_OF_WORKLOAD[asked_model(parts.catalog(), key, _model_id(fields)).workload]
    headers = [(bytes(name), bytes(value)) for name, value in request.scope["headers"]]
    # A member opens no call, but may ask what any would cost; a key what its own would.
    asking = key if key.key_id else msgspec.structs.replace(key, scopes=frozenset(SCOPES))
    return await parts.estimate(asking, asked, msgspec.json.encode(fields), headers)


def asked_model(catalog: Catalog, key: KeyRecord, model_id: str | None) -> Model:
    """The model that a parameter or field names. Raises Problem."""
    if model_id is None:
        raise Problem("invalid_request", "Say which model: `model` is missing.", param="model")
    return find_model(catalog, key, model_id)


def _wishes(request: AnyRequest, parts: Parts, provider: str | None) -> list[Rule]:
    """The header's wishes and the parameter's; both narrow."""
    name = parts.brand.header("Provider")
    # A header that stands there more than once narrows each time, as in a call.
    rules = [read_wishes(header.encode("latin-1"), param=name) for header in reversed(request.headers.getall(name, []))]
    return rules if provider is None else [*rules, read_wishes(provider.encode(), param="provider")]


def _usual_scope(model: Model) -> str:
    return next(scope for scope in SCOPES if scope in SCOPES_OF_WORKLOAD[model.workload])


def _read_fields(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _fields.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Problem("invalid_request", "The body is not a JSON object; send the body of a call.") from None


def _surface(raw: msgspec.Raw | None) -> str | None:
    if raw is None or bytes(raw) == b"null":
        return None
    if (name := _read_text(raw)) in SURFACES:
        return name
    raise Problem("invalid_request", f"`surface` is one of {', '.join(SURFACES)}.", param="surface")


def _model_id(fields: dict[str, msgspec.Raw]) -> str | None:
    return _read_text(fields["model"]) if "model" in fields else None


def _read_text(raw: msgspec.Raw) -> str | None:
    try:
        return _text.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
