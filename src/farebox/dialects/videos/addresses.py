"""Which addresses a film may be fetched from, when a provider names them: nothing that a provider says makes us show
the operator's key to anybody else, or ask anything inside the operator's network.
"""

from typing import Final, NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

# Hosts that Google serves files from; they take signed addresses, never a key of ours.
_GOOGLE: Final = (".googleapis.com", ".googleusercontent.com")
_PORTS: Final = {"https": 443, "http": 80}
MAX_ADDRESS_CHARS: Final = 8_192


class Hop(NamedTuple):
    """An address to ask, and whether the operator's key goes along: only to the provider's own."""

    url: str
    with_key: bool


def first_hop(uri: str, base_url: str) -> Hop | None:
    """An address that a job's answer named; None when it is not one of the provider's.

    It has to be at the provider's own origin, or with Google where the provider is Google.
    """
    hop = next_hop(uri, base_url=base_url, current=None)
    if hop is None or hop.with_key:
        return hop
    base = _plain(base_url)
    return hop if base is not None and _is_google(base) else None


def next_hop(location: str, *, base_url: str, current: str | None) -> Hop | None:
    """An address that an answer from `current` redirects to; None when it must not be followed."""
    if len(location) > MAX_ADDRESS_CHARS:
        return None
    try:
        url = location if current is None else urljoin(current, location)
    except ValueError:
        return None
    found, base = _plain(url), _plain(base_url)
    if found is None or base is None:
        return None
    if _origin(found) == _origin(base):
        return Hop(url, with_key=True)
    return Hop(url, with_key=False) if _is_google(found) else None


def _plain(url: str) -> SplitResult | None:
    """The parts of a web address without credentials; None for anything else."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        return None
    try:
        found = urlsplit(url)
        _ = found.port
    except ValueError:
        return None
    if found.scheme not in _PORTS or not found.hostname or "@" in found.netloc or found.fragment:
        return None
    return found


def _origin(url: SplitResult) -> tuple[str, str | None, int]:
    return url.scheme, url.hostname, url.port or _PORTS[url.scheme]


def _is_google(url: SplitResult) -> bool:
    host = url.hostname or ""
    return url.scheme == "https" and (url.port or 443) == 443 and host.endswith(_GOOGLE)
