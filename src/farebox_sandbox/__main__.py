"""`python -m farebox_sandbox`: one sandbox in a process of its own."""

import argparse
import asyncio
import json
import os
import signal
import sys
import threading

from farebox_sandbox.app import DEFAULT_API_KEY, Sandbox
from farebox_sandbox.server import SandboxServer, bind

DEFAULT_PORT = 8199
STDIN_BLOCK_BYTES = 4096  # what a parent writes to our stdin is thrown away


def main() -> None:
    """Serve until SIGTERM or SIGINT. Exit status 0, or 2 when the address cannot be bound."""
    options = _options()
    if options.exit_with_parent:
        threading.Thread(target=_exit_when_stdin_closes, daemon=True).start()
    try:
        listener = bind(options.host, options.port)
    except OSError as error:
        sys.stderr.write(f"farebox-sandbox: cannot listen on {options.host}:{options.port}: {error.strerror}\n")
        sys.exit(2)
    server = _MainServer(Sandbox(api_key=options.api_key), log_level="critical")
    server.announced_port = listener.getsockname()[1] if options.print_port else None
    server.run(sockets=[listener])


class _MainServer(SandboxServer):
    announced_port: int | None = None

    async def startup(self, sockets: list | None = None) -> None:  # type: ignore[type-arg]
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        await super().startup(sockets=sockets)
        if self.announced_port is not None:
            sys.stdout.write(json.dumps({"port": self.announced_port}) + "\n")
            sys.stdout.flush()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="farebox-sandbox", description="An upstream for demos and tests.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free port")
    parser.add_argument("--api-key", default=DEFAULT_API_KEY, help="the Bearer token that callers must send")
    parser.add_argument("--print-port", action="store_true", help='print {"port": N} when ready')
    parser.add_argument("--exit-with-parent", action="store_true", help="exit when stdin closes")
    return parser.parse_args()


def _exit_when_stdin_closes() -> None:
    # The kernel closes the pipe however the parent dies. There is nothing to flush or to save.
    while os.read(0, STDIN_BLOCK_BYTES):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
