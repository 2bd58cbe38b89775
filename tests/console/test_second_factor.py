"""The authenticator app and its recovery codes by the pages, without JavaScript."""

import pyotp

from tests.console.html_page import Page, open_page, refused_form, send_form, taken_form
from tests.console.signing_in import sign_in
from tests.people.browser import Browser
from tests.people.town import Resident, Town


async def _set_up(resident: Resident) -> tuple[str, list[str]]:
    """The secret and the recovery codes, as the pages show them."""
    page = Page(await send_form(resident.browser, "/account/authenticator"))
    secret = page.one("code", id="secret").text
    answer = await send_form(resident.browser, "/account/authenticator/confirm", code=pyotp.TOTP(secret).now())
    assert answer.status == 200, answer.text
    return secret, [element["value"] for element in Page(answer).all("input", name="code")]


async def test_setting_up_shows_a_picture_and_a_secret_once(town: Town) -> None:
    anna = await town.person()
    answer = await send_form(anna.browser, "/account/authenticator")
    page = Page(answer)
    assert answer.status == 200 and answer.headers["cache-control"] == "no-store"
    picture = page.one("img")
    assert picture["src"].startswith("data:image/svg+xml") and picture["alt"]
    secret = page.one("code", id="secret").text
    page = await refused_form(anna.browser, "/account/authenticator/confirm", 401, code="000")
    assert "not right" in page.error_of("code")
    assert secret not in page.answer.text
    await open_page(anna.browser, "/account/authenticator", status=405)


async def test_recovery_codes_are_shown_and_downloaded_as_text(town: Town) -> None:
    anna = await town.person()
    _, codes = await _set_up(anna)
    assert len(set(codes)) == 10
    answer = await anna.browser.request("POST", "/account/recovery-codes/download", form={"code": codes[0]})
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="recovery-codes.txt"'
    assert answer.headers["cache-control"] == "no-store"
    assert codes[0] in answer.text
    for code in codes:
        assert code not in (await open_page(anna.browser, "/account")).answer.text


async def test_a_download_gives_back_nothing_but_codes(town: Town) -> None:
    anna = await town.person()
    answer = await send_form(anna.browser, "/account/recovery-codes/download", code="<script>alert(1)</script>")
    assert answer.status == 400
    assert "<script>alert" not in answer.text


async def test_an_email_is_not_enough_any_more(town: Town, browser: Browser) -> None:
    anna = await town.person()
    secret, codes = await _set_up(anna)
    where = await sign_in(browser, anna.email, "/account")
    assert where == "/sign-in/second-factor?next=/account"
    assert (await browser.request("GET", "/account")).location == where
    page = await open_page(browser, where)
    assert page.value("next") == "/account"
    page = await refused_form(browser, "/sign-in/second-factor", 401, code="000000", next="/account")
    assert "not right" in page.error_of("code") and page.value("next") == "/account"
    fields = {"code": codes[3].upper(), "next": page.value("next")}
    assert await taken_form(browser, "/sign-in/second-factor", **fields) == "/account"
    page = await open_page(browser, "/account")
    assert "9 recovery codes are left" in page.said
    assert secret not in page.answer.text


async def test_a_recovery_code_is_good_once(town: Town, browser: Browser) -> None:
    anna = await town.person()
    _, codes = await _set_up(anna)
    await sign_in(browser, anna.email)
    await taken_form(browser, "/sign-in/second-factor", code=codes[0])
    browser.cookie = ""
    await sign_in(browser, anna.email)
    await refused_form(browser, "/sign-in/second-factor", 401, code=codes[0])


async def test_who_has_not_given_it_can_only_give_it_or_leave(town: Town, browser: Browser) -> None:
    anna = await town.person()
    await _set_up(anna)
    await sign_in(browser, anna.email)
    for path in ("/account", "/console", "/step-up"):
        assert (await browser.request("GET", path)).location == f"/sign-in/second-factor?next={path}"
    assert (await send_form(browser, "/account/name", name="x")).location == "/sign-in/second-factor?next=/account"
    assert await taken_form(browser, "/sign-out") == "/"
    assert browser.cookie == ""


async def test_stepping_up_takes_its_code_and_no_letter(town: Town) -> None:
    anna = await town.person()
    _, codes = await _set_up(anna)
    await town.grow_stale(anna)
    assert await taken_form(anna.browser, "/account/recovery-codes") == "/step-up?next=/account"
    page = await open_page(anna.browser, "/step-up?next=/account")
    assert page.all("form", action="/step-up/code") and not page.all("form", action="/step-up/email")
    page = await refused_form(anna.browser, "/step-up/code", 401, code="1", next="/account")
    assert "not right" in page.error_of("code")
    assert await taken_form(anna.browser, "/step-up/code", code=codes[1], next="/account") == "/account"
    page = Page(await send_form(anna.browser, "/account/recovery-codes"))
    renewed = [element["value"] for element in page.all("input", name="code")]
    assert len(renewed) == 10 and not set(renewed) & set(codes)


async def test_turning_it_off_is_said_and_done(town: Town, browser: Browser) -> None:
    anna = await town.person()
    await _set_up(anna)
    assert await taken_form(anna.browser, "/account/authenticator/remove") == "/account?done=totp-off"
    assert "Set up an authenticator app" in (await open_page(anna.browser, "/account?done=totp-off")).said
    assert await sign_in(browser, anna.email) == "/console"
