"""One gateway of two workers for the folder; operators of every role with a browser each."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from farebox.identity.people.model import Method
from farebox.identity.roles import PlatformRole
from tests.admin.office import OPERATOR_TOKEN, Office
from tests.database import TestCluster
from tests.gateway import RunningGateway, serve_gateway
from tests.people.town import Resident, Town


@pytest.fixture(scope="package")
async def gateway(cluster: TestCluster) -> AsyncIterator[RunningGateway]:
    async with serve_gateway(cluster, workers=2, operator_token=OPERATOR_TOKEN) as running:
        yield running


@pytest.fixture
async def town(gateway: RunningGateway) -> AsyncIterator[Town]:
    async with contextlib.AsyncExitStack() as stack:
        yield Town(gateway, stack)


@pytest.fixture
async def office(gateway: RunningGateway, town: Town) -> Office:
    return Office(gateway, town)


@pytest.fixture
async def boss(office: Office) -> Resident:
    """A superadmin who signed in with a passkey."""
    return await office.operator(PlatformRole.SUPERADMIN)


@pytest.fixture
async def nobody(town: Town) -> Resident:
    """Somebody without a role who signed in with a passkey."""
    return await town.person(method=Method.PASSKEY)
