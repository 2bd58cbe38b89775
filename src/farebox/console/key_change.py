"""Changing a key: what it may do, its limits and its policy, each by a form of its own on one page."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from farebox.access.asking import Caller
from farebox.access.depend import AnyRequest, TheAccess, TheCaller
from farebox.access.form import form_of
from farebox.access.key_views import KeyView
from farebox.access.manage_keys import change_key, read_key
from farebox.access.manage_limits import set_key_limits
from farebox.access.manage_policy import set_key_policy
from farebox.access.managing import key_faults
from farebox.access.pages import TheTemplates, see_other
from farebox.access.parts import Access
from farebox.base.errors import Problem
from farebox.console.choices import choices_of
from farebox.console.key_form import (
    FIELDS,
    KeyFields,
    changed_body,
    fields_of,
    limit_changes,
    merged_policy,
    policy_fields,
    policy_of,
    shown_before,
    shown_text,
    typed_key,
    typed_limits,
    typed_policy,
)
from farebox.console.place import place_of, show_page
from farebox.identity.roles import Verb
from farebox.web.pages import Templates

_PATH: Final = "/console/{workspace:str}/keys/{key_id:str}"
_OPT: Final = {"verb": Verb.KEYS_MANAGE, "back": "/console/{workspace}/keys/{key_id}/change"}


@get(f"{_PATH}/change", opt={"verb": Verb.KEYS_MANAGE})
async def show_change(
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
    key_id: FromPath[str],
) -> Response[Any]:
    """The forms, as the key is."""
    del workspace
    key = await read_key(access, caller, key_id)
    return await _show(_Page(access, caller, templates, key, fields_of(key), fields_of(key)))


@post(f"{_PATH}/change", opt=_OPT, status_code=303)
async def change(
    request: AnyRequest,
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
    key_id: FromPath[str],
) -> Response[Any]:
    """Name, labels, scopes, models, networks and expiry."""
    key, form = await read_key(access, caller, key_id), await form_of(request)
    before, typed = shown_before(form, key), typed_key(form)
    shown = msgspec.structs.replace(typed, limits=before.limits, policy=before.policy)

    async def act() -> None:
        with key_faults():
            body = changed_body(before, typed)
        if body is not None:
            await change_key(access, caller, key_id, lambda: body)

    page = _Page(access, caller, templates, key, shown, before)
    return await _saved(page, act, f"/console/{workspace}/keys/{key_id}")


@post(f"{_PATH}/limits", opt=_OPT, status_code=303)
async def change_limits(
    request: AnyRequest,
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
    key_id: FromPath[str],
) -> Response[Any]:
    """Requests and dollars by day, month and lifetime."""
    key, form = await read_key(access, caller, key_id), await form_of(request)
    before, typed = shown_before(form, key), typed_limits(form)

    async def act() -> None:
        if changes := limit_changes(typed, before.limits):
            await set_key_limits(access, caller, key_id, lambda: changes)

    page = _Page(access, caller, templates, key, msgspec.structs.replace(before, limits=typed), before)
    return await _saved(page, act, f"/console/{workspace}/keys/{key_id}")


@post(f"{_PATH}/policy", opt=_OPT, status_code=303)
async def change_policy(
    request: AnyRequest,
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
    key_id: FromPath[str],
) -> Response[Any]:
    """Regions, retention and providers; whatever else the policy says stays."""
    key, form = await read_key(access, caller, key_id), await form_of(request)
    before, typed = shown_before(form, key), typed_policy(form)

    async def act() -> None:
        if typed != before.policy or key.holding.rule is None:
            wanted = merged_policy(before.policy, typed, policy_fields(key.holding.rule))
            await set_key_policy(access, caller, key_id, lambda: policy_of(wanted, key.holding.rule))

    page = _Page(access, caller, templates, key, msgspec.structs.replace(before, policy=typed), before)
    return await _saved(page, act, f"/console/{workspace}/keys/{key_id}")


class _Page(msgspec.Struct, frozen=True):
    """The page as it is shown again where something is refused. `before`: how it was opened."""

    access: Access
    caller: Caller
    templates: Templates
    key: KeyView
    typed: KeyFields
    before: KeyFields


async def _saved(page: _Page, act: Callable[[], Awaitable[None]], path: str) -> Response[Any]:
    try:
        await act()
    except Problem as problem:
        return await _show(page, problem)
    return see_other(f"{path}?done=saved")


async def _show(page: _Page, problem: Problem | None = None) -> Response[Any]:
    return show_page(
        page.templates,
        "key_change.html",
        problem=problem,
        place=await place_of(page.access, page.caller),
        session=page.caller.session,
        here="/keys",
        key=page.key,
        fields=FIELDS,
        typed=page.typed,
        shown=shown_text(page.before),
        choices=choices_of(page.access.catalog(), page.typed),
    )


ROUTES: tuple[HTTPRouteHandler, ...] = (show_change, change, change_limits, change_policy)
