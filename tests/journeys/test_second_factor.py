"""An authenticator app, and the codes for the day when the phone is gone."""

import re

import pyotp
from playwright.async_api import expect

from tests.gateway import RunningGateway
from tests.journeys.chromium import Visitor
from tests.journeys.people import sign_in


async def _set_up(visitor: Visitor) -> tuple[pyotp.TOTP, list[str]]:
    """From the account's page: the app, and the recovery codes."""
    await visitor.go("/account")
    await visitor.page.get_by_role("button", name="Set up an authenticator app").click()
    await expect(visitor.page.get_by_alt_text(re.compile("QR code"))).to_be_visible()
    app = pyotp.TOTP((await visitor.page.locator("#secret").inner_text()).replace(" ", ""))
    await visitor.page.get_by_label("Code of six digits").fill(app.now())
    await visitor.page.get_by_role("button", name="Turn it on").click()
    codes = await visitor.page.locator("#codes li").all_inner_texts()
    return app, codes


async def _leave(visitor: Visitor) -> None:
    await visitor.page.get_by_role("button", name="Sign out").click()


async def test_after_the_second_factor_is_on_an_email_alone_opens_nothing(
    visitor: Visitor, gateway: RunningGateway
) -> None:
    await sign_in(visitor, gateway, "totp@example.com")
    _, codes = await _set_up(visitor)
    assert len(set(codes)) == 10
    await _leave(visitor)
    await sign_in(visitor, gateway, "totp@example.com")
    for path in ("/account", "/console", "/console/new"):
        await visitor.go(path)
        assert visitor.path == "/sign-in/second-factor"
    await visitor.page.get_by_label(re.compile("Code of your authenticator app")).fill("000000")
    await visitor.page.get_by_role("button", name="Continue").click()
    await expect(visitor.page.get_by_role("alert")).to_be_visible()
    # The code that switched the app on is used up; a recovery code is good once.
    await visitor.page.get_by_label(re.compile("Code of your authenticator app")).fill(codes[0])
    await visitor.page.get_by_role("button", name="Continue").click()
    await visitor.page.wait_for_url("**/console/new")
    await visitor.go("/account")
    await expect(visitor.page.get_by_text("9 recovery codes are left")).to_be_visible()
    await _leave(visitor)
    await sign_in(visitor, gateway, "totp@example.com")
    await visitor.page.get_by_label(re.compile("Code of your authenticator app")).fill(codes[0])
    await visitor.page.get_by_role("button", name="Continue").click()
    await expect(visitor.page.get_by_role("alert")).to_be_visible()


async def test_the_recovery_codes_are_downloaded_as_a_text(visitor: Visitor, gateway: RunningGateway) -> None:
    await sign_in(visitor, gateway, "download@example.com")
    _, codes = await _set_up(visitor)
    async with visitor.page.expect_download() as coming:
        await visitor.page.get_by_role("button", name="Download as a text").click()
    download = await coming.value
    text = (await download.path()).read_text()
    assert all(code in text for code in codes)
    await visitor.page.reload()
    assert codes[0] not in await visitor.page.content()
