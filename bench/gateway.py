"""The real gateway in a process tree of its own: the parent of `farebox serve`, one worker, embedded PostgreSQL."""

import os
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bench.children import Listening, give_answer, take_order
from farebox.wiring.processes import serve
from farebox.wiring.settings import load_settings


class GatewayOrder(msgspec.Struct):
    """What to serve. `environment` holds FAREBOX_HOME and the provider's key; `factory` None: the real application."""

    config: str
    environment: dict[str, str]
    factory: str | None = None


def main() -> None:
    """Serve on a free port until SIGTERM."""
    order = take_order(GatewayOrder)
    os.environ.update(order.environment)
    settings = load_settings(Path(order.config))
    server = msgspec.structs.replace(settings.server, port=0, workers=1)
    serve(
        msgspec.structs.replace(settings, server=server),
        report=lambda line: None,
        on_ready=lambda address: give_answer(Listening(urlsplit(address).port or 0)),
        **({} if order.factory is None else {"factory": order.factory}),
    )


if __name__ == "__main__":
    main()
