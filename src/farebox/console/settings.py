"""A workspace's name, and the policy that holds for all of its keys."""

from typing import Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from farebox.access.asking import Caller
from farebox.access.depend import AnyRequest, TheAccess, TheCaller
from farebox.access.form import form_of
from farebox.access.manage_policy import set_workspace_policy
from farebox.access.pages import TheTemplates, see_other
from farebox.access.parts import Access
from farebox.access.team import rename_workspace
from farebox.base.errors import Problem
from farebox.catalog.policy import Rule
from farebox.console.choices import policy_choices
from farebox.console.key_form import (
    POLICY_FIELDS,
    PolicyFields,
    merged_policy,
    policy_fields,
    policy_of,
    shown_policy_before,
    shown_text,
    typed_policy,
)
from farebox.console.place import done_of, place_of, show_page
from farebox.identity.policies import UnreadableRule, read_rules
from farebox.identity.roles import Verb
from farebox.routing.shown import rule_view
from farebox.storage.pool import connected
from farebox.web.pages import Templates


@get("/console/{workspace:str}/settings", opt={"verb": Verb.WORKSPACE_READ})
async def show_settings(
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
    done: FromQuery[str | None] = None,
) -> Response[Any]:
    """The name with its form, and the policy."""
    del workspace
    return await _settings(access, caller, templates, done=done_of(done))


@post(
    "/console/{workspace:str}/settings",
    opt={"verb": Verb.WORKSPACE_CHANGE, "back": "/console/{workspace}/settings"},
    status_code=303,
)
async def rename(
    request: AnyRequest, access: TheAccess, caller: TheCaller, templates: TheTemplates, *, workspace: FromPath[str]
) -> Response[Any]:
    """Another name."""
    name = (await form_of(request)).text("name")
    try:
        await rename_workspace(access, caller, name)
    except Problem as problem:
        return await _settings(access, caller, templates, problem=problem, name=name)
    return see_other(f"/console/{workspace}/settings?done=saved")


@get("/console/{workspace:str}/settings/policy", opt={"verb": Verb.POLICY_CHANGE})
async def show_policy(
    access: TheAccess, caller: TheCaller, templates: TheTemplates, *, workspace: FromPath[str]
) -> Response[Any]:
    """The form of the policy."""
    del workspace
    return await _policy(access, caller, templates, policy_fields(await _rule(access, caller)))


@post(
    "/console/{workspace:str}/settings/policy",
    opt={"verb": Verb.POLICY_CHANGE, "back": "/console/{workspace}/settings/policy"},
    status_code=303,
)
async def change_policy(
    request: AnyRequest, access: TheAccess, caller: TheCaller, templates: TheTemplates, *, workspace: FromPath[str]
) -> Response[Any]:
    """Regions, retention and providers; whatever else the policy says stays."""
    form, rule = await form_of(request), await _rule(access, caller)
    typed, now = typed_policy(form), policy_fields(rule)
    before = shown_policy_before(form, now)
    try:
        await set_workspace_policy(access, caller, policy_of(merged_policy(before, typed, now), rule))
    except Problem as problem:
        return await _policy(access, caller, templates, typed, before=before, problem=problem)
    return see_other(f"/console/{workspace}/settings?done=saved")


async def _settings(
    access: Access,
    caller: Caller,
    templates: Templates,
    *,
    problem: Problem | None = None,
    name: str | None = None,
    done: str = "",
) -> Response[Any]:
    place, rule = await place_of(access, caller), await _rule(access, caller)
    return show_page(
        templates,
        "settings.html",
        problem=problem,
        place=place,
        session=caller.session,
        here="/settings",
        done=done,
        typed_name=place.name if name is None else name,
        rule=None if rule is None else rule_view(rule),
    )


async def _policy(
    access: Access,
    caller: Caller,
    templates: Templates,
    typed: PolicyFields,
    *,
    before: PolicyFields | None = None,
    problem: Problem | None = None,
) -> Response[Any]:
    return show_page(
        templates,
        "policy.html",
        problem=problem,
        shown=shown_text(before or typed),
        place=await place_of(access, caller),
        session=caller.session,
        here="/settings",
        fields=POLICY_FIELDS,
        typed=typed,
        choices=policy_choices(access.catalog(), typed),
    )


async def _rule(access: Access, caller: Caller) -> Rule | None:
    """The workspace's own; None: it cannot be read."""
    async with connected(access.pool) as connection:
        try:
            return (await read_rules(connection, caller.workspace_id)).workspace
        except UnreadableRule:
            return None


ROUTES: tuple[HTTPRouteHandler, ...] = (show_settings, rename, show_policy, change_policy)
