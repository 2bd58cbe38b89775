"""The ASGI application: the routes of all dialects and workloads, and what happens around each call."""

import itertools
import secrets
from typing import Any

import msgspec

from farebox_sandbox import workloads
from farebox_sandbox.calls import CallLog
from farebox_sandbox.connection import ClientGone, HungUp
from farebox_sandbox.control import Control
from farebox_sandbox.core import Core
from farebox_sandbox.dialects.chat import CHAT
from farebox_sandbox.dialects.gemini import GEMINI
from farebox_sandbox.dialects.messages import COUNT_TOKENS, MESSAGES
from farebox_sandbox.dialects.responses import RESPONSES
from farebox_sandbox.errors import UpstreamError
from farebox_sandbox.exchange import Exchange, Receive, Scope, Send
from farebox_sandbox.routing import Found, Router, Routes
from farebox_sandbox.text_calls import TextCalls

DEFAULT_API_KEY = "sandbox-key"
MODELS = ("sandbox-1", "sandbox-1-mini")  # what the list shows; calls are answered for any id


class Sandbox:
    """One sandbox: what its routes share, and its routes."""

    def __init__(self, *, api_key: str = DEFAULT_API_KEY) -> None:
        self.core = Core(api_key=api_key)
        self._boot = secrets.token_hex(4)  # ids stay unique over restarts
        self._numbers = itertools.count(1)
        self._router = Router(
            {**text_routes(TextCalls(self.core)), **workloads.routes(self.core)},
            {
                ("GET", "/v1/models"): self._models,
                ("GET", "/v1beta/models"): self._models,
                ("GET", "/healthz"): _health,
                ("HEAD", "/"): _health,
                **Control(self.core).routes,
            },
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = self._router.find(scope["method"], scope["path"]) or Found(_unknown, {}, False)
        calls = self.core.calls if found.remembered else CallLog()
        stem = f"{self._boot}{next(self._numbers):08d}"
        call = calls.begin(f"req_{stem}", scope["path"], scope["headers"])
        exchange = Exchange(scope, receive, send, call=call, stem=stem)
        exchange.parameters = found.parameters
        try:
            await _guarded(found, exchange)
        except ClientGone:
            call.client_disconnected = True
        except HungUp:
            pass
        finally:
            calls.end(call)
            self.core.load.leave(call)

    async def _models(self, exchange: Exchange) -> None:
        """The list in the shape that is asked for: Google's by its path, Anthropic's by its header, else OpenAI's."""
        if not self.core.knows_key(exchange, b"x-api-key", b"x-goog-api-key"):
            raise UpstreamError(401, "Incorrect API key provided.")
        if exchange.scope["path"].startswith("/v1beta/"):
            await exchange.answer_json({"models": [_google_model(model) for model in MODELS]})
        elif any(name == b"anthropic-version" for name, _ in exchange.scope["headers"]):
            data = [_anthropic_model(model) for model in MODELS]
            ends = {"first_id": MODELS[0], "last_id": MODELS[-1], "has_more": False}
            await exchange.answer_json({"data": data, **ends})
        else:
            data = [{"id": model, "object": "model", "created": 0, "owned_by": "sandbox"} for model in MODELS]
            await exchange.answer_json({"object": "list", "data": data})


def _anthropic_model(model: str) -> dict[str, Any]:
    return {"type": "model", "id": model, "display_name": model, "created_at": "2026-01-01T00:00:00Z"}


def _google_model(model: str) -> dict[str, Any]:
    methods = ["generateContent", "streamGenerateContent"]
    return {"name": f"models/{model}", "displayName": model, "supportedGenerationMethods": methods}


def text_routes(calls: TextCalls) -> Routes:
    """The routes of every text dialect."""
    return {
        ("POST", "/v1/chat/completions"): calls.handler(CHAT),
        ("POST", "/v1/responses"): calls.handler(RESPONSES),
        ("POST", "/v1/messages"): calls.handler(MESSAGES),
        ("POST", "/v1/messages/count_tokens"): calls.counter(COUNT_TOKENS),
        **{
            ("POST", f"/{version}/models/{{model}}:{method}"): calls.handler(GEMINI)
            for version in ("v1beta", "v1")
            for method in ("generateContent", "streamGenerateContent")
        },
    }


async def _guarded(found: Found, exchange: Exchange) -> None:
    try:
        await found.handler(exchange)
    except UpstreamError as error:
        await exchange.answer(error.status, exchange.error_body(error.status, error.message, error.code))
    except msgspec.DecodeError as error:
        message = f"We could not parse your request: {error}"
        await exchange.answer(400, exchange.error_body(400, message, None))


async def _health(exchange: Exchange) -> None:
    await exchange.answer_json({"status": "ok"})


async def _unknown(exchange: Exchange) -> None:
    raise UpstreamError(404, f"Unknown request URL: {exchange.scope['method']} {exchange.scope['path']}.")
