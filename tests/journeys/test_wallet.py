"""Signing in with a wallet that announces itself and signs with a real key."""

from playwright.async_api import expect

from tests.gateway import RunningGateway
from tests.journeys.chromium import Visitor
from tests.journeys.conftest import Visit
from tests.journeys.people import make_key, make_workspace, sign_in
from tests.journeys.wallet import TestWallet

# What a wallet is asked for, and nothing else: no transaction, no approval, no other chain.
ALLOWED = {"eth_requestAccounts", "eth_chainId", "personal_sign"}


async def test_a_wallet_makes_an_account_and_signs_in_to_it_again(visit: Visit, gateway: RunningGateway) -> None:
    wallet = TestWallet(name="Some name", rdns="com.okex.wallet", chain_id=8453)
    async with visit() as visitor:
        await wallet.enter(visitor.context)
        await visitor.go("/sign-in")
        # By the name that people know, whatever it calls itself.
        await visitor.page.get_by_role("button", name="OKX").click()
        await visitor.page.wait_for_url("**/console/new")
        workspace_id = await make_workspace(visitor, "Wallet only")
        secret = await make_key(visitor, workspace_id, "by wallet")
        headers = {"authorization": f"Bearer {secret}"}
        async with gateway.session.get(f"{gateway.base_url}/models", headers=headers) as response:
            assert response.status == 200
        await visitor.page.get_by_role("button", name="Sign out").click()
        await visitor.go("/sign-in")
        await visitor.page.get_by_role("button", name="OKX").click()
        await visitor.page.wait_for_url(f"**/console/{workspace_id}")
    assert set(wallet.asked) <= ALLOWED
    first, second = wallet.texts
    assert first.startswith(
        f"{gateway.site.removeprefix('http://')} wants you to sign in with your Ethereum account:\n"
    )
    assert "Chain ID: 8453" in first and first != second
    assert "no payment" in first.lower() or "does not" in first.lower()


async def test_who_declines_in_the_wallet_is_told_so_and_stays_signed_out(visit: Visit) -> None:
    wallet = TestWallet()
    wallet.refuses = True
    async with visit() as visitor:
        await wallet.enter(visitor.context)
        await visitor.go("/sign-in")
        await visitor.page.get_by_role("button", name="MetaMask").click()
        await expect(visitor.page.locator("[data-wallet] [role=status]")).to_contain_text("declined")
        await visitor.go("/account")
        assert visitor.path == "/sign-in"


async def test_a_wallet_is_linked_signs_in_and_is_unlinked_but_never_the_last_way_in(
    visit: Visit, gateway: RunningGateway
) -> None:
    wallet = TestWallet()
    async with visit() as visitor:
        await wallet.enter(visitor.context)
        await sign_in(visitor, gateway, "linker@example.com")
        await visitor.go("/account")
        await visitor.page.locator("[data-wallet=link]").get_by_role("button", name="MetaMask").click()
        await visitor.page.wait_for_url("**/account?done=wallet")
        await expect(visitor.page.locator("#wallets ~ ul")).to_contain_text(wallet.address[:6], ignore_case=True)
        await _remove(visitor, "linker@example.com", "Remove this address")
        await _remove(visitor, wallet.address, "Remove this wallet")
        await expect(visitor.page.get_by_role("alert")).to_contain_text("last")
        await visitor.page.get_by_role("button", name="Sign out").click()
        await visitor.go("/sign-in")
        await visitor.page.get_by_role("button", name="MetaMask").click()
        await visitor.page.wait_for_url("**/console/new")


async def _remove(visitor: Visitor, what: str, button: str) -> None:
    line = visitor.page.locator("li", has_text=what[:10]).filter(has=visitor.page.get_by_text("Remove", exact=True))
    await line.locator("summary").first.click()
    await line.get_by_role("button", name=button).click()
