"""The address under which people reach this gateway, and which requests come from its own pages. Pure.

Never taken from a request: links in letters, what wallets sign and whose passkeys are accepted follow from settings.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

_ORIGIN: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)(?::(?P<port>[1-9][0-9]{0,4}))?/?"
)
_LOCAL: Final = frozenset({"localhost", "127.0.0.1"})
# Methods that change nothing, whoever sends them.
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Site(msgspec.Struct, frozen=True):
    """`origin`: scheme, host and port, as browsers write it; `host`: without the port, to which passkeys belong."""

    origin: str
    host: str
    is_https: bool

    @property
    def authority(self) -> str:
        """Host and port, as a wallet shows whom one signs in to."""
        return self.origin.partition("://")[2]

    def url(self, path: str) -> str:
        """The address of a page; `path` begins with a slash."""
        return self.origin + path


def read_site(text: str) -> Site:
    """`https://ai.example.com`, or `http://localhost:8080`. Raises ValueError with a message for whoever wrote it."""
    found = _ORIGIN.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text[:200]!r} is not an address like https://ai.example.com, in small letters, without a path"
        )
    scheme, host, port = found["scheme"], found["host"], found["port"]
    if scheme == "http" and host not in _LOCAL:
        raise ValueError("is not https, and browsers keep no sign-in for plain http but on this machine")
    usual = {"https": "443", "http": "80"}[scheme]
    origin = f"{scheme}://{host}" + (f":{port}" if port and port != usual else "")
    return Site(origin, host, scheme == "https")


def is_cross_site(site: Site, method: str, headers: Mapping[str, str], *, has_cookie: bool) -> bool:
    """Whether a request that changes something comes, or may come, from another site's page.

    `Sec-Fetch-Site` decides where a browser sends it, else `Origin`. A request with neither is no page's; it is let
    through only where it bears no cookie. `headers`: names in lower case.
    """
    if method in SAFE_METHODS:
        return False
    origin = headers.get("origin")
    if origin is not None and origin != site.origin:
        return True
    fetched_from = headers.get("sec-fetch-site")
    if fetched_from is not None:
        return fetched_from not in ("same-origin", "none")
    return origin is None and has_cookie


def is_by_number(site: Site, headers: Mapping[str, str]) -> bool:
    """Whether a browser opened the gateway of its own machine as 127.0.0.1, while its site is localhost.

    Browsers take these for two sites, so no form of that page would be believed. Nobody is led away from another name:
    a proxy may have put it there. `headers`: names in lower case.
    """
    _, _, port = site.authority.partition(":")
    is_page = headers.get("sec-fetch-mode") == "navigate"
    return is_page and site.host == "localhost" and headers.get("host") == f"127.0.0.1:{port}"


def local_path(text: str | None, default: str) -> str:
    """A path of this site to go on to, or the default for whatever could lead elsewhere."""
    if text is None or len(text) > 1_000 or not re.fullmatch(r"/(?![/\\])[A-Za-z0-9/_.~?=&%-]*", text):
        return default
    return text
