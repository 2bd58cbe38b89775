"""Signing in by e-mail, as somebody would, and as somebody would who may not."""

import asyncio
import uuid

import pytest

from farebox.identity.people.email_codes import MAX_CODE_ATTEMPTS
from tests.gateway import RunningGateway
from tests.people.browser import Browser
from tests.people.clocks import TravellingClock


def another(code: str) -> str:
    """A code that is wrong."""
    return f"{(int(code) + 1) % 1_000_000:06d}"


async def test_the_code_of_a_letter_signs_in(browser: Browser) -> None:
    signed_in = await browser.sign_in("anna@one.example")
    assert signed_in["state"] == "active"
    account = await browser.get("/api/me")
    assert account["person_id"] == signed_in["person_id"]
    assert [email["email"] for email in account["emails"]] == ["anna@one.example"]


async def test_an_address_is_the_same_in_capitals(browser: Browser, other: Browser) -> None:
    first = await browser.sign_in("Bert@Two.Example")
    second = await other.sign_in(" bert@two.example ".strip())
    assert first["person_id"] == second["person_id"]


async def test_the_link_of_the_same_letter_signs_in_in_another_browser(browser: Browser, other: Browser) -> None:
    _, letter = await browser.begin_email("carla@one.example")
    answer = await other.answer_link(letter.link_token)
    assert answer.status == 200 and other.cookie
    await browser.get("/api/me", status=401)


async def test_a_code_is_good_once(browser: Browser, other: Browser) -> None:
    challenge_id, letter = await browser.begin_email("dora@one.example")
    assert (await browser.answer_code(challenge_id, letter.code)).status == 200
    replayed = await other.answer_code(challenge_id, letter.code)
    assert (replayed.status, replayed.code, other.cookie) == (401, "sign_in_failed", "")


async def test_a_link_is_good_once(browser: Browser, other: Browser) -> None:
    _, letter = await browser.begin_email("emil@one.example")
    assert (await browser.answer_link(letter.link_token)).status == 200
    assert (await other.answer_link(letter.link_token)).code == "sign_in_failed"


async def test_the_code_uses_up_the_link_and_the_link_the_code(browser: Browser, other: Browser) -> None:
    challenge_id, letter = await browser.begin_email("frida@one.example")
    assert (await browser.answer_code(challenge_id, letter.code)).status == 200
    assert (await other.answer_link(letter.link_token)).code == "sign_in_failed"
    challenge_id, letter = await browser.begin_email("frida@one.example")
    assert (await browser.answer_link(letter.link_token)).status == 200
    assert (await other.answer_code(challenge_id, letter.code)).code == "sign_in_failed"


async def test_codes_are_good_at_the_same_moment_once(browser: Browser) -> None:
    challenge_id, letter = await browser.begin_email("gina@one.example")
    answers = await asyncio.gather(*(browser.answer_code(challenge_id, letter.code) for _ in range(5)))
    assert sorted(answer.status for answer in answers) == [200, 401, 401, 401, 401]


async def test_after_five_wrong_codes_the_right_one_is_refused(browser: Browser) -> None:
    challenge_id, letter = await browser.begin_email("hans@one.example")
    for _ in range(MAX_CODE_ATTEMPTS):
        assert (await browser.answer_code(challenge_id, another(letter.code))).code == "sign_in_failed"
    assert (await browser.answer_code(challenge_id, letter.code)).code == "sign_in_failed"
    assert not browser.cookie


async def test_wrong_codes_at_the_same_moment_are_counted_one_by_one(browser: Browser, gateway: RunningGateway) -> None:
    challenge_id, letter = await browser.begin_email("ida@one.example")
    await asyncio.gather(*(browser.answer_code(challenge_id, another(letter.code)) for _ in range(9)))
    rows = await gateway.rows("SELECT attempts FROM email_challenge WHERE challenge_id = %s", uuid.UUID(challenge_id))
    assert rows == [(MAX_CODE_ATTEMPTS,)]
    assert (await browser.answer_code(challenge_id, letter.code)).code in ("sign_in_failed", "too_many_attempts")


async def test_a_stranger_who_tries_codes_takes_the_link_from_nobody(browser: Browser, other: Browser) -> None:
    challenge_id, letter = await browser.begin_email("jan@one.example")
    for _ in range(MAX_CODE_ATTEMPTS):
        await browser.answer_code(challenge_id, another(letter.code))
    assert (await other.answer_link(letter.link_token)).status == 200


async def test_a_code_answers_its_own_challenge_alone(browser: Browser) -> None:
    mine, _ = await browser.begin_email("karl@one.example")
    _, letter = await browser.begin_email("karl@one.example")
    theirs, theirs_letter = await browser.begin_email("victim@one.example")
    assert theirs_letter.code
    for challenge_id in (mine, theirs):
        if challenge_id == mine or letter.code != theirs_letter.code:
            answer = await browser.answer_code(challenge_id, letter.code)
            assert answer.code == "sign_in_failed"
    assert not browser.cookie


async def test_a_challenge_that_never_was_is_refused_like_a_wrong_code(browser: Browser) -> None:
    challenge_id, letter = await browser.begin_email("lena@one.example")
    wrong = await browser.answer_code(challenge_id, another(letter.code))
    unknown = await browser.answer_code(str(uuid.uuid4()), letter.code)
    assert (wrong.status, wrong.json["error"]["message"]) == (unknown.status, unknown.json["error"]["message"])


async def test_people_may_write_a_code_in_two_groups(browser: Browser) -> None:
    challenge_id, letter = await browser.begin_email("mia@one.example")
    answer = await browser.answer_code(challenge_id, f" {letter.code[:3]} {letter.code[3:]}")
    assert answer.status == 200


async def test_code_and_link_are_good_for_ten_minutes(later: RunningGateway, clock: TravellingClock) -> None:
    async with Browser(later) as browser:
        challenge_id, letter = await browser.begin_email("nora@one.example")
        clock.travel(seconds=599)
        assert (await browser.answer_code(challenge_id, another(letter.code))).code == "sign_in_failed"
        clock.travel(seconds=2)
        assert (await browser.answer_code(challenge_id, letter.code)).code == "sign_in_failed"
        assert (await browser.answer_link(letter.link_token)).code == "sign_in_failed"
        challenge_id, letter = await browser.begin_email("nora@one.example")
        clock.travel(seconds=590)
        assert (await browser.answer_code(challenge_id, letter.code)).status == 200


@pytest.mark.parametrize(
    "email",
    [
        "", "anna", "@one.example", "anna@", "anna@one", "anna@@one.example", "anna@one.example@two.example",
        "anna@one..example", ".anna@one.example", "anna.@one.example", "anna@-one.example", "anna@one.example.",
        "an na@one.example", '"anna"@one.example', "anna@[127.0.0.1]", "anna@one.example\r\nBcc: eve@two.example",
        "anna@one.example,eve@two.example", "Anna <anna@one.example>", "änna@one.example", "anna@öne.example",
        "anna\u0000@one.example", "a" * 65 + "@one.example", "anna@" + "a." * 130 + "example", "anna\u2028@one.example",
    ],
)  # fmt: skip
async def test_what_is_no_address_gets_no_letter(browser: Browser, email: str) -> None:
    answer = await browser.request("POST", "/api/auth/email", body={"email": email})
    assert (answer.status, answer.code, answer.json["error"]["param"]) == (400, "invalid_request", "email")


@pytest.mark.parametrize(
    "body",
    [
        {}, {"email": 5}, {"email": "anna@one.example", "purpose": "holding"}, {"email": "anna@one.example", "x": 1},
        b"", b"[]", b"\xff", b"{" * 3_000,
    ],
)  # fmt: skip
async def test_a_body_that_cannot_be_meant_is_refused_when_asking(browser: Browser, body: object) -> None:
    answer = await browser.request("POST", "/api/auth/email", body=body)
    assert (answer.status, answer.code) == (400, "invalid_request")


@pytest.mark.parametrize(
    "body",
    [
        {}, {"code": "123456"}, {"challenge_id": "x", "code": "123456"}, {"challenge_id": str(uuid.uuid4())},
        {"token": "x", "code": "123456"}, {"token": ""}, {"token": "x" * 101}, {"token": 5},
    ],
)  # fmt: skip
async def test_a_body_that_cannot_be_meant_is_refused_when_answering(browser: Browser, body: object) -> None:
    answer = await browser.request("POST", "/api/auth/email/verify", body=body)
    assert (answer.status, answer.code) == (400, "invalid_request")


async def test_a_token_that_is_none_is_refused(browser: Browser) -> None:
    for token in ("x", "ä" * 40, "x" * 100):
        assert (await browser.answer_link(token)).code == "sign_in_failed"
