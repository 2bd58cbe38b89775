"""From an e-mail address to the first paid call, as a new customer goes."""

import pytest
from playwright.async_api import expect

from tests.gateway import RunningGateway
from tests.journeys.chromium import Visitor
from tests.journeys.conftest import Visit
from tests.journeys.people import make_key, make_workspace, newest_letter, sign_in


async def _call(gateway: RunningGateway, secret: str) -> tuple[int, str]:
    body = {"model": "plain", "messages": [{"role": "user", "content": "Reply exactly: hi"}]}
    headers = {"authorization": f"Bearer {secret}"}
    async with gateway.session.post(f"{gateway.base_url}/chat/completions", json=body, headers=headers) as response:
        answer = await response.json()
        return response.status, answer["choices"][0]["message"]["content"] if response.status == 200 else str(answer)


@pytest.mark.parametrize("javascript", [True, False], ids=["with JavaScript", "without JavaScript"])
async def test_an_email_address_becomes_a_workspace_a_key_and_a_paid_call(
    visit: Visit, gateway: RunningGateway, javascript: bool
) -> None:
    async with visit(javascript=javascript) as visitor:
        await visitor.go("/")
        await visitor.page.get_by_role("link", name="Sign in").first.click()
        await sign_in(visitor, gateway, f"first-{javascript}@example.com".lower())
        workspace_id = await make_workspace(visitor, "Ångström & Söhne <b>")
        secret = await make_key(visitor, workspace_id, "first <key>")
        assert await _call(gateway, secret) == (200, "hi")
        await visitor.go(f"/console/{workspace_id}/keys")
        headings = await visitor.page.locator("table").first.locator("thead th").all_inner_texts()
        assert headings[:5] == ["Name", "Prefix", "Scopes", "Status", "Created"]
        row = visitor.page.locator("table").first.locator("tbody tr")
        await expect(row).to_have_count(1)
        assert (await row.inner_text()).startswith("first <key>")
        assert secret not in await visitor.page.content()


async def test_a_secret_is_shown_once_and_its_reload_shows_none(visitor: Visitor, gateway: RunningGateway) -> None:
    await sign_in(visitor, gateway, "once@example.com")
    workspace_id = await make_workspace(visitor, "Once")
    secret = await make_key(visitor, workspace_id, "once")
    assert secret not in visitor.page.url
    await visitor.page.reload()
    assert secret not in await visitor.page.content()
    rows = await gateway.rows("SELECT name FROM api_key WHERE name = 'once'")
    assert len(rows) == 1


async def test_the_link_of_the_letter_signs_in_as_well_but_only_when_its_button_is_pressed(
    visitor: Visitor, visit: Visit, gateway: RunningGateway
) -> None:
    await visitor.go("/sign-in")
    await visitor.page.get_by_label("E-mail").fill("link@example.com")
    await visitor.page.get_by_role("button", name="Continue with e-mail").click()
    _, body = await newest_letter(gateway, "link@example.com", pattern="/sign-in/link")
    link = next(word for word in body.split() if "/sign-in/link?token=" in word)
    assert link.startswith(gateway.site)
    async with visit() as other:
        for _ in range(2):  # as a program that looks through mail does
            await other.page.goto(link)
        await expect(other.page.locator("main")).to_contain_text("link@example.com")
        await other.page.get_by_role("button", name="Sign in").click()
        await other.go("/account")
        await expect(other.page.locator("#emails")).to_be_visible()
    await visitor.go("/account")
    assert visitor.path == "/sign-in"
