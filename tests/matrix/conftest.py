"""One gateway for the matrix. Every scenario has customers and providers of its own; afterwards what was learnt of
routes and keys is forgotten, and the ledger must be sound."""

import base64
import socket
from collections.abc import AsyncIterator, Iterator

import pytest

from farebox.base.limits import Bounds
from farebox.providers.secrets import Safe
from farebox.providers.store import NewCredential, add_credential
from farebox_sandbox.process import RunningSandbox, serve_sandbox
from tests.database import TestCluster
from tests.gateway import RunningGateway, serve_gateway, until
from tests.matrix.worlds import ADDRESSES, catalog_text, worlds

# Nobody's: made up for the tests.
SECRETS_KEY = bytes(range(32))


@pytest.fixture(scope="session")
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with serve_sandbox() as running:
        yield running


@pytest.fixture(scope="session")
def black_hole() -> Iterator[str]:
    """An address that never completes a connection: its queue of one is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
            waiting.append(client)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        for client in waiting:
            client.close()


async def store_keys(gateway: RunningGateway, providers: dict[str, int]) -> None:
    """So many keys in the pool of each provider; returns when every worker knows them."""
    safe, secret = Safe(SECRETS_KEY), gateway.sandbox.api_key
    async with gateway.connect() as connection, connection.transaction():
        for provider_id, count in providers.items():
            for number in range(count):
                wanted = NewCredential(provider_id=provider_id, name=f"key {number}")
                await add_credential(connection, safe, wanted, secret, now_micros=gateway.clock())
    await until(lambda: all(_known(gateway, provider_id) == count for provider_id, count in providers.items()))


def _known(gateway: RunningGateway, provider_id: str) -> int:
    counts = []
    for worker in gateway.workers:
        provider = worker.parts.catalog().providers[provider_id]
        pools = worker.parts.accounts.pools(provider)
        counts.append(sum(each.origin == "stored" for pool in pools for each in pool.credentials))
    return min(counts)


async def forget_everything(gateway: RunningGateway) -> None:
    """As after a start: no faults, no rests, no conversations are known, and the sandbox behaves."""
    await gateway.idle()
    for worker in gateway.workers:
        for provider in worker.parts.catalog().providers.values():
            for pool in worker.parts.accounts.pools(provider):
                for credential in pool.credentials:
                    worker.parts.accounts.woke(credential.credential_id)
    for what in ("calls", "faults"):
        async with gateway.session.delete(f"{gateway.sandbox.url}/sandbox/{what}") as response:
            assert response.status == 200


@pytest.fixture(scope="session")
async def matrix_gateway(
    cluster: TestCluster, sandbox: RunningSandbox, black_hole: str
) -> AsyncIterator[RunningGateway]:
    bounds = Bounds(max_response_bytes=1_000_000, max_event_bytes=100_000, keep_alive_seconds=1.0)
    catalog = catalog_text(sandbox=sandbox.base_url, black_hole=black_hole)
    key = base64.b64encode(SECRETS_KEY).decode()
    async with serve_gateway(cluster, sandbox=sandbox, catalog=catalog, bounds=bounds, secrets_key=key) as running:
        two = [world for address in ADDRESSES for world in worlds(address) if world.keys == 2]
        await store_keys(running, {world.provider(number): 2 for world in two for number in world.numbers})
        yield running


@pytest.fixture
async def gateway(matrix_gateway: RunningGateway) -> AsyncIterator[RunningGateway]:
    yield matrix_gateway
    await forget_everything(matrix_gateway)
    report = await matrix_gateway.verify()
    assert report.open_holds == 0
