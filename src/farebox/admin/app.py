"""Operators' pages as one ASGI app."""

from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler

from farebox.access.asking import Operator, require_operator
from farebox.access.depend import VERB, AnyRequest, asked_of
from farebox.access.pages import build_pages, templates_of
from farebox.access.parts import Access
from farebox.admin import acts, events, requests, roles, workspaces
from farebox.base.errors import Problem
from farebox.web.envelope import App

ROUTES: tuple[HTTPRouteHandler, ...] = (
    *workspaces.ROUTES,
    *acts.ROUTES,
    *requests.ROUTES,
    *events.ROUTES,
    *roles.ROUTES,
)


def build_admin(access: Access) -> App:
    """The app for `/admin`."""

    async def the_operator(request: AnyRequest) -> Operator:
        asked = asked_of(request)
        # Pages are for people: a token has nothing to do here. Who is not signed in learns by signing in whether there
        # is anything for them.
        if asked.bears_key or not asked.token:
            raise Problem("not_signed_in", "Nobody is signed in.", facts={"reason": "missing"})
        return await require_operator(access, asked, request.scope["route_handler"].opt[VERB])

    templates = templates_of(access, "farebox.admin")
    return build_pages(access, ROUTES, templates, providers={"operator": Provide(the_operator)})
