"""Where a request came from: proxies are believed where they are trusted, and nobody else is."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farebox.base.addresses import MAX_FORWARDED_HOPS, Network, client_address, read_address, read_network

TRUSTED: tuple[Network, ...] = (read_network("10.0.0.0/8"), read_network("fd00::/8"))


def _seen(peer: str | None, *forwarded: str) -> str | None:
    found = client_address(peer, forwarded, TRUSTED)
    return None if found is None else str(found)


@pytest.mark.parametrize(
    ("forwarded", "seen"),
    [
        (("192.0.2.1",), "192.0.2.1"),
        (("8.8.8.8, 192.0.2.1",), "192.0.2.1"),
        (("8.8.8.8", "192.0.2.1"), "192.0.2.1"),
        (("192.0.2.1, 10.1.1.1, fd00::7",), "192.0.2.1"),
        (("192.0.2.1", "10.1.1.1", "fd00::7"), "192.0.2.1"),
        (("192.0.2.1:5123",), "192.0.2.1"),
        (("[2001:db8::1]:443",), "2001:db8::1"),
        (("[2001:db8::1]",), "2001:db8::1"),
        (("2001:DB8::1",), "2001:db8::1"),
        (("2001:db8::1%eth0",), "2001:db8::1"),
        (("::ffff:192.0.2.1",), "192.0.2.1"),
        (("192.0.2.1,,  ,10.1.1.1, ",), "192.0.2.1"),
        (("::ffff:10.1.1.1, 10.2.2.2",), "10.1.1.1"),
        ((), "10.0.0.1"),
        (("",), "10.0.0.1"),
        ((" , ,",), "10.0.0.1"),
    ],
)
def test_the_first_address_from_the_right_that_is_no_proxy_is_the_client(forwarded: tuple[str, ...], seen: str) -> None:
    assert _seen("10.0.0.1", *forwarded) == seen


@pytest.mark.parametrize(
    "last",
    [
        *("unknown", "_hidden", "unix:", "localhost", "192.0.2.1.5", "192.0.2", "3221225985", "0xC0000201"),
        *(
            "010.0.0.1",
            "192.0.2.1%eth0",
            "192.0.2.1/32",
            "[2001:db8::1",
            "2001:db8::1]",
            "[]",
            ":80",
            "::1::",
            "١٠.0.0.1",
        ),
        *("192.0.2.1:port", "192.0.2.1:123456", "\x00", '"192.0.2.1"', "for=192.0.2.1", "9" * 5_000),
    ],
)
def test_what_cannot_be_read_is_nobody_and_never_whoever_stands_before_it(last: str) -> None:
    assert _seen("10.0.0.1", f"192.0.2.9, {last}") is None
    assert _seen("10.0.0.1", f"192.0.2.9, {last}, 10.3.3.3") is None


def test_a_list_that_is_too_long_is_nobodys() -> None:
    proxies = ", ".join(["10.0.0.9"] * MAX_FORWARDED_HOPS)
    assert _seen("10.0.0.1", f"192.0.2.1, {proxies}") == "192.0.2.1"
    assert _seen("10.0.0.1", f"8.8.8.8, 192.0.2.1, {proxies}") is None


def test_a_socket_without_an_address_is_nobody() -> None:
    for peer in (None, "", "/run/farebox.sock"):
        assert _seen(peer, "192.0.2.1") is None


@given(st.lists(st.text()), st.ip_addresses().filter(lambda peer: not any(peer in net for net in TRUSTED)))
def test_whatever_a_stranger_says_of_itself_its_own_address_counts(
    forwarded: list[str], peer: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> None:
    assert client_address(str(peer), forwarded, TRUSTED) == read_address(str(peer))
    assert client_address("10.0.0.1", forwarded, ()) == ipaddress.ip_address("10.0.0.1")


@given(st.lists(st.text(alphabet="0123456789.:,[] %abf", max_size=60)), st.ip_addresses())
def test_what_a_client_adds_in_front_changes_nothing(
    added: list[str], client: ipaddress.IPv4Address | ipaddress.IPv6Address
) -> None:
    # The last proxy appends whom it saw.
    alone = client_address("10.0.0.1", [str(client)], TRUSTED)
    if alone is not None and not any(alone in network for network in TRUSTED):
        assert client_address("10.0.0.1", [*added, str(client)], TRUSTED) == alone


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.7", "192.0.2.7/32"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("2001:db8::7", "2001:db8::7/128"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("::/0", "::/0"),
    ],
)
def test_networks_are_read_as_they_are_written(text: str, network: str) -> None:
    assert str(read_network(text)) == network


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "/",
            "/24",
            "192.0.2.0/33",
            "192.0.2.0/-1",
            "192.0.2.0/ 24",
            "192.0.2.0/255.255.255.0",
            "192.0.2.0/0.0.0.255",
        ),
        *("192.0.2.7/24", "2001:db8::7/32", "fe80::1%eth0", "fe80::%eth0/10", "::ffff:192.0.2.0/120", "example.com"),
        *("192.0.2.0-192.0.2.9", "192.0.2.*", "1", "192.0.2.0/٢٤", "9" * 5_000),
    ],
)
def test_what_could_mean_another_network_than_was_meant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"network|prefix|IPv4") as refusal:
        read_network(text)
    assert len(str(refusal.value)) < 300
