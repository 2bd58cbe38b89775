"""Pages."""

from litestar.handlers import HTTPRouteHandler

ROUTES: tuple[HTTPRouteHandler, ...] = ()
