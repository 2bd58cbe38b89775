"""What happens when two things happen at the same moment, or one in the middle of another."""

import asyncio

import pytest

from tests.database import TestCluster
from tests.gateway import RunningGateway, serve_gateway
from tests.people.browser import Browser


async def test_two_first_sign_ins_of_one_address_make_one_account(gateway: RunningGateway) -> None:
    async with Browser(gateway) as one, Browser(gateway) as two:
        begun = [await browser.begin_email("twins@once.example") for browser in (one, two)]
        answers = await asyncio.gather(
            *(
                browser.answer_code(challenge_id, letter.code)
                for browser, (challenge_id, letter) in zip((one, two), begun, strict=True)
            )
        )
    assert [answer.status for answer in answers] == [200, 200]
    assert answers[0].json["person_id"] == answers[1].json["person_id"]


async def test_two_accounts_that_link_one_address_at_once_do_not_both_get_it(gateway: RunningGateway) -> None:
    async with Browser(gateway) as one, Browser(gateway) as two:
        await one.sign_in("one@once.example")
        await two.sign_in("two@once.example")
        begun = [await browser.begin_email("wanted@once.example", purpose="link") for browser in (one, two)]
        answers = await asyncio.gather(
            *(
                browser.answer_code(challenge_id, letter.code)
                for browser, (challenge_id, letter) in zip((one, two), begun, strict=True)
            )
        )
    assert sorted(answer.status for answer in answers) == [200, 409]


async def test_two_addresses_unlinked_at_once_leave_a_way_in(browser: Browser) -> None:
    await browser.sign_in("left@once.example")
    await browser.sign_in("right@once.example", purpose="link")
    ids = [email["email_id"] for email in (await browser.get("/api/me"))["emails"]]
    answers = await asyncio.gather(*(browser.request("DELETE", f"/api/me/emails/{email_id}") for email_id in ids))
    assert sorted(answer.status for answer in answers) == [204, 409]
    assert len((await browser.get("/api/me"))["emails"]) == 1


@pytest.mark.parametrize("purpose", ["link", "step_up"])
async def test_a_session_that_is_revoked_mid_way_proves_nothing_more(
    browser: Browser, other: Browser, purpose: str
) -> None:
    """Neither by code nor by link; and no address is linked."""
    email = f"midway-{purpose}@once.example"
    mine = await browser.sign_in(email)
    await other.sign_in(email)
    wanted = email if purpose == "step_up" else f"new-{email}"
    challenge_id, letter = await browser.begin_email(wanted, purpose=purpose)
    await other.delete(f"/api/me/sessions/{mine['session_id']}", status=204)
    assert (await browser.answer_code(challenge_id, letter.code)).code == "sign_in_failed"
    assert (await browser.answer_link(letter.link_token)).code == "sign_in_failed"
    assert [found["email"] for found in (await other.get("/api/me"))["emails"]] == [email]


async def test_what_one_worker_asked_another_answers(cluster: TestCluster) -> None:
    """Nothing about signing in is remembered in a process, so a restart in between harms nobody either."""
    async with (
        serve_gateway(cluster, workers=2) as gateway,
        Browser(gateway, worker=0) as one,
        Browser(gateway, worker=1) as two,
    ):
        challenge_id, letter = await one.begin_email("workers@once.example")
        await gateway.restart()
        assert (await two.answer_code(challenge_id, letter.code)).status == 200
        one.cookie = two.cookie
        assert (await one.get("/api/me"))["emails"][0]["email"] == "workers@once.example"
