"""Many sessions of one person: how many there may be, which are shown, how exactly their use is known."""

from farebox.base.ids import read_short
from farebox.identity.people.model import MAX_USER_AGENT_CHARS, Method, Visit
from farebox.identity.people.sessions import MAX_SESSIONS, SEEN_EVERY_MICROS, SessionTimes, open_session
from tests.gateway import RunningGateway
from tests.people.browser import Browser
from tests.people.clocks import TravellingClock

_DAY = 86_400
_TIMES = SessionTimes(idle_seconds=7 * _DAY, absolute_seconds=30 * _DAY)


async def test_beyond_fifty_the_oldest_ends(browser: Browser, gateway: RunningGateway) -> None:
    assert MAX_SESSIONS == 50
    signed_in = await browser.sign_in("fifty@many.example")
    person_id = read_short("person", signed_in["person_id"])
    tokens = []
    async with gateway.connect() as connection:
        for _ in range(MAX_SESSIONS):
            opened = await open_session(
                connection,
                person_id,
                method=Method.EMAIL,
                visit=Visit("192.0.2.1", "test"),
                times=_TIMES,
                now_micros=gateway.clock(),
            )
            tokens.append(opened.token)
    await browser.get("/api/me", status=401)
    ended = await gateway.rows(
        "SELECT ended_by FROM person_session WHERE person_id = %s AND state = 'ended'", person_id
    )
    assert ended == [("too_many",)]
    browser.cookie = tokens[0]
    assert len((await browser.get("/api/me/sessions"))["data"]) == MAX_SESSIONS


async def test_only_sessions_that_are_open_are_shown(later: RunningGateway, clock: TravellingClock) -> None:
    async with Browser(later) as unused, Browser(later) as old, Browser(later) as used:
        await old.sign_in("shown@many.example")
        for _ in range(5):
            clock.travel(seconds=5 * _DAY)
            await old.get("/api/me")
        await unused.sign_in("shown@many.example")
        clock.travel(seconds=4 * _DAY)
        await used.sign_in("shown@many.example")
        assert len((await used.get("/api/me/sessions"))["data"]) == 3
        await old.get("/api/me")
        clock.travel(seconds=2 * _DAY)
        # One is older than thirty days, though it was used two days ago.
        assert len((await used.get("/api/me/sessions"))["data"]) == 2
        clock.travel(seconds=2 * _DAY)
        # The other was not used for eight days.
        assert [each["current"] for each in (await used.get("/api/me/sessions"))["data"]] == [True]


async def test_that_a_session_is_used_is_written_down_once_a_minute(
    later: RunningGateway, clock: TravellingClock
) -> None:
    async with Browser(later) as browser:
        signed_in = await browser.sign_in("minute@many.example")
        number = read_short("session", (await browser.get("/api/me/sessions"))["data"][0]["session_id"])

        async def seen_at() -> int:
            return int((await later.rows("SELECT seen_at FROM person_session WHERE session_id = %s", number))[0][0])

        assert signed_in["state"] == "active"
        first = await seen_at()
        await browser.get("/api/me")
        assert await seen_at() == first
        clock.travel(seconds=SEEN_EVERY_MICROS // 1_000_000)
        await browser.get("/api/me")
        assert await seen_at() >= first + SEEN_EVERY_MICROS


async def test_a_device_has_a_short_name_of_one_line(browser: Browser) -> None:
    """Whatever its browser says."""
    challenge_id, letter = await browser.begin_email("agent@many.example")
    body = {"challenge_id": challenge_id, "code": letter.code}
    sent = {"user-agent": "a\u0085\u00adb" + "x" * 2 * MAX_USER_AGENT_CHARS}
    assert (await browser.request("POST", "/api/auth/email/verify", body=body, headers=sent)).status == 200
    (device,) = (await browser.get("/api/me/sessions"))["data"]
    assert device["user_agent"].isprintable() and device["user_agent"].startswith("a")
    assert len(device["user_agent"]) == MAX_USER_AGENT_CHARS


async def test_a_session_that_gave_way_to_another_persons_stands_in_the_record_of_its_own(
    browser: Browser, gateway: RunningGateway
) -> None:
    first = await browser.sign_in("gave@many.example")
    await browser.sign_in("took@many.example")
    rows = await gateway.rows(
        "SELECT action, detail, address FROM audit_event WHERE person_id = %s AND action = 'session.ended'",
        read_short("person", first["person_id"]),
    )
    assert rows == [("session.ended", {"by": "replaced"}, browser.address)]


async def test_ending_sessions_stands_in_the_record(browser: Browser, other: Browser) -> None:
    """Each, and all others together; ending none does not."""
    await browser.sign_in("enders@many.example")
    for path in ("/api/me/sessions", "session"):
        mine = await other.sign_in("enders@many.example")
        await browser.delete(path if path[0] == "/" else f"/api/me/sessions/{mine['session_id']}")
    await browser.delete("/api/me/sessions")
    await other.sign_in("enders@many.example")
    await other.post("/api/auth/sign-out", status=204)
    events = (await browser.get("/api/me/events?action=session.ended"))["data"]
    assert [event["detail"] for event in events] == [
        {"by": "signed_out"},
        {"by": "revoked"},
        {"by": "revoked", "others": 1},
    ]
