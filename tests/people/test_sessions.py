"""Sessions: their cookie, when they end, and who cannot use them."""

import http.cookies
import json
from typing import Any

import pytest

from farebox.access.asking import COOKIE
from farebox.storage.queries import load_queries
from tests.gateway import RunningGateway
from tests.people.browser import Browser
from tests.people.clocks import TravellingClock

_DAY = 86_400


async def test_the_cookie_goes_to_no_script_no_other_site_and_no_other_host(browser: Browser) -> None:
    await browser.sign_in("cookie@sessions.example")
    morsel = http.cookies.SimpleCookie(browser.set_cookie)[COOKIE]
    assert COOKIE.startswith("__Host-")
    assert (morsel["path"], morsel["domain"]) == ("/", "")
    assert morsel["secure"] is True and morsel["httponly"] is True
    assert morsel["samesite"].lower() == "lax"
    assert 2_591_000 < int(morsel["max-age"]) <= 2_592_000
    assert len(morsel.value) >= 43


async def test_the_token_is_not_in_the_database(browser: Browser, gateway: RunningGateway) -> None:
    await browser.sign_in("hash@sessions.example")
    rows = await gateway.rows("SELECT row_to_json(s)::text FROM person_session s")
    assert rows and not any(browser.cookie in row[0] for row in rows)


async def test_a_session_that_was_known_before_signing_in_is_worth_nothing(browser: Browser, other: Browser) -> None:
    """Whoever brought a token into somebody's browser has no part in what is signed in there."""
    await other.sign_in("attacker@sessions.example")
    planted = browser.cookie = other.cookie
    await browser.sign_in("victim@sessions.example")
    assert browser.cookie != planted
    assert (await browser.get("/api/me"))["emails"][0]["email"] == "victim@sessions.example"
    other.cookie = planted
    assert (await other.get("/api/me", status=401))["error"]["code"] == "not_signed_in"


async def test_a_token_that_nobody_gave_is_not_kept(browser: Browser) -> None:
    browser.cookie = "a" * 43
    await browser.sign_in("fixed@sessions.example")
    assert browser.cookie != "a" * 43


async def test_signing_in_again_gives_a_new_token_and_ends_the_old_one(browser: Browser) -> None:
    await browser.sign_in("again@sessions.example")
    before = browser.cookie
    await browser.sign_in("again@sessions.example")
    assert browser.cookie != before
    assert len((await browser.get("/api/me/sessions"))["data"]) == 1
    browser.cookie = before
    await browser.get("/api/me", status=401)


async def test_proving_oneself_again_gives_a_new_token(browser: Browser) -> None:
    await browser.sign_in("step@sessions.example")
    before = browser.cookie
    await browser.step_up("step@sessions.example")
    assert browser.cookie != before
    browser.cookie = before
    await browser.get("/api/me", status=401)


async def test_signing_out_ends_it_at_once_and_takes_the_cookie(browser: Browser) -> None:
    await browser.sign_in("out@sessions.example")
    kept = browser.cookie
    await browser.post("/api/auth/sign-out", status=204)
    assert browser.cookie == "" and "max-age=0" in browser.set_cookie.lower()
    browser.cookie = kept
    answer = await browser.get("/api/me", status=401)
    assert (answer["error"]["code"], answer["error"]["reason"]) == ("not_signed_in", "ended")


async def test_a_session_ends_when_nobody_uses_it(later: RunningGateway, clock: TravellingClock) -> None:
    async with Browser(later) as browser:
        await browser.sign_in("idle@sessions.example")
        clock.travel(seconds=7 * _DAY - 10)
        await browser.get("/api/me")
        clock.travel(seconds=7 * _DAY - 10)
        await browser.get("/api/me")
        clock.travel(seconds=7 * _DAY + 10)
        await browser.get("/api/me", status=401)


async def test_a_session_ends_however_busy_it_is(later: RunningGateway, clock: TravellingClock) -> None:
    async with Browser(later) as browser:
        await browser.sign_in("busy@sessions.example")
        for _ in range(5):
            clock.travel(seconds=5 * _DAY)
            await browser.get("/api/me")
        clock.travel(seconds=5 * _DAY - 60)
        await browser.get("/api/me")
        clock.travel(seconds=61)
        await browser.get("/api/me", status=401)


async def test_what_is_delicate_wants_a_fresh_proof(later: RunningGateway, clock: TravellingClock) -> None:
    async with Browser(later) as browser:
        await browser.sign_in("fresh@sessions.example")
        clock.travel(seconds=901)
        email_id = (await browser.get("/api/me"))["emails"][0]["email_id"]
        refused = await browser.delete(f"/api/me/emails/{email_id}", status=403)
        assert refused["error"]["code"] == "step_up_required"
        answer = await browser.request(
            "POST", "/api/auth/email", body={"email": "second@sessions.example", "purpose": "link"}
        )
        assert answer.code == "step_up_required"
        await browser.step_up("fresh@sessions.example")
        refused = await browser.delete(f"/api/me/emails/{email_id}", status=409)
        assert refused["error"]["code"] == "conflict"


async def test_a_session_that_is_ended_elsewhere_is_gone_with_the_next_request(
    browser: Browser, other: Browser
) -> None:
    await browser.sign_in("two@sessions.example")
    mine = await other.sign_in("two@sessions.example")
    listed = (await browser.get("/api/me/sessions"))["data"]
    assert [device["current"] for device in listed] == [False, True]
    assert listed[0]["session_id"] == mine["session_id"]
    assert (listed[0]["address"], listed[0]["user_agent"]) == (other.address, "Test browser")
    await browser.delete(f"/api/me/sessions/{mine['session_id']}", status=204)
    await other.get("/api/me", status=401)
    await browser.get("/api/me")
    await browser.delete(f"/api/me/sessions/{mine['session_id']}", status=404)


async def test_all_other_sessions_end_together(browser: Browser, other: Browser) -> None:
    await browser.sign_in("others@sessions.example")
    await other.sign_in("others@sessions.example")
    assert await browser.delete("/api/me/sessions") == {"ended": 1}
    await other.get("/api/me", status=401)
    assert await browser.delete("/api/me/sessions") == {"ended": 0}


async def test_nobody_ends_a_strangers_session(browser: Browser, other: Browser) -> None:
    await browser.sign_in("eve@sessions.example")
    theirs = await other.sign_in("adam@sessions.example")
    for session_id in (theirs["session_id"], "session_0000000000001", "session_x", "%00"):
        await browser.delete(f"/api/me/sessions/{session_id}", status=404)
    await other.get("/api/me")


async def test_a_person_who_is_disabled_is_out_and_stays_out(browser: Browser, gateway: RunningGateway) -> None:
    signed_in = await browser.sign_in("disabled@sessions.example")
    challenge_id, letter = await browser.begin_email("disabled@sessions.example", purpose="step_up")
    async with gateway.connect() as connection:
        await connection.execute(
            "UPDATE person SET status = 'disabled' WHERE person_id = (SELECT person_id FROM person_email "
            "WHERE email = 'disabled@sessions.example' AND unlinked_at IS NULL)"
        )
    assert signed_in["state"] == "active"
    await browser.get("/api/me", status=401)
    assert (await browser.answer_code(challenge_id, letter.code)).code == "sign_in_failed"
    before = await browser.letters("disabled@sessions.example")
    asked = await browser.post("/api/auth/email", {"email": "disabled@sessions.example"})
    assert set(asked) == {"challenge_id", "expires_at"}
    await browser.begin_email("witness@sessions.example")
    assert await browser.letters("disabled@sessions.example") == before


async def test_a_letter_that_was_on_its_way_lets_no_disabled_person_in(
    browser: Browser, gateway: RunningGateway
) -> None:
    await browser.sign_in("onway@sessions.example")
    async with Browser(gateway) as fresh:
        challenge_id, letter = await fresh.begin_email("onway@sessions.example")
        async with gateway.connect() as connection:
            await connection.execute(
                "UPDATE person SET status = 'disabled' WHERE person_id = (SELECT person_id FROM person_email "
                "WHERE email = 'onway@sessions.example')"
            )
        assert (await fresh.answer_code(challenge_id, letter.code)).code == "sign_in_failed"
        assert not fresh.cookie


@pytest.mark.parametrize("statement", ["end_oldest", "end_sessions", "list_sessions"])
async def test_who_signs_in_for_the_thousandth_time_does_not_read_all_former_sessions(
    gateway: RunningGateway, statement: str
) -> None:
    """They stay for ever, so what is done on the path of a request looks at the open ones alone."""
    query = load_queries("farebox.identity.people", "sessions.sql")[statement]
    wanted = {"person_id": 1, "most": 50, "now_micros": 1, "idle_since": 0, "by": "test", "but": 0}
    async with gateway.connect() as connection, connection.transaction(force_rollback=True):
        await connection.execute("INSERT INTO person (person_id, created_at) VALUES (1, 1)")
        await connection.execute(
            "INSERT INTO person_session (session_id, token_hash, person_id, state, methods, created_at, seen_at, "
            "proved_at, expires_at, ended_at) "
            "SELECT n, sha256(int8send(n)), 1, 'ended', '{}', n, n, n, n, n FROM generate_series(1, 5000) AS n"
        )
        await connection.execute("ANALYZE person_session")
        explained = await connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}".encode(), wanted)
        row = await explained.fetchone()
    assert row is not None
    assert _skipped(row[0][0]["Plan"]) < 50, json.dumps(row[0], indent=1)


def _skipped(plan: dict[str, Any]) -> int:
    """How many rows were read for nothing."""
    return int(plan.get("Rows Removed by Filter", 0)) + sum(_skipped(below) for below in plan.get("Plans", ()))
