"""kill -9 of a worker that has slots and running calls: the slots are the other worker's within seconds."""

import asyncio
import base64
import contextlib
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from farebox.base.clock import monotone_clock
from farebox.providers.store import NewCredential, add_credential
from farebox_sandbox.process import RunningSandbox
from tests.cli.programs import FAREBOX, environment
from tests.crash.audit import quiet
from tests.crash.gateway import GatewayProcess, gateway_in_new_home, kill
from tests.crash.load import new_customer
from tests.pools.house import OPEN, SAFE, SECRETS_KEY, catalog_text

pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks at processes in /proc")

MOST = 6


class Line:
    """A stream that stays open, on a connection of its own."""

    def __init__(self, gateway: GatewayProcess, key: str) -> None:
        self._url = f"http://127.0.0.1:{gateway.port}/v1/chat/completions"
        self._key = key
        self._stack = contextlib.AsyncExitStack()
        self.port = 0

    async def open(self) -> int:
        """The answer's status; 0 when the connection broke."""
        body = {"model": "m-p01", "messages": [{"role": "user", "content": "hi"}], "stream": True, "sandbox": OPEN}
        timeout = aiohttp.ClientTimeout(total=60)
        session = await self._stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
        headers = {"authorization": f"Bearer {self._key}"}
        try:
            response = await self._stack.enter_async_context(session.post(self._url, json=body, headers=headers))
            await response.content.readany()
        except (aiohttp.ClientError, OSError):
            return 0
        if response.connection is not None and response.connection.transport is not None:
            self.port = int(response.connection.transport.get_extra_info("sockname")[1])
        return int(response.status)

    async def close(self) -> None:
        """Hang up."""
        await self._stack.aclose()


class Scene:
    """The gateway's processes, and what the provider sees."""

    def __init__(self, gateway: GatewayProcess, sandbox: RunningSandbox, key: str) -> None:
        self.gateway = gateway
        self._sandbox = sandbox
        self._key = key
        self.lines: list[Line] = []

    async def try_line(self) -> Line | None:
        """Another open stream; None when it was refused or broke."""
        line = Line(self.gateway, self._key)
        if await line.open() == 200:
            return line
        await line.close()
        return None

    async def fill(self, *, worker: int | None = None) -> None:
        """Until as many streams are open as there may be, all new ones at that worker if it is given."""
        async with self.gateway.patience(f"{MOST} calls at once"):
            while len(self.lines) < MOST:
                line = await self.try_line()
                if line is None:
                    await asyncio.sleep(0.05)
                elif worker is not None and self.gateway.served_by().get(line.port) != worker:
                    await line.close()
                else:
                    self.lines.append(line)

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """The sandbox's own routes."""
        async with aiohttp.request(method, f"{self._sandbox.url}/sandbox/{path}", json=body) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def load(self) -> dict[str, int]:
        """What the provider counted for the key."""
        found: dict[str, int] = (await self.control("GET", "load"))["accounts"]["killed"]
        return found


async def _store_key(gateway: GatewayProcess, scene: Scene) -> None:
    await scene.control("PUT", "accounts", {"killed": "sk-killed-0c1d2e3f"})
    wanted = NewCredential(provider_id="p01", name="killed", max_concurrent=MOST)
    async with await gateway.connect() as connection:
        await add_credential(connection, SAFE, wanted, "sk-killed-0c1d2e3f", now_micros=monotone_clock()())


async def _ledger_is_sound(gateway: GatewayProcess) -> None:
    async with await gateway.connect() as connection:
        await quiet(gateway, connection)
    config = str(gateway.home.path.parent / "farebox.toml")
    command = (FAREBOX, "ledger", "verify", "--config", config)
    verified = await asyncio.create_subprocess_exec(
        *command, env=environment(gateway.home), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    told, _ = await verified.communicate()
    assert verified.returncode == 0, told.decode()


async def test_what_a_killed_worker_had_is_used_again_by_the_other(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAREBOX_SECRETS_KEY", base64.b64encode(SECRETS_KEY).decode())
    with gateway_in_new_home(sandbox) as gateway:
        (gateway.home.path.parent / "catalog.toml").write_text(catalog_text(sandbox.base_url))
        await gateway.started()
        customer = await new_customer(gateway.dsn, 1)
        scene = Scene(gateway, sandbox, customer.key)
        await _store_key(gateway, scene)
        loop = asyncio.get_running_loop()
        for _ in range(2):
            await scene.fill()
            assert await scene.try_line() is None, "one more waits, and is refused"
            await scene.control("DELETE", "load")
            served_by = gateway.served_by()
            owners = [served_by[line.port] for line in scene.lines]
            victim = max(set(owners), key=owners.count)
            survivor = next(pid for pid in gateway.workers() if pid != victim)
            lost = [line for line in scene.lines if served_by[line.port] == victim]
            killed_at = loop.time()
            kill([victim])
            for line in lost:
                await line.close()
            scene.lines = [line for line in scene.lines if line not in lost]
            await scene.fill(worker=survivor)
            print(f"{len(lost)} of {MOST} slots were back after {loop.time() - killed_at:.1f} s")
            load = await scene.load()
            # What the dead worker had may be used twice for a moment.
            assert load["open"] == MOST and load["most"] <= MOST + len(lost)
            await gateway.started()
        for line in scene.lines:
            await line.close()
        await _ledger_is_sound(gateway)
