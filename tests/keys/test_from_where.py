"""A key with a list of networks works from there and from nowhere else, at every address of the gateway."""

from typing import Any

import pytest

from farebox.base.addresses import read_network
from farebox_sandbox.process import RunningSandbox
from tests.database import TestCluster
from tests.gateway import Customer, RunningGateway, serve_gateway

OFFICE = (read_network("192.0.2.0/24"), read_network("2001:db8::/32"))
_TEXT = {"model": "plain", "messages": [{"role": "user", "content": "Reply exactly: hi"}], "max_tokens": 5}
# Everything that asks for a key, by method, path and JSON body; what is wrong with a body is found after the key.
PLACES: list[tuple[str, str, Any]] = [
    ("POST", "/v1/chat/completions", _TEXT),
    ("POST", "/v1/chat/completions", {**_TEXT, "stream": True}),
    ("POST", "/v1/responses", {"model": "plain", "input": "Reply exactly: hi"}),
    ("POST", "/v1/messages", _TEXT),
    ("POST", "/v1/messages/count_tokens", _TEXT),
    ("POST", "/v1/embeddings", {}),
    ("POST", "/v1/images/generations", {}),
    ("POST", "/v1/audio/speech", {}),
    ("POST", "/v1/audio/transcriptions", {}),
    ("POST", "/v1/moderations", {}),
    ("POST", "/v1/videos", {}),
    ("GET", "/v1/videos/video_0000000000001", None),
    ("GET", "/v1/models", None),
    ("GET", "/v1/models/plain", None),
    ("GET", "/api/balance", None),
    ("GET", "/api/limits", None),
    ("GET", "/api/policy", None),
    ("GET", "/api/usage", None),
    ("POST", "/api/estimate", {}),
    ("PUT", "/api/keys/key_0000000000001/limits", {}),
]


async def _asked(customer: Customer, place: tuple[str, str, Any], *forwarded: str) -> tuple[int, str, bytes]:
    """Status, code of the error and body; each of `forwarded` is an X-Forwarded-For of its own."""
    method, path, body = place
    headers = [*customer.headers.items(), *(("X-Forwarded-For", value) for value in forwarded)]
    session, url = customer.gateway.session, customer.gateway.url + path
    async with session.request(method, url, json=body, headers=headers) as response:
        text = await response.read()
        code = ""
        if response.status >= 400:
            document = await response.json()
            code = (document.get("error") or document).get("code", "")
        return response.status, code, text


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place[0]} {place[1]}")
async def test_every_address_asks_where_the_key_is_used_from(
    proxied: RunningGateway, place: tuple[str, str, Any]
) -> None:
    customer = await proxied.new_customer(ip_allow=OFFICE)
    status, _, body = await _asked(customer, place, "198.51.100.7")
    assert (status, b"address_not_allowed" in body) == (403, True), body
    for hidden in (b"192.0.2", b"2001:db8", customer.key.secret.encode()):
        assert hidden not in body
    for allowed in ("192.0.2.44", "2001:db8::44"):
        status, code, body = await _asked(customer, place, allowed)
        assert status != 403, body
        assert code != "address_not_allowed"
    assert await customer.held_nanos() == 0


async def test_what_a_client_writes_itself_is_not_believed(proxied: RunningGateway) -> None:
    customer = await proxied.new_customer(ip_allow=OFFICE)
    chat = PLACES[0]
    for forged in (
        ("192.0.2.1, 198.51.100.7",),
        ("192.0.2.1", "198.51.100.7"),
        ("192.0.2.1, 198.51.100.7, 10.0.0.3",),
        ("192.0.2.1, unknown",),
        ("192.0.2.1, 198.51.100.7:443",),
        ("192.0.2.1, [2001:db9::1]:443",),
        ("192.0.2.1, fe80::1%eth0",),
        ("198.51.100.7, ,",),
        ("",),
        (),
    ):
        assert (await _asked(customer, chat, *forged))[0] == 403, forged
    for true in (("198.51.100.7, 192.0.2.1",), ("192.0.2.1, 10.0.0.3",), ("198.51.100.7", "192.0.2.1:5000, ")):
        assert (await _asked(customer, chat, *true))[0] == 200, true


async def test_without_trusted_proxies_nobodys_word_counts(cluster: TestCluster, sandbox: RunningSandbox) -> None:
    async with serve_gateway(cluster, sandbox=sandbox) as gateway:
        elsewhere = await gateway.new_customer(ip_allow=OFFICE)
        here = elsewhere.with_key(await elsewhere.new_key(ip_allow=(read_network("127.0.0.1"),)))
        for place in (PLACES[0], PLACES[1], ("GET", "/api/balance", None)):
            for forwarded in ((), ("192.0.2.1",), ("127.0.0.1",), ("192.0.2.1", "127.0.0.1")):
                assert (await _asked(elsewhere, place, *forwarded))[1] == "address_not_allowed"
                assert (await _asked(here, place, *forwarded))[0] == 200


async def test_a_refused_address_costs_nothing_and_is_no_use_of_the_key(proxied: RunningGateway) -> None:
    customer = await proxied.new_customer(ip_allow=OFFICE)
    assert (await _asked(customer, PLACES[0], "198.51.100.7"))[0] == 403
    assert await customer.call_ids() == []
    await proxied.restart()
    rows = await proxied.rows("SELECT last_used_at FROM api_key WHERE workspace_id = %s", customer.workspace_id)
    assert rows == [(None,)]
