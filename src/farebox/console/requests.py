"""What a workspace asks the operator for: models that somebody would like to buy, in their own words."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from farebox.access.asking import Caller
from farebox.access.depend import AnyRequest, TheAccess, TheCaller
from farebox.access.form import form_of
from farebox.access.pages import TheTemplates, see_other
from farebox.access.parts import Access
from farebox.access.requests import MAX_NOTE_CHARS, list_own_requests, make_request, show_request, withdraw_request
from farebox.base.errors import Problem
from farebox.console.place import done_of, place_of, show_page
from farebox.identity.roles import Verb
from farebox.web.pages import Templates

# Lines of one page: what people can look through.
PAGE: Final = 50


@get("/console/{workspace:str}/requests", opt={"verb": Verb.BILLING_READ})
async def show_requests(
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
    done: FromQuery[str | None] = None,
    cursor: FromQuery[str | None] = None,
) -> Response[Any]:
    """The newest first, with what became of them."""
    del workspace
    return await _requests(access, caller, templates, done=done_of(done), cursor=cursor)


@get("/console/{workspace:str}/requests/new", opt={"verb": Verb.BILLING_MANAGE})
async def show_new_request(
    access: TheAccess, caller: TheCaller, templates: TheTemplates, *, workspace: FromPath[str]
) -> Response[Any]:
    """The form."""
    del workspace
    return await _new(access, caller, templates)


@post(
    "/console/{workspace:str}/requests/new",
    opt={"verb": Verb.BILLING_MANAGE, "back": "/console/{workspace}/requests/new"},
    status_code=303,
)
async def ask(
    request: AnyRequest, access: TheAccess, caller: TheCaller, templates: TheTemplates, *, workspace: FromPath[str]
) -> Response[Any]:
    """Sent to the operator."""
    form = await form_of(request)
    models, note = form.all("models"), form.text("note")
    try:
        await make_request(access, caller, models=models, note=note)
    except Problem as problem:
        return await _new(access, caller, templates, problem=problem, models=models, note=note)
    return see_other(f"/console/{workspace}/requests?done=asked")


@post(
    "/console/{workspace:str}/requests/{request_id:str}/withdraw",
    opt={"verb": Verb.BILLING_MANAGE, "back": "/console/{workspace}/requests"},
    status_code=303,
)
async def withdraw(
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
    request_id: FromPath[str],
) -> Response[Any]:
    """Taken back, if nobody has decided it yet."""
    try:
        await withdraw_request(access, caller, request_id)
    except Problem as problem:
        return await _requests(access, caller, templates, problem=problem)
    return see_other(f"/console/{workspace}/requests?done=withdrawn")


async def _requests(
    access: Access,
    caller: Caller,
    templates: Templates,
    *,
    problem: Problem | None = None,
    done: str = "",
    cursor: str | None = None,
) -> Response[Any]:
    return show_page(
        templates,
        "requests.html",
        problem=problem,
        place=await place_of(access, caller),
        session=caller.session,
        here="/requests",
        done=done,
        page=await list_own_requests(access, caller, cursor=cursor or None, most=PAGE),
        is_first=not cursor,
        show_request=show_request,
    )


async def _new(
    access: Access,
    caller: Caller,
    templates: Templates,
    *,
    problem: Problem | None = None,
    models: list[str] | None = None,
    note: str = "",
) -> Response[Any]:
    catalog = access.catalog()
    return show_page(
        templates,
        "request_new.html",
        problem=problem,
        place=await place_of(access, caller),
        session=caller.session,
        here="/requests",
        choices=[(model.model_id, f"{model.display_name} ({model.workload})") for model in catalog.models.values()],
        models=models or [],
        note=note,
        max_note_chars=MAX_NOTE_CHARS,
    )


ROUTES: tuple[HTTPRouteHandler, ...] = (show_requests, show_new_request, ask, withdraw)
