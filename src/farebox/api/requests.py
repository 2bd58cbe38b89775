"""/api/requests: what people of a workspace ask the operator for. For members alone: a key has no wishes."""

from typing import Annotated, Any, Final

from litestar import Response, delete, get, post
from litestar.openapi.spec import OpenAPIType, Schema
from litestar.params import FromPath, QueryParameter

from farebox.access import requests
from farebox.access.depend import TheAccess, TheCaller
from farebox.api.bodies import fields_of, read_texts, refuse, value_of
from farebox.api.depend import AnyRequest
from farebox.api.describe import PEOPLE, PEOPLE_ERRORS, answers, taking
from farebox.api.filters import Query
from farebox.api.request_shapes import RequestList, RequestShape, request_list, request_shape
from farebox.identity.roles import Verb

MAX_BODY_BYTES: Final = 32_768
MAX_MODEL_CHARS: Final = 200
_PARAMETERS: Final = frozenset({"cursor", "limit"})
_TAGS: Final = ["requests"]
_CHANGED: Final = PEOPLE_ERRORS.fresh()
_BODY: Final = taking(
    "Which models, and what to say about it.",
    {
        "models": Schema(
            type=OpenAPIType.ARRAY,
            items=Schema(type=OpenAPIType.STRING, max_length=MAX_MODEL_CHARS),
            min_items=1,
            max_items=requests.MAX_MODELS,
            description="Model ids of this gateway",
        ),
        "note": Schema(
            type=OpenAPIType.STRING,
            max_length=requests.MAX_NOTE_CHARS,
            description="How much of them, from when, for what: whatever helps the operator to decide",
        ),
    },
    required=("models",),
    example={"models": ["claude-haiku-4-5"], "note": "About 40 million tokens a month from May on."},
)

Text = str | None


@get(
    "/api/requests",
    summary="Requests of this workspace, newest first",
    security=PEOPLE,
    opt={"verb": Verb.BILLING_READ},
    responses=answers(RequestList, "A page", errors=PEOPLE_ERRORS),
    tags=_TAGS,
)
async def list_requests(
    request: AnyRequest,
    access: TheAccess,
    caller: TheCaller,
    *,
    cursor: Annotated[Text, QueryParameter(description="`next_cursor` of the page before")] = None,
    limit: Annotated[Text, QueryParameter(description="Lines of a page, 1 to 500, default 50")] = None,
) -> Response[Any]:
    """What was asked for, what became of it, and what the operator said to it."""
    del cursor, limit
    query = Query(request, _PARAMETERS)
    page = await requests.list_own_requests(access, caller, cursor=query.text("cursor"), most=query.page())
    return Response(request_list(page))


@post(
    "/api/requests",
    summary="Ask to buy",
    security=PEOPLE,
    opt={"verb": Verb.BILLING_MANAGE},
    responses=answers(
        RequestShape,
        "It waits for the operator",
        errors=_CHANGED.with_body().plus(
            conflict="20 requests of this workspace wait already; withdraw one, or wait for the operator."
        ),
        status=201,
    ),
    operation_class=_BODY,
    request_max_body_size=MAX_BODY_BYTES,
    status_code=201,
    tags=_TAGS,
)
async def make_request(request: AnyRequest, access: TheAccess, caller: TheCaller) -> Response[Any]:
    """A purchase request: models that the workspace would like to buy. It changes no balance by itself; the operator
    takes it from there. At most 20 wait at a time."""
    fields = fields_of(await request.body(), ("models", "note"))
    if "models" not in fields:
        raise refuse("models", "is missing")
    models = read_texts(fields["models"], "models", most=requests.MAX_MODELS, most_letters=MAX_MODEL_CHARS)
    note = value_of(fields["note"], "note") if "note" in fields else ""
    if not isinstance(note, str):
        raise refuse("note", "is a text")
    return Response(request_shape(await requests.make_request(access, caller, models=models, note=note)))


@delete(
    "/api/requests/{request_id:str}",
    summary="Withdraw a request",
    security=PEOPLE,
    opt={"verb": Verb.BILLING_MANAGE},
    responses=answers(
        RequestShape,
        "Withdrawn",
        errors=_CHANGED.plus(
            not_found="There is no such request.",
            conflict="This request does not wait any more: it was accepted.",
        ),
    ),
    status_code=200,
    tags=_TAGS,
)
async def withdraw_request(access: TheAccess, caller: TheCaller, request_id: FromPath[str]) -> Response[Any]:
    """Only one that waits. 404 for requests of other workspaces."""
    return Response(request_shape(await requests.withdraw_request(access, caller, request_id)))


ROUTES: Final = (list_requests, make_request, withdraw_request)
