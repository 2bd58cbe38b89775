"""Passkeys in a browser with an authenticator of its own."""

import pytest
from playwright.async_api import expect

from tests.gateway import RunningGateway
from tests.journeys.authenticator import Authenticator
from tests.journeys.chromium import Visitor
from tests.journeys.people import sign_in


@pytest.mark.parametrize("offered", [True, False], ids=["in the e-mail field", "by its button"])
async def test_a_passkey_is_added_and_signs_in_by_itself(
    visitor: Visitor, gateway: RunningGateway, offered: bool
) -> None:
    email = f"passkey-{offered}@example.com".lower()
    device = await Authenticator.at(visitor.page)
    await sign_in(visitor, gateway, email)
    await visitor.go("/account")
    await visitor.page.get_by_label("Name of a new passkey").fill("This laptop")
    await visitor.page.get_by_role("button", name="Add a passkey").click()
    await visitor.page.wait_for_url("**/account?done=passkey")
    await expect(visitor.page.locator("#passkeys ~ ul")).to_contain_text("This laptop")
    (passkey,) = await device.passkeys()
    assert passkey["isResidentCredential"] and passkey["rpId"] == "localhost"
    await visitor.page.get_by_role("button", name="Sign out").click()
    if not offered:
        # A browser that offers no passkeys in the e-mail field has the button.
        await visitor.page.add_init_script("delete PublicKeyCredential.isConditionalMediationAvailable")
    await visitor.go("/sign-in?next=/account")
    if not offered:
        await visitor.page.get_by_role("button", name="Use a passkey").click()
    await visitor.page.wait_for_url("**/account")
    await expect(visitor.page.locator("#emails ~ ul")).to_contain_text(email)
    methods = await gateway.rows(
        "SELECT s.methods, s.second_factor_at IS NOT NULL FROM person_session s JOIN person_email e USING (person_id)"
        " WHERE e.email = %s AND s.state = 'active'",
        email,
    )
    assert methods == [(["passkey"], True)]


async def test_an_authenticator_that_did_not_verify_its_user_lets_nobody_in(
    visitor: Visitor, gateway: RunningGateway
) -> None:
    device = await Authenticator.at(visitor.page)
    await sign_in(visitor, gateway, "unverified@example.com")
    await visitor.go("/account")
    await visitor.page.get_by_role("button", name="Add a passkey").click()
    await visitor.page.wait_for_url("**/account?done=passkey")
    await visitor.page.get_by_role("button", name="Sign out").click()
    await device.verify_user(False)
    await visitor.go("/sign-in")
    await visitor.page.get_by_role("button", name="Use a passkey").click()
    await expect(visitor.page.locator("[data-passkey] [role=status]")).to_contain_text("No passkey was used")
    assert visitor.path == "/sign-in"
