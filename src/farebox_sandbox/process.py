"""Starting a sandbox: as a child process (demo, benchmarks) or inside the running event loop (tests)."""

import asyncio
import contextlib
import selectors
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import msgspec

from farebox_sandbox.app import DEFAULT_API_KEY, Sandbox
from farebox_sandbox.server import SandboxServer, bind

START_SECONDS = 20.0  # it takes 0.3 s; a loaded machine may need more
STOP_SECONDS = 5.0  # then the child is killed


class SandboxStartError(Exception):
    """The child did not become ready."""


@dataclass(frozen=True)
class RunningSandbox:
    """Where a sandbox listens. `url` has no path; `base_url` ends in /v1. `process_id` is None inside this process."""

    url: str
    api_key: str = field(repr=False)
    process_id: int | None = None

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"


@contextlib.contextmanager
def start_sandbox(*, port: int = 0, api_key: str = DEFAULT_API_KEY) -> Iterator[RunningSandbox]:
    """A sandbox in a child process on 127.0.0.1, which ends with the block or with this process, however that dies.

    Raises SandboxStartError.
    """
    arguments = ["--port", str(port), "--api-key", api_key, "--print-port", "--exit-with-parent"]
    command = [sys.executable, "-m", "farebox_sandbox", *arguments]
    # A session of its own: a Ctrl-C at the terminal must not cut the calls that a gateway still finishes.
    process = subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        yield RunningSandbox(f"http://127.0.0.1:{_announced_port(process)}", api_key, process.pid)
    finally:
        _stop(process)


def _announced_port(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        line = process.stdout.readline() if selector.select(START_SECONDS) else b""
    try:
        return int(msgspec.json.decode(line)["port"])
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise SandboxStartError(f"the sandbox did not start (exit status {process.poll()})") from error


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


@contextlib.asynccontextmanager
async def serve_sandbox(*, port: int = 0, api_key: str = DEFAULT_API_KEY) -> AsyncIterator[RunningSandbox]:
    """A sandbox inside the running event loop on 127.0.0.1, over real sockets. Raises OSError."""
    listener = bind("127.0.0.1", port)
    server = SandboxServer(Sandbox(api_key=api_key))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await server.ready.wait()
        yield RunningSandbox(f"http://127.0.0.1:{listener.getsockname()[1]}", api_key)
    finally:
        server.stop()
        await serving
