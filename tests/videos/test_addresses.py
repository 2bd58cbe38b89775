"""Which addresses a film is fetched from, and to which of them the operator's key goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.dialects.videos.addresses import Hop, first_hop, next_hop

GOOGLE = "https://generativelanguage.googleapis.com/v1beta"
FILE = "https://generativelanguage.googleapis.com/v1beta/files/a:download?alt=media"
OWN = "http://127.0.0.1:8199/v1"


@pytest.mark.parametrize(
    "uri, base_url, with_key",
    [
        (FILE, GOOGLE, True),
        ("https://generativelanguage.googleapis.com:443/x", GOOGLE, True),
        ("https://storage.googleapis.com/bucket/film.mp4", GOOGLE, False),
        ("http://127.0.0.1:8199/v1/files/a", OWN, True),
    ],
)
def test_films_are_fetched_from_their_provider(uri: str, base_url: str, with_key: bool) -> None:
    assert first_hop(uri, base_url) == Hop(uri, with_key)


@pytest.mark.parametrize(
    "uri, base_url",
    [
        (FILE, OWN),  # another provider's film
        ("https://googleapis.com.evil.example/x", GOOGLE),
        ("https://evilgoogleapis.com/x", GOOGLE),
        ("https://storage.googleapis.com:8443/x", GOOGLE),
        ("http://storage.googleapis.com/x", GOOGLE),
        ("http://generativelanguage.googleapis.com/x", GOOGLE),
        ("https://user@generativelanguage.googleapis.com/x", GOOGLE),
        ("https://generativelanguage.googleapis.com@evil.example/x", GOOGLE),
        ("https://generativelanguage.googleapis.com\\@evil.example/x", GOOGLE),
        ("https://generativelanguage.googleapis.com/x\r\nx-a: b", GOOGLE),
        ("https://generativelanguage.googleapis.com:99999/x", GOOGLE),
        ("http://127.0.0.1:8200/v1/files/a", OWN),
        ("http://169.254.169.254/latest", OWN),
        ("file:///etc/passwd", OWN),
        ("//127.0.0.1:8199/x", OWN),
        ("", OWN),
    ],
)
def test_no_other_address_is_asked(uri: str, base_url: str) -> None:
    assert first_hop(uri, base_url) is None


def test_redirects_stay_at_the_provider_or_go_to_google_without_the_key() -> None:
    assert next_hop("/download/a", base_url=OWN, current=f"{OWN}/files/a") == Hop(
        "http://127.0.0.1:8199/download/a", True
    )
    signed = "https://lh3.googleusercontent.com/film?sig=1"
    assert next_hop(signed, base_url=GOOGLE, current=FILE) == Hop(signed, with_key=False)
    for location in ("http://127.0.0.1:9/", "https://evil.example/", "ftp://storage.googleapis.com/"):
        assert next_hop(location, base_url=GOOGLE, current=FILE) is None
    assert next_hop("https://a.googleapis.com/" + "x" * 9_000, base_url=GOOGLE, current=FILE) is None


@given(st.text(max_size=80) | st.from_regex(r"https?://[a-z@:.\\/\[\]0-9]{0,40}", fullmatch=True))
def test_the_key_goes_nowhere_but_to_the_providers_origin(uri: str) -> None:
    for hop in (first_hop(uri, OWN), next_hop(uri, base_url=OWN, current=f"{OWN}/files/a")):
        if hop is not None and hop.with_key:
            assert hop.url.startswith("http://127.0.0.1:8199/") or hop.url == "http://127.0.0.1:8199"
