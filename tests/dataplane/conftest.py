"""One gateway for most of the folder: every test has customers of its own, and the ledger must be sound after each."""

from collections.abc import AsyncIterator

import pytest

from farebox.base.brand import Brand
from farebox.base.limits import Bounds
from farebox_sandbox.process import RunningSandbox, serve_sandbox
from tests.database import TestCluster
from tests.dataplane.recorder import STREAM, Recorder, serve_recorder
from tests.dataplane.shop import catalog_text
from tests.gateway import Customer, RunningGateway, serve_gateway


@pytest.fixture(scope="package")
async def sandbox() -> AsyncIterator[RunningSandbox]:
    async with serve_sandbox() as running:
        yield running


@pytest.fixture(scope="package")
async def recorder() -> AsyncIterator[Recorder]:
    async with serve_recorder() as running:
        yield running


@pytest.fixture
def recorder_bytes() -> bytes:
    """The stream that the recorder answers with."""
    return STREAM


@pytest.fixture(scope="package")
async def shared_gateway(
    cluster: TestCluster, sandbox: RunningSandbox, recorder: Recorder, black_hole: str
) -> AsyncIterator[RunningGateway]:
    bounds = Bounds(max_response_bytes=1_000_000, max_event_bytes=100_000, keep_alive_seconds=1.0)
    catalog = catalog_text(recorder=recorder.base_url, black_hole=black_hole)
    brand = Brand(top_up_url="https://pay.example/top-up")
    async with serve_gateway(
        cluster, sandbox=sandbox, catalog=catalog, bounds=bounds, brand=brand, workers=2
    ) as running:
        yield running


@pytest.fixture
async def gateway(shared_gateway: RunningGateway) -> AsyncIterator[RunningGateway]:
    yield shared_gateway
    await shared_gateway.idle()
    report = await shared_gateway.verify()
    assert report.open_holds == 0


@pytest.fixture
async def customer(gateway: RunningGateway) -> Customer:
    return await gateway.new_customer()
