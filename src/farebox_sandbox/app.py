"""The ASGI application: the routes of all dialects and workloads, and the order of one chat call."""

import itertools
import secrets
import time

import msgspec

from farebox_sandbox import workloads
from farebox_sandbox.calls import CallLog
from farebox_sandbox.chunks import stream_of
from farebox_sandbox.connection import ClientGone, HungUp
from farebox_sandbox.control import Control
from farebox_sandbox.core import GARBAGE_BODY, Core
from farebox_sandbox.errors import UpstreamError
from farebox_sandbox.exchange import Exchange, Receive, Scope, Send
from farebox_sandbox.faults import Directives
from farebox_sandbox.reply import Reply, json_body
from farebox_sandbox.request import ChatRequest, read_request
from farebox_sandbox.routing import Found, Router
from farebox_sandbox.text import compose_answer
from farebox_sandbox.usage import count_prompt_tokens

DEFAULT_API_KEY = "sandbox-key"
MODELS = ("sandbox-1", "sandbox-1-mini")  # what the list shows; calls are answered for any id


class Sandbox:
    """One sandbox: what its routes share, and its routes."""

    def __init__(self, *, api_key: str = DEFAULT_API_KEY) -> None:
        self.core = Core(api_key=api_key)
        self._boot = secrets.token_hex(4)  # ids stay unique over restarts
        self._numbers = itertools.count(1)
        self._router = Router(
            {("POST", "/v1/chat/completions"): self._chat, **workloads.routes(self.core)},
            {
                ("GET", "/v1/models"): self._models,
                ("GET", "/healthz"): _health,
                ("HEAD", "/"): _health,
                **Control(self.core).routes,
            },
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._router.find(scope["method"], scope["path"]) or Found(_unknown, {}, False)
        calls = self.core.calls if found.remembered else CallLog()
        call_id = f"chatcmpl-{self._boot}{next(self._numbers):08d}"
        call = calls.begin(call_id, scope["path"], scope["headers"])
        exchange = Exchange(scope, receive, send, call)
        exchange.parameters = found.parameters
        try:
            await _guarded(found, exchange)
        except ClientGone:
            call.client_disconnected = True
        except HungUp:
            pass
        finally:
            calls.end(call)

    async def _chat(self, exchange: Exchange) -> None:
        self.core.authenticate(exchange)
        request = read_request(await self.core.read_body(exchange))
        described = {
            "stream": bool(request.stream),
            "stream_options": request.stream_options,
            "n": request.n,
            "max_tokens": request.max_tokens,
            "max_completion_tokens": request.max_completion_tokens,
        }
        if await self.core.begin(exchange, request.model, request.sandbox, **described):
            return None
        call, directives = exchange.call, exchange.directives
        reply = self._reply(call.id, request, directives)
        call.prompt_tokens = reply.prompt_tokens
        call.completion_tokens = reply.answer.completion_tokens * reply.choices
        if request.stream:
            return await exchange.stream(stream_of(reply))
        return await exchange.answer(200, GARBAGE_BODY if directives.garbage else json_body(reply))

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
        self.core.authenticate(exchange)
        data = [{"id": model, "object": "model", "created": 0, "owned_by": "sandbox"} for model in MODELS]
        await exchange.answer_json({"object": "list", "data": data})


async def _guarded(found: Found, exchange: Exchange) -> None:
    try:
        await found.handler(exchange)
    except UpstreamError as error:
        await exchange.answer(error.status, exchange.error_body(error.status, error.message, None))
    except msgspec.DecodeError as error:
        message = f"We could not parse your request: {error}"
        await exchange.answer(400, exchange.error_body(400, message, None))


async def _health(exchange: Exchange) -> None:
    await exchange.answer_json({"status": "ok"})


async def _unknown(exchange: Exchange) -> None:
    raise UpstreamError(404, f"Unknown request URL: {exchange.scope['method']} {exchange.scope['path']}.")
