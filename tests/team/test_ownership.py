"""One owner at every moment, whoever acts at once."""

import asyncio

import psycopg
import pytest

from farebox.identity.roles import Role
from tests.people.town import Resident, Town


async def _transfer(workspace_id: int, owner: Resident, heir: Resident) -> int:
    answer = await owner.in_workspace(workspace_id, "POST", "/api/workspace/transfer", {"person_id": heir.shown})
    return answer.status


async def test_a_transfer_makes_the_other_the_owner_and_the_former_an_admin(town: Town) -> None:
    owner, heir = await town.person("Anna"), await town.person("Ben")
    workspace_id = await town.workspace(owner=owner, viewer=heir)
    answer = await owner.in_workspace(workspace_id, "POST", "/api/workspace/transfer", {"person_id": heir.shown})
    assert (answer.json["person_id"], answer.json["role"]) == (heir.shown, "owner")
    assert await town.roles(workspace_id) == {heir.person_id: Role.OWNER, owner.person_id: Role.ADMIN}
    assert await town.events(workspace_id) == [
        ("ownership.transferred", owner.shown, {"former_owner": owner.shown}),
    ]


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OWNER])
async def test_nobody_else_transfers_it(town: Town, role: Role) -> None:
    owner, other = await town.person(), await town.person()
    workspace_id = await town.workspace(owner=owner)
    await town.join(workspace_id, other, role)
    assert await _transfer(workspace_id, other, other) == 403
    assert await town.roles(workspace_id) == {owner.person_id: Role.OWNER, other.person_id: role}
    assert await town.actions(workspace_id) == []


async def test_it_goes_to_a_member_and_not_to_oneself(town: Town) -> None:
    owner, stranger = await town.person(), await town.person()
    workspace_id = await town.workspace(owner=owner)
    assert await _transfer(workspace_id, owner, stranger) == 404
    assert await _transfer(workspace_id, owner, owner) == 409
    assert await town.roles(workspace_id) == {owner.person_id: Role.OWNER}


async def test_it_goes_to_nobody_who_is_shut_out(town: Town) -> None:
    owner, shut_out = await town.person(), await town.person()
    workspace_id = await town.workspace(owner=owner, admin=shut_out)
    await town.run("UPDATE person SET status = 'disabled' WHERE person_id = %s", shut_out.person_id)
    refused = await owner.in_workspace(workspace_id, "POST", "/api/workspace/transfer", {"person_id": shut_out.shown})
    assert (refused.status, refused.code) == (409, "conflict")
    assert await town.roles(workspace_id) == {owner.person_id: Role.OWNER, shut_out.person_id: Role.ADMIN}


async def test_of_two_transfers_at_once_one_happens(town: Town) -> None:
    for _ in range(5):
        owner, anna, ben = await town.person(), await town.person(), await town.person()
        workspace_id = await town.workspace(owner=owner, viewer=anna, billing=ben)
        statuses = await asyncio.gather(_transfer(workspace_id, owner, anna), _transfer(workspace_id, owner, ben))
        assert sorted(statuses) == [200, 403]
        roles = await town.roles(workspace_id)
        assert list(roles.values()).count(Role.OWNER) == 1
        assert roles[owner.person_id] is Role.ADMIN
        assert await town.actions(workspace_id) == ["ownership.transferred"]


async def test_a_transfer_to_somebody_who_leaves_meanwhile_leaves_one_owner(town: Town) -> None:
    for _ in range(5):
        owner, heir = await town.person(), await town.person()
        workspace_id = await town.workspace(owner=owner, admin=heir)
        transferred, left = await asyncio.gather(
            _transfer(workspace_id, owner, heir),
            heir.in_workspace(workspace_id, "DELETE", f"/api/members/{heir.shown}"),
        )
        # Either they own it and may not leave, or they left and own nothing.
        assert (transferred, left.status) in ((200, 409), (404, 200))
        assert list((await town.roles(workspace_id)).values()).count(Role.OWNER) == 1


async def test_nobody_gets_more_workspaces_than_one_may_own(town: Town) -> None:
    owner, heir = await town.person(), await town.person()
    for _ in range(3):
        await town.workspace(owner=heir)
    workspace_id = await town.workspace(owner=owner, viewer=heir)
    assert await _transfer(workspace_id, owner, heir) == 409
    assert await town.roles(workspace_id) == {owner.person_id: Role.OWNER, heir.person_id: Role.VIEWER}


async def test_the_database_itself_refuses_a_second_owner(town: Town) -> None:
    owner, other = await town.person(), await town.person()
    workspace_id = await town.workspace(owner=owner)
    with pytest.raises(psycopg.errors.UniqueViolation):
        await town.join(workspace_id, other, Role.OWNER)
    assert await town.roles(workspace_id) == {owner.person_id: Role.OWNER}
