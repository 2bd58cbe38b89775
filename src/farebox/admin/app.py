"""Operators' pages as one ASGI app."""

from litestar.handlers import HTTPRouteHandler

from farebox.access.pages import build_pages, templates_of
from farebox.access.parts import Access
from farebox.web.envelope import App

ROUTES: tuple[HTTPRouteHandler, ...] = ()


def build_admin(access: Access) -> App:
    """The app for `/admin`."""
    templates = templates_of(access, "farebox.admin")
    return build_pages(access, ROUTES, templates)
