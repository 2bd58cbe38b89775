"""Who may change whom; what a removal ends, and what goes on."""

import asyncio

import pytest

from farebox.base.ids import show_short
from farebox.identity.people.model import show_person
from farebox.identity.roles import Role, Verb, may
from farebox.identity.store import NewKey, create_key, workspace_of
from tests.people.town import Resident, Town

# Said here once more, in the words of the issue: who manages members changes everybody but the owner, to anything but
# an owner.
MANAGERS = {Role.OWNER, Role.ADMIN}


async def _house(town: Town) -> tuple[int, dict[Role, Resident]]:
    residents = {role: await town.person(role) for role in Role}
    workspace_id = await town.workspace()
    for role, resident in residents.items():
        await town.join(workspace_id, resident, role)
    return workspace_id, residents


@pytest.mark.parametrize("actor", Role)
async def test_only_managers_change_roles_and_never_the_owners(town: Town, actor: Role) -> None:
    workspace_id, residents = await _house(town)
    for target in Role:
        if target is actor:
            continue
        for wanted in Role:
            before = await town.roles(workspace_id)
            path = f"/api/members/{residents[target].shown}"
            answer = await residents[actor].in_workspace(workspace_id, "PATCH", path, {"role": wanted})
            after = await town.roles(workspace_id)
            if actor not in MANAGERS:
                assert (answer.status, answer.code) == (403, "role_not_allowed")
            elif wanted is Role.OWNER:
                assert (answer.status, answer.code) == (400, "invalid_request")
            elif target is Role.OWNER:
                assert (answer.status, answer.code) == (403, "role_not_allowed")
            else:
                assert answer.status == 200, answer.text
                assert after == before | {residents[target].person_id: wanted}
                assert answer.json["role"] == wanted
                await residents[Role.OWNER].in_workspace(workspace_id, "PATCH", path, {"role": target})
                continue
            assert after == before


@pytest.mark.parametrize("actor", Role)
async def test_nobody_raises_their_own_role(town: Town, actor: Role) -> None:
    workspace_id, residents = await _house(town)
    order = list(Role)
    for wanted in order[: order.index(actor)]:
        answer = await residents[actor].in_workspace(
            workspace_id, "PATCH", f"/api/members/{residents[actor].shown}", {"role": wanted}
        )
        assert answer.status in (400, 403)
    assert (await town.roles(workspace_id))[residents[actor].person_id] is actor


async def test_an_admin_may_step_down_and_the_next_request_has_it(town: Town) -> None:
    workspace_id, residents = await _house(town)
    admin = residents[Role.ADMIN]
    path = f"/api/members/{admin.shown}"
    assert (await admin.in_workspace(workspace_id, "PATCH", path, {"role": "viewer"})).status == 200
    again = await admin.in_workspace(workspace_id, "PATCH", path, {"role": "admin"})
    assert (again.status, again.code) == (403, "role_not_allowed")


@pytest.mark.parametrize("actor", Role)
async def test_only_managers_remove_others_and_never_the_owner(town: Town, actor: Role) -> None:
    workspace_id, residents = await _house(town)
    for target in Role:
        if target is actor:
            continue
        path = f"/api/members/{residents[target].shown}"
        answer = await residents[actor].in_workspace(workspace_id, "DELETE", path)
        is_member = residents[target].person_id in await town.roles(workspace_id)
        if actor in MANAGERS and target is not Role.OWNER:
            assert (answer.status, is_member) == (200, False)
        else:
            assert (answer.status, answer.code, is_member) == (403, "role_not_allowed", True)


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OWNER])
async def test_everybody_but_the_owner_may_leave(town: Town, role: Role) -> None:
    workspace_id, residents = await _house(town)
    leaver = residents[role]
    left = await leaver.browser.delete(f"/api/me/memberships/{show_short('ws', workspace_id)}")
    assert left["person_id"] == leaver.shown
    assert leaver.person_id not in await town.roles(workspace_id)
    assert (await leaver.in_workspace(workspace_id, "GET", "/api/workspace")).status == 404
    assert ("member.removed", leaver.shown, {"role": role, "left": True}) in await town.events(workspace_id)


async def test_the_owner_leaves_only_after_a_transfer(town: Town) -> None:
    workspace_id, residents = await _house(town)
    owner, path = residents[Role.OWNER], f"/api/me/memberships/{show_short('ws', workspace_id)}"
    refused = await owner.browser.request("DELETE", path)
    assert (refused.status, refused.code) == (409, "conflict")
    refused = await owner.in_workspace(workspace_id, "DELETE", f"/api/members/{owner.shown}")
    assert (refused.status, refused.code) == (409, "conflict")
    body = {"person_id": residents[Role.VIEWER].shown}
    assert (await owner.in_workspace(workspace_id, "POST", "/api/workspace/transfer", body)).status == 200
    assert (await owner.browser.request("DELETE", path)).status == 200


async def test_a_removal_ends_access_at_once_and_names_the_keys_that_go_on(town: Town) -> None:
    workspace_id, residents = await _house(town)
    gone = residents[Role.DEVELOPER]
    async with town.gateway.connect() as connection:
        workspace = await workspace_of(connection, workspace_id)
        assert workspace is not None
        new = NewKey(name="theirs", scopes=frozenset({"usage.read"}), created_by=gone.shown)
        prefix = town.gateway.settings.brand.key_prefix
        made = await create_key(connection, workspace, new, key_prefix=prefix, now_micros=town.gateway.clock())
    assert (await gone.in_workspace(workspace_id, "GET", "/api/members")).status == 200
    answer = await residents[Role.ADMIN].in_workspace(workspace_id, "DELETE", f"/api/members/{gone.shown}")
    shown = {"key_id": show_short("key", made.record.key_id), "name": "theirs", "prefix": made.record.visible_prefix}
    assert answer.json["working_keys"] == [shown]
    assert "go on working" in answer.json["note"]
    refused = await gone.in_workspace(workspace_id, "GET", "/api/members")
    assert (refused.status, refused.code) == (404, "not_found")
    headers: dict[str, str | None] = {"authorization": f"Bearer {made.secret}", "cookie": None}
    assert (await gone.browser.request("GET", "/api/workspace", headers=headers)).status == 200


async def test_a_member_of_another_workspace_does_not_exist_here(town: Town) -> None:
    workspace_id, residents = await _house(town)
    foreign_id, foreign = await _house(town)
    owner = residents[Role.OWNER]
    for shown in (foreign[Role.VIEWER].shown, show_person(1), "person_nonsense", "key_0000000000001"):
        for method, body in (("PATCH", {"role": "admin"}), ("DELETE", None)):
            answer = await owner.in_workspace(workspace_id, method, f"/api/members/{shown}", body)
            assert (answer.status, answer.code) == (404, "not_found")
    answer = await owner.in_workspace(foreign_id, "DELETE", f"/api/members/{foreign[Role.VIEWER].shown}")
    assert (answer.status, answer.code) == (404, "not_found")
    assert len(await town.roles(foreign_id)) == len(Role)


async def test_members_are_listed_to_everybody_with_the_owner_first(town: Town) -> None:
    workspace_id, residents = await _house(town)
    for resident in residents.values():
        listed = (await resident.in_workspace(workspace_id, "GET", "/api/members")).json["data"]
        assert [each["role"] for each in listed] == list(Role)
        assert listed[0]["email"] == residents[Role.OWNER].email
    assert all(may(role, Verb.MEMBERS_READ) for role in Role)


async def test_what_is_delicate_wants_a_fresh_proof(town: Town) -> None:
    workspace_id, residents = await _house(town)
    owner, viewer = residents[Role.OWNER], residents[Role.VIEWER]
    await town.grow_stale(owner)
    await town.grow_stale(viewer)
    for resident, method, path, body in (
        (owner, "PATCH", f"/api/members/{viewer.shown}", {"role": "admin"}),
        (owner, "DELETE", f"/api/members/{viewer.shown}", None),
        (owner, "POST", "/api/workspace/transfer", {"person_id": viewer.shown}),
        (owner, "POST", "/api/invitations", {"email": "new@example.com", "role": "viewer"}),
        (viewer, "DELETE", f"/api/me/memberships/{show_short('ws', workspace_id)}", None),
    ):
        answer = await resident.in_workspace(workspace_id, method, path, body)
        assert (answer.status, answer.code) == (403, "step_up_required"), path
    assert (await town.roles(workspace_id))[viewer.person_id] is Role.VIEWER
    assert await town.actions(workspace_id) == []


async def test_each_change_has_its_event_and_a_refusal_has_none(town: Town) -> None:
    workspace_id, residents = await _house(town)
    owner, viewer, billing = residents[Role.OWNER], residents[Role.VIEWER], residents[Role.BILLING]
    path = f"/api/members/{viewer.shown}"
    await billing.in_workspace(workspace_id, "PATCH", path, {"role": "admin"})
    await owner.in_workspace(workspace_id, "PATCH", path, {"role": "viewer"})  # which they are
    await owner.in_workspace(workspace_id, "PATCH", path, {"role": "owner"})
    assert await town.events(workspace_id) == []
    await owner.in_workspace(workspace_id, "PATCH", path, {"role": "admin"})
    await owner.in_workspace(workspace_id, "PATCH", "/api/workspace", {"name": "Better"})
    await owner.in_workspace(workspace_id, "PATCH", "/api/workspace", {"name": "Better"})
    await owner.in_workspace(workspace_id, "DELETE", path)
    assert await town.events(workspace_id) == [
        ("member.role", owner.shown, {"former": "viewer", "role": "admin"}),
        ("workspace.renamed", owner.shown, {"former": "Acme", "name": "Better"}),
        ("member.removed", owner.shown, {"role": "admin", "left": False}),
    ]


async def test_two_who_remove_each_other_at_once_leave_one(town: Town) -> None:
    for _ in range(5):
        owner, anna, ben = await town.person(), await town.person(), await town.person()
        workspace_id = await town.workspace(owner=owner)
        await town.join(workspace_id, anna, Role.ADMIN)
        await town.join(workspace_id, ben, Role.ADMIN)
        answers = await asyncio.gather(
            anna.in_workspace(workspace_id, "DELETE", f"/api/members/{ben.shown}"),
            ben.in_workspace(workspace_id, "DELETE", f"/api/members/{anna.shown}"),
        )
        assert sorted(answer.status for answer in answers) == [200, 404]
        assert len(await town.roles(workspace_id)) == 2
        assert await town.actions(workspace_id) == ["member.removed"]
