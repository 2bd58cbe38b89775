"""What waits for the operator's decision."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from farebox.access import requests
from farebox.access.depend import AnyRequest, TheAccess, TheOperator
from farebox.access.form import form_of
from farebox.access.look_up import people_called
from farebox.access.pages import TheTemplates
from farebox.access.requests import RequestStatus
from farebox.admin.place import back_to, done_of, show_page
from farebox.base.errors import Problem
from farebox.identity.roles import PlatformVerb

ROWS: Final = 50
_LIST: Final = "/admin/requests"


@get(_LIST, opt={"verb": PlatformVerb.REQUESTS_READ})
async def list_requests(
    access: TheAccess,
    operator: TheOperator,
    templates: TheTemplates,
    *,
    status: FromQuery[str] = "",
    cursor: FromQuery[str] = "",
    done: FromQuery[str] = "",
) -> Response[Any]:
    """Those that wait, who has waited longest first; or those of another status, the newest first."""
    wanted = RequestStatus(status) if status in tuple(RequestStatus) else RequestStatus.WAITING
    page = await requests.list_requests(access, operator, status=wanted, cursor=cursor or None, most=ROWS)
    return show_page(
        templates,
        "requests.html",
        operator,
        here=_LIST,
        done=done_of(done),
        chosen=wanted,
        statuses=tuple(RequestStatus),
        page=page,
        people=await people_called(access, [name for row in page.rows for name in (row.created_by, row.decided_by)]),
    )


@get("/admin/requests/{request_id:str}", opt={"verb": PlatformVerb.REQUESTS_DECIDE})
async def show_request(
    access: TheAccess, operator: TheOperator, templates: TheTemplates, *, request_id: FromPath[str]
) -> Response[Any]:
    """One request, and the form of the decision."""
    found = await requests.read_request(access, operator, request_id)
    return show_page(
        templates,
        "decide.html",
        operator,
        here=_LIST,
        request=found,
        people=await people_called(access, [found.created_by, found.decided_by]),
        typed={"reason": ""},
        max_reason=requests.MAX_REASON_CHARS,
    )


@post(
    "/admin/requests/{request_id:str}",
    opt={"verb": PlatformVerb.REQUESTS_DECIDE, "back": "/admin/requests/{request_id}"},
    status_code=303,
)
async def decide_request(
    request: AnyRequest, access: TheAccess, operator: TheOperator, templates: TheTemplates, *, request_id: FromPath[str]
) -> Response[Any]:
    """Decided, and back to those that wait."""
    form = await form_of(request)
    try:
        accept = _decision(form.text("decision"))
        await requests.decide_request(access, operator, request_id, accept=accept, reason=form.text("reason"))
    except Problem as problem:
        found = await requests.read_request(access, operator, request_id)
        return show_page(
            templates,
            "decide.html",
            operator,
            problem=problem,
            here=_LIST,
            request=found,
            people=await people_called(access, [found.created_by, found.decided_by]),
            typed=form.typed("reason"),
            max_reason=requests.MAX_REASON_CHARS,
        )
    return back_to(_LIST, "accepted" if accept else "declined")


def _decision(text: str) -> bool:
    if text not in ("accept", "decline"):
        raise Problem("invalid_request", "Press Accept or Decline.")
    return text == "accept"


ROUTES: tuple[HTTPRouteHandler, ...] = (list_requests, show_request, decide_request)
