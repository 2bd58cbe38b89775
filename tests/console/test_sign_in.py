"""Signing in by the pages, without JavaScript."""

import re
from urllib.parse import urlencode

import pytest

from tests.console.html_page import Page, open_page, refused_form, send_form, taken_form
from tests.console.signing_in import ask_for_code, challenge_of, sign_in
from tests.people.browser import Browser
from tests.people.clocks import in_one_window
from tests.people.town import Town

EVIL = "https://evil.example"
# What browsers make another site of, or what has tricked others into it.
ELSEWHERE = (
    "https://evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/%0d%0alocation: https://evil.example",
    "/console\r\nset-cookie: a=b",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.example",
    " //evil.example",
    "/\t/evil.example",
    "http:evil.example",
    '/console"><script>alert(1)</script>',
    "/" + "a" * 2_000,
)


async def test_a_code_by_mail_signs_in_and_leads_on(browser: Browser) -> None:
    assert await sign_in(browser, "anna@pages.example", "/account?done=name") == "/account?done=name"
    assert (await open_page(browser, "/account")).heading == "Account"


async def test_the_session_is_a_cookie_of_this_host_alone_that_no_script_reads(browser: Browser) -> None:
    await sign_in(browser, "cookie@pages.example")
    parts = [part.strip().lower() for part in browser.set_cookie.split(";")]
    assert parts[0].startswith("__host-session=")
    assert {"httponly", "secure", "path=/", "samesite=lax"} <= set(parts)
    assert not any(part.startswith("domain") for part in parts)


@pytest.mark.parametrize("shape", ["{0} {1}", " {0}-{1} ", "{0}\u00a0{1}"])
async def test_a_code_is_taken_as_people_paste_it(browser: Browser, shape: str) -> None:
    where, letter = await ask_for_code(browser, "paste@pages.example")
    code = shape.format(letter.code[:3], letter.code[3:])
    assert await taken_form(browser, "/sign-in/code", challenge=challenge_of(where), code=code) == "/console"


async def test_a_wrong_code_is_said_at_its_field_and_another_may_be_typed(browser: Browser) -> None:
    where, letter = await ask_for_code(browser, "wrong@pages.example")
    challenge, wrong = challenge_of(where), "000000" if letter.code != "000000" else "111111"
    page = await refused_form(browser, "/sign-in/code", 401, challenge=challenge, code=wrong, next="/account")
    assert "not right" in page.problem and "not right" in page.error_of("code")
    assert page.title.startswith("Error: ")
    assert page.value("code") == ""
    assert page.value("next") == "/account"
    assert page.one("div", id="problem").attributes.keys() >= {"autofocus", "tabindex", "role"}
    assert await taken_form(browser, "/sign-in/code", challenge=challenge, code=letter.code) == "/console"


async def test_a_used_code_asks_to_begin_again(browser: Browser) -> None:
    where, letter = await ask_for_code(browser, "used@pages.example")
    fields = {"challenge": challenge_of(where), "code": letter.code}
    await taken_form(browser, "/sign-in/code", **fields)
    browser.cookie = ""
    page = await refused_form(browser, "/sign-in/code", 401, **fields)
    assert page.heading == "This is no longer good"
    assert (await open_page(browser, where, status=404)).heading == "This is no longer good"


@pytest.mark.parametrize("challenge", ["", "x", "00000000-0000-4000-8000-000000000000", "' OR 1=1", "\x00"])
async def test_a_challenge_that_never_was_is_no_longer_good(browser: Browser, challenge: str) -> None:
    page = await refused_form(browser, "/sign-in/code", 401, challenge=challenge, code="123456")
    assert page.heading == "This is no longer good"


async def test_who_has_an_account_gets_the_same_pages_as_who_has_none(browser: Browser) -> None:
    await sign_in(browser, "known@pages.example")
    browser.cookie = ""
    shown = []
    for email in ("known@pages.example", "unknwn@pages.example"):
        where = await taken_form(browser, "/sign-in/email", email=email)
        page = await open_page(browser, where)
        shown.append(page.answer.text.replace(email, "?").replace(challenge_of(where), "?"))
    assert shown[0] == shown[1]


@pytest.mark.parametrize(
    "email", ["anna", "a b@example.com", "<script>alert(1)</script>@example.com", "ä@exämple.com", ""]
)
async def test_an_address_that_is_none_comes_back_as_it_was_typed(browser: Browser, email: str) -> None:
    page = await refused_form(browser, "/sign-in/email", 400, email=email, next="/account")
    assert page.value("email") == email
    assert "address like" in page.error_of("email")
    assert page.value("next") == "/account"
    assert "<script>alert" not in page.answer.text


async def test_the_code_page_can_send_another_letter(browser: Browser) -> None:
    where, first = await ask_for_code(browser, "again@pages.example", "/account")
    page = await open_page(browser, where)
    assert page.all("form", action="/sign-in/email")
    where = await taken_form(browser, "/sign-in/email", email=page.value("email"), next="/account")
    second = await browser.letter("again@pages.example", after=first.letter_id)
    fields = {"challenge": challenge_of(where), "code": second.code, "next": "/account"}
    assert await taken_form(browser, "/sign-in/code", **fields) == "/account"


async def test_too_many_letters_are_refused_on_the_form_with_when_to_come_back(browser: Browser) -> None:
    await in_one_window(10 * 60)
    for _ in range(5):
        await taken_form(browser, "/sign-in/email", email="many@pages.example")
    answer = await send_form(browser, "/sign-in/email", email="many@pages.example")
    assert answer.status == 429
    assert int(answer.headers["retry-after"]) > 0
    page = Page(answer)
    assert page.value("email") == "many@pages.example"
    assert re.search(r"[0-9]+ (seconds|minutes?)", page.problem)


async def test_a_link_is_used_up_by_its_button_and_not_by_looking(browser: Browser) -> None:
    _, letter = await ask_for_code(browser, "link@pages.example")
    for _ in range(3):
        page = await open_page(browser, f"/sign-in/link?token={letter.link_token}")
        assert "link@pages.example" in page.said
    assert page.value("token") == letter.link_token
    assert await taken_form(browser, "/sign-in/link", token=letter.link_token) == "/console"
    browser.cookie = ""
    await refused_form(browser, "/sign-in/link", 401, token=letter.link_token)
    await open_page(browser, f"/sign-in/link?token={letter.link_token}", status=401)


@pytest.mark.parametrize("onward", ELSEWHERE)
async def test_next_leads_nowhere_else(browser: Browser, onward: str) -> None:
    where = await taken_form(
        browser, "/sign-in/email", email=f"next{ELSEWHERE.index(onward)}@pages.example", next=onward
    )
    assert where.endswith("&next=/console")
    challenge = challenge_of(where)
    page = await refused_form(browser, "/sign-in/code", 401, challenge=challenge, code="1", next=onward)
    assert page.value("next") == "/console"


@pytest.mark.parametrize("onward", ELSEWHERE)
async def test_next_of_an_address_leads_nowhere_else(town: Town, onward: str) -> None:
    browser = (await town.person()).browser
    for path in ("/sign-in", "/step-up"):
        answer = await browser.request("GET", path + "?" + _query(next=onward))
        assert (answer.status, answer.location) == (303, "/console")
    browser.cookie = ""
    page = await open_page(browser, "/sign-in?" + _query(next=onward))
    assert page.value("next") == "/console"
    assert {element["data-next"] for element in page.elements if element["data-next"]} == {"/console"}


@pytest.mark.parametrize("path", ["/sign-in/email", "/sign-in/code", "/sign-in/link", "/sign-out"])
async def test_no_other_site_sends_these_forms(browser: Browser, path: str) -> None:
    await sign_in(browser, f"csrf{len(path)}@pages.example")
    token = browser.cookie
    for cookie in (token, ""):
        browser.cookie = cookie
        for headers in ({"origin": EVIL, "sec-fetch-site": "cross-site"}, {"origin": "null", "sec-fetch-site": None}):
            answer = await browser.request("POST", path, form={"email": "a@pages.example"}, headers=dict(headers))
            assert answer.status == 403 or (path, cookie) == ("/sign-out", "")
    browser.cookie = token
    await open_page(browser, "/account")


async def test_signing_out_ends_the_session_and_not_only_the_cookie(browser: Browser) -> None:
    await sign_in(browser, "out@pages.example")
    token = browser.cookie
    assert await taken_form(browser, "/sign-out") == "/"
    assert browser.cookie == ""
    browser.cookie = token
    answer = await browser.request("GET", "/account")
    assert (answer.status, answer.location) == (303, "/sign-in?next=/account")
    assert await taken_form(browser, "/sign-out") == "/"


async def test_who_is_signed_in_is_not_asked_again(browser: Browser) -> None:
    await sign_in(browser, "in@pages.example")
    answer = await browser.request("GET", "/sign-in?next=/account")
    assert (answer.status, answer.location) == (303, "/account")
    answer = await browser.request("GET", "/")
    assert (answer.status, answer.location) == (303, "/console")


async def test_a_new_sign_in_gives_another_token_and_ends_the_old_one(browser: Browser) -> None:
    await sign_in(browser, "rotate@pages.example")
    first = browser.cookie
    where, letter = await _ask_again(browser, "rotate@pages.example")
    await taken_form(browser, "/sign-in/code", challenge=challenge_of(where), code=letter)
    assert browser.cookie != first
    browser.cookie = first
    assert (await browser.request("GET", "/account")).status == 303


async def _ask_again(browser: Browser, email: str) -> tuple[str, str]:
    before = (await browser.letters(email))[0].letter_id
    where = await taken_form(browser, "/sign-in/email", email=email)
    return where, (await browser.letter(email, after=before, with_code=True)).code


def _query(**values: str) -> str:
    return urlencode(values)


async def test_who_came_by_127_0_0_1_is_led_to_the_name_where_signing_in_works(browser: Browser) -> None:
    """Else every form there would be refused as another site's. Only browsers are led, and only from there."""
    port = browser.gateway.site.rpartition(":")[2]
    came = {"host": f"127.0.0.1:{port}", "sec-fetch-mode": "navigate"}
    led = await browser.request("GET", "/sign-in?next=/account", headers=came)
    assert (led.status, led.headers["location"]) == (303, f"{browser.gateway.site}/sign-in?next=/account")
    for stays in ({"host": f"localhost:{port}"}, {"host": "ai.example.com"}, {"sec-fetch-mode": "cors"}):
        assert (await browser.request("GET", "/sign-in", headers={**came, **stays})).status == 200
