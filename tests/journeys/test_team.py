"""Two people in one workspace: invited, limited by a role, given another one, removed."""

import re

from playwright.async_api import expect

from tests.gateway import RunningGateway
from tests.journeys.chromium import Visitor
from tests.journeys.conftest import Visit
from tests.journeys.people import make_workspace, newest_letter, sign_in

OWNER, GUEST = "owner@example.com", "guest@example.com"


async def _invited(owner: Visitor, gateway: RunningGateway, workspace_id: str, role: str) -> str:
    """The link in the letter to the guest."""
    await owner.go(f"/console/{workspace_id}/members/invite")
    await owner.page.get_by_label("E-mail").fill(GUEST)
    await owner.page.get_by_label("Role").select_option(role)
    await owner.page.get_by_role("button", name="Send the invitation").click()
    await expect(owner.page.get_by_role("status")).to_be_visible()
    _, body = await newest_letter(gateway, GUEST, pattern="/invitations/")
    link = next(word for word in body.split() if "/invitations/" in word)
    assert link.startswith(gateway.site)
    return link


async def test_who_is_invited_may_do_what_the_role_says_and_nothing_after_being_removed(
    visitor: Visitor, visit: Visit, gateway: RunningGateway
) -> None:
    await sign_in(visitor, gateway, OWNER)
    workspace_id = await make_workspace(visitor, "Shared <i>")
    link = await _invited(visitor, gateway, workspace_id, "viewer")
    async with visit() as guest:
        await guest.page.goto(link)
        await expect(guest.page.get_by_role("heading", level=1)).to_have_text("Join Shared <i>")
        await guest.page.get_by_role("link", name="Sign in to accept").click()
        await sign_in(guest, gateway, GUEST)
        await guest.page.get_by_role("button", name="Accept").click()
        await guest.page.wait_for_url(re.compile(f"/console/{workspace_id}"))
        # A viewer sees keys and is offered nothing that would change them; asking all the same is refused.
        await guest.go(f"/console/{workspace_id}/keys")
        await expect(guest.page.get_by_role("link", name="Make a key")).to_have_count(0)
        await guest.go(f"/console/{workspace_id}/keys/new")
        assert "may not" in await guest.says()
        await guest.go(f"/console/{workspace_id}/events")
        assert "may not" in await guest.says()

        await visitor.go(f"/console/{workspace_id}/members")
        await visitor.page.get_by_role("link", name=f"Manage {GUEST}").click()
        await visitor.page.get_by_label("Role").select_option("developer")
        await visitor.page.get_by_role("button", name=re.compile("role", re.IGNORECASE)).click()
        await guest.go(f"/console/{workspace_id}/keys/new")
        await expect(guest.page.get_by_role("button", name="Make the key")).to_be_visible()

        await visitor.go(f"/console/{workspace_id}/members")
        await visitor.page.get_by_role("link", name=f"Manage {GUEST}").click()
        await visitor.page.get_by_role("button", name=re.compile("^Remove")).click()
        await guest.page.get_by_label("Name", exact=True).fill("too late")
        await guest.page.get_by_role("button", name="Make the key").click()
        await expect(guest.page.get_by_role("heading", level=1)).to_have_text(re.compile("no such workspace"))
    assert await gateway.rows("SELECT 1 FROM api_key WHERE name = 'too late'") == []


async def test_an_invitation_is_for_its_address_alone(visitor: Visitor, visit: Visit, gateway: RunningGateway) -> None:
    await sign_in(visitor, gateway, "second-owner@example.com")
    workspace_id = await make_workspace(visitor, "Not for all")
    link = await _invited(visitor, gateway, workspace_id, "admin")
    async with visit() as other:
        await sign_in(other, gateway, "somebody-else@example.com")
        await other.page.goto(link)
        await expect(other.page.get_by_role("button", name="Accept")).to_have_count(0)
        await expect(other.page.get_by_role("status")).to_contain_text("not one of your addresses")
        await other.go(f"/console/{workspace_id}")
        assert "no such workspace" in await other.says()
