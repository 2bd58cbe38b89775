"""Operators: a role from the command line, a second factor, and then money with a reason, a freeze, a decision."""

import asyncio
import re

import pyotp
from playwright.async_api import expect

from farebox.wiring.admins import create_admin
from tests.gateway import PATIENCE_SECONDS, RunningGateway
from tests.journeys.chromium import Visitor
from tests.journeys.conftest import Visit
from tests.journeys.people import make_key, make_workspace, sign_in

OPERATOR = "operator@example.com"


async def _status(gateway: RunningGateway, secret: str) -> int:
    headers = {"authorization": f"Bearer {secret}"}
    async with gateway.session.get(f"{gateway.base_url}/models", headers=headers) as response:
        return response.status


async def _until(gateway: RunningGateway, secret: str, status: int) -> None:
    """Every process hears of it within a second, and of a busy machine a little later."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while await _status(gateway, secret) != status:
            await asyncio.sleep(0.05)


async def _second_factor(visitor: Visitor) -> None:
    await visitor.go("/account")
    await visitor.page.get_by_role("button", name="Set up an authenticator app").click()
    app = pyotp.TOTP((await visitor.page.locator("#secret").inner_text()).replace(" ", ""))
    await visitor.page.get_by_label("Code of six digits").fill(app.now())
    await visitor.page.get_by_role("button", name="Turn it on").click()
    await expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Recovery codes")


async def test_an_operator_credits_freezes_and_decides_behind_a_second_factor(
    visitor: Visitor, visit: Visit, gateway: RunningGateway
) -> None:
    await sign_in(visitor, gateway, "buyer@example.com")
    workspace_id = await make_workspace(visitor, "Buyers")
    secret = await make_key(visitor, workspace_id, "bought")
    await visitor.go(f"/console/{workspace_id}/requests/new")
    await visitor.page.get_by_label("Plain").check()
    await visitor.page.get_by_label("Note").fill("Fifty dollars a month")
    await visitor.page.get_by_role("button", name="Send the request").click()

    async with visit() as operator:
        await operator.go("/admin")
        assert operator.path == "/sign-in"
        await sign_in(operator, gateway, OPERATOR)
        await operator.go("/admin/workspaces")
        assert "no such page" in (await operator.says()).lower() or "nothing at this address" in await operator.says()
        await create_admin(gateway.settings, gateway.dsn, OPERATOR, "superadmin")
        await operator.go("/admin/workspaces")
        assert operator.path == "/sign-in/second-factor"
        await _second_factor(operator)

        await operator.go("/admin/workspaces")
        await operator.page.get_by_label("Name, e-mail, key or id").fill("buyer@exam")
        await operator.page.get_by_role("button", name="Find").click()
        await operator.page.get_by_role("link", name="Buyers").click()
        sheet = operator.page.url
        await operator.page.get_by_role("link", name="Credit or correct").click()
        await operator.page.get_by_label("Amount in US dollars").fill("25.50")
        await operator.page.get_by_label("Reason").fill("Bank transfer 4711")
        await operator.page.get_by_role("button", name="Book it").click()
        await expect(operator.page.locator("#available")).to_have_text("$35.50")

        await operator.page.get_by_role("link", name="Freeze").click()
        await operator.page.get_by_label("Reason").fill("Chargeback")
        await operator.page.get_by_role("button", name="Freeze the workspace").click()
        await expect(operator.page.get_by_text("This workspace is frozen")).to_be_visible()
        await _until(gateway, secret, 401)
        await operator.page.goto(sheet)
        await operator.page.get_by_role("link", name="Unfreeze").click()
        await operator.page.get_by_label("Reason").fill("Settled")
        await operator.page.get_by_role("button", name="Let it work again").click()
        await _until(gateway, secret, 200)

        await operator.go("/admin/requests")
        await expect(operator.page.locator("main")).to_contain_text("Fifty dollars a month")
        await operator.page.get_by_role("link", name=re.compile("^Decide")).click()
        await operator.page.get_by_label("What to tell them").fill("Welcome")
        await operator.page.get_by_role("button", name="Accept").click()
        await expect(operator.page.locator("main")).to_contain_text("Nothing waits for a decision")

    await visitor.go(f"/console/{workspace_id}/requests")
    await expect(visitor.page.locator("main")).to_contain_text("Welcome")
    await visitor.go(f"/console/{workspace_id}/events")
    assert "the operator changed a balance" in (await visitor.says()).lower()
