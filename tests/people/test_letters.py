"""What letters say, and that everybody is told when a way to sign in comes or goes."""

import re

import pytest

from farebox.base.clock import rfc3339
from tests.people.browser import Browser
from tests.people.browser import Letter as Read


async def _notice(browser: Browser, email: str, words: str) -> Read:
    """The newest letter to that address, which says so and has no code."""
    letter = (await browser.letters(email))[0]
    if words not in letter.body:
        letter = await browser.letter(email, after=letter.letter_id)
    assert words in letter.body
    return letter


@pytest.mark.parametrize("purpose", ["sign_in", "link", "step_up"])
async def test_a_letter_with_a_code_says_what_for_how_long_and_to_keep_it(browser: Browser, purpose: str) -> None:
    words = {"sign_in": "to sign in:", "link": "from now on:", "step_up": "to confirm that it is you:"}
    if purpose != "sign_in":
        await browser.sign_in("letters@said.example")
    address = "letters2@said.example" if purpose == "link" else "letters@said.example"
    _, letter = await browser.begin_email(address, purpose=purpose)
    assert letter.body.startswith("Your code for Farebox, ") and words[purpose] in letter.body.partition("\n")[0]
    assert "Either is good once, for 10 minutes." in letter.body
    assert "Give the code to nobody" in letter.body and "If you did not ask for this letter" in letter.body
    assert letter.subject == "Your code for Farebox" and letter.code not in letter.subject
    links = re.findall(r"https?://\S+", letter.body)
    assert links == [f"{browser.gateway.site}/sign-in/link?token={letter.link_token}"]
    assert max(map(len, letter.body.replace(links[0], "").splitlines())) <= 78


async def test_all_former_addresses_are_told_of_a_new_one_and_of_one_that_goes(browser: Browser) -> None:
    """When, and where to look at once; with no code in it that a reader could be asked for."""
    first, second = "told@said.example", "newcomer@said.example"
    await browser.sign_in(first)
    before = rfc3339(browser.gateway.clock())[:16]
    await browser.sign_in(second, purpose="link")
    notice = await _notice(browser, first, f"The e-mail address {second} can be used to sign in to it now.")
    assert f"{browser.gateway.site}/account" in notice.body
    when = re.search(r"^When: (\S{19}Z)$", notice.body, re.MULTILINE)
    assert when is not None and before <= when[1][:16] <= rfc3339(browser.gateway.clock())
    assert notice.subject.startswith("Your account on Farebox: the e-mail address")
    assert not re.search(r"^ {4}\d{6}$", notice.body, re.MULTILINE) and "token=" not in notice.body
    emails = (await browser.get("/api/me"))["emails"]
    gone = next(each for each in emails if each["email"] == first)
    await browser.delete(f"/api/me/emails/{gone['email_id']}", status=204)
    for address in (first, second):
        await _notice(browser, address, "A way to sign in, an e-mail address, was unlinked.")
