"""What the pages' scripts do, in a real browser: a secret is not to be had again, and a wallet is linked."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser as Chromium

from farebox.identity.people.ethereum import checksummed
from farebox.identity.roles import Role
from tests.console_workspace.conftest import Join, path_of
from tests.console_workspace.pages import Person
from tests.console_workspace.test_overview import api
from tests.gateway import Customer, RunningGateway
from tests.journeys.chromium import Visitor, running_chromium, visiting
from tests.journeys.wallet import TestWallet
from tests.people.browser import COOKIE


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Chromium]:
    async with running_chromium() as running:
        yield running


async def bear(visitor: Visitor, person: Person) -> None:
    """The browser of somebody who has signed in."""
    await visitor.context.add_cookies(
        [
            {
                "name": COOKIE,
                "value": person.browser.cookie,
                "domain": "localhost",
                "path": "/",
                "secure": True,
                "httpOnly": True,
                "sameSite": "Lax",
            }
        ]
    )


async def test_a_page_with_a_secret_is_the_keys_page_when_it_is_loaded_anew(
    gateway: RunningGateway, customer: Customer, join: Join, chromium: Chromium
) -> None:
    person = await join(customer, Role.DEVELOPER)
    async with visiting(chromium, gateway.site) as visitor:
        await bear(visitor, person)
        page = visitor.page
        await visitor.go(f"{path_of(customer)}/keys/new")
        await page.get_by_label("Name", exact=True).fill("in a browser")
        await page.get_by_role("button", name="Make the key").click()
        secret = await page.locator("#secret").inner_text()
        await page.wait_for_url("**/keys/key_*")
        assert secret not in page.url
        await page.reload()
        assert "in a browser" in await visitor.says()
        assert secret not in await page.content()
    keys = (await api(person, customer, "/api/keys"))["data"]
    assert [key["name"] for key in keys].count("in a browser") == 1


async def test_a_holding_wallet_is_linked_to_the_workspace_of_the_page(
    gateway: RunningGateway, customer: Customer, join: Join, chromium: Chromium
) -> None:
    """Also where somebody belongs to several."""
    person = await join(customer, Role.BILLING)
    own = await person.get("/console/new")
    await person.send(own, "/console/new", {"name": "Another"})
    wallet = TestWallet()
    async with visiting(chromium, gateway.site) as visitor:
        await bear(visitor, person)
        await wallet.enter(visitor.context)
        await visitor.go(f"{path_of(customer)}/wallets/link")
        await visitor.page.get_by_role("button", name="MetaMask").click()
        await visitor.page.wait_for_url("**/wallets?done=linked")
        assert checksummed(wallet.address) in await visitor.says()
    (linked,) = (await api(person, customer, "/api/holding-wallets"))["data"]
    assert linked["address"] == checksummed(wallet.address)
    (text,) = wallet.texts
    assert path_of(customer).removeprefix("/console/") in text
    assert set(wallet.asked) == {"eth_requestAccounts", "eth_chainId", "personal_sign"}
