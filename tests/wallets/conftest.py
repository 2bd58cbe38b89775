"""Two chains, and one gateway that can ask both, and some servers that answer badly."""

from collections.abc import AsyncIterator, Iterator

import pytest

from farebox.base.limits import Chain as ChainSetting
from tests.chain.anvil import Chain, run_anvil
from tests.database import TestCluster
from tests.gateway import RunningGateway, serve_gateway
from tests.people.browser import Browser
from tests.wallets.bad_servers import BadServers, serve_badly

# Chains of which the gateway knows a server that is of no use; no server at all is known of chain 1.
DOWN, HANGS, GARBAGE, HUGE, MISLED = 9_001, 9_002, 9_003, 9_004, 9_005
BAD_CHAINS = {"down": DOWN, "hangs": HANGS, "garbage": GARBAGE, "huge": HUGE, "misled": MISLED}


@pytest.fixture(scope="package")
def chain() -> Iterator[Chain]:
    with run_anvil(chain_id=31_337) as running:
        yield running


@pytest.fixture(scope="package")
def other_chain() -> Iterator[Chain]:
    with run_anvil(chain_id=31_338) as running:
        yield running


@pytest.fixture(scope="package")
async def bad() -> AsyncIterator[BadServers]:
    async with serve_badly() as running:
        yield running


@pytest.fixture(scope="package")
async def gateway(
    cluster: TestCluster, chain: Chain, other_chain: Chain, bad: BadServers
) -> AsyncIterator[RunningGateway]:
    urls = {
        chain.chain_id: chain.url,
        other_chain.chain_id: other_chain.url,
        DOWN: bad.down,
        HANGS: bad.hangs,
        GARBAGE: bad.garbage,
        HUGE: bad.huge,
        MISLED: chain.url,
    }
    chains = tuple(
        ChainSetting(chain_id=number, rpc_url_env="UNUSED", timeout_seconds=0.3 if number == HANGS else 10.0)
        for number in urls
    )
    async with serve_gateway(cluster, chains=chains, rpc_urls=urls) as running:
        yield running


@pytest.fixture
async def browser(gateway: RunningGateway) -> AsyncIterator[Browser]:
    async with Browser(gateway) as opened:
        yield opened


@pytest.fixture
async def other(gateway: RunningGateway) -> AsyncIterator[Browser]:
    """Another browser, of the same person or of somebody else."""
    async with Browser(gateway) as opened:
        yield opened
