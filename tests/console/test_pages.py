"""What every page promises: nothing inline, names for everything, headers, little weight."""

import re
from collections.abc import AsyncIterator

import pytest

from farebox.base.limits import Mail
from tests.console.html_page import Page, open_page, send_form
from tests.console.signing_in import ask_for_code
from tests.database import TestCluster
from tests.gateway import RunningGateway, serve_gateway
from tests.people.browser import Answer, Browser
from tests.people.town import Town

MAX_PAGE_BYTES = 100_000
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
    "content-type": "text/html; charset=utf-8",
}


async def _pages(town: Town, browser: Browser) -> AsyncIterator[tuple[str, Answer]]:
    """Every page for signing in and for one's account, and how they look when refused."""
    for path in ("/", "/sign-in", "/demo/mailbox", "/nothing-here", "/sign-in/code", "/sign-in/link?token=x"):
        yield path, await browser.request("GET", path)
    where, letter = await ask_for_code(browser, "all@pages.example")
    yield "code", await browser.request("GET", where)
    yield "link", await browser.request("GET", f"/sign-in/link?token={letter.link_token}")
    yield "refused e-mail", await send_form(browser, "/sign-in/email", email="x")
    yield "refused code", await send_form(browser, "/sign-in/code", code="1", challenge="x")
    yield "cross-site", await browser.request("POST", "/sign-in/email", headers={"sec-fetch-site": "cross-site"})
    anna = await town.person("Anna")
    yield "/account", await anna.browser.request("GET", "/account")
    yield "refused name", await send_form(anna.browser, "/account/name", name="x" * 101)
    yield "authenticator", await send_form(anna.browser, "/account/authenticator")
    yield "refused authenticator", await send_form(anna.browser, "/account/authenticator/confirm", code="1")
    yield "second factor", await anna.browser.request("GET", "/sign-in/second-factor")
    await town.grow_stale(anna)
    yield "step up", await anna.browser.request("GET", "/step-up")


async def test_every_page_has_its_headers_and_nothing_inline(town: Town, browser: Browser) -> None:
    async for name, answer in _pages(town, browser):
        for header, value in HEADERS.items():
            assert answer.headers[header] == value, (name, header)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert "unsafe" not in policy
        page = Page(answer)
        for element in page.elements:
            assert "style" not in element.attributes, name
            assert not [attribute for attribute in element.attributes if attribute.startswith("on")], name
            assert element.tag != "style", name
            assert element.tag != "script" or (element["type"] == "module" and not element.text.strip()), name
            for attribute in ("href", "src", "action"):
                assert re.match(r"(/(?!/)|#|data:image/|$)", element[attribute]), (name, element[attribute])


async def test_every_page_is_named_and_so_is_what_stands_on_it(town: Town, browser: Browser) -> None:
    async for name, answer in _pages(town, browser):
        page = Page(answer)
        assert page.one("html")["lang"] == "en", name
        assert page.heading.strip() and page.title.strip(), name
        assert page.one("main")["id"] == "main" and page.all("a", href="#main"), name
        ids = [element["id"] for element in page.elements if element["id"]]
        assert len(ids) == len(set(ids)), name
        labelled = {label["for"] for label in page.all("label")}
        for field in page.all("input"):
            assert field["type"] == "hidden" or field["id"] in labelled, (name, field["name"])
        for element in page.elements:
            for pointer in ("aria-describedby", "aria-labelledby"):
                assert set(element[pointer].split()) <= set(ids), (name, element[pointer])
            if element.tag in ("button", "summary"):
                assert element.text.strip() or element["aria-label"], name
            if element["href"].startswith("#"):
                assert element["href"][1:] in ids, (name, element["href"])


async def test_every_page_weighs_little_with_all_that_it_loads(town: Town, browser: Browser) -> None:
    async for name, answer in _pages(town, browser):
        total, seen = len(answer.body), set[str]()
        waiting = re.findall(r"/assets/[0-9a-f]+/[a-z_-]+\.\w+", answer.text)
        while waiting:
            path = waiting.pop()
            if path in seen:
                continue
            seen.add(path)
            asset = await browser.request("GET", path)
            assert asset.status == 200, path
            total += len(asset.body)
            waiting += [
                f"{path.rpartition('/')[0]}/{file}" for file in re.findall(r'from "\./([a-z_]+\.js)"', asset.text)
            ]
        assert total < MAX_PAGE_BYTES, (name, total)
        assert any(path.endswith(".css") for path in seen), name


async def test_files_of_pages_are_kept_for_ever_under_their_own_address(browser: Browser) -> None:
    page = await open_page(browser, "/sign-in")
    scripts = [element["src"] for element in page.all("script")]
    assert scripts
    for path in scripts:
        answer = await browser.request("GET", path)
        assert answer.headers["content-type"].startswith("text/javascript")
        assert "immutable" in answer.headers["cache-control"]
        name = path.rpartition("/")[2]
        assert (await browser.request("GET", f"/assets/0000/{name}")).headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["nothing.js", "..%2f__init__.py", "..", "style.css%00", "pages%2flayout.html"])
async def test_no_other_file_can_be_had(browser: Browser, name: str) -> None:
    assert (await browser.request("GET", f"/assets/0000/{name}")).status in (400, 404)


async def test_the_first_page_says_what_this_is(browser: Browser) -> None:
    page = await open_page(browser, "/")
    for said in ("Sandbox.", "One key calls every model", "/v1/chat/completions", "fbx_", "Service Credit"):
        assert said in page.said
    links = {element["href"] for element in page.all("a")}
    assert {"/sign-in", "/api/setup", "/api/openapi.json", "/api/errors", "/demo/mailbox"} <= links
    answer = await browser.request("HEAD", "/")
    assert (answer.status, answer.body) == (200, b"")


async def test_a_demos_letters_lie_open_newest_first(browser: Browser, gateway: RunningGateway) -> None:
    await ask_for_code(browser, "older@pages.example")
    _, letter = await ask_for_code(browser, "newer@pages.example")
    page = await open_page(browser, "/demo/mailbox")
    assert page.said.index("newer@pages.example") < page.said.index("older@pages.example")
    assert page.all("code")[0].text == letter.code
    assert page.all("a", href=f"/sign-in/link?token={letter.link_token}")
    assert gateway.site in page.said


async def test_a_letter_with_markup_is_text(browser: Browser, town: Town) -> None:
    await town.run(
        "INSERT INTO demo_letter (recipient, subject, body, sent_at) VALUES ('a@b.example', %s, %s, 1)",
        "<script>alert(1)</script>",
        "    https://evil.example/<script>alert(2)</script>",
    )
    page = await open_page(browser, "/demo/mailbox")
    assert "<script>alert" not in page.answer.text
    assert not [element for element in page.all("a") if "evil" in element["href"]]


async def test_an_invitation_that_is_over_says_what_to_do_about_it(browser: Browser) -> None:
    answer = await browser.request("GET", f"/invitations/{'x' * 43}")
    page = Page(answer)
    assert (answer.status, page.one("h1").text) == (404, "This invitation is not good any more.")
    assert "ask whoever invited you for a new one" in answer.text
    assert "Check the address" not in answer.text


async def test_where_letters_are_sent_there_is_no_mailbox(cluster: TestCluster) -> None:
    mail = Mail(host="127.0.0.1", port=9, sender="Farebox <no-reply@example.com>", security="none")
    async with serve_gateway(cluster, mail=mail) as sending, Browser(sending) as browser:
        await open_page(browser, "/demo/mailbox", status=404)
        assert "/demo/mailbox" not in (await open_page(browser, "/")).answer.text
