"""One's own account: name, addresses linked and unlinked, what happened to it."""

import pytest

from tests.gateway import RunningGateway
from tests.people.browser import Browser


async def _link(browser: Browser, email: str) -> None:
    await browser.sign_in(email, purpose="link")


async def test_a_second_address_signs_in_to_the_same_account(browser: Browser, other: Browser) -> None:
    first = await browser.sign_in("one@account.example")
    before = browser.cookie
    await _link(browser, "two@account.example")
    assert browser.cookie != before
    assert (await other.sign_in("two@account.example"))["person_id"] == first["person_id"]
    emails = [email["email"] for email in (await browser.get("/api/me"))["emails"]]
    assert emails == ["one@account.example", "two@account.example"]
    notice = await browser.letter(
        "one@account.example", after=(await browser.letters("one@account.example"))[-1].letter_id
    )
    assert "two@account.example" in notice.body and "/account" in notice.body


async def test_the_last_way_in_stays(browser: Browser) -> None:
    await browser.sign_in("last@account.example")
    await _link(browser, "newer@account.example")
    first, second = (await browser.get("/api/me"))["emails"]
    await browser.delete(f"/api/me/emails/{first['email_id']}", status=204)
    refused = await browser.delete(f"/api/me/emails/{second['email_id']}", status=409)
    assert refused["error"]["code"] == "conflict"
    assert [email["email"] for email in (await browser.get("/api/me"))["emails"]] == ["newer@account.example"]


async def test_an_address_that_was_unlinked_is_free_and_its_history_stays(
    browser: Browser, other: Browser, gateway: RunningGateway
) -> None:
    mine = await browser.sign_in("moving@account.example")
    await _link(browser, "staying@account.example")
    await browser.delete(f"/api/me/emails/{(await browser.get('/api/me'))['emails'][0]['email_id']}", status=204)
    theirs = await other.sign_in("moving@account.example")
    assert theirs["person_id"] != mine["person_id"]
    rows = await gateway.rows(
        "SELECT unlinked_at IS NULL FROM person_email WHERE email = 'moving@account.example' ORDER BY linked_at"
    )
    assert rows == [(False,), (True,)]


async def test_linking_proves_nothing_about_who_it_was_before(browser: Browser, gateway: RunningGateway) -> None:
    """Else a session that was left open could be kept fresh with any mailbox."""
    await browser.sign_in("proof@account.example")
    proved = "SELECT proved_at FROM person_session s JOIN person_email e USING (person_id) WHERE e.email = %s"
    before = await gateway.rows(proved, "proof@account.example")
    await _link(browser, "elsewhere@account.example")
    assert await gateway.rows(proved, "proof@account.example") == before


@pytest.mark.parametrize("purpose", ["link", "step_up"])
async def test_a_challenge_of_one_session_is_answered_by_no_other(
    browser: Browser, other: Browser, purpose: str
) -> None:
    """Neither of somebody else, nor of the same person, nor without one; by code or by link."""
    owner = f"{purpose}-owner@account.example"
    await browser.sign_in(owner)
    wanted = owner if purpose == "step_up" else f"{purpose}-new@account.example"
    challenge_id, letter = await browser.begin_email(wanted, purpose=purpose)
    assert (await other.answer_code(challenge_id, letter.code)).code == "sign_in_failed"
    assert (await other.answer_link(letter.link_token)).code == "sign_in_failed"
    await other.sign_in(f"{purpose}-eve@account.example")
    assert (await other.answer_code(challenge_id, letter.code)).code == "sign_in_failed"
    assert (await other.answer_link(letter.link_token)).code == "sign_in_failed"
    assert len((await other.get("/api/me"))["emails"]) == 1
    assert (await browser.answer_link(letter.link_token)).status == 200


async def test_a_code_to_link_signs_nobody_in(browser: Browser, other: Browser) -> None:
    await browser.sign_in("linker@account.example")
    challenge_id, letter = await browser.begin_email("linked@account.example", purpose="link")
    assert (await other.answer_code(challenge_id, letter.code)).code == "sign_in_failed"
    assert not other.cookie


@pytest.mark.parametrize("purpose", ["link", "step_up"])
async def test_without_a_session_there_is_nothing_to_prove(browser: Browser, purpose: str) -> None:
    answer = await browser.request("POST", "/api/auth/email", body={"email": "x@account.example", "purpose": purpose})
    assert (answer.status, answer.code) == (401, "not_signed_in")


async def test_one_steps_up_with_ones_own_addresses_alone(browser: Browser, other: Browser) -> None:
    await browser.sign_in("own@account.example")
    await other.sign_in("foreign@account.example")
    for email in ("foreign@account.example", "unknown@account.example"):
        answer = await browser.request("POST", "/api/auth/email", body={"email": email, "purpose": "step_up"})
        assert (answer.status, answer.code) == (400, "invalid_request")


async def test_a_person_has_ten_addresses_at_most(browser: Browser, gateway: RunningGateway) -> None:
    await browser.sign_in("many@account.example")
    async with gateway.connect() as connection:
        await connection.execute(
            "INSERT INTO person_email (email_id, person_id, email, linked_at) "
            "SELECT e.email_id + n, e.person_id, 'many' || n || '@account.example', 1 "
            "FROM person_email e, generate_series(1, 9) n WHERE e.email = 'many@account.example'"
        )
    challenge_id, letter = await browser.begin_email("eleventh@account.example", purpose="link")
    assert (await browser.answer_code(challenge_id, letter.code)).code == "conflict"


async def test_nobody_unlinks_what_is_somebody_elses(browser: Browser, other: Browser) -> None:
    await other.sign_in("theirs@account.example")
    await _link(other, "theirs2@account.example")
    await browser.sign_in("mine@account.example")
    await _link(browser, "mine2@account.example")
    theirs = (await other.get("/api/me"))["emails"][0]["email_id"]
    for way in ("emails", "wallets", "passkeys"):
        for way_id in (theirs, theirs.replace("email", way[:-1]), "nonsense", "0"):
            await browser.delete(f"/api/me/{way}/{way_id}", status=404)
    assert len((await other.get("/api/me"))["emails"]) == 2


async def test_somebody_has_a_name(browser: Browser) -> None:
    await browser.sign_in("name@account.example")
    assert (await browser.patch("/api/me", {"name": "  Anna Ä.  "}))["name"] == "Anna Ä."
    assert (await browser.get("/api/me"))["name"] == "Anna Ä."
    assert (await browser.patch("/api/me", {"name": ""}))["name"] == ""
    for wrong in ({"name": "x" * 101}, {"name": "a\nb"}, {"name": 5}, {}, {"email": "x"}):
        refused = await browser.patch("/api/me", wrong, status=400)
        assert refused["error"]["code"] == "invalid_request"


async def test_what_happened_to_an_account_is_on_record(browser: Browser) -> None:
    await browser.sign_in("events@account.example")
    async with Browser(browser.gateway) as stranger:
        challenge_id, letter = await stranger.begin_email("events@account.example")
        await stranger.answer_code(challenge_id, f"{(int(letter.code) + 1) % 1_000_000:06d}")
    await _link(browser, "events2@account.example")
    await browser.step_up("events@account.example")
    await browser.patch("/api/me", {"name": "Anna"})
    await browser.delete(f"/api/me/emails/{(await browser.get('/api/me'))['emails'][0]['email_id']}", status=204)
    events = (await browser.get("/api/me/events"))["data"]
    actions = [event["action"] for event in events]
    assert actions[:5] == ["email.unlinked", "person.renamed", "session.stepped_up", "email.linked", "sign_in.failed"]
    # Of one moment, so in no order.
    assert sorted(actions[5:]) == ["email.linked", "person.created", "sign_in.succeeded"]
    failed = events[4]
    assert (failed["actor"], failed["address"], failed["detail"]) == ("nobody", stranger.address, {"method": "email"})
    page = await browser.get("/api/me/events?limit=2")
    assert page["has_more"] is True
    rest = await browser.get(f"/api/me/events?limit=2&cursor={page['next_cursor']}")
    assert [event["action"] for event in rest["data"]] == ["session.stepped_up", "email.linked"]
    only = await browser.get("/api/me/events?action=sign_in.failed")
    assert len(only["data"]) == 1


async def test_events_are_ones_own(browser: Browser, other: Browser) -> None:
    await other.sign_in("private@account.example")
    mine = await browser.sign_in("reader@account.example")
    events = (await browser.get("/api/me/events"))["data"]
    assert {event["about"] for event in events} == {mine["person_id"]}
