"""The public address, which requests come from its own pages, and where one may be sent on to."""

import pytest

from farebox.base.site import is_cross_site, local_path, read_site

SITE = read_site("https://ai.example.com")
OWN, EVIL = SITE.origin, "https://evil.example"


@pytest.mark.parametrize("has_cookie", [True, False])
@pytest.mark.parametrize(
    ("origin", "fetched_from", "is_refused"),
    [
        (OWN, "same-origin", False),
        (OWN, None, False),
        (None, "same-origin", False),
        # Somebody's own doing, such as a reload after an answer that never came.
        (None, "none", False),
        (OWN, "none", False),
        (OWN, "same-site", True),
        (OWN, "cross-site", True),
        (OWN, "", True),
        (OWN, "Same-Origin", True),
        (EVIL, "same-origin", True),
        (EVIL, "none", True),
        (EVIL, None, True),
        ("null", None, True),
        ("", None, True),
        ("http://ai.example.com", None, True),
        ("https://ai.example.com:8443", None, True),
        ("https://ai.example.com.evil.example", None, True),
        ("https://AI.example.com", None, True),
    ],
)
def test_what_changes_something_comes_from_our_own_pages(
    origin: str | None, fetched_from: str | None, is_refused: bool, has_cookie: bool
) -> None:
    sent = {"origin": origin, "sec-fetch-site": fetched_from}
    headers = {name: value for name, value in sent.items() if value is not None}
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert is_cross_site(SITE, method, headers, has_cookie=has_cookie) is is_refused
    for method in ("GET", "HEAD", "OPTIONS"):
        assert not is_cross_site(SITE, method, headers, has_cookie=has_cookie)


def test_who_says_nothing_is_no_page_and_may_bear_no_cookie() -> None:
    assert is_cross_site(SITE, "POST", {}, has_cookie=True)
    assert not is_cross_site(SITE, "POST", {}, has_cookie=False)


@pytest.mark.parametrize(
    ("text", "origin", "host"),
    [
        ("https://ai.example.com", "https://ai.example.com", "ai.example.com"),
        ("https://ai.example.com/", "https://ai.example.com", "ai.example.com"),
        # Browsers leave the usual port out of the origin.
        ("https://ai.example.com:443", "https://ai.example.com", "ai.example.com"),
        ("https://ai.example.com:8443", "https://ai.example.com:8443", "ai.example.com"),
        ("http://localhost:80", "http://localhost", "localhost"),
        ("http://localhost:443", "http://localhost:443", "localhost"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", "127.0.0.1"),
    ],
)
def test_an_address_is_read_as_browsers_write_it(text: str, origin: str, host: str) -> None:
    site = read_site(text)
    assert (site.origin, site.host, site.is_https) == (origin, host, origin.startswith("https"))
    assert site.authority == origin.partition("://")[2] and site.url("/x") == f"{origin}/x"


@pytest.mark.parametrize(
    "text",
    [
        "http://ai.example.com",
        "http://localhost.example",
        "http://10.0.0.1",
        "https://AI.example.com",
        "https://ai.example.com/path",
        "https://ai.example.com?",
        "https://you@ai.example.com",
        "https://ai.example.com:0",
        "https://ai.example.com\n",
        "https://-ai.example.com",
        "ai.example.com",
        "ftp://ai.example.com",
        "",
    ],
)
def test_what_no_browser_could_sign_in_at_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an address|is not https"):
        read_site(text)


@pytest.mark.parametrize("text", ["/", "/console", "/console/ws_1/keys?page=2&sort=a%20b", "/" + "x" * 999])
def test_a_path_of_this_site_is_gone_on_to(text: str) -> None:
    assert local_path(text, "/home") == text


@pytest.mark.parametrize(
    "text",
    [None, "", "//evil.example", "/\\evil.example", "https://evil.example", "evil", "/a\n", "/a\r\nset-cookie: x",
     "/a b", "/a#b", "/a:b", "/a@b", "/\t/evil.example", "javascript:alert(1)", "/ä", "/" + "x" * 1_000],
)  # fmt: skip
def test_whatever_could_lead_elsewhere_is_not(text: str | None) -> None:
    assert local_path(text, "/home") == "/home"
