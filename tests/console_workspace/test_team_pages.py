"""Members are invited, given roles, removed; they leave, and ownership is handed on: all by forms."""

import re

from farebox.base.ids import read_short
from farebox.identity.roles import Role
from tests.console_workspace.conftest import Join, SignIn, path_of
from tests.console_workspace.pages import Person
from tests.console_workspace.test_overview import api
from tests.gateway import Customer, RunningGateway
from tests.people.browser import Browser


async def invited(person: Person, customer: Customer, email: str, role: str = "developer") -> str:
    """Send an invitation by the form; the path of its link, from the letter."""
    before = await person.browser.letters(email)
    page = await person.get(f"{path_of(customer)}/members/invite")
    await person.send(page, "/members/invite", {"email": email, "role": role})
    letter = await person.browser.letter(email, after=before[0].letter_id if before else 0)
    return link_of(letter.body)


def link_of(letter: str) -> str:
    found = re.search(r"https?://[^/\s]+(/invitations/\S+)", letter)
    assert found is not None, letter
    return found[1]


async def test_an_invitation_is_sent_read_and_accepted(
    gateway: RunningGateway, customer: Customer, join: Join, sign_in: SignIn
) -> None:
    owner, guest = await join(customer, Role.OWNER), await sign_in()
    link = await invited(owner, customer, guest.email)
    members = await owner.get(f"{path_of(customer)}/members")
    assert members.cells(guest.email)[1] == "developer"
    async with Browser(gateway) as stranger:
        answer = await stranger.request("GET", link)
        assert answer.status == 200
        assert guest.email in answer.text
        assert "Acme &lt;b&gt;&amp; Sons&lt;/b&gt;" in answer.text
        assert f'href="/sign-in?next={link}"' in answer.text
        answer = await stranger.request("POST", link, form={})
        assert (answer.status, answer.location) == (303, f"/sign-in?next={link}")
    page = await guest.get(link)
    home = await guest.follow(await guest.send(page, link))
    assert "You belong to this workspace now" in home.text
    assert (await owner.get(f"{path_of(customer)}/members")).text.count(guest.email) == 1
    await guest.get(link, status=404)


async def test_an_invitation_to_somebody_else_is_worth_nothing(customer: Customer, join: Join, sign_in: SignIn) -> None:
    owner, other = await join(customer, Role.OWNER), await sign_in()
    link = await invited(owner, customer, "somebody@else.example")
    page = await other.get(link)
    assert "is not one of your addresses" in page.text
    assert not [form for form in page.forms if form.action == link]
    refused = await other.post(link, status=409)
    assert "somebody@else.example" in refused.text
    await other.get(path_of(customer), status=404)


async def test_an_invitation_is_sent_again_and_withdrawn(customer: Customer, join: Join, sign_in: SignIn) -> None:
    owner, guest = await join(customer, Role.ADMIN), await sign_in()
    first = await invited(owner, customer, guest.email)
    before = await owner.browser.letter(guest.email)
    page = await owner.get(f"{path_of(customer)}/members")
    (again,) = [form for form in page.forms if form.action.endswith("/resend")]
    await owner.send(page, again.action)
    second = link_of((await owner.browser.letter(guest.email, after=before.letter_id)).body)
    await guest.get(first, status=404)
    await guest.get(second)
    (withdraw,) = [form for form in page.forms if form.action.endswith("/withdraw")]
    done = await owner.follow(await owner.send(page, withdraw.action))
    assert guest.email not in done.text
    await guest.get(second, status=404)
    refused = await owner.post(withdraw.action, status=404)
    assert "Members" in refused.text


async def test_a_refused_invitation_keeps_what_was_typed(customer: Customer, join: Join) -> None:
    owner = await join(customer, Role.OWNER)
    page = await owner.get(f"{path_of(customer)}/members/invite")
    refused = await owner.send(page, "/members/invite", {"email": "no address", "role": "billing"}, status=400)
    assert refused.form("/members/invite").fields == [("email", "no address"), ("role", "billing")]
    mine = await owner.send(page, "/members/invite", {"email": owner.email}, status=409)
    assert ("email", owner.email) in mine.form("/members/invite").fields


async def test_a_role_is_changed_and_heeded_with_the_next_request(customer: Customer, join: Join) -> None:
    owner, member = await join(customer, Role.OWNER), await join(customer, Role.VIEWER)
    base = path_of(customer)
    await member.get(f"{base}/keys/new", status=403)
    page = await owner.get(f"{base}/members/{member.person_id}")
    await owner.send(page, "/role", {"role": "developer"})
    await member.get(f"{base}/keys/new")
    await owner.post(f"{base}/members/{member.person_id}/role", [("role", "emperor")], status=400)
    await owner.post(f"{base}/members/{owner.person_id}/role", [("role", "viewer")], status=403)


async def test_who_is_removed_sees_nothing_any_more(customer: Customer, join: Join) -> None:
    owner, member = await join(customer, Role.OWNER), await join(customer, Role.DEVELOPER)
    base = path_of(customer)
    page = await member.get(f"{base}/keys/new")
    await member.send(page, "/keys/new", {"name": "<u>theirs</u>"}, status=200)
    page = await owner.get(f"{base}/members/{member.person_id}")
    assert "<u>theirs</u>" in page.text
    assert "go on working" in page.text
    done = await owner.follow(await owner.send(page, "/remove"))
    assert member.email not in done.text
    await member.get(base, status=404)
    await owner.get(f"{base}/members/{member.person_id}", status=404)


async def test_a_member_leaves_and_the_owner_cannot(customer: Customer, join: Join) -> None:
    owner, member = await join(customer, Role.OWNER), await join(customer, Role.BILLING)
    base = path_of(customer)
    page = await member.get(f"{base}/members/leave")
    assert (await member.send(page, "/leave")).answer.location == "/console"
    await member.get(base, status=404)
    refused = await owner.post(f"{base}/members/leave", status=409)
    assert "transfer" in refused.text
    await owner.get(base)


async def test_ownership_is_transferred_only_with_the_box_ticked(customer: Customer, join: Join) -> None:
    owner, heir = await join(customer, Role.OWNER), await join(customer, Role.VIEWER)
    base = path_of(customer)
    page = await owner.get(f"{base}/members/transfer")
    unsure = await owner.send(page, "/transfer", {"person_id": heir.person_id}, status=400)
    assert "Tick the box" in unsure.text
    await owner.send(unsure, "/transfer", {"sure": "yes"})
    members = {member["person_id"]: member["role"] for member in (await api(heir, customer, "/api/members"))["data"]}
    assert members == {owner.person_id: "admin", heir.person_id: "owner"}
    await owner.get(f"{base}/members/transfer", status=403)


async def test_a_member_of_another_workspace_is_nobody_here(
    gateway: RunningGateway, customer: Customer, join: Join
) -> None:
    other = await gateway.new_customer()
    owner, stranger = await join(customer, Role.OWNER), await join(other, Role.VIEWER)
    base = path_of(customer)
    await owner.get(f"{base}/members/{stranger.person_id}", status=404)
    await owner.post(f"{base}/members/{stranger.person_id}/role", [("role", "viewer")], status=404)
    await owner.post(f"{base}/members/{stranger.person_id}/remove", status=404)
    await owner.post(f"{base}/members/transfer", [("person_id", stranger.person_id), ("sure", "yes")], status=404)
    assert read_short("person", stranger.person_id)
    await stranger.get(path_of(other))
