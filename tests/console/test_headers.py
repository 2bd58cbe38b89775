"""What goes around every page: what browsers may load, frame and send, that they insist on https, and which methods."""

from collections.abc import AsyncIterator

import pytest

from farebox.web.pages import Assets
from farebox.wiring.settings import Server
from tests.database import TestCluster
from tests.gateway import RunningGateway, serve_gateway
from tests.people.browser import Browser

# A page, a form that is refused, no page, the operators' pages, a file.
PATHS = ("/", "/sign-in", "/sign-in/link?token=x", "/nothing-here", "/admin", "/admin/nothing", "/assets/0/style.css")
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}


@pytest.fixture(scope="module")
async def public(cluster: TestCluster) -> AsyncIterator[RunningGateway]:
    """A gateway that people reach by https."""
    async with serve_gateway(cluster, server=Server(public_url="https://ai.example.com")) as running:
        yield running


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_loads_frames_and_sends_nothing_elsewhere(browser: Browser, path: str) -> None:
    headers = (await browser.request("GET", path)).headers
    [policy] = headers.getall("content-security-policy")
    assert dict(part.strip().split(" ", 1) for part in policy.split(";")) == POLICY
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    for denied in ("camera", "geolocation", "microphone", "payment"):
        assert f"{denied}=()" in headers["permissions-policy"]
    assert not [name for name in headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("path", PATHS)
async def test_browsers_insist_on_https_for_a_year_where_there_is_https(
    browser: Browser, public: RunningGateway, path: str
) -> None:
    assert "strict-transport-security" not in (await browser.request("GET", path)).headers
    async with Browser(public) as visitor:
        told = (await visitor.request("GET", path)).headers["strict-transport-security"]
    age, *rest = told.split("; ")
    assert int(age.removeprefix("max-age=")) >= 31_536_000 and rest == ["includeSubDomains"]


@pytest.mark.parametrize(("path", "allowed"), [("/", "GET"), ("/sign-in", "GET"), ("/sign-out", "POST")])
async def test_other_methods_are_refused_with_those_there_are(browser: Browser, path: str, allowed: str) -> None:
    for method in ("PUT", "PATCH", "DELETE", "POST" if allowed == "GET" else "GET"):
        answer = await browser.request(method, path)
        assert answer.status == 405, method
        assert allowed in answer.headers["allow"].split(", ")
        assert "content-security-policy" in answer.headers


@pytest.mark.parametrize("path", ["/", "/sign-in", "/nothing-here", "/account"])
async def test_head_says_what_get_says_without_a_body(browser: Browser, path: str) -> None:
    got, head = await browser.request("GET", path), await browser.request("HEAD", path)
    assert (head.status, head.body) == (got.status, b"")
    named = {"content-security-policy", "cache-control", "content-type", "location"}
    assert {name: head.headers.get(name) for name in named} == {name: got.headers.get(name) for name in named}


async def test_a_form_beyond_all_measure_is_not_read(browser: Browser) -> None:
    answer = await browser.request("POST", "/sign-in/email", form={"email": "x" * 65_000})
    assert answer.status == 413 and "too large" in answer.text


def test_other_files_have_another_address() -> None:
    """Else browsers would keep the former ones for a year."""
    files, others = Assets("farebox.web"), Assets("farebox.web", "pages")
    assert files.version == Assets("farebox.web").version != others.version
    assert files.url("style.css") == f"/assets/{files.version}/style.css"
    with pytest.raises(KeyError):
        files.url("no-such-file.css")
