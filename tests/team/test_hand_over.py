"""A workspace that the operator made gets its owner."""

import re

import pytest

from farebox.base.errors import OperatorError
from farebox.base.ids import show_short
from farebox.identity.roles import Role
from farebox.wiring.team import HandOverView, hand_over
from tests.people.browser import Answer
from tests.people.town import Resident, Town


async def _hand_over(town: Town, workspace_id: int, email: str) -> HandOverView:
    return await hand_over(town.gateway.settings, town.gateway.dsn, show_short("ws", workspace_id), email)


async def _accept(resident: Resident, view: HandOverView) -> Answer:
    token = view.link.rpartition("/")[2]
    return await resident.browser.request("POST", "/api/invitations/accept", body={"token": token})


async def test_whoever_is_handed_the_link_and_has_the_address_owns_it(town: Town) -> None:
    anna, thief = await town.person(), await town.person()
    workspace_id = await town.workspace("Handed")
    view = await _hand_over(town, workspace_id, anna.email.upper())
    assert re.fullmatch(re.escape(town.gateway.site) + r"/invitations/[A-Za-z0-9_-]{43}", view.link)
    assert (view.name, view.email) == ("Handed", anna.email)
    assert view.link not in repr(view)
    assert (await _accept(thief, view)).status == 409
    joined = await _accept(anna, view)
    assert (joined.status, joined.json["role"]) == (200, "owner")
    assert await town.roles(workspace_id) == {anna.person_id: Role.OWNER}
    (sent, joined_event) = await town.events(workspace_id)
    assert sent == ("invitation.sent", "operator", {"email": f"{anna.email[0]}…@example.com", "role": "owner"})
    assert joined_event[:2] == ("member.joined", anna.shown)


async def test_handing_over_again_voids_the_former_link(town: Town) -> None:
    anna, ben = await town.person(), await town.person()
    workspace_id = await town.workspace()
    former = await _hand_over(town, workspace_id, anna.email)
    view = await _hand_over(town, workspace_id, ben.email)
    assert (await _accept(anna, former)).status == 404
    assert (await _accept(ben, view)).status == 200
    # What is done at one moment has no order.
    told = sorted(await town.actions(workspace_id))
    assert told == ["invitation.sent", "invitation.sent", "invitation.withdrawn", "member.joined"]


async def test_a_workspace_with_an_owner_is_not_handed_over(town: Town) -> None:
    anna, ben = await town.person(), await town.person()
    workspace_id = await town.workspace(owner=anna)
    with pytest.raises(OperatorError, match="has an owner"):
        await _hand_over(town, workspace_id, ben.email)
    assert await town.events(workspace_id) == []


async def test_a_word_that_is_no_address_is_told(town: Town) -> None:
    workspace_id = await town.workspace()
    with pytest.raises(OperatorError, match="no e-mail address"):
        await _hand_over(town, workspace_id, "anna")


async def test_whoever_owns_as_many_as_one_may_takes_none_over(town: Town) -> None:
    anna = await town.person()
    for _ in range(3):
        await town.workspace(owner=anna)
    workspace_id = await town.workspace()
    view = await _hand_over(town, workspace_id, anna.email)
    refused = await _accept(anna, view)
    assert (refused.status, refused.code) == (409, "conflict")
    assert await town.roles(workspace_id) == {}


async def test_an_admin_does_not_touch_the_operators_hand_over(town: Town) -> None:
    anna, admin = await town.person(), await town.person()
    workspace_id = await town.workspace()
    await town.join(workspace_id, admin, Role.ADMIN)
    view = await _hand_over(town, workspace_id, anna.email)
    (listed,) = (await admin.in_workspace(workspace_id, "GET", "/api/invitations")).json["data"]
    path = f"/api/invitations/{listed['invitation_id']}"
    for method, address in (("DELETE", path), ("POST", f"{path}/resend")):
        refused = await admin.in_workspace(workspace_id, method, address)
        assert (refused.status, refused.code) == (403, "role_not_allowed")
    assert (await _accept(anna, view)).status == 200
