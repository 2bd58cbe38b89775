"""The ASGI application: two API routes, the control routes under /sandbox, and the order of one chat call."""

import itertools
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import msgspec

from farebox_sandbox.calls import CallLog
from farebox_sandbox.chunks import stream_of
from farebox_sandbox.connection import ClientGone, HungUp
from farebox_sandbox.errors import UpstreamError, error_body
from farebox_sandbox.exchange import Exchange, Receive, Scope, Send
from farebox_sandbox.faults import MAX_COUNT, Directives, FaultBook
from farebox_sandbox.reply import Reply, json_body
from farebox_sandbox.request import ChatRequest, read_request
from farebox_sandbox.text import compose_answer
from farebox_sandbox.usage import count_prompt_tokens

DEFAULT_API_KEY = "sandbox-key"
MODELS = ("sandbox-1", "sandbox-1-mini")  # what the list shows; calls are answered for any id

GARBAGE_BODY = b"<html><body><h1>502 Bad Gateway</h1>{not json \xff\xfe</body></html>"

Handler = Callable[[Exchange], Awaitable[None]]


class Sandbox:
    """One sandbox: its log, its faults, its routes."""

    def __init__(self, *, api_key: str = DEFAULT_API_KEY) -> None:
        self.calls = CallLog()
        self.faults = FaultBook()
        self._authorization = f"Bearer {api_key}".encode()
        self._boot = secrets.token_hex(4)  # ids stay unique over restarts
        self._numbers = itertools.count(1)
        self._routes: dict[tuple[str, str], Handler] = {
            ("POST", "/v1/chat/completions"): self._chat,
            ("GET", "/v1/models"): self._models,
            ("GET", "/healthz"): self._health,
            ("HEAD", "/"): self._health,
            ("GET", "/sandbox/calls"): self._list_calls,
            ("DELETE", "/sandbox/calls"): self._clear_calls,
            ("GET", "/sandbox/open"): self._open,
            ("GET", "/sandbox/faults"): self._list_faults,
            ("PUT", "/sandbox/faults"): self._put_faults,
            ("DELETE", "/sandbox/faults"): self._delete_faults,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self._routes.get((scope["method"], scope["path"]), self._unknown)
        calls = self.calls if handler == self._chat else CallLog()  # only calls of models are remembered
        call_id = f"chatcmpl-{self._boot}{next(self._numbers):08d}"
        call = calls.begin(call_id, scope["path"], scope["headers"])
        exchange = Exchange(scope, receive, send, call)
        try:
            await self._guarded(handler, exchange)
        except ClientGone:
            call.client_disconnected = True
        except HungUp:
            pass
        finally:
            calls.end(call)

    async def _guarded(self, handler: Handler, exchange: Exchange) -> None:
        try:
            await handler(exchange)
        except UpstreamError as error:
            await exchange.answer(error.status, error_body(error.status, error.message))
        except msgspec.DecodeError as error:
            await exchange.answer(400, error_body(400, f"We could not parse your request: {error}"))

    # --- the API

    async def _chat(self, exchange: Exchange) -> None:
        self._authenticate(exchange)
        request = read_request(await exchange.read_body(self.faults.read_pause_seconds))
        call = exchange.call
        call.describe(request, self.calls.next_attempt(request.model))
        directives = exchange.directives = self.faults.directives(request.model, request.sandbox)
        if directives.drop_before_headers:
            await exchange.connection.pause(directives.delay_seconds)
            await exchange.connection.hang_up()
        if directives.redirect is not None:
            return await exchange.answer(302, b"", [(b"location", directives.redirect.encode())])
        if directives.status is not None:
            return await self._fail(exchange, directives.status)
        reply = self._reply(call.id, request, directives)
        call.prompt_tokens = reply.prompt_tokens
        call.completion_tokens = reply.answer.completion_tokens * reply.choices
        if request.stream:
            return await exchange.stream(stream_of(reply))
        return await exchange.answer(200, GARBAGE_BODY if directives.garbage else json_body(reply))

    def _authenticate(self, exchange: Exchange) -> None:
        given = next((value for name, value in exchange.scope["headers"] if name == b"authorization"), b"")
        if not secrets.compare_digest(given, self._authorization):
            raise UpstreamError(401, "Incorrect API key provided.")

    async def _fail(self, exchange: Exchange, status: int) -> None:
        directives = exchange.directives
        headers = []
        if directives.retry_after_seconds is not None:
            headers.append((b"retry-after", f"{directives.retry_after_seconds:g}".encode()))
        body = error_body(status, directives.error_message, directives.error_code)
        await exchange.answer(status, GARBAGE_BODY if directives.garbage else body, headers)

    def _reply(self, call_id: str, request: ChatRequest, directives: Directives) -> Reply:
        return Reply(
            id=call_id,
            created=int(time.time()),
            model=request.model,
            answer=compose_answer(request, directives),
            choices=request.n or 1,
            prompt_tokens=count_prompt_tokens(request),
            include_usage=request.wants_usage,
            directives=directives,
        )

    async def _models(self, exchange: Exchange) -> None:
        self._authenticate(exchange)
        data = [{"id": model, "object": "model", "created": 0, "owned_by": "sandbox"} for model in MODELS]
        await self._json(exchange, {"object": "list", "data": data})

    async def _health(self, exchange: Exchange) -> None:
        await self._json(exchange, {"status": "ok"})

    async def _unknown(self, exchange: Exchange) -> None:
        raise UpstreamError(404, f"Unknown request URL: {exchange.scope['method']} {exchange.scope['path']}.")

    # --- control

    async def _list_calls(self, exchange: Exchange) -> None:
        await self._json(exchange, {"calls": self.calls.listing(_query(exchange, "model"))})

    async def _clear_calls(self, exchange: Exchange) -> None:
        self.calls.clear()
        await self._json(exchange, {"calls": []})

    async def _open(self, exchange: Exchange) -> None:
        await self._json(exchange, self.calls.open_counts())

    async def _list_faults(self, exchange: Exchange) -> None:
        await self._json(exchange, {"faults": self.faults.listing()})

    async def _put_faults(self, exchange: Exchange) -> None:
        fields = msgspec.json.decode(await exchange.read_body(), type=dict[str, Any])
        times = _query(exchange, "times")
        if times is not None and not (times.isascii() and times.isdigit() and 1 <= int(times) <= MAX_COUNT):
            raise UpstreamError(400, f"`times` is a whole number from 1 to {MAX_COUNT}.")
        self.faults.put(_query(exchange, "model"), fields, times=None if times is None else int(times))
        await self._list_faults(exchange)

    async def _delete_faults(self, exchange: Exchange) -> None:
        self.faults.delete(_query(exchange, "model"))
        await self._list_faults(exchange)

    async def _json(self, exchange: Exchange, value: Any) -> None:
        await exchange.answer(200, msgspec.json.encode(value))


def _query(exchange: Exchange, name: str) -> str | None:
    values = parse_qs(exchange.scope["query_string"].decode("latin-1")).get(name)
    return values[0] if values else None
