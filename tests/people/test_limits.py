"""How often somebody may try, and that nobody can shut anybody out by trying."""

import asyncio

import pytest

from farebox.access import email_sign_in
from farebox.base.clock import MICROS_PER_SECOND
from farebox.identity.people.attempts import whence
from tests.gateway import RunningGateway
from tests.people.browser import Browser
from tests.people.clocks import TravellingClock, in_one_window

_LETTERS, _LETTERS_SECONDS = email_sign_in.LETTERS_PER_EMAIL
_HOUR, _DAY = 3_600, 86_400


async def _wrong_codes(browser: Browser, email: str, count: int) -> list[str]:
    """So many wrong codes, from a new letter every five; the codes of the errors."""
    found: list[str] = []
    while len(found) < count:
        challenge_id, letter = await browser.begin_email(email)
        wrong = f"{(int(letter.code) + 1) % 1_000_000:06d}"
        found += [(await browser.answer_code(challenge_id, wrong)).code for _ in range(5)]
    return found


async def test_a_mailbox_is_not_filled(gateway: RunningGateway) -> None:
    """Wherever the requests come from. Who is refused is told for how long."""
    await in_one_window(_LETTERS_SECONDS)
    for _ in range(_LETTERS):
        async with Browser(gateway) as browser:
            await browser.begin_email("full@limits.example")
    async with Browser(gateway) as browser:
        answer = await browser.request("POST", "/api/auth/email", body={"email": "Full@Limits.example"})
    assert (answer.status, answer.code) == (429, "too_many_attempts")
    assert 0 < int(answer.headers["retry-after"]) <= _LETTERS_SECONDS


async def test_one_client_does_not_write_to_all_the_world(browser: Browser) -> None:
    await in_one_window(_HOUR)
    statuses = []
    for number in range(32):
        body = {"email": f"person{number}@world.example"}
        statuses.append((await browser.request("POST", "/api/auth/email", body=body)).status)
    assert statuses == [200] * 30 + [429, 429]


async def test_codes_cannot_be_guessed_with_many_letters_and_many_addresses(
    later: RunningGateway, clock: TravellingClock
) -> None:
    """Ten an hour and thirty a day for one address, wherever they come from."""
    now_seconds = later.clock() / 1_000_000
    clock.travel(seconds=2 * _DAY - now_seconds % _DAY + 1)
    tried = []
    for _ in range(5):
        async with Browser(later) as browser:
            codes = await _wrong_codes(browser, "guessed@limits.example", 15)
        tried.append(codes.count("sign_in_failed"))
        assert codes.count("too_many_attempts") == len(codes) - tried[-1]
        clock.travel(seconds=_HOUR)
    assert tried == [10, 10, 10, 0, 0]


async def test_who_is_attacked_still_gets_in_by_the_link(gateway: RunningGateway) -> None:
    """A stranger uses up every letter and every code; the letters that the owner got for it good all the same."""
    await in_one_window(_LETTERS_SECONDS)
    async with Browser(gateway) as stranger:
        refused = await _wrong_codes(stranger, "attacked@limits.example", 25)
        assert "too_many_attempts" in refused
        asked = await stranger.request("POST", "/api/auth/email", body={"email": "attacked@limits.example"})
        assert asked.code == "too_many_attempts"
    async with Browser(gateway) as owner:
        letter = await owner.letter("attacked@limits.example")
        assert (await owner.answer_link(letter.link_token)).status == 200


async def test_whoever_cannot_ask_for_a_letter_has_one_that_is_good(
    later: RunningGateway, clock: TravellingClock
) -> None:
    """A stranger uses up all letters as the limit's window begins; just before it ends the last one is good still."""
    seconds_into_window = later.clock() // MICROS_PER_SECOND % _LETTERS_SECONDS
    clock.travel(seconds=_LETTERS_SECONDS - seconds_into_window)
    async with Browser(later) as stranger:
        for _ in range(_LETTERS):
            await stranger.begin_email("kept-out@limits.example")
    clock.travel(seconds=_LETTERS_SECONDS - 60)
    async with Browser(later) as owner:
        asked = await owner.request("POST", "/api/auth/email", body={"email": "kept-out@limits.example"})
        assert asked.code == "too_many_attempts"
        letter = await owner.letter("kept-out@limits.example")
        assert (await owner.answer_link(letter.link_token)).status == 200


async def test_answers_of_one_client_are_limited_whatever_the_address(browser: Browser) -> None:
    await in_one_window(_HOUR)
    codes = [(await browser.answer_link("x" * 43)).code for _ in range(61)]
    assert codes == ["sign_in_failed"] * 60 + ["too_many_attempts"]


async def test_a_refusal_for_trying_too_often_is_in_the_record_once(browser: Browser, gateway: RunningGateway) -> None:
    await in_one_window(_HOUR)
    await asyncio.gather(*(browser.answer_link("x" * 43) for _ in range(70)))
    rows = await gateway.rows(
        "SELECT count(*) FROM audit_event WHERE action = 'sign_in.limited' AND address = %s", browser.address
    )
    assert rows == [(1,)]


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("", "unknown"),
    ],
)
def test_a_client_is_an_address_or_a_network_of_ipv6(address: str, client: str) -> None:
    """Who has one address of IPv6 has all of its /64."""
    assert whence(address) == client


async def test_the_table_of_tries_tells_nobody_whose_they_are(browser: Browser, gateway: RunningGateway) -> None:
    await browser.begin_email("hidden@limits.example")
    rows = await gateway.rows("SELECT row_to_json(a)::text FROM sign_in_attempt a")
    assert rows and not any("hidden" in row[0] or browser.address in row[0] for row in rows)
