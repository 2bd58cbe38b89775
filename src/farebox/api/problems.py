"""Every way a request can fail, as an entry of the one catalogue."""

from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from farebox.base.errors import Problem
from farebox.storage.errors import DatabaseUnavailable
from farebox.web.envelope import REQUEST_ID
from farebox.web.errors import CLIENT_LEFT, problem_body, problem_headers

AnyRequest = Request[Any, Any, Any]

_log = structlog.get_logger(__name__)
_METHODS = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS")
_CODES = {404: "not_found", 405: "method_not_allowed", 413: "request_too_large"}


def request_id_of(request: AnyRequest) -> str:
    """The id that the envelope gave the request."""
    return str(dict(request.scope).get(REQUEST_ID, ""))


def _render(request: AnyRequest, problem: Problem) -> Response[bytes]:
    headers = dict(problem_headers(problem))
    body = problem_body(problem, request_id_of(request))
    return Response(body, status_code=problem.entry.status, media_type=headers.pop("content-type"), headers=headers)


def _on_problem(request: AnyRequest, problem: Problem) -> Response[bytes]:
    return _render(request, problem)


def _on_database(request: AnyRequest, error: DatabaseUnavailable) -> Response[bytes]:
    _log.warning("database unavailable", request_id=request_id_of(request), why=str(error))
    return _render(request, Problem("database_unavailable", "The database is not available.", retry_after_seconds=1))


def _on_http(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    """What the framework refuses: addresses, methods, malformed queries."""
    if error.status_code >= 500 and error.detail != CLIENT_LEFT:
        return _on_any(request, error)
    code = _CODES.get(error.status_code, "invalid_request")
    messages = {
        "not_found": "There is nothing at this address.",
        "request_too_large": "The body is larger than anything that is read here.",
        "method_not_allowed": f"This address does not know the method {request.scope['method']}.",
    }
    response = _render(request, Problem(code, messages.get(code, "The request cannot be read.")))
    if code == "method_not_allowed":
        response.headers["allow"] = ", ".join(_methods_at(request))
    return response


def _methods_at(request: AnyRequest) -> list[str]:
    """What may be done at an address. The framework has forgotten it when it refuses a method."""
    asked = [part for part in request.url.path.split("/") if part]
    found: set[str] = set()
    for route in request.app.routes:
        known = route.path_components
        if len(known) == len(asked) and all(
            not isinstance(name, str) or name == part for name, part in zip(known, asked, strict=True)
        ):
            found.update(route.methods)
    return [method for method in _METHODS if method in found or (method == "HEAD" and "GET" in found)]


def _on_any(request: AnyRequest, error: Exception) -> Response[bytes]:
    _log.error("request failed", request_id=request_id_of(request), path=request.url.path, exc_info=error)
    return _render(request, Problem("internal_error", "Something went wrong here."))


HANDLERS: ExceptionHandlersMap = {
    Problem: _on_problem,
    DatabaseUnavailable: _on_database,
    HTTPException: _on_http,
    Exception: _on_any,
}
