"""Everything by the keyboard alone: nobody touches a mouse here."""

import re

from playwright.async_api import Page

from tests.gateway import RunningGateway
from tests.journeys.chromium import Visitor
from tests.journeys.people import last_letter_id, newest_letter

# More steps of the tabulator than any page here has places to stop at.
MAX_STEPS = 60


async def _focused(page: Page) -> str:
    """What has the focus, as a screen reader would name it."""
    script = """() => {
        const one = document.activeElement;
        if (!one || one === document.body) return "";
        const label = one.labels?.[0]?.innerText ?? one.getAttribute("aria-label") ?? one.innerText ?? "";
        return label.trim();
    }"""
    return str(await page.evaluate(script))


async def _tab_to(page: Page, name: str) -> None:
    """Step on until something of that name has the focus, which must be visible."""
    for _ in range(MAX_STEPS):
        await page.keyboard.press("Tab")
        if re.match(name, await _focused(page)):
            outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline != "none", f"{name} does not show that it has the focus"
            return
    raise AssertionError(f"nothing named {name} can be reached by the keyboard")


async def test_from_the_first_page_to_a_key_without_a_mouse(visitor: Visitor, gateway: RunningGateway) -> None:
    page, email = visitor.page, "keyboard@example.com"
    await visitor.go("/")
    await _tab_to(page, "Skip to the content")
    await _tab_to(page, "Sign in")
    await page.keyboard.press("Enter")
    await page.wait_for_url(re.compile("/sign-in"))
    before = await last_letter_id(gateway, email)
    await _tab_to(page, "E-mail")
    await page.keyboard.type(email)
    await page.keyboard.press("Enter")
    await page.wait_for_url(re.compile("/sign-in/code[?]"))
    _, body = await newest_letter(gateway, email, after=before, pattern="/sign-in/link")
    found = re.search(r"^ {4}([0-9]{6})$", body, re.MULTILINE)
    assert found is not None
    if not re.match("Code of six digits", await _focused(page)):
        await _tab_to(page, "Code of six digits")
    await page.keyboard.type(found[1])
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/console/new")
    await _tab_to(page, "Name")
    await page.keyboard.type("By keys alone")
    await _tab_to(page, "Make the workspace")
    await page.keyboard.press("Space")
    await page.wait_for_url(re.compile("/console/ws_"))
    await _tab_to(page, "Make a key")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/keys/new")
    await _tab_to(page, "Name")
    await page.keyboard.type("typed")
    await page.keyboard.press("Enter")
    assert (await page.locator("#secret").inner_text()).startswith(gateway.settings.brand.key_prefix)
