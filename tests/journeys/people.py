"""What visitors do again and again, by what they read on the pages."""

import asyncio
import re
from typing import Final

from playwright.async_api import expect

from tests.gateway import PATIENCE_SECONDS, RunningGateway
from tests.journeys.chromium import Visitor

_CODE: Final = re.compile(r"^ {4}([0-9]{6})$", re.MULTILINE)
_LETTERS: Final = (
    "SELECT letter_id, body FROM demo_letter WHERE recipient = %s AND letter_id > %s AND body ~ %s"
    " ORDER BY letter_id DESC LIMIT 1"
)


async def newest_letter(gateway: RunningGateway, email: str, *, after: int = 0, pattern: str = "") -> tuple[int, str]:
    """The id and the text of the newest letter to somebody, waited for: letters are sent in the background. `pattern`:
    what its text has, so that none of the others is taken for it that may come in between."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (rows := await gateway.rows(_LETTERS, email, after, pattern)):
            await asyncio.sleep(0.02)
    return rows[0][0], rows[0][1]


async def last_letter_id(gateway: RunningGateway, email: str) -> int:
    """Of the letters that are there already; 0: none."""
    rows = await gateway.rows(_LETTERS, email, 0, "")
    return int(rows[0][0]) if rows else 0


async def type_code(visitor: Visitor, gateway: RunningGateway, email: str, *, after: int) -> None:
    """On the page that asks for it, the code of the letter that has come meanwhile."""
    _, body = await newest_letter(gateway, email, after=after, pattern="/sign-in/link")
    found = _CODE.search(body)
    assert found is not None
    await visitor.page.get_by_label("Code of six digits").fill(found[1])
    await visitor.page.get_by_role("button", name=re.compile("^(Continue|Confirm)$")).click()


async def sign_in(visitor: Visitor, gateway: RunningGateway, email: str) -> None:
    """By e-mail, from the page for signing in."""
    before = await last_letter_id(gateway, email)
    if visitor.path != "/sign-in":
        await visitor.go("/sign-in")
    await visitor.page.get_by_label("E-mail").fill(email)
    await visitor.page.get_by_role("button", name="Continue with e-mail").click()
    await type_code(visitor, gateway, email, after=before)


async def make_workspace(visitor: Visitor, name: str) -> str:
    """From the page that offers it; the workspace's id."""
    await visitor.go("/console/new")
    await visitor.page.get_by_label("Name").fill(name)
    await visitor.page.get_by_role("button", name="Make the workspace").click()
    await expect(visitor.page.get_by_role("heading", level=1)).to_have_text(name)
    return visitor.path.removeprefix("/console/").partition("/")[0]


async def make_key(visitor: Visitor, workspace_id: str, name: str) -> str:
    """With what the form offers by itself; the secret, as the page shows it once."""
    await visitor.go(f"/console/{workspace_id}/keys/new")
    await visitor.page.get_by_label("Name", exact=True).fill(name)
    await visitor.page.get_by_role("button", name="Make the key").click()
    return await visitor.page.locator("#secret").inner_text()
