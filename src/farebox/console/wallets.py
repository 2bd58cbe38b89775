"""Wallets whose holdings count for a workspace. Linking one takes its signature, so that page needs JavaScript."""

from typing import Any

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from farebox.access.asking import Caller
from farebox.access.depend import TheAccess, TheCaller
from farebox.access.holding_wallets import list_holding, unlink_holding
from farebox.access.pages import TheTemplates, see_other
from farebox.access.parts import Access
from farebox.base.errors import Problem
from farebox.base.ids import show_short
from farebox.console.place import done_of, place_of, show_page
from farebox.identity.people.ethereum import checksummed
from farebox.identity.roles import Verb
from farebox.web.pages import Templates


@get("/console/{workspace:str}/wallets", opt={"verb": Verb.BILLING_READ})
async def show_wallets(
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
    done: FromQuery[str | None] = None,
) -> Response[Any]:
    """Those that count, then those that did."""
    del workspace
    return show_page(
        templates,
        "wallets.html",
        place=await place_of(access, caller),
        session=caller.session,
        here="/wallets",
        done=done_of(done),
        wallets=await list_holding(access, caller.workspace_id),
        checksummed=checksummed,
    )


@get("/console/{workspace:str}/wallets/link", opt={"verb": Verb.BILLING_MANAGE})
async def show_link(
    access: TheAccess, caller: TheCaller, templates: TheTemplates, *, workspace: FromPath[str]
) -> Response[Any]:
    """Choose a wallet and sign."""
    del workspace
    return show_page(
        templates,
        "wallet_link.html",
        place=await place_of(access, caller),
        session=caller.session,
        here="/wallets",
        header=f"X-{access.brand.header_prefix}-Workspace",
    )


@get("/console/{workspace:str}/wallets/{wallet_id:str}/unlink", opt={"verb": Verb.BILLING_MANAGE})
async def show_unlink(
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
    wallet_id: FromPath[str],
) -> Response[Any]:
    """Asks once more."""
    del workspace
    return await _unlink(access, caller, templates, wallet_id)


@post(
    "/console/{workspace:str}/wallets/{wallet_id:str}/unlink",
    opt={"verb": Verb.BILLING_MANAGE, "back": "/console/{workspace}/wallets/{wallet_id}/unlink"},
    status_code=303,
)
async def unlink(
    access: TheAccess,
    caller: TheCaller,
    templates: TheTemplates,
    *,
    workspace: FromPath[str],
    wallet_id: FromPath[str],
) -> Response[Any]:
    """It counts no more."""
    try:
        await unlink_holding(access, caller, wallet_id)
    except Problem as problem:
        return await _unlink(access, caller, templates, wallet_id, problem=problem)
    return see_other(f"/console/{workspace}/wallets?done=unlinked")


async def _unlink(
    access: Access, caller: Caller, templates: Templates, wallet_id: str, *, problem: Problem | None = None
) -> Response[Any]:
    """Raises Problem(`not_found`) for a wallet that does not count."""
    wallets = await list_holding(access, caller.workspace_id)
    found = next(
        (one for one in wallets if one.unlinked_at is None and show_short("holding", one.wallet_id) == wallet_id), None
    )
    if found is None:
        raise problem or Problem("not_found", "No such wallet counts for this workspace.", param="wallet_id")
    return show_page(
        templates,
        "wallet_unlink.html",
        problem=problem,
        place=await place_of(access, caller),
        session=caller.session,
        here="/wallets",
        wallet=found,
        checksummed=checksummed,
        wallet_id=wallet_id,
    )


ROUTES: tuple[HTTPRouteHandler, ...] = (show_wallets, show_link, show_unlink, unlink)
