"""Where this machine may connect to when a customer names the place, and where a request came from. Pure: nothing is
looked up here."""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from typing import Final

from farebox.base.errors import Problem

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

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
_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")

# Proxies that one request passes: a handful; a longer list was written by somebody else.
MAX_FORWARDED_HOPS: Final = 32
# The longest address in figures, with a zone, brackets and a port; a list may have spaces around it.
_MAX_ADDRESS_CHARS: Final = 100
_WITH_PORT: Final = re.compile(r"(?:\[([^\[\]]*)\]|([^\[\]:]*))(?::[0-9]{1,5})?")


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


def read_network(text: str) -> Network:
    """`192.0.2.0/24`, `2001:db8::/32`, or one address. Raises ValueError with a message for whoever wrote it."""
    figures, slash, prefix = text.partition("/")
    try:
        if "%" in figures or (slash and not (prefix.isascii() and prefix.isdigit())):
            raise ValueError
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        wrong = f"{text[:_MAX_ADDRESS_CHARS]!r} is no network; write it like 192.0.2.0/24 or 2001:db8::/32"
        raise ValueError(wrong) from None
    if isinstance(network, ipaddress.IPv6Network) and network.overlaps(_MAPPED) and network.prefixlen > 0:
        raise ValueError(f"{text!r} means IPv4 addresses; write it as they are written")
    if network.network_address != ipaddress.ip_address(figures):
        raise ValueError(f"{text!r} has bits beyond its prefix; {str(network)!r} is the network")
    return network


def read_address(text: str) -> Address | None:
    """An address in figures, with or without a port; an IPv4 one inside an IPv6 one counts as that. None: none."""
    if len(text) > _MAX_ADDRESS_CHARS:
        return None
    text = text.strip()
    with_port = _WITH_PORT.fullmatch(text)
    if with_port is not None:
        text = with_port[1] or with_port[2] or ""
    figures, zone, _ = text.partition("%")
    try:
        found = ipaddress.ip_address(figures)
    except ValueError:
        return None
    if zone and isinstance(found, ipaddress.IPv4Address):
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return found if mapped is None else mapped


def client_address(peer: str | None, forwarded: Sequence[str], trusted: Iterable[Network]) -> Address | None:
    """Where a request came from; None where nobody who is believed says so.

    `peer`: the socket's other end, None where that has no address. `forwarded`: the values of X-Forwarded-For, which
    only the `trusted` may say: read from the right, the first address that is not itself one of them.
    """
    address = None if peer is None else read_address(peer)
    networks = tuple(trusted)
    if address is None or not within(address, networks):
        return address
    hops = [hop for hop in ",".join(forwarded).rsplit(",", MAX_FORWARDED_HOPS) if hop.strip()]
    for hop in reversed(hops):
        address = read_address(hop)
        # What cannot be read, and the rest of a list that is too long, may be the client; who stands before it is not
        # believed instead.
        if address is None or not within(address, networks):
            return address
    return address


def within(address: Address, networks: Iterable[Network]) -> bool:
    """Whether one of the networks has the address."""
    return any(address in network for network in networks)
