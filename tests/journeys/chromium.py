"""Debian's Chromium, driven like a person would: one browser for the folder, a fresh profile for each visitor."""

import itertools
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

# Nothing of the browser itself may look for a network; it runs in the tests' own sandbox, often as root.
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
PATIENCE_MILLISECONDS: Final = 20_000
# Each visitor comes from an address of their own, as the proxy in front tells it.
_ADDRESSES: Final = (f"203.0.113.{number}" for number in itertools.count(1))


@asynccontextmanager
async def running_chromium() -> AsyncIterator[Browser]:
    """A browser without a window. `make test` installs it."""
    path = shutil.which("chromium")
    assert path is not None, "Chromium is missing: `make test` installs it"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        try:
            yield browser
        finally:
            await browser.close()


class Visitor:
    """Somebody with a browser profile of their own. What the pages' console complains of is kept."""

    def __init__(self, context: BrowserContext, page: Page, site: str) -> None:
        self.context = context
        self.page = page
        self.site = site
        self.complaints: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _heard(self, message: ConsoleMessage) -> None:
        # A refused form is a page with status 4xx, of which the console tells as well.
        if message.type == "error" and "the server responded with a status of" not in message.text:
            self.complaints.append(message.text)

    async def go(self, path: str) -> None:
        """Open a page of the gateway."""
        await self.page.goto(self.site + path)

    @property
    def path(self) -> str:
        """Where the browser is now, without scheme, host and query."""
        return self.page.url.removeprefix(self.site).partition("?")[0]

    async def says(self) -> str:
        """What the page shows."""
        return await self.page.inner_text("body")


@asynccontextmanager
async def visiting(browser: Browser, site: str, *, javascript: bool = True) -> AsyncIterator[Visitor]:
    """A visitor with a fresh profile; afterwards nothing may have broken the pages' own rules."""
    headers = {"X-Forwarded-For": next(_ADDRESSES)}
    context = await browser.new_context(java_script_enabled=javascript, extra_http_headers=headers)
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    try:
        visitor = Visitor(context, await context.new_page(), site)
        yield visitor
        assert visitor.complaints == []
    finally:
        await context.close()
