"""Requests to the operator, as the API shows them."""

import msgspec

from farebox.access.requests import RequestKind, RequestPage, RequestStatus, ReviewRequest, show_request
from farebox.api.shapes import moment
from farebox.base.clock import rfc3339
from farebox.base.ids import show_short
from farebox.identity.model import OPERATOR


class RequestShape(msgspec.Struct, frozen=True, kw_only=True):
    """A request to the operator. `models` and `note` are of a purchase request. `reason`: what the operator said to it.
    `decided_by`: a person, or `operator`; null while it waits."""

    request_id: str
    workspace_id: str
    workspace_name: str
    kind: RequestKind
    title: str
    models: list[str]
    note: str
    status: RequestStatus
    created_at: str
    created_by: str
    decided_at: str | None
    decided_by: str | None
    reason: str


class RequestList(msgspec.Struct, frozen=True, kw_only=True):
    """Requests. Go on with `?cursor=<next_cursor>`."""

    data: list[RequestShape]
    has_more: bool
    next_cursor: str | None
    object: str = "list"


def request_shape(request: ReviewRequest, *, for_operator: bool = False) -> RequestShape:
    """A request. Which of the operator's people decided is for the operator alone."""
    decided_by = request.decided_by
    if decided_by is not None and not for_operator and request.status is not RequestStatus.WITHDRAWN:
        decided_by = OPERATOR
    return RequestShape(
        request_id=show_request(request.request_id),
        workspace_id=show_short("ws", request.workspace_id),
        workspace_name=request.workspace_name,
        kind=request.kind,
        title=request.title,
        models=list(request.models),
        note=request.note,
        status=request.status,
        created_at=rfc3339(request.created_at),
        created_by=request.created_by,
        decided_at=moment(request.decided_at),
        decided_by=decided_by,
        reason=request.reason,
    )


def request_list(page: RequestPage, *, for_operator: bool = False) -> RequestList:
    """A page of them."""
    data = [request_shape(request, for_operator=for_operator) for request in page.rows]
    return RequestList(data=data, has_more=page.next_cursor is not None, next_cursor=page.next_cursor)
