"""The data plane's ASGI application: raw, because a framework would cost as much as the rest of a call.

Paths are matched with and without `/v1`, the query string never changes what an address means, nothing redirects, and
every answer carries `x-request-id` and `request-id`. Errors speak the dialect of their address.
"""

from uuid import UUID

import structlog

from farebox.base.errors import Problem
from farebox.base.ids import show_call, uuid7
from farebox.dataplane.asgi import ClientLeft, Exchange, Pairs, header, id_headers, send_problem, send_whole
from farebox.dataplane.count_tokens import count_tokens
from farebox.dataplane.hold import Refused
from farebox.dataplane.models import list_models, show_model
from farebox.dataplane.parts import Headers, Parts, Receive, Scope, Send
from farebox.dataplane.spend import serve_text
from farebox.dataplane.videos.serve import serve_videos, serves_videos, video_methods
from farebox.dataplane.workloads.serve import WORKLOADS, serve_workload
from farebox.dialects.port import Surface
from farebox.dialects.registry import CHAT, MESSAGES, SURFACES
from farebox.routing.rates import headers_of

_COUNT_TOKENS = "/messages/count_tokens"
_METHODS = {**dict.fromkeys((*SURFACES, *WORKLOADS, _COUNT_TOKENS), "POST"), "/models": "GET"}

_log = structlog.get_logger(__name__)


def serves(path: str) -> bool:
    """Whether the data plane answers this path: `/v1/…`, or one of its own without the prefix."""
    own = path in _METHODS or path.startswith(("/models/", "/responses/")) or serves_videos(path)
    return own or path == "/v1" or path.startswith("/v1/")


def _allowed(path: str) -> str:
    """What may be done at an address, for the Allow header."""
    if serves_videos(path):
        return video_methods(path)
    return "POST" if _METHODS.get(path) == "POST" else "GET, HEAD"


def surface_of(path: str, headers: Headers) -> Surface:
    """The dialect that a client of this address reads errors in."""
    if path in SURFACES:
        return SURFACES[path]
    asks_anthropic = path.startswith("/messages") or header(headers, b"anthropic-version") is not None
    return MESSAGES if asks_anthropic else CHAT


def _peer_of(scope: Scope) -> str | None:
    client = scope.get("client")
    return client[0] if client else None


class Dataplane:
    """Answers `/v1/…`."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; whatever goes wrong before the first byte becomes an error of the catalogue."""
        parts = self._parts
        call_id = uuid7(parts.clock())
        headers: Pairs = id_headers(call_id)
        path = scope["path"].removeprefix("/v1").rstrip("/") or "/"
        try:
            exchange = Exchange(
                scope["headers"], scope["query_string"].decode("latin-1"), receive, send, peer=_peer_of(scope)
            )
            await self._serve(path, scope["method"], exchange, call_id)
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
            headers = [*headers, (b"allow", _allowed(path).encode())]
        parts.metrics.refused(problem.code)
        surface = surface_of(path, scope["headers"])
        headers = [*headers, *headers_of(problem, surface is MESSAGES)]
        await send_problem(send, problem, headers, call_id, surface=surface)

    async def _serve(self, path: str, method: str, exchange: Exchange, call_id: UUID) -> None:
        if serves_videos(path):
            await serve_videos(self._parts, path, method, exchange, call_id=call_id)
        elif method == "POST" and path in SURFACES:
            await serve_text(self._parts, SURFACES[path], exchange, call_id)
        elif method == "POST" and path in WORKLOADS:
            await serve_workload(self._parts, path, exchange, call_id)
        elif method == "POST" and path == _COUNT_TOKENS:
            await count_tokens(self._parts, exchange, call_id)
        else:
            await self._read(path, method, exchange, call_id)

    async def _read(self, path: str, method: str, exchange: Exchange, call_id: UUID) -> None:
        expected = _METHODS.get(path, "GET" if path.startswith("/models/") else None)
        asked = "GET" if method == "HEAD" else method
        if expected is not None and asked != expected:
            raise Problem("method_not_allowed", f"Use {expected} for this address.")
        headers = [*id_headers(call_id), (b"content-type", b"application/json")]
        if path == "/models":
            body, more = await list_models(self._parts, exchange)
            headers += more
        elif path.startswith("/models/"):
            body = await show_model(self._parts, exchange, path.removeprefix("/models/"))
        elif path == "/" and asked == "GET":
            body = b'{"object":"gateway"}'
        elif path.startswith("/responses/"):
            raise Problem("not_found", "Responses are not stored here; send the whole input with every request.")
        else:
            raise Problem("not_found", "There is nothing at this address.")
        headers.append((b"content-length", str(len(body)).encode()))
        await send_whole(exchange.send, 200, headers, b"" if method == "HEAD" else body)
