"""One gateway for the folder: every test has customers of its own, and the ledger must be sound after each."""

import base64
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from farebox.base.limits import Routing
from farebox.providers.secrets import Safe
from farebox.providers.store import NewCredential, add_credential
from farebox_sandbox.process import RunningSandbox, serve_sandbox
from tests.database import TestCluster
from tests.gateway import Customer, RunningGateway, serve_gateway, until
from tests.hostile_routing.bazaar import CREDENTIALS, bazaar_text

# Nobody's: made up for the tests.
SECRETS_KEY = bytes(range(32))
SETTINGS: Final[dict[str, Any]] = {
    "routing": Routing(queue_seconds=3.0, max_waiting_calls=8),
    "secrets_key": base64.b64encode(SECRETS_KEY).decode(),
}


@pytest.fixture(scope="package")
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with serve_sandbox() as running:
        yield running


async def store_credentials(gateway: RunningGateway) -> None:
    """The keys of the bazaar's providers; returns when every worker knows them."""
    safe = Safe(SECRETS_KEY)
    async with gateway.connect() as connection, connection.transaction():
        for provider_id, bounds in CREDENTIALS:
            wanted = NewCredential(provider_id=provider_id, **bounds)
            await add_credential(connection, safe, wanted, gateway.sandbox.api_key, now_micros=gateway.clock())
    await until(lambda: all(_known(gateway, provider_id) for provider_id, _ in CREDENTIALS))


def _known(gateway: RunningGateway, provider_id: str) -> bool:
    expected = sum(each == provider_id for each, _ in CREDENTIALS)
    for worker in gateway.workers:
        pools = worker.parts.accounts.pools(worker.parts.catalog().providers[provider_id])
        if sum(each.origin == "stored" for pool in pools for each in pool.credentials) != expected:
            return False
    return True


@pytest.fixture(scope="package")
async def shared_gateway(cluster: TestCluster, sandbox: RunningSandbox) -> AsyncIterator[RunningGateway]:
    catalog = bazaar_text(sandbox.base_url)
    async with serve_gateway(cluster, sandbox=sandbox, catalog=catalog, **SETTINGS) as running:
        await store_credentials(running)
        yield running


@pytest.fixture
async def gateway(shared_gateway: RunningGateway) -> AsyncIterator[RunningGateway]:
    yield shared_gateway
    await shared_gateway.idle()
    for worker in shared_gateway.workers:
        for provider in worker.parts.catalog().providers.values():
            for pool in worker.parts.accounts.pools(provider):
                for credential in pool.credentials:
                    worker.parts.accounts.woke(credential.credential_id)
    async with shared_gateway.session.delete(f"{shared_gateway.sandbox.url}/sandbox/faults") as response:
        assert response.status == 200
    report = await shared_gateway.verify()
    assert report.open_holds == 0


@pytest.fixture
async def customer(gateway: RunningGateway) -> Customer:
    return await gateway.new_customer()
