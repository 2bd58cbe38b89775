"""Where this machine may connect to when a customer names the place. Pure: nothing is looked up here."""

import ipaddress
import re
from typing import Final

from farebox.base.errors import Problem

MAX_URL_CHARS: Final = 2_048
HTTPS_PORT: Final = 443
# Ports below belong to services of the system, except the one of https.
FIRST_FREE_PORT: Final = 1_024
LAST_PORT: Final = 65_535

# One reading for everybody: what is not spelled like this is refused, so no two parsers can disagree about the host.
# There is no room for user info, for a fragment, or for characters that some parsers drop.
_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?)"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?(?:[/?][!\"$-\[\]-~]*)?"
)
_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
# A host whose last part is a number is an address, and some parsers take such parts for octal or hexadecimal.
_NUMBERS: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)")

# IPv6 as it is given out for the internet; everything else is local, reserved or another protocol in disguise.
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_RELAYS: Final = ipaddress.IPv4Network("192.88.99.0/24")  # of 6to4
# Not for the internet, and taken for it by some versions of Python: of protocols (a cloud has its metadata there), and
# of documentation.
_PROTOCOLS: Final = ipaddress.IPv4Network("192.0.0.0/24")
_EXAMPLES: Final = ipaddress.IPv6Network("3fff::/20")
_LAST_32_BITS: Final = 0xFFFF_FFFF


def is_public(address: str) -> bool:
    """Whether an address, in figures, is one of the open internet. An IPv4 address inside an IPv6 one (mapped, 6to4,
    NAT64) counts as that address. False for whatever is not an address."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv4Address):
        return _is_public_ipv4(found)
    inner = found.ipv4_mapped or found.sixtofour
    if inner is None and found in _NAT64:
        inner = ipaddress.IPv4Address(int(found) & _LAST_32_BITS)
    if inner is not None:
        return _is_public_ipv4(inner)
    return found in _UNICAST and found.is_global and found.teredo is None and found not in _EXAMPLES


def _is_public_ipv4(address: ipaddress.IPv4Address) -> bool:
    special = address.is_multicast or address.is_reserved or address in _RELAYS or address in _PROTOCOLS
    return address.is_global and not special


def check_url(url: str, *, param: str, allow_private: bool = False) -> str:
    """The address of a customer's own server, if it may be one: `https://`, no user info, port 443 or one from 1024.

    `allow_private` also takes private addresses, and `http://` on this machine. What a name stands for is only known
    when it is connected to, so that is checked then. Raises Problem `invalid_request`.
    """
    found = _URL.fullmatch(url) if len(url) <= MAX_URL_CHARS else None
    if found is None:
        what = f"must be an https:// address of at most {MAX_URL_CHARS:,} plain characters, without user info"
        raise _wrong(param, what)
    host, port = found["host"], found["port"]
    if found["scheme"] == "http" and not (allow_private and host in _LOOPBACK_NAMES):
        raise _wrong(param, "must begin with https://")
    if port is not None and int(port) != HTTPS_PORT and not FIRST_FREE_PORT <= int(port) <= LAST_PORT:
        raise _wrong(param, f"must have port {HTTPS_PORT} or one from {FIRST_FREE_PORT:,} to {LAST_PORT:,}")
    in_figures = host.startswith("[") or _NUMBERS.fullmatch(host) is not None
    if not allow_private and (host.lower() == "localhost" or (in_figures and not is_public(host.strip("[]")))):
        raise _wrong(param, "must be an address of the open internet")
    return url


def _wrong(param: str, what: str) -> Problem:
    return Problem("invalid_request", f"`{param}` {what}.", param=param)
