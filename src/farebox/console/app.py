"""Customers' pages as one ASGI app."""

from litestar import Response, get
from litestar.params import FromPath

from farebox.access.pages import ASSETS, build_pages, templates_of
from farebox.access.parts import Access
from farebox.base.errors import Problem
from farebox.console import (
    account,
    events,
    home,
    invited,
    inviting,
    key_acts,
    key_change,
    keys,
    new_workspace,
    requests,
    second_factor,
    settings,
    sign_in,
    step_up,
    team,
    wallets,
    welcome,
)
from farebox.web.envelope import App


@get("/assets/{version:str}/{name:str}", include_in_schema=False)
async def show_asset(version: FromPath[str], name: FromPath[str]) -> Response[bytes]:
    """A script or a style."""
    found = ASSETS.answer(version, name)
    if found is None:
        raise Problem("not_found", "There is no such file.")
    return found


ROUTES = (
    show_asset,
    *welcome.ROUTES,
    *sign_in.ROUTES,
    *step_up.ROUTES,
    *account.ROUTES,
    *second_factor.ROUTES,
    *home.ROUTES,
    *new_workspace.ROUTES,
    *keys.ROUTES,
    *key_acts.ROUTES,
    *key_change.ROUTES,
    *team.ROUTES,
    *inviting.ROUTES,
    *invited.ROUTES,
    *settings.ROUTES,
    *events.ROUTES,
    *wallets.ROUTES,
    *requests.ROUTES,
)


def build_console(access: Access) -> App:
    """The app for all pages but the operators'."""
    templates = templates_of(access, "farebox.console")
    return build_pages(access, ROUTES, templates)
