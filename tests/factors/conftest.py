"""One gateway for the folder, with a key for stored secrets; everybody has a browser of their own."""

import base64
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.database import TestCluster
from tests.factors.people import Somebody
from tests.gateway import RunningGateway, serve_gateway

SECRETS_KEY = base64.b64encode(b"thirty-two bytes of a test's key").decode()
Enter = Callable[..., Awaitable[Somebody]]


@pytest.fixture(scope="package")
async def gateway(cluster: TestCluster) -> AsyncIterator[RunningGateway]:
    async with serve_gateway(cluster, secrets_key=SECRETS_KEY) as running:
        yield running


@pytest.fixture
async def enter(gateway: RunningGateway) -> AsyncIterator[Enter]:
    """Signs somebody in by e-mail: a new person, or (`email=`) one there is, in another browser."""
    async with contextlib.AsyncExitStack() as stack:

        async def entered(email: str | None = None) -> Somebody:
            return await (await stack.enter_async_context(Somebody(gateway, email=email))).enter()

        yield entered


@pytest.fixture
async def anna(enter: Enter) -> Somebody:
    """Somebody who has just signed in by e-mail."""
    return await enter()


@pytest.fixture
async def stranger(gateway: RunningGateway) -> AsyncIterator[Somebody]:
    """A browser that nobody is signed in with."""
    async with Somebody(gateway) as browser:
        yield browser
