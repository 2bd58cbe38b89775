"""One's own account by its pages, without JavaScript."""

import pytest

from farebox.identity.people.model import Method
from farebox.identity.roles import Role
from tests.console.html_page import Page, open_page, refused_form, send_form, taken_form
from tests.console.signing_in import challenge_of, sign_in
from tests.people.browser import Browser
from tests.people.town import Resident, Town

MARKUP = "<script>alert('name')</script>&\"<b>"


async def _email_ids(town: Town, resident: Resident) -> list[str]:
    account = await resident.browser.get("/api/me")
    return [each["email_id"] for each in account["emails"]]


async def _add_email(resident: Resident, email: str) -> str:
    """By the form and the code of the letter; where it leads to."""
    where = await taken_form(resident.browser, "/account/emails", email=email)
    letter = await resident.browser.letter(email)
    page = await open_page(resident.browser, where)
    fields = {"challenge": page.value("challenge"), "code": letter.code, "next": page.value("next")}
    return await taken_form(resident.browser, "/sign-in/code", **fields)


async def test_a_name_with_markup_is_text_everywhere(town: Town) -> None:
    anna = await town.person()
    assert await taken_form(anna.browser, "/account/name", name=MARKUP) == "/account?done=name"
    page = await open_page(anna.browser, "/account?done=name")
    assert page.value("name") == MARKUP
    assert "<script>alert" not in page.answer.text
    assert "Your name is saved." in page.said


@pytest.mark.parametrize("name", ["x" * 101, "two\nlines"])
async def test_a_name_that_cannot_be_comes_back_as_it_was_typed(town: Town, name: str) -> None:
    anna = await town.person("Anna")
    page = await refused_form(anna.browser, "/account/name", 400, name=name)
    assert "name" in page.error_of("name")
    assert page.value("name") == name
    assert page.title.startswith("Error: ")


async def test_signs_that_nobody_types_are_dropped(town: Town) -> None:
    anna = await town.person()
    await taken_form(anna.browser, "/account/name", name=" An\x00na\u202e\x1b ")
    assert (await open_page(anna.browser, "/account")).value("name") == "Anna"


async def test_an_address_is_added_by_the_code_that_is_sent_there(town: Town) -> None:
    anna = await town.person()
    assert await _add_email(anna, "second@account.example") == "/account?done=email"
    page = await open_page(anna.browser, "/account?done=email")
    assert "second@account.example" in page.said and anna.email in page.said
    anna.browser.cookie = ""
    await sign_in(anna.browser, "second@account.example")
    assert anna.email in (await open_page(anna.browser, "/account")).said


async def test_an_address_of_another_account_is_not_added(town: Town) -> None:
    anna, ben = await town.person(), await town.person()
    where = await taken_form(anna.browser, "/account/emails", email=ben.email)
    letter = await anna.browser.letter(ben.email)
    page = await refused_form(anna.browser, "/sign-in/code", 409, challenge=challenge_of(where), code=letter.code)
    assert "another account" in page.said
    assert ben.email not in (await open_page(anna.browser, "/account")).said


async def test_an_address_can_go_but_never_the_last_way_in(town: Town) -> None:
    anna = await town.person()
    (first,) = await _email_ids(town, anna)
    page = await refused_form(anna.browser, f"/account/emails/{first}/remove", 409)
    assert "last way to sign in" in page.problem
    await _add_email(anna, "stays@account.example")
    assert await taken_form(anna.browser, f"/account/emails/{first}/remove") == "/account?done=removed"
    page = await open_page(anna.browser, "/account")
    assert "stays@account.example" in page.said and anna.email not in page.said


@pytest.mark.parametrize(
    "path",
    [
        "/account/emails/{}/remove",
        "/account/wallets/{}/remove",
        "/account/passkeys/{}/remove",
        "/account/devices/{}/end",
    ],
)
@pytest.mark.parametrize("thing", ["email_0000000000001", "wallet_0000000000001", "x", "%00", "..%2f.."])
async def test_what_one_does_not_have_is_not_found(town: Town, path: str, thing: str) -> None:
    anna = await town.person()
    answer = await send_form(anna.browser, path.format(thing))
    assert answer.status == 404
    assert Page(answer).heading


async def test_nobody_removes_anothers_way_in_or_ends_their_session(town: Town) -> None:
    anna, ben = await town.person(), await town.person()
    (theirs,) = await _email_ids(town, ben)
    devices = (await ben.browser.get("/api/me/sessions"))["data"]
    await refused_form(anna.browser, f"/account/emails/{theirs}/remove", 404)
    await refused_form(anna.browser, f"/account/devices/{devices[0]['session_id']}/end", 404)
    await open_page(ben.browser, "/account")


async def test_another_browser_is_listed_and_signed_out(town: Town) -> None:
    anna = await town.person()
    anna.browser.cookie = ""
    await sign_in(anna.browser, anna.email)
    async with Browser(town.gateway) as other:
        await sign_in(other, anna.email)
        page = await open_page(anna.browser, "/account")
        assert "This one" in page.said and other.address in page.said
        ends = [form["action"] for form in page.all("form") if form["action"].startswith("/account/devices/session_")]
        assert ends
        for end in ends:
            assert await taken_form(anna.browser, end) == "/account?done=ended"
        assert (await other.request("GET", "/account")).location == "/sign-in?next=/account"
    await open_page(anna.browser, "/account")


async def test_all_other_browsers_are_signed_out_at_once(town: Town) -> None:
    anna = await town.person()
    async with Browser(town.gateway) as one, Browser(town.gateway) as two:
        await sign_in(one, anna.email)
        await sign_in(two, anna.email)
        await taken_form(anna.browser, "/account/devices/end-others")
        for other in (one, two):
            assert (await other.request("GET", "/account")).status == 303
    await open_page(anna.browser, "/account")


async def test_what_happened_is_listed_in_words(town: Town) -> None:
    anna = await town.person()
    await taken_form(anna.browser, "/account/name", name="Anna")
    page = await open_page(anna.browser, "/account")
    assert "Somebody changed the name that others see" in page.said
    assert anna.browser.address in page.said


async def test_an_invitation_that_waits_is_shown_without_its_link(town: Town) -> None:
    anna, ben = await town.person("Anna"), await town.person()
    workspace_id = await town.workspace("Acme <i>", owner=anna)
    await anna.in_workspace(workspace_id, "POST", "/api/invitations", {"email": ben.email, "role": Role.VIEWER})
    page = await open_page(ben.browser, "/account")
    assert "Acme <i>" in page.said and "viewer" in page.said and "Anna" in page.said
    letter = await ben.browser.letter(ben.email)
    token = letter.body.partition("/invitations/")[2].split()[0]
    assert token and token not in page.answer.text


async def test_what_is_delicate_asks_again_and_leads_back(town: Town) -> None:
    anna = await town.person()
    await town.grow_stale(anna)
    where = await taken_form(anna.browser, "/account/emails", email="later@account.example")
    assert where == "/step-up?next=/account"
    page = await open_page(anna.browser, where)
    assert page.value("email") == anna.email
    where = await taken_form(anna.browser, "/step-up/email", email=anna.email, next=page.value("next"))
    letter = await anna.browser.letter(anna.email)
    page = await open_page(anna.browser, where)
    fields = {"challenge": page.value("challenge"), "code": letter.code, "next": page.value("next")}
    before = anna.browser.cookie
    assert await taken_form(anna.browser, "/sign-in/code", **fields) == "/account"
    assert anna.browser.cookie != before
    assert "/sign-in/code" in await taken_form(anna.browser, "/account/emails", email="later@account.example")


async def test_nobody_steps_up_by_an_address_that_is_not_theirs(town: Town) -> None:
    anna, ben = await town.person(), await town.person()
    await town.grow_stale(anna)
    page = await refused_form(anna.browser, "/step-up/email", 400, email=ben.email)
    assert "addresses that you sign in with" in page.problem
    assert await anna.browser.letters(ben.email) == []


async def test_who_has_a_second_factor_is_offered_nothing_less(town: Town) -> None:
    anna = await town.person()
    await _link_passkey_row(town, anna)
    await town.sign_in(anna, method=Method.PASSKEY)
    await town.grow_stale(anna)
    page = await open_page(anna.browser, "/step-up?next=/account")
    assert "Use a passkey" in page.said
    assert not page.all("form", action="/step-up/email")


async def test_who_signed_in_without_a_second_factor_is_offered_a_passkey_for_a_while(town: Town) -> None:
    anna, ben = await town.person(), await town.person()
    for resident in (anna, ben):
        offered = (await open_page(resident.browser, "/console/new")).all("a", href="/account#passkeys")
        assert len(offered) == 1
    await _link_passkey_row(town, anna)
    await town.run("UPDATE person_session SET created_at = created_at - 3600000000 WHERE person_id = %s", ben.person_id)
    for resident in (anna, ben):
        assert not (await open_page(resident.browser, "/console/new")).all("a", href="/account#passkeys")


async def test_pages_of_an_account_are_for_whoever_is_signed_in(browser: Browser) -> None:
    for path in ("/account", "/step-up", "/sign-in/second-factor"):
        answer = await browser.request("GET", path)
        assert (answer.status, answer.location) == (303, f"/sign-in?next={path}")
    for path in ("/account/name", "/account/emails", "/account/authenticator", "/account/devices/end-others"):
        answer = await send_form(browser, path, name="x")
        assert (answer.status, answer.location) == (303, "/sign-in?next=/account")


async def _link_passkey_row(town: Town, resident: Resident) -> None:
    await town.run(
        "INSERT INTO passkey (passkey_id, person_id, credential_id, public_key, sign_count, is_backed_up, name,"
        " linked_at) VALUES (%s, %s, int8send(%s), int8send(%s), 0, false, 'Phone', 1)",
        *(4 * [resident.person_id]),
    )
