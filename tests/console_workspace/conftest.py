"""One gateway for the folder, and people who have signed in."""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from farebox.base.ids import read_short, show_short
from farebox.identity.roles import Role
from farebox.identity.team.members import add_member
from tests.console_workspace.pages import Person
from tests.database import TestCluster
from tests.gateway import Customer, RunningGateway, serve_gateway
from tests.people.browser import Browser

_NUMBERS = itertools.count(1)

SignIn = Callable[[], Awaitable[Person]]
Join = Callable[[Customer, Role], Awaitable[Person]]


@pytest.fixture(scope="package")
async def gateway(cluster: TestCluster) -> AsyncIterator[RunningGateway]:
    async with serve_gateway(cluster) as running:
        yield running


@pytest.fixture
async def sign_in(gateway: RunningGateway) -> AsyncIterator[SignIn]:
    """Somebody new, signed in with a browser of their own."""
    async with AsyncExitStack() as stack:

        async def signed_in() -> Person:
            email = f"person{next(_NUMBERS)}@console.example"
            browser = await stack.enter_async_context(Browser(gateway))
            answer = await browser.sign_in(email)
            return Person(browser, email, answer["person_id"])

        yield signed_in


@pytest.fixture
def join(gateway: RunningGateway, sign_in: SignIn) -> Join:
    """Somebody new who belongs to a customer's workspace."""

    async def joined(customer: Customer, role: Role) -> Person:
        person = await sign_in()
        async with gateway.connect() as connection:
            await add_member(
                connection,
                customer.workspace_id,
                read_short("person", person.person_id),
                role=role,
                added_by="operator",
                now_micros=gateway.clock(),
            )
        return person

    return joined


@pytest.fixture
async def customer(gateway: RunningGateway) -> Customer:
    """A workspace with money and one key."""
    return await gateway.new_customer(balance_usd="10", name="Acme <b>& Sons</b>")


def path_of(customer: Customer) -> str:
    """Where the pages of a workspace are."""
    return f"/console/{show_short('ws', customer.workspace_id)}"
