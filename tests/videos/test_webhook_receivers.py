"""Where a webhook may go, and what a receiver can do to whoever sends it."""

import asyncio
import ssl
from typing import Any

import pytest

from farebox.base.addresses import check_url, is_public
from farebox.base.errors import Problem
from farebox.dataplane.webhooks.client import Miss, NotDelivered
from farebox.providers.guard import GuardedResolver
from tests.videos.receivers import CERTIFICATE, Receiver, client_of, raw_receiving, receiving

PRIVATE = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
    *("255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::127.0.0.1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::", "2002:a9fe:a9fe::", "64:ff9b::7f00:1"),
    *("64:ff9b::a9fe:a9fe", "2001::1", "fe80::1%lo", "127.1", "0x7f.1", "2130706433", "localhost", ""),
]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_of_the_open_internet_is_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_an_address_of_the_open_internet_is_known(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        *("https://127.0.0.1/", "https://[::1]/", "https://127.1/", "https://0x7f.1/", "https://2130706433/"),
        *("https://[::ffff:127.0.0.1]/", "https://localhost/", "https://a.0x7f/", "http://a.example/"),
        *("ftp://a.example/", "https://u:p@a.example/", "https://a.example:80/", "https://a.example:70000/"),
        *("https://a.example:0443/", "https://a.example\\@b.example/", "https://a.example/#x", "https://a.example/ä"),
        *("https://a.example/\r\nx: y", "https://ä.example/", "https://a.example.:443/", "https:///x", "//a.example"),
        "https://a.example/" + "x" * 2_048,
    ],
)
def test_an_address_that_no_two_readers_may_read_alike_is_refused(url: str) -> None:
    with pytest.raises(Problem, match="webhook_url"):
        check_url(url, param="webhook_url")


@pytest.mark.parametrize(
    "url",
    ["https://a.example", "https://A.example:8443/p/q?r=s%20t", "https://8.8.8.8/", "https://[2606:4700::1]:443/"],
)
def test_an_ordinary_address_is_taken(url: str) -> None:
    assert check_url(url, param="webhook_url") == url


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "169.254.169.254"])
async def test_nothing_is_sent_to_a_private_address(receiver: Receiver, host: str) -> None:
    async with client_of(allow_private=False) as client:
        with pytest.raises(NotDelivered) as caught:
            await client.post(f"http://{host}:{receiver.port}/", b"{}", {})
    assert (caught.value.miss, receiver.deliveries) == (Miss.REFUSED_ADDRESS, [])


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::ffff:127.0.0.1"]])
async def test_a_name_is_refused_for_any_address_that_is_private(receiver: Receiver, addresses: list[str]) -> None:
    async with client_of(allow_private=False, look_up=lambda host, port: addresses) as client:
        with pytest.raises(NotDelivered) as caught:
            await client.post(f"http://hooks.example:{receiver.port}/", b"{}", {})
    assert (caught.value.miss, receiver.deliveries) == (Miss.REFUSED_ADDRESS, [])


async def test_a_name_with_one_private_address_is_not_even_tried_at_the_others() -> None:
    resolver = GuardedResolver(lambda host, port: ["8.8.8.8", "10.0.0.1"], is_public)
    with pytest.raises(OSError, match="not public"):
        await resolver.resolve("hooks.example", 443)
    await resolver.close()


async def test_a_name_is_looked_up_once_for_each_delivery(receiver: Receiver) -> None:
    asked = []

    def look_up(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["127.0.0.1"]

    async with client_of(look_up=look_up) as client:
        for _ in range(2):
            assert await client.post(f"http://hooks.example:{receiver.port}/", b"{}", {}) == 204
    assert asked == [("hooks.example", receiver.port)] * 2
    assert {delivery.headers["host"] for delivery in receiver.deliveries} == {f"hooks.example:{receiver.port}"}


async def test_the_certificate_has_to_be_that_of_the_name_in_the_address() -> None:
    trust = ssl.create_default_context(cafile=str(CERTIFICATE))
    async with receiving(tls=True) as receiver:

        async def status(host: str, **more: Any) -> int:
            async with client_of(look_up=lambda host, port: ["127.0.0.1"], **more) as client:
                return await client.post(f"https://{host}:{receiver.port}/", b"{}", {})

        assert await status("hooks.example", trust=trust) == 204
        for host, more in (("other.example", {"trust": trust}), ("hooks.example", {})):
            with pytest.raises(NotDelivered, match="unreachable"):
                await status(host, **more)
        assert len(receiver.deliveries) == 1


@pytest.mark.parametrize(
    "answer, then, expected",
    [
        (b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n", b"x" * 65_536, 200),
        (b"HTTP/1.1 200 OK\r\nx: ", b"x" * 65_536, None),
        (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", None),
        (b"", b"", None),
        (b"\x00\x01nonsense\r\n\r\n", b"", None),
    ],
)
async def test_no_answer_is_read_for_long(answer: bytes, then: bytes, expected: int | None) -> None:
    async with raw_receiving(answer, then=then) as port, client_of(timeout_seconds=1.0) as client:
        try:
            found: int | None = await client.post(f"http://127.0.0.1:{port}/", b"{}", {})
        except NotDelivered:
            found = None
    assert found == expected


async def test_a_name_server_that_never_answers_costs_no_more_than_the_timeout() -> None:
    gate = asyncio.Event()
    loop = asyncio.get_running_loop()

    def look_up(host: str, port: int) -> list[str]:
        asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()
        return []

    async with client_of(timeout_seconds=0.2, look_up=look_up) as client:
        with pytest.raises(NotDelivered, match="timeout"):
            await client.post("https://hooks.example/", b"{}", {})
        gate.set()
