"""What all pages have in common: the app around them, their templates, and how a refusal looks."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import structlog
from litestar import Litestar, Request, Response
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.params import SkipValidation
from litestar.response import Redirect
from litestar.types import ExceptionHandlersMap

from farebox.access.depend import providers_of
from farebox.access.parts import Access
from farebox.base.errors import Problem
from farebox.base.site import local_path
from farebox.storage.errors import DatabaseUnavailable
from farebox.web.envelope import REQUEST_ID, App, Envelope
from farebox.web.errors import CLIENT_LEFT
from farebox.web.pages import Assets, Templates
from farebox.web.security import HSTS, PAGE_HEADERS

AnyRequest = Request[Any, Any, Any]
TheTemplates = NamedDependency[SkipValidation[Templates]]

# A form is a few short fields; the longest is a text about a request.
MAX_FORM_BYTES: Final = 64_000
ASSETS: Final = Assets("farebox.web")
_log = structlog.get_logger(__name__)
WHERE_TO: Final[Mapping[str, str]] = {
    "not_signed_in": "/sign-in",
    "missing_api_key": "/sign-in",
    "second_factor_required": "/sign-in/second-factor",
    "step_up_required": "/step-up",
}
"""Refusals after which people go to another page first, and then back."""
_CODES: Final[Mapping[int, str]] = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}


def build_pages(
    access: Access,
    routes: Sequence[HTTPRouteHandler],
    templates: Templates,
    *,
    providers: Mapping[str, Provide] | None = None,
) -> App:
    """Pages as one app. It has no lifespan: its parts outlive it. `providers`: in place of those of `access`."""
    own = {"templates": Provide(lambda: templates, sync_to_thread=False)}
    app = Litestar(
        route_handlers=list(routes),
        dependencies={**providers_of(access, pages=True), **own, **(providers or {})},
        exception_handlers=_handlers(templates),
        request_max_body_size=MAX_FORM_BYTES,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    return Envelope(app, access.clock, headers=headers_of(access))  # type: ignore[arg-type]


def templates_of(access: Access, *packages: str) -> Templates:
    """Templates that know the brand and where files are. A page's own values are given with it."""
    return Templates(
        *packages, "farebox.web", brand=access.brand, asset=ASSETS.url, is_sandbox=access.is_sandbox, clock=access.clock
    )


def headers_of(access: Access) -> list[tuple[bytes, bytes]]:
    """What every page has."""
    is_https = access.site is not None and access.site.is_https
    return [*PAGE_HEADERS, *([HSTS] if is_https else [])]


def see_other(path: str) -> Redirect:
    """Go on to another page after a form was taken: a reload there sends nothing twice."""
    return Redirect(path, status_code=303)


def _handlers(templates: Templates) -> ExceptionHandlersMap:
    def shown(request: AnyRequest, problem: Problem) -> Response[Any]:
        request_id = str(dict(request.scope).get(REQUEST_ID, ""))
        headers = {} if problem.retry_after_seconds is None else {"retry-after": str(problem.retry_after_seconds)}
        page = templates.page("problem.html", problem.entry.status, problem=problem, request_id=request_id)
        page.headers.update(headers)
        return page

    def on_problem(request: AnyRequest, problem: Problem) -> Response[Any]:
        where = WHERE_TO.get(problem.code)
        if where is None:
            return shown(request, problem)
        return see_other(f"{where}?next={quote(_back_to(request), safe='/')}")

    def on_database(request: AnyRequest, error: DatabaseUnavailable) -> Response[Any]:
        return shown(request, Problem("database_unavailable", "The database is not available.", retry_after_seconds=1))

    def on_http(request: AnyRequest, error: HTTPException) -> Response[Any]:
        if error.status_code >= 500 and error.detail != CLIENT_LEFT:
            return on_any(request, error)
        code = _CODES.get(error.status_code, "invalid_request")
        messages = {"not_found": "There is no such page.", "request_too_large": "This form is too large."}
        page = shown(request, Problem(code, messages.get(code, "The request cannot be read.")))
        page.headers.update({name: value for name, value in (error.headers or {}).items() if name.lower() == "allow"})
        return page

    def on_any(request: AnyRequest, error: Exception) -> Response[Any]:
        # The route and not the address: that may be an invitation's, which lets its reader in.
        _log.error("page failed", path=request.scope.get("path_template", ""), exc_info=error)
        return shown(request, Problem("internal_error", "Something went wrong here."))

    return {Problem: on_problem, DatabaseUnavailable: on_database, HTTPException: on_http, Exception: on_any}


def _back_to(request: AnyRequest) -> str:
    """Where to go on afterwards: the page itself, or the one whose form was sent."""
    if request.method in ("GET", "HEAD"):
        query = request.scope["query_string"].decode("latin-1")
        return local_path(request.url.path + (f"?{query}" if query else ""), "/console")
    path = str(request.scope["route_handler"].opt.get("back", "/console"))
    for name, value in request.path_params.items():
        path = path.replace(f"{{{name}}}", str(value))
    return local_path(path, "/console")
