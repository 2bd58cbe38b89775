"""What other sites' pages and forged headers get: nothing."""

import pytest

from farebox.wiring.settings import Server
from tests.database import TestCluster
from tests.gateway import RunningGateway, serve_gateway
from tests.people.browser import Browser
from tests.people.clocks import in_one_window

_EVIL = "https://evil.example"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": _EVIL, "sec-fetch-site": "cross-site"},
        {"origin": _EVIL, "sec-fetch-site": None},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": "null", "sec-fetch-site": None},
        {"origin": None, "sec-fetch-site": "cross-site"},
        {"origin": None, "sec-fetch-site": "same-site"},
        {"origin": _EVIL, "sec-fetch-site": "same-origin"},
    ],
)
@pytest.mark.parametrize("path", ["/api/auth/email", "/api/auth/email/verify"])
async def test_no_other_site_signs_anybody_in(browser: Browser, path: str, headers: dict[str, str | None]) -> None:
    """Neither with a cookie nor without: a person could be signed in to the attacker's account."""
    bodies = {"/api/auth/email": {"email": "login@csrf.example"}, "/api/auth/email/verify": {"token": "x"}}
    answer = await browser.request("POST", path, body=bodies[path], headers=headers)
    assert (answer.status, answer.code) == (403, "cross_site_request")
    assert await browser.letters("login@csrf.example") == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/auth/sign-out"), ("PATCH", "/api/me"), ("DELETE", "/api/me/sessions"),
        ("DELETE", "/api/me/sessions/session_0000000000001"), ("DELETE", "/api/me/emails/email_0000000000001"),
        ("DELETE", "/api/me/wallets/wallet_0000000000001"), ("DELETE", "/api/me/passkeys/passkey_0000000000001"),
    ],
)  # fmt: skip
async def test_no_other_site_uses_a_persons_cookie(browser: Browser, method: str, path: str) -> None:
    await browser.sign_in(f"{method.lower()}{len(path)}@csrf.example")
    for headers in (
        {"origin": _EVIL, "sec-fetch-site": "cross-site"},
        {"origin": None, "sec-fetch-site": None},
        {"origin": None, "sec-fetch-site": "same-site"},
    ):
        answer = await browser.request(method, path, body={"name": "Eve"}, headers=headers)
        assert (answer.status, answer.code) == (403, "cross_site_request")
    assert (await browser.get("/api/me"))["name"] == ""


async def test_a_link_in_a_letter_comes_from_the_settings_and_not_from_the_request(
    browser: Browser, gateway: RunningGateway
) -> None:
    forged = {"host": "evil.example", "x-forwarded-host": "evil.example", "forwarded": "host=evil.example"}
    await browser.request("POST", "/api/auth/email", body={"email": "host@csrf.example"}, headers=dict(forged))
    letter = await browser.letter("host@csrf.example")
    assert "evil" not in letter.body
    assert f"{gateway.site}/sign-in/link?token={letter.link_token}" in letter.body


async def test_who_is_no_proxy_of_ours_cannot_say_where_they_are(browser: Browser) -> None:
    challenge_id, letter = await browser.begin_email("address@csrf.example")
    answer = await browser.request(
        "POST",
        "/api/auth/email/verify",
        body={"challenge_id": challenge_id, "code": letter.code},
        headers={"x-forwarded-for": "203.0.113.9", "x-real-ip": "203.0.113.9"},
    )
    assert answer.status == 200
    assert (await browser.get("/api/me/sessions"))["data"][0]["address"] == browser.address


async def test_a_proxy_of_ours_says_where_people_are(cluster: TestCluster) -> None:
    """And people behind it cannot get a new address by writing one before the proxy's."""
    await in_one_window(3_600)
    async with (
        serve_gateway(cluster, server=Server(trusted_proxies=("127.0.0.0/8",))) as gateway,
        Browser(gateway) as browser,
    ):
        refused = 0
        for number in range(31):
            answer = await browser.request(
                "POST",
                "/api/auth/email",
                body={"email": f"person{number}@proxied.example"},
                headers={"x-forwarded-for": f"198.51.100.{number}, 203.0.113.9"},
            )
            refused += answer.status == 429
        assert refused == 1
        answer = await browser.request(
            "POST",
            "/api/auth/email",
            body={"email": "another@proxied.example"},
            headers={"x-forwarded-for": "203.0.113.10"},
        )
        assert answer.status == 200
