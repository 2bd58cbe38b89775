"""/api/operator/requests: what waits for a decision, and the decision."""

from typing import Annotated, Any, Final

from litestar import Response, get, post
from litestar.openapi.spec import OpenAPIType, Schema
from litestar.params import FromPath, QueryParameter

from farebox.access import requests
from farebox.access.depend import TheAccess, TheOperator
from farebox.access.requests import RequestKind, RequestStatus
from farebox.api.bodies import fields_of, refuse, value_of
from farebox.api.depend import AnyRequest
from farebox.api.describe import PLATFORM, PLATFORM_ERRORS, answers, taking
from farebox.api.filters import Query
from farebox.api.request_shapes import RequestList, RequestShape, request_list, request_shape
from farebox.identity.roles import PlatformVerb

MAX_BODY_BYTES: Final = 16_384
_PARAMETERS: Final = frozenset({"status", "kind", "cursor", "limit"})
_STATUSES: Final = tuple(RequestStatus)
_KINDS: Final = tuple(RequestKind)
_TAGS: Final = ["operator"]
_BODY: Final = taking(
    "The decision.",
    {
        "accept": Schema(type=OpenAPIType.BOOLEAN, description="true accepts, false declines"),
        "reason": Schema(
            type=OpenAPIType.STRING,
            min_length=1,
            max_length=requests.MAX_REASON_CHARS,
            description="What to tell whoever asked",
        ),
    },
    required=("accept", "reason"),
    example={"accept": True, "reason": "Agreed by phone; the invoice follows."},
)

Text = str | None


@get(
    "/api/operator/requests",
    summary="Requests of all workspaces",
    security=PLATFORM,
    opt={"verb": PlatformVerb.REQUESTS_READ},
    responses=answers(RequestList, "A page", errors=PLATFORM_ERRORS),
    tags=_TAGS,
)
async def list_requests(
    request: AnyRequest,
    access: TheAccess,
    operator: TheOperator,
    *,
    status: Annotated[
        Text, QueryParameter(description=f"One of {', '.join(_STATUSES)}; left out: {RequestStatus.WAITING}")
    ] = None,
    kind: Annotated[Text, QueryParameter(description=f"One of {', '.join(_KINDS)}; left out: any")] = None,
    cursor: Annotated[Text, QueryParameter(description="`next_cursor` of the page before")] = None,
    limit: Annotated[Text, QueryParameter(description="Lines of a page, 1 to 500, default 50")] = None,
) -> Response[Any]:
    """Of those that wait, who has waited longest comes first; of the others, the newest."""
    del status, kind, cursor, limit
    query = Query(request, _PARAMETERS)
    status_named, kind_named = query.choice("status", _STATUSES), query.choice("kind", _KINDS)
    page = await requests.list_requests(
        access,
        operator,
        status=RequestStatus(status_named or RequestStatus.WAITING),
        kind=None if kind_named is None else RequestKind(kind_named),
        cursor=query.text("cursor"),
        most=query.page(),
    )
    return Response(request_list(page, for_operator=True))


@post(
    "/api/operator/requests/{request_id:str}/decide",
    summary="Accept or decline a request",
    security=PLATFORM,
    opt={"verb": PlatformVerb.REQUESTS_DECIDE},
    responses=answers(
        RequestShape,
        "Decided",
        errors=PLATFORM_ERRORS.fresh()
        .with_body()
        .plus(not_found="There is no such request.", conflict="This request does not wait any more: it was withdrawn."),
    ),
    operation_class=_BODY,
    request_max_body_size=MAX_BODY_BYTES,
    status_code=200,
    tags=_TAGS,
)
async def decide_request(
    request: AnyRequest, access: TheAccess, operator: TheOperator, request_id: FromPath[str]
) -> Response[Any]:
    """Once. A decision about a purchase changes no balance: credit the workspace if that was agreed. Deposits cannot be
    decided yet."""
    fields = fields_of(await request.body(), ("accept", "reason"))
    for name in ("accept", "reason"):
        if name not in fields:
            raise refuse(name, "is missing")
    accept, reason = value_of(fields["accept"], "accept"), value_of(fields["reason"], "reason")
    if not isinstance(accept, bool):
        raise refuse("accept", "is true or false")
    if not isinstance(reason, str):
        raise refuse("reason", "is a text")
    decided = await requests.decide_request(access, operator, request_id, accept=accept, reason=reason)
    return Response(request_shape(decided, for_operator=True))


ROUTES: Final = (list_requests, decide_request)
