"""Sessions seen from the browsers that have them."""

import re

from playwright.async_api import expect

from tests.gateway import RunningGateway
from tests.journeys.chromium import Visitor
from tests.journeys.conftest import Visit
from tests.journeys.people import make_workspace, sign_in


async def test_a_session_that_is_revoked_from_another_device_is_gone_with_the_next_click(
    visitor: Visitor, visit: Visit, gateway: RunningGateway
) -> None:
    await sign_in(visitor, gateway, "devices@example.com")
    workspace_id = await make_workspace(visitor, "Devices")
    async with visit() as lost:
        await sign_in(lost, gateway, "devices@example.com")
        await lost.go(f"/console/{workspace_id}/keys/new")
        await lost.page.get_by_label("Name", exact=True).fill("never made")
        await visitor.go("/account")
        await visitor.page.get_by_role("button", name=re.compile("^End (?!all)")).click()
        await expect(visitor.page.locator("#devices ~ * tbody tr")).to_have_count(1)
        await lost.page.get_by_role("button", name="Make the key").click()
        await lost.page.wait_for_url(re.compile("/sign-in[?]next="))
        await lost.go("/account")
        assert lost.path == "/sign-in"
    assert await gateway.rows("SELECT 1 FROM api_key WHERE name = 'never made'") == []


async def test_the_cookie_is_for_this_host_alone_and_for_no_script(visitor: Visitor, gateway: RunningGateway) -> None:
    await sign_in(visitor, gateway, "cookie@example.com")
    (cookie,) = await visitor.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["secure"]) == ("__Host-session", True, True)
    assert (cookie["sameSite"], cookie["path"]) == ("Lax", "/")
    assert await visitor.page.evaluate("document.cookie") == ""


async def test_a_page_of_another_site_can_do_nothing_with_the_session(
    visitor: Visitor, gateway: RunningGateway
) -> None:
    await sign_in(visitor, gateway, "victim@example.com")
    workspace_id = await make_workspace(visitor, "Victim")
    form = (
        f'<form method="post" action="{gateway.site}/console/new"><input name="name" value="by somebody else"></form>'
    )
    elsewhere = gateway.site.replace("localhost", "127.0.0.1")
    await visitor.page.route(f"{elsewhere}/evil", lambda route: route.fulfill(body=form, content_type="text/html"))
    await visitor.page.goto(f"{elsewhere}/evil")
    await visitor.page.evaluate("document.forms[0].submit()")
    await visitor.page.wait_for_url(f"{gateway.site}/**")
    assert await gateway.rows("SELECT 1 FROM workspace WHERE name = 'by somebody else'") == []
    await visitor.go(f"/console/{workspace_id}")
    await expect(visitor.page.get_by_role("heading", level=1)).to_have_text("Victim")
