"""Signing in by e-mail, as somebody would."""

from tests.people.browser import Browser


async def test_the_code_of_a_letter_signs_in(browser: Browser) -> None:
    signed_in = await browser.sign_in("Anna.First@Example.com")
    assert signed_in["state"] == "active"
    assert browser.cookie
