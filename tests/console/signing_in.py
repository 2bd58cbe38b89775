"""Signing in by the forms, as somebody without JavaScript does."""

from urllib.parse import parse_qs, urlsplit

from tests.console.html_page import open_page, taken_form
from tests.people.browser import Browser, Letter


async def ask_for_code(browser: Browser, email: str, onward: str = "/console") -> tuple[str, Letter]:
    """From the page for signing in: the address of the page for the code, and the letter."""
    before = await browser.letters(email)
    page = await open_page(browser, f"/sign-in?next={onward}")
    where = await taken_form(browser, "/sign-in/email", email=email, next=page.value("next"))
    after = before[0].letter_id if before else 0
    return where, await browser.letter(email, after=after, with_code=True)


def challenge_of(where: str) -> str:
    """The challenge in the address of the page for the code."""
    return parse_qs(urlsplit(where).query)["challenge"][0]


async def sign_in(browser: Browser, email: str, onward: str = "/console") -> str:
    """By the code of a letter; where it leads to."""
    where, letter = await ask_for_code(browser, email, onward)
    page = await open_page(browser, where)
    return await taken_form(
        browser, "/sign-in/code", challenge=page.value("challenge"), next=page.value("next"), code=letter.code
    )
