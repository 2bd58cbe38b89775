"""Invitations: to an address, good once, for whoever proves that address is theirs."""

import asyncio
import hashlib
import re

from farebox.access.invitations import MAX_SENT_BY_WORKSPACE_PER_HOUR, MAX_SENT_TO_ADDRESS_PER_DAY
from farebox.base.ids import show_short
from farebox.identity.roles import Role
from farebox.identity.team.invitations import MAX_OPEN
from tests.people.browser import Answer
from tests.people.clocks import in_one_window
from tests.people.town import Resident, Town

_TOKEN = re.compile(r"/invitations/([A-Za-z0-9_-]{43})\n")


async def _invite(workspace_id: int, inviter: Resident, email: str, role: str = "developer") -> Answer:
    return await inviter.in_workspace(workspace_id, "POST", "/api/invitations", {"email": email, "role": role})


async def _sent(town: Town, workspace_id: int, inviter: Resident, email: str, role: str = "developer") -> str:
    """Invite, and read the token in the letter."""
    before = await inviter.browser.letters(email)
    answer = await _invite(workspace_id, inviter, email, role)
    assert answer.status == 201, answer.text
    return await _token(inviter, email, after=before[0].letter_id if before else 0)


async def _token(anybody: Resident, email: str, *, after: int = 0) -> str:
    letter = await anybody.browser.letter(email, after=after)
    found = _TOKEN.search(letter.body)
    assert found is not None, letter.body
    return found[1]


async def _accept(resident: Resident, token: str) -> Answer:
    return await resident.browser.request("POST", "/api/invitations/accept", body={"token": token})


async def test_an_invitation_makes_a_member_of_that_role(town: Town) -> None:
    owner, ben = await town.person("Anna"), await town.person("Ben")
    workspace_id = await town.workspace("Acme", owner=owner)
    token = await _sent(town, workspace_id, owner, ben.email.upper(), "billing")
    (mine,) = (await ben.browser.get("/api/me/invitations"))["data"]
    assert (mine["workspace_name"], mine["role"], mine["inviter"]) == ("Acme", "billing", "Anna")
    joined = (await _accept(ben, token)).json
    assert (joined["workspace_id"], joined["role"]) == (show_short("ws", workspace_id), "billing")
    assert (await ben.in_workspace(workspace_id, "GET", "/api/workspace")).json["role"] == "billing"
    assert (await ben.browser.get("/api/me/invitations"))["data"] == []
    listed = (await owner.in_workspace(workspace_id, "GET", "/api/members")).json["data"]
    assert listed[1]["added_by"] == owner.shown
    assert await town.actions(workspace_id) == ["invitation.sent", "member.joined"]


async def test_the_letter_names_workspace_role_and_inviter(town: Town) -> None:
    owner = await town.person("Anna")
    workspace_id = await town.workspace("Acme", owner=owner)
    await _sent(town, workspace_id, owner, "letter-reader@example.com", "viewer")
    letter = await owner.browser.letter("letter-reader@example.com")
    assert "Acme" in letter.subject
    assert "Anna" in letter.body and "viewer" in letter.body
    assert f"{town.gateway.site}/invitations/" in letter.body


async def test_the_token_is_stored_nowhere(town: Town) -> None:
    owner = await town.person()
    workspace_id = await town.workspace(owner=owner)
    token = await _sent(town, workspace_id, owner, "hash@example.com")
    rows = await town.gateway.rows("SELECT token_hash, i::text FROM invitation i WHERE email = 'hash@example.com'")
    assert rows[0][0] == hashlib.sha256(token.encode()).digest()
    assert token not in rows[0][1]
    answer = await owner.in_workspace(workspace_id, "GET", "/api/invitations")
    assert token not in answer.text and rows[0][0].hex() not in answer.text
    assert token not in str(await town.events(workspace_id))


async def test_it_is_good_once(town: Town) -> None:
    owner, ben = await town.person(), await town.person()
    workspace_id = await town.workspace(owner=owner)
    token = await _sent(town, workspace_id, owner, ben.email)
    assert (await _accept(ben, token)).status == 200
    await owner.in_workspace(workspace_id, "DELETE", f"/api/members/{ben.shown}")
    again = await _accept(ben, token)
    assert (again.status, again.code) == (404, "not_found")
    assert ben.person_id not in await town.roles(workspace_id)


async def test_somebody_with_another_address_is_told_to_link_it(town: Town) -> None:
    owner, thief = await town.person(), await town.person()
    workspace_id = await town.workspace(owner=owner)
    token = await _sent(town, workspace_id, owner, "meant@example.com")
    refused = await _accept(thief, token)
    assert (refused.status, refused.code) == (409, "conflict")
    assert "link that address" in refused.json["error"]["message"].lower()
    assert thief.person_id not in await town.roles(workspace_id)
    # The refusal used nothing up: with the address linked it works.
    await town.run(
        "INSERT INTO person_email (email_id, person_id, email, linked_at) VALUES (%s, %s, 'meant@example.com', 1)",
        thief.person_id,
        thief.person_id,
    )
    assert (await _accept(thief, token)).status == 200


async def test_an_address_that_was_unlinked_is_nobodys(town: Town) -> None:
    owner, ben = await town.person(), await town.person()
    workspace_id = await town.workspace(owner=owner)
    token = await _sent(town, workspace_id, owner, ben.email)
    await town.run("UPDATE person_email SET unlinked_at = 1 WHERE person_id = %s", ben.person_id)
    assert (await _accept(ben, token)).status == 409


async def test_expired_withdrawn_and_unknown_links_look_the_same(town: Town) -> None:
    owner, ben = await town.person(), await town.person()
    workspace_id = await town.workspace(owner=owner)
    expired = await _sent(town, workspace_id, owner, ben.email)
    await town.run("UPDATE invitation SET expires_at = 1 WHERE workspace_id = %s", workspace_id)
    withdrawn = await _sent(town, workspace_id, owner, ben.email)
    (listed,) = (await owner.in_workspace(workspace_id, "GET", "/api/invitations")).json["data"]
    path = f"/api/invitations/{listed['invitation_id']}"
    assert (await owner.in_workspace(workspace_id, "DELETE", path)).status == 204
    assert (await owner.in_workspace(workspace_id, "DELETE", path)).status == 404
    seen = set()
    for token in (expired, withdrawn, "unknown", "x" * 43, "ü" * 43):
        answer = await _accept(ben, token)
        seen.add((answer.status, answer.code, answer.json["error"]["message"]))
    assert len(seen) == 1 and next(iter(seen))[:2] == (404, "not_found")
    assert await town.roles(workspace_id) == {owner.person_id: Role.OWNER}


async def test_sending_again_voids_the_former_link(town: Town) -> None:
    owner, ben = await town.person(), await town.person()
    workspace_id = await town.workspace(owner=owner)
    former = await _sent(town, workspace_id, owner, ben.email)
    await town.run("UPDATE invitation SET expires_at = 1 WHERE workspace_id = %s", workspace_id)
    (listed,) = (await owner.in_workspace(workspace_id, "GET", "/api/invitations")).json["data"]
    assert listed["status"] == "expired"
    before = (await owner.browser.letters(ben.email))[0].letter_id
    path = f"/api/invitations/{listed['invitation_id']}/resend"
    again = await owner.in_workspace(workspace_id, "POST", path)
    assert (again.status, again.json["status"]) == (200, "open")
    newer = await _token(owner, ben.email, after=before)
    assert (await _accept(ben, former)).status == 404
    assert (await _accept(ben, newer)).status == 200
    assert await town.actions(workspace_id) == ["invitation.sent", "invitation.resent", "member.joined"]


async def test_having_an_account_makes_no_difference_to_the_inviter(town: Town) -> None:
    owner, ben = await town.person(), await town.person()
    workspace_id = await town.workspace(owner=owner)
    known = (await _invite(workspace_id, owner, ben.email)).json
    unknown = (await _invite(workspace_id, owner, "nobody-yet@example.com")).json
    own = ("invitation_id", "email", "created_at", "expires_at")
    assert {**known, **dict.fromkeys(own)} == {**unknown, **dict.fromkeys(own)}
    for email in (ben.email, "nobody-yet@example.com"):
        assert (await owner.browser.letter(email)).subject == (await owner.browser.letter(ben.email)).subject
        refused = await _invite(workspace_id, owner, email)
        assert (refused.status, refused.code) == (409, "conflict")


async def test_a_members_other_address_is_not_told(town: Town) -> None:
    owner, ben = await town.person(), await town.person()
    workspace_id = await town.workspace(owner=owner, viewer=ben)
    await town.run(
        "INSERT INTO person_email (email_id, person_id, email, linked_at) VALUES (%s, %s, 'bens@example.org', %s)",
        ben.person_id,
        ben.person_id,
        town.gateway.clock(),
    )
    assert (await _invite(workspace_id, owner, ben.email)).status == 409
    token = await _sent(town, workspace_id, owner, "bens@example.org", "admin")
    already = await _accept(ben, token)
    assert (already.status, already.code) == (409, "conflict")
    assert (await town.roles(workspace_id))[ben.person_id] is Role.VIEWER


async def test_nobody_is_invited_to_own_it(town: Town) -> None:
    owner = await town.person()
    workspace_id = await town.workspace(owner=owner)
    for body in (
        {"email": "a@example.com", "role": "owner"},
        {"email": "a@example.com", "role": "god"},
        {"email": "not an address", "role": "viewer"},
        {"email": "a@example.com"},
        {"email": "a@example.com", "role": "viewer", "workspace": "ws_1"},
    ):
        answer = await owner.in_workspace(workspace_id, "POST", "/api/invitations", body)
        assert (answer.status, answer.code) == (400, "invalid_request"), body
    assert await town.actions(workspace_id) == []


async def test_two_who_accept_at_once_with_one_link_join_once(town: Town) -> None:
    for _ in range(5):
        owner, ben = await town.person(), await town.person()
        workspace_id = await town.workspace(owner=owner)
        token = await _sent(town, workspace_id, owner, ben.email)
        answers = await asyncio.gather(_accept(ben, token), _accept(ben, token))
        assert sorted(answer.status for answer in answers) == [200, 404]
        assert await town.actions(workspace_id) == ["invitation.sent", "member.joined"]


async def test_who_accepts_while_the_invitation_is_withdrawn_joins_or_does_not(town: Town) -> None:
    for _ in range(5):
        owner, ben = await town.person(), await town.person()
        workspace_id = await town.workspace(owner=owner)
        token = await _sent(town, workspace_id, owner, ben.email)
        (listed,) = (await owner.in_workspace(workspace_id, "GET", "/api/invitations")).json["data"]
        path = f"/api/invitations/{listed['invitation_id']}"
        accepted, withdrawn = await asyncio.gather(
            _accept(ben, token), owner.in_workspace(workspace_id, "DELETE", path)
        )
        assert (accepted.status, withdrawn.status) in ((200, 404), (404, 204))
        assert (ben.person_id in await town.roles(workspace_id)) == (accepted.status == 200)


async def test_who_is_removed_takes_their_open_invitations_along(town: Town) -> None:
    owner, admin, accomplice = await town.person(), await town.person(), await town.person()
    workspace_id = await town.workspace(owner=owner, admin=admin)
    token = await _sent(town, workspace_id, admin, accomplice.email, "admin")
    kept = await town.person()
    kept_token = await _sent(town, workspace_id, owner, kept.email)
    removed = await owner.in_workspace(workspace_id, "DELETE", f"/api/members/{admin.shown}")
    assert removed.json["withdrawn_invitations"] == 1
    assert (await _accept(accomplice, token)).status == 404
    assert (await _accept(kept, kept_token)).status == 200


async def test_who_is_removed_while_their_guest_accepts_leaves_a_consistent_team(town: Town) -> None:
    for _ in range(5):
        owner, admin, guest = await town.person(), await town.person(), await town.person()
        workspace_id = await town.workspace(owner=owner, admin=admin)
        token = await _sent(town, workspace_id, admin, guest.email)
        accepted, removed = await asyncio.gather(
            _accept(guest, token), owner.in_workspace(workspace_id, "DELETE", f"/api/members/{admin.shown}")
        )
        assert removed.status == 200
        assert (accepted.status, removed.json["withdrawn_invitations"]) in ((200, 0), (404, 1))
        assert admin.person_id not in await town.roles(workspace_id)


async def test_an_admin_who_becomes_a_developer_has_no_open_invitations(town: Town) -> None:
    owner, admin = await town.person(), await town.person()
    workspace_id = await town.workspace(owner=owner, admin=admin)
    await _sent(town, workspace_id, admin, "soon@example.com")
    await owner.in_workspace(workspace_id, "PATCH", f"/api/members/{admin.shown}", {"role": "developer"})
    assert (await owner.in_workspace(workspace_id, "GET", "/api/invitations")).json["data"] == []


async def test_an_address_is_not_written_to_again_and_again(town: Town) -> None:
    email = "pestered@example.com"
    await in_one_window(86_400)
    for _ in range(MAX_SENT_TO_ADDRESS_PER_DAY):
        owner = await town.person()
        assert (await _invite(await town.workspace(owner=owner), owner, email)).status == 201
    owner = await town.person()
    workspace_id = await town.workspace(owner=owner)
    refused = await _invite(workspace_id, owner, email)
    assert (refused.status, refused.code) == (429, "too_many_attempts")
    assert int(refused.headers["retry-after"]) > 0
    assert await town.actions(workspace_id) == []


async def test_a_workspace_does_not_send_without_end(town: Town) -> None:
    owner = await town.person()
    workspace_id = await town.workspace(owner=owner)
    await in_one_window(3_600)
    statuses = [
        (await _invite(workspace_id, owner, f"mass{number}@example.com")).status
        for number in range(MAX_SENT_BY_WORKSPACE_PER_HOUR + 1)
    ]
    assert statuses == [201] * MAX_SENT_BY_WORKSPACE_PER_HOUR + [429]


async def test_only_so_many_are_open_at_once(town: Town) -> None:
    owner = await town.person()
    workspace_id = await town.workspace(owner=owner)
    for number in range(MAX_OPEN):
        await town.run(
            "INSERT INTO invitation (workspace_id, invitation_id, email, role, token_hash, invited_by, created_at,"
            " expires_at) VALUES (%s, %s, %s, 'viewer', sha256(%s), 'test', 1, %s)",
            workspace_id,
            number + 1,
            f"open{number}@example.com",
            f"{workspace_id}-{number}".encode(),
            town.gateway.clock() + 10**12,
        )
    refused = await _invite(workspace_id, owner, "one-more@example.com")
    assert (refused.status, refused.code) == (409, "conflict")
    await town.run("UPDATE invitation SET expires_at = 1 WHERE workspace_id = %s AND invitation_id = 1", workspace_id)
    assert (await _invite(workspace_id, owner, "one-more@example.com")).status == 201


async def test_an_invitation_of_another_workspace_does_not_exist_here(town: Town) -> None:
    owner, other = await town.person(), await town.person()
    workspace_id, foreign_id = await town.workspace(owner=owner), await town.workspace(owner=other)
    await _sent(town, foreign_id, other, "foreign@example.com")
    (listed,) = (await other.in_workspace(foreign_id, "GET", "/api/invitations")).json["data"]
    for method, path in (
        ("DELETE", f"/api/invitations/{listed['invitation_id']}"),
        ("POST", f"/api/invitations/{listed['invitation_id']}/resend"),
    ):
        answer = await owner.in_workspace(workspace_id, method, path)
        assert (answer.status, answer.code) == (404, "not_found")
    assert await town.actions(foreign_id) == ["invitation.sent"]
