"""Who works on the whole installation."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from farebox.access import platform_roles
from farebox.access.asking import Operator
from farebox.access.depend import AnyRequest, TheAccess, TheOperator
from farebox.access.form import form_of
from farebox.access.look_up import people_called
from farebox.access.pages import TheTemplates
from farebox.access.parts import Access
from farebox.admin.place import back_to, done_of, show_page
from farebox.base.errors import Problem
from farebox.identity.people.model import show_person
from farebox.identity.roles import PlatformRole, PlatformVerb
from farebox.web.pages import Templates

_LIST: Final = "/admin/roles"
WORDS: Final = {
    PlatformRole.SUPERADMIN: "Everything, and gives these roles.",
    PlatformRole.FINANCE: "Credits, sets limits, decides requests, reads events.",
    PlatformRole.SUPPORT: "Sets limits and policies, freezes workspaces.",
    PlatformRole.AUDITOR: "Reads everything, changes nothing.",
}


@get(_LIST, opt={"verb": PlatformVerb.ROLES_READ})
async def list_roles(
    access: TheAccess, operator: TheOperator, templates: TheTemplates, *, done: FromQuery[str] = ""
) -> Response[Any]:
    """Everybody with a role."""
    holders = await platform_roles.list_roles(access)
    return show_page(
        templates,
        "roles.html",
        operator,
        here=_LIST,
        done=done_of(done),
        holders=holders,
        words=WORDS,
        people=await people_called(access, [holder.granted_by for holder in holders]),
    )


@get("/admin/roles/new", opt={"verb": PlatformVerb.ROLES_MANAGE})
async def show_grant(operator: TheOperator, templates: TheTemplates) -> Response[Any]:
    """The form."""
    return _grant_form(operator, templates, {"email": "", "role": PlatformRole.SUPPORT})


@post("/admin/roles/new", opt={"verb": PlatformVerb.ROLES_MANAGE, "back": "/admin/roles/new"}, status_code=303)
async def grant(
    request: AnyRequest, access: TheAccess, operator: TheOperator, templates: TheTemplates
) -> Response[Any]:
    """Given, and back to the list."""
    form = await form_of(request)
    try:
        await platform_roles.grant_role(access, operator, form.text("email"), _role(form.text("role")))
    except Problem as problem:
        return _grant_form(operator, templates, form.typed("email", "role"), problem)
    return back_to(_LIST, "granted")


@get("/admin/roles/{person_id:str}/take", opt={"verb": PlatformVerb.ROLES_MANAGE})
async def show_take(
    access: TheAccess, operator: TheOperator, templates: TheTemplates, *, person_id: FromPath[str]
) -> Response[Any]:
    """Asks once more."""
    return await _take_form(access, operator, templates, person_id)


@post(
    "/admin/roles/{person_id:str}/take",
    opt={"verb": PlatformVerb.ROLES_MANAGE, "back": "/admin/roles/{person_id}/take"},
    status_code=303,
)
async def take(
    access: TheAccess, operator: TheOperator, templates: TheTemplates, *, person_id: FromPath[str]
) -> Response[Any]:
    """Taken, and back to the list."""
    try:
        await platform_roles.take_role(access, operator, person_id)
    except Problem as problem:
        return await _take_form(access, operator, templates, person_id, problem=problem)
    return back_to(_LIST, "taken")


def _grant_form(
    operator: Operator, templates: Templates, typed: dict[str, str], problem: Problem | None = None
) -> Response[Any]:
    options = [(role.value, f"{role.value.capitalize()}: {words}") for role, words in WORDS.items()]
    return show_page(templates, "grant.html", operator, problem=problem, here=_LIST, typed=typed, options=options)


async def _take_form(
    access: Access, operator: Operator, templates: Templates, person_id: str, *, problem: Problem | None = None
) -> Response[Any]:
    holders = await platform_roles.list_roles(access)
    holder = next((each for each in holders if show_person(each.person_id) == person_id), None)
    if holder is None:
        raise Problem("not_found", "Nobody of that id has a role here.", param="person_id")
    return show_page(templates, "take.html", operator, problem=problem, here=_LIST, holder=holder)


def _role(text: str) -> PlatformRole:
    if text not in tuple(PlatformRole):
        raise Problem("invalid_request", "Choose a role.", param="role")
    return PlatformRole(text)


ROUTES: tuple[HTTPRouteHandler, ...] = (list_roles, show_grant, grant, show_take, take)
