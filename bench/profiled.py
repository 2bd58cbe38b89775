"""The gateway's application under cProfile: a factory for `bench.gateway`. It runs in the worker process."""

import cProfile
import os
from typing import Any

from farebox.dataplane.parts import Receive, Scope, Send
from farebox.wiring.app import Gateway
from farebox.wiring.app import build_app as build_gateway
from farebox.wiring.settings import Boot, Settings

OUTPUT = "BENCH_PROFILE"


class Profiled:
    """Profiles from the first call on and writes the result when the worker shuts down."""

    def __init__(self, app: Gateway) -> None:
        self._app = app
        self._profile = cProfile.Profile()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, self._watching(receive), send)
        else:
            await self._app(scope, receive, send)

    def _watching(self, receive: Receive) -> Receive:
        started = False

        async def watched() -> dict[str, Any]:
            nonlocal started
            if started:
                self._profile.enable()
            started = True
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self._profile.disable()
                self._profile.dump_stats(os.environ[OUTPUT])
            return message

        return watched


def build_app(settings: Settings, dsn: str, boot: Boot) -> Profiled:
    """What the profiled worker serves."""
    return Profiled(build_gateway(settings, dsn, boot))
