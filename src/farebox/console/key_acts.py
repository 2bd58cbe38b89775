"""Making, rolling and revoking a key. The forms themselves ask for a fresh proof of who it is, so that nothing that was
typed gets lost on the way to one."""

from typing import Any, Final

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.access.asking import Caller
from farebox.access.depend import AnyRequest, TheAccess, TheCaller
from farebox.access.form import form_of
from farebox.access.key_views import NewKey
from farebox.access.manage_keys import make_key, read_key, revoke_key, roll_key
from farebox.access.managing import key_faults
from farebox.access.pages import TheTemplates, see_other
from farebox.access.parts import Access
from farebox.base.errors import Problem
from farebox.console.choices import choices_of
from farebox.console.home import base_url
from farebox.console.key_form import FIELDS, KeyFields, new_body, typed_key
from farebox.console.place import place_of, show_page
from farebox.console.snippets import curl, first_model
from farebox.identity.checks import DEFAULT_OVERLAP_SECONDS
from farebox.identity.roles import Verb
from farebox.web.pages import Templates

OVERLAPS: Final = (
    ("0", "Not at all: it stops at once"),
    ("3600", "An hour"),
    ("86400", "A day"),
    ("604800", "A week"),
    ("2592000", "30 days"),
)


@get("/console/{workspace:str}/keys/new", opt={"verb": Verb.KEYS_MANAGE})
async def show_new_key(
    access: TheAccess, caller: TheCaller, templates: TheTemplates, *, workspace: FromPath[str]
) -> Response[Any]:
    """The form."""
    del workspace
    return await _new_key(access, caller, templates)


@post(
    "/console/{workspace:str}/keys/new",
    opt={"verb": Verb.KEYS_MANAGE, "back": "/console/{workspace}/keys/new"},
    status_code=200,
)
async def make_new_key(
    request: AnyRequest, access: TheAccess, caller: TheCaller, templates: TheTemplates, *, workspace: FromPath[str]
) -> Response[Any]:
    """Made; its secret is on this answer and nowhere else."""
    del workspace
    form = await form_of(request)
    fields = typed_key(form)
    try:
        with key_faults():
            made = await make_key(access, caller, new_body(fields), since_micros=_moment(form.text("shown_at")))
    except Problem as problem:
        return await _new_key(access, caller, templates, problem=problem, fields=fields)
    return await _secret(access, caller, templates, made)


@get("/console/{workspace:str}/keys/{key_id:str}/roll", opt={"verb": Verb.KEYS_MANAGE})
async def show_roll(
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
    key_id: FromPath[str],
) -> Response[Any]:
    """What rolling does, and for how long both keys work."""
    del workspace
    return await _of_key(access, caller, templates, key_id, page="key_roll.html", overlap=str(DEFAULT_OVERLAP_SECONDS))


@post(
    "/console/{workspace:str}/keys/{key_id:str}/roll",
    opt={"verb": Verb.KEYS_MANAGE, "back": "/console/{workspace}/keys/{key_id}/roll"},
    status_code=200,
)
async def roll(
    request: AnyRequest,
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
    key_id: FromPath[str],
) -> Response[Any]:
    """A successor; its secret is on this answer and nowhere else. A key is rolled once, so sending it again makes no
    other."""
    del workspace
    overlap = (await form_of(request)).text("overlap_seconds")
    try:
        made = await roll_key(access, caller, key_id, lambda: _overlap(overlap))
    except Problem as problem:
        return await _of_key(access, caller, templates, key_id, page="key_roll.html", problem=problem, overlap=overlap)
    return await _secret(access, caller, templates, made)


@get("/console/{workspace:str}/keys/{key_id:str}/revoke", opt={"verb": Verb.KEYS_MANAGE})
async def show_revoke(
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
    key_id: FromPath[str],
) -> Response[Any]:
    """Asks once more."""
    del workspace
    return await _of_key(access, caller, templates, key_id, page="key_revoke.html")


@post(
    "/console/{workspace:str}/keys/{key_id:str}/revoke",
    opt={"verb": Verb.KEYS_MANAGE, "back": "/console/{workspace}/keys/{key_id}/revoke"},
    status_code=303,
)
async def revoke(
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
    key_id: FromPath[str],
) -> Response[Any]:
    """Revoked, and back to it."""
    try:
        await revoke_key(access, caller, key_id)
    except Problem as problem:
        return await _of_key(access, caller, templates, key_id, page="key_revoke.html", problem=problem)
    return see_other(f"/console/{workspace}/keys/{key_id}?done=revoked")


async def _new_key(
    access: Access,
    caller: Caller,
    templates: Templates,
    *,
    problem: Problem | None = None,
    fields: KeyFields | None = None,
) -> Response[Any]:
    typed = fields or KeyFields()
    return show_page(
        templates,
        "key_new.html",
        problem=problem,
        place=await place_of(access, caller),
        session=caller.session,
        here="/keys",
        fields=FIELDS,
        typed=typed,
        choices=choices_of(access.catalog(), typed),
        shown_at=access.clock(),
    )


async def _of_key(
    access: Access, caller: Caller, templates: Templates, key_id: str, *, page: str, **values: Any
) -> Response[Any]:
    """A page about one key. Raises Problem(`not_found`)."""
    return show_page(
        templates,
        page,
        place=await place_of(access, caller),
        session=caller.session,
        here="/keys",
        key=await read_key(access, caller, key_id),
        overlaps=OVERLAPS,
        **values,
    )


async def _secret(access: Access, caller: Caller, templates: Templates, made: NewKey) -> Response[Any]:
    url = base_url(access)
    model = first_model(access.catalog(), made.key.record.allowed_models)
    return show_page(
        templates,
        "key_secret.html",
        place=await place_of(access, caller),
        session=caller.session,
        here="/keys",
        made=made,
        base_url=url,
        curl=curl(url, made.secret, model),
    )


def _moment(shown_at: str) -> int | None:
    """When the form was shown, as it says itself; None: it does not."""
    return int(shown_at) if shown_at.isascii() and shown_at.isdigit() and len(shown_at) < 20 else None


def _overlap(text: str) -> int:
    """Seconds. Raises Problem(`invalid_request`)."""
    if text not in dict(OVERLAPS):
        raise Problem("invalid_request", "Choose how long the former key works on.", param="overlap_seconds")
    return int(text)


ROUTES: tuple[HTTPRouteHandler, ...] = (show_new_key, make_new_key, show_roll, roll, show_revoke, revoke)
