"""What operators change of keys and pools reaches running workers within a second, without a restart."""

import base64
from collections.abc import AsyncIterator

import pytest

from farebox.providers import store
from farebox.providers.pool_store import PoolKey, PoolTerms, change_pool, create_pool
from farebox.providers.pools import DEFAULT_POOL
from farebox.providers.secrets import Safe
from farebox.providers.store import NewCredential, StoredCredential
from farebox_sandbox.process import RunningSandbox, serve_sandbox
from tests.database import TestCluster
from tests.gateway import RunningGateway, serve_gateway, until
from tests.providers.conftest import KEY, NOW
from tests.terms import TERMS

SAFE = Safe(KEY)
RIGHT, WRONG = "sk-right-0c1d2e3f", "sk-wrong-0c1d2e3f"
# The feed's promise is a second; a loaded machine gets some more.
SOON_SECONDS = 5.0


@pytest.fixture
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with serve_sandbox(api_key=RIGHT) as running:
        yield running


@pytest.fixture
async def gateway(cluster: TestCluster, sandbox: RunningSandbox) -> AsyncIterator[RunningGateway]:
    """Two workers, and a provider without a key."""
    catalog = f"""
{TERMS}
[providers.one]
display_name = "One"
base_url     = "{sandbox.base_url}"
api_key_env  = "FAREBOX_TEST_NO_SUCH_KEY"

[models.plain]
display_name      = "Plain"
context_tokens    = 200_000
max_output_tokens = 1_000

[routes."one/plain"]
cost  = {{ input = "0.50", output = "2.50" }}
price = {{ input = "1.00", output = "5.00" }}
"""
    secrets_key = base64.b64encode(KEY).decode()
    async with serve_gateway(cluster, workers=2, catalog=catalog, sandbox=sandbox, secrets_key=secrets_key) as running:
        yield running


async def _add(gateway: RunningGateway, secret: str, *, pool_id: str = DEFAULT_POOL) -> StoredCredential:
    async with gateway.connect() as connection:
        new = NewCredential(provider_id="one", pool_id=pool_id)
        return await store.add_credential(connection, SAFE, new, secret, now_micros=NOW)


def _keys(gateway: RunningGateway) -> list[set[str | None]]:
    """The keys that each worker knows."""
    found = []
    for worker in gateway.workers:
        provider = worker.parts.catalog().providers["one"]
        pools = worker.parts.accounts.pools(provider)
        found.append({each.api_key for pool in pools for each in pool.credentials})
    return found


def _plays_sandbox(gateway: RunningGateway) -> list[bool]:
    parts = [worker.parts for worker in gateway.workers]
    return [each.accounts.plays_sandbox(each.catalog().providers["one"]) for each in parts]


async def _known(gateway: RunningGateway, *keys: str) -> None:
    await until(lambda: _keys(gateway) == [set(keys)] * 2, seconds=SOON_SECONDS)


async def test_a_key_is_added_rotated_disabled_and_removed_while_workers_run(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    added = await _add(gateway, WRONG)
    await _known(gateway, WRONG)
    for worker in (0, 1):
        async with customer.chat(worker=worker) as response:
            assert response.status == 502
            assert WRONG not in await response.text()
    async with gateway.connect() as connection:
        await store.rotate_credential(connection, SAFE, added, RIGHT, now_micros=NOW)
    await _known(gateway, RIGHT)
    # The new key does not rest for what the old one was refused for.
    for worker in (0, 1):
        async with customer.chat(worker=worker) as response:
            assert response.status == 200
    async with gateway.connect() as connection:
        await store.set_credential_status(connection, added, "disabled")
    # Without any key of its own the provider is the sandbox's again.
    await until(lambda: _plays_sandbox(gateway) == [True, True], seconds=SOON_SECONDS)
    async with gateway.connect() as connection:
        await store.set_credential_status(connection, added, "active")
    await until(lambda: _plays_sandbox(gateway) == [False, False], seconds=SOON_SECONDS)
    async with gateway.connect() as connection:
        await store.remove_credential(connection, added)
    await until(lambda: _plays_sandbox(gateway) == [True, True], seconds=SOON_SECONDS)


async def test_a_pool_that_becomes_private_serves_nobody_else(gateway: RunningGateway) -> None:
    owner, other = await gateway.new_customer(name="Owner"), await gateway.new_customer(name="Other")
    key = PoolKey("one", "mine")
    async with gateway.connect() as connection:
        await create_pool(connection, key, PoolTerms(), now_micros=NOW)
    await _add(gateway, RIGHT, pool_id="mine")
    await _known(gateway, RIGHT)
    async with other.chat() as response:
        assert response.status == 200
    terms = PoolTerms(access="private", workspaces=frozenset({owner.workspace_id}))
    async with gateway.connect() as connection:
        await change_pool(connection, key, terms)
    provider = gateway.parts.catalog().providers["one"]
    await until(lambda: gateway.parts.accounts.pools(provider)[0].access == "private", seconds=SOON_SECONDS)
    async with other.chat() as response:
        assert response.status == 503
        told = await response.text()
        assert "mine" not in told and "pool" not in told and "cred_" not in told
    async with owner.chat() as response:
        assert response.status == 200
