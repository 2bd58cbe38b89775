"""One gateway for the folder; every test has customers of its own, and the ledger must be sound after each."""

from collections.abc import AsyncIterator

import openai
import pytest

from farebox.base.limits import Bounds, RequestLimits
from farebox_sandbox.process import RunningSandbox, serve_sandbox
from tests.database import TestCluster
from tests.gateway import Customer, RunningGateway, serve_gateway
from tests.workloads.raw import RawUpstream, serve_raw_upstream
from tests.workloads.shop import catalog_text

BOUNDS = Bounds(
    max_body_bytes=1_000_000,
    max_response_bytes=1_000_000,
    max_event_bytes=1_000_000,
    max_upload_bytes=6_000_000,
    max_buffered_upload_bytes=2_000_000,
    max_image_answer_bytes=3_000_000,
    body_timeout_seconds=4.0,
    keep_alive_seconds=1.0,
)


@pytest.fixture(scope="package")
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with serve_sandbox() as running:
        yield running


@pytest.fixture(scope="package")
async def raw_upstream() -> AsyncIterator[RawUpstream]:
    async with serve_raw_upstream() as running:
        yield running


@pytest.fixture
async def raw(raw_upstream: RawUpstream) -> AsyncIterator[RawUpstream]:
    raw_upstream.reset()
    yield raw_upstream
    raw_upstream.reset()


@pytest.fixture(scope="package")
async def shared_gateway(
    cluster: TestCluster, sandbox: RunningSandbox, raw_upstream: RawUpstream
) -> AsyncIterator[RunningGateway]:
    catalog = catalog_text(raw_upstream.base_url)
    limits = RequestLimits(max_prompt_chars=50_000, max_media_bytes=100_000)
    async with serve_gateway(cluster, sandbox=sandbox, catalog=catalog, bounds=BOUNDS, limits=limits) as running:
        yield running


@pytest.fixture
async def gateway(shared_gateway: RunningGateway) -> AsyncIterator[RunningGateway]:
    yield shared_gateway
    await shared_gateway.idle()
    report = await shared_gateway.verify()
    assert report.open_holds == 0


@pytest.fixture
async def customer(gateway: RunningGateway) -> Customer:
    found = await gateway.new_customer()
    await found.set_limit(requests=1_000, usd="50")
    return found


@pytest.fixture
async def client(gateway: RunningGateway, customer: Customer) -> AsyncIterator[openai.AsyncOpenAI]:
    """The official SDK with the customer's key."""
    async with openai.AsyncOpenAI(base_url=gateway.base_url, api_key=customer.key.secret, max_retries=0) as made:
        yield made
