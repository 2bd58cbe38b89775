"""The record of a workspace: read by who may, page by page, and about nothing else."""

from farebox.identity.roles import Role
from tests.people.town import Town


async def test_pages_hold_every_event_once_newest_first(town: Town) -> None:
    owner = await town.person()
    workspace_id = await town.workspace(owner=owner)
    for number in range(7):
        await owner.in_workspace(workspace_id, "PATCH", "/api/workspace", {"name": f"Name {number}"})
    seen, cursor = [], ""
    while True:
        page = (await owner.in_workspace(workspace_id, "GET", f"/api/events?limit=3{cursor}")).json
        seen += [event["detail"]["name"] for event in page["data"]]
        assert page["has_more"] == (page["next_cursor"] is not None)
        if not page["has_more"]:
            break
        # What happens meanwhile shifts nothing.
        await owner.in_workspace(workspace_id, "PATCH", "/api/workspace", {"name": f"Meanwhile {len(seen)}"})
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == [f"Name {number}" for number in reversed(range(7))]


async def test_an_event_says_who_did_what_and_from_where(town: Town) -> None:
    owner, viewer = await town.person(), await town.person()
    workspace_id = await town.workspace(owner=owner, viewer=viewer)
    await owner.in_workspace(workspace_id, "PATCH", f"/api/members/{viewer.shown}", {"role": "admin"})
    await owner.in_workspace(workspace_id, "PATCH", "/api/workspace", {"name": "Better"})
    (event,) = (await owner.in_workspace(workspace_id, "GET", "/api/events?action=member.role")).json["data"]
    assert (event["actor"], event["about"], event["subject"]) == (owner.shown, viewer.shown, viewer.shown)
    assert event["detail"] == {"former": "viewer", "role": "admin"}
    assert event["address"] == owner.browser.address
    assert event["meaning"] == "a member got another role"


async def test_only_owners_and_admins_read_it_and_only_their_own(town: Town) -> None:
    owner, other = await town.person(), await town.person()
    workspace_id, foreign_id = await town.workspace(owner=owner), await town.workspace(owner=other)
    await owner.in_workspace(workspace_id, "PATCH", "/api/workspace", {"name": "Mine"})
    assert (await other.in_workspace(workspace_id, "GET", "/api/events")).status == 404
    assert (await other.in_workspace(foreign_id, "GET", "/api/events")).json["data"] == []
    for role in (Role.DEVELOPER, Role.BILLING, Role.VIEWER):
        member = await town.person()
        await town.join(workspace_id, member, role)
        assert (await member.in_workspace(workspace_id, "GET", "/api/events")).status == 403


async def test_a_parameter_that_cannot_be_meant_is_refused(town: Town) -> None:
    owner = await town.person()
    workspace_id = await town.workspace(owner=owner)
    for query in ("action=member.eaten", "cursor=nonsense", "limit=0", "limit=501", "actor=me"):
        refused = await owner.in_workspace(workspace_id, "GET", f"/api/events?{query}")
        assert (refused.status, refused.code) == (400, "invalid_request"), query


async def test_nobody_learns_from_their_own_record_whence_others_work(town: Town) -> None:
    """Theirs, and whence a stranger failed to sign in as them, they do."""
    owner, viewer = await town.person(), await town.person()
    workspace_id = await town.workspace(owner=owner, viewer=viewer)
    await viewer.browser.patch("/api/me", {"name": "Vera"})
    await owner.in_workspace(workspace_id, "DELETE", f"/api/members/{viewer.shown}")
    await town.run(
        "INSERT INTO audit_event (event_id, person_id, actor, action, subject, detail, address, happened_at)"
        " VALUES (gen_random_uuid(), %s, 'nobody', 'sign_in.failed', '', '{}', '203.0.113.9', 1)",
        viewer.person_id,
    )
    seen = {event["action"]: event["address"] for event in (await viewer.browser.get("/api/me/events"))["data"]}
    assert seen["member.removed"] == ""
    assert (seen["person.renamed"], seen["sign_in.failed"]) == (viewer.browser.address, "203.0.113.9")
    page = await viewer.browser.request("GET", "/account")
    assert viewer.browser.address in page.text and owner.browser.address not in page.text


async def test_whence_somebody_worked_who_is_gone_stays_in_the_record(town: Town) -> None:
    """Whoever was thrown out for what they did is looked for afterwards."""
    owner, rogue = await town.person(), await town.person()
    workspace_id = await town.workspace(owner=owner)
    invited = {"email": rogue.email, "role": "admin"}
    await owner.in_workspace(workspace_id, "POST", "/api/invitations", invited)
    token = (await rogue.browser.letter(rogue.email)).body.split("/invitations/")[1].split()[0]
    assert (await rogue.browser.request("POST", "/api/invitations/accept", body={"token": token})).status == 200
    await rogue.in_workspace(workspace_id, "PATCH", "/api/workspace", {"name": "Mine now"})
    await owner.in_workspace(workspace_id, "DELETE", f"/api/members/{rogue.shown}")
    events = (await owner.in_workspace(workspace_id, "GET", "/api/events")).json["data"]
    seen = {event["action"]: event["address"] for event in events}
    assert seen["workspace.renamed"] == rogue.browser.address
    assert seen["member.removed"] == owner.browser.address


async def test_an_invitation_that_is_taken_back_stands_in_the_record(town: Town) -> None:
    """By whom, and to whom as far as who knows the address needs it."""
    owner = await town.person()
    workspace_id = await town.workspace(owner=owner)
    invited = {"email": "nearly@example.com", "role": "viewer"}
    await owner.in_workspace(workspace_id, "POST", "/api/invitations", invited)
    (listed,) = (await owner.in_workspace(workspace_id, "GET", "/api/invitations")).json["data"]
    gone = await owner.in_workspace(workspace_id, "DELETE", f"/api/invitations/{listed['invitation_id']}")
    assert gone.status < 300
    told = {"email": "n…@example.com", "role": "viewer"}
    assert await town.events(workspace_id) == [
        ("invitation.sent", owner.shown, told),
        ("invitation.withdrawn", owner.shown, told),
    ]
