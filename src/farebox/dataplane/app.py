"""The data plane's ASGI application: raw, because a framework would cost as much as the rest of a call.

Paths are matched with and without `/v1`, the query string is ignored, nothing redirects, and every answer carries
`x-request-id` and `request-id`.
"""

from uuid import UUID

import structlog

from farebox.base.errors import Problem
from farebox.base.ids import show_call, uuid7
from farebox.dataplane.asgi import ClientLeft, Pairs, id_headers, send_problem, send_whole
from farebox.dataplane.models import list_models, show_model
from farebox.dataplane.parts import Parts, Receive, Scope, Send
from farebox.dataplane.spend import Refused, chat_completions

_METHODS = {"/chat/completions": "POST", "/models": "GET"}

_log = structlog.get_logger(__name__)


def serves(path: str) -> bool:
    """Whether the data plane answers this path: `/v1/…`, or one of its own without the prefix."""
    return path == "/v1" or path in _METHODS or path.startswith(("/v1/", "/models/"))


class Dataplane:
    """Answers `/v1/…`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; whatever goes wrong before the first byte becomes an error of the catalogue."""
        parts = self._parts
        call_id = uuid7(parts.clock())
        headers: Pairs = id_headers(call_id)
        try:
            await self._serve(scope, receive, send, call_id)
            return
        except ClientLeft:
            return
        except Refused as refused:
            problem, headers = refused.problem, [*headers, *refused.headers]
        except Problem as found:
            problem = found
        except Exception as error:
            _log.error("request failed", call_id=show_call(call_id), why=type(error).__name__)
            problem = Problem("internal_error", "The gateway failed before anything was charged.")
        if problem.code == "method_not_allowed":
            headers = [*headers, (b"allow", b"GET, HEAD" if scope["path"].endswith("/models") else b"POST")]
        parts.metrics.refused(problem.code)
        await send_problem(send, problem, headers, call_id)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, call_id: UUID) -> None:
        path: str = scope["path"].removeprefix("/v1").rstrip("/") or "/"
        method: str = scope["method"]
        if path == "/chat/completions" and method == "POST":
            await chat_completions(self._parts, scope["headers"], receive=receive, send=send, call_id=call_id)
            return
        body = await self._read(path, "GET" if method == "HEAD" else method, scope)
        headers = [*id_headers(call_id), (b"content-type", b"application/json")]
        headers.append((b"content-length", str(len(body)).encode()))
        await send_whole(send, 200, headers, b"" if method == "HEAD" else body)

    async def _read(self, path: str, method: str, scope: Scope) -> bytes:
        if path in _METHODS and method != _METHODS[path]:
            raise Problem("method_not_allowed", f"Use {_METHODS[path]} for this address.")
        if method == "GET" and path == "/models":
            return await list_models(self._parts, scope["headers"])
        if method == "GET" and path.startswith("/models/"):
            return await show_model(self._parts, scope["headers"], path.removeprefix("/models/"))
        if method == "GET" and path == "/":
            return b'{"object":"gateway"}'
        raise Problem("not_found", "There is nothing at this address.")
