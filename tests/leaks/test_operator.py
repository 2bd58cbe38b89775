"""Who has not the operator's token sees and changes nothing by `/api/operator`, whatever the address looks like.

No page of another origin can make a browser send it: it is no cookie. Nor may such a page read answers.
"""

import asyncio
import json
from typing import Any, Final

import pytest

from farebox.identity.store import show_key, show_workspace
from tests.database import TestCluster
from tests.gateway import Customer, serve_gateway
from tests.leaks.fort import TOKEN, Fort
from tests.leaks.looking import Sight, look

METHODS: Final = ("GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", "PUT ")
WRITES: Final = {"limits": {"day": {"requests": 0}}, "policy": {"only": ["nobody"]}}


def _places(customer: Customer) -> list[str]:
    of = f"/api/operator/workspaces/{show_workspace(customer.workspace_id)}"
    key = show_key(customer.key.record.key_id)
    return ["/api/operator/routes", *(f"{of}/{what}{query}" for what in WRITES for query in ("", f"?key={key}"))]


async def _unchanged(customer: Customer) -> None:
    policy = json.loads((await look(customer, "GET", "/api/policy")).body)
    assert (policy["effective"]["only"], policy["effective"]["regions"]) == (None, None)
    assert json.loads((await look(customer, "GET", "/api/limits")).body)["data"] == []


def _body_of(path: str) -> Any:
    return WRITES["limits" if "/limits" in path else "policy"]


async def test_without_the_whole_token_nothing_is_shown_or_changed(fort: Fort, customer: Customer) -> None:
    tokens = ("", " ", "x", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), TOKEN[::-1], customer.key.secret, "é", "*", "null")
    sent = [f"Bearer {token}" for token in tokens] + [TOKEN, f"Basic {TOKEN}", f"Bearer{TOKEN}", f"Bearer {TOKEN} x"]
    for place in _places(customer):
        for method in ("GET", "HEAD", "PUT"):
            for value in sent:
                body = _body_of(place) if method == "PUT" else None
                sight = await look(customer, method, place, body=body, headers={"authorization": value})
                assert sight.status in (401, 405), (method, place, value, sight.text)
                assert not sight.hidden
    for name in ("x-api-key", "x-operator-token", "cookie", "x-forwarded-authorization"):
        sight = await look(customer, "PUT", _places(customer)[1], body={}, headers={"authorization": "", name: TOKEN})
        assert sight.status == 401, sight.text
    await _unchanged(customer)


async def test_of_two_authorizations_the_first_counts(fort: Fort, customer: Customer) -> None:
    place = f"/api/operator/workspaces/{show_workspace(customer.workspace_id)}/policy"
    for tokens, status in (((TOKEN, "x"), 200), (("x", TOKEN), 401)):
        sight = await _raw(customer, "PUT", place, tokens, {})
        assert sight.status == status, sight.text
    await _unchanged(customer)


async def _raw(customer: Customer, method: str, path: str, tokens: tuple[str, ...], body: Any) -> Sight:
    """By hand: clients mend methods and addresses."""
    address = customer.gateway.url.removeprefix("http://")
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    content = json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", f"host: {address}", "connection: close", f"content-length: {len(content)}"]
    lines += [f"authorization: Bearer {token}" for token in tokens]
    writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + content)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    head, _, rest = answer.partition(b"\r\n\r\n")
    return Sight(int(head.split()[1]), {}, rest, answer.decode("latin-1"))


async def test_no_spelling_of_an_address_goes_past_the_token(fort: Fort, customer: Customer) -> None:
    for place in _places(customer):
        tail = place.removeprefix("/api/operator")
        spelled = [
            f"//api/operator{tail}",
            f"/api//operator{tail}",
            f"/api/./operator{tail}",
            f"/api/x/../operator{tail}",
            f"/v1/../api/operator{tail}",
            f"/v1/%2e%2e/api/operator{tail}",
            f"/api/%6fperator{tail}",
            f"/api%2Foperator{tail}",
            f"/api/OPERATOR{tail}",
            f"/api/operator/{tail}",
            f"/api/operator;x{tail}",
            f"/api/operator%00{tail}",
            f"{place}/",
            f"{place}%20",
            f"http://other.example/api/operator{tail}",
        ]
        for path in spelled:
            for method in METHODS:
                sight = await _raw(customer, method, path, (customer.key.secret,), _body_of(place))
                assert sight.status in (204, 400, 401, 404, 405), (method, path, sight.text)
                assert not sight.hidden, (method, path, sight.text)
    await _unchanged(customer)


async def test_no_method_but_its_own_does_anything(fort: Fort, customer: Customer) -> None:
    for place in _places(customer):
        for method in METHODS:
            if method in ("GET", "HEAD") or (method.strip() == "PUT" and "workspaces" in place):
                continue
            sight = await _raw(customer, method, place, (TOKEN,), _body_of(place))
            assert sight.status in (204, 400, 405), (method, place, sight.text)
    sight = await look(
        customer,
        "POST",
        _places(customer)[1],
        body=_body_of("/limits"),
        headers={"authorization": f"Bearer {TOKEN}", "x-http-method-override": "PUT", "x-method-override": "PUT"},
    )
    assert sight.status == 405
    await _unchanged(customer)


async def test_foreign_and_impossible_ids_are_not_there_for_the_operator_either(fort: Fort, customer: Customer) -> None:
    other = await fort.gateway.new_customer()
    mine = show_workspace(customer.workspace_id)
    bearer = {"authorization": f"Bearer {TOKEN}"}
    for workspace in (
        "ws_0",
        "ws_zzzzzzzzzzzzz",
        "0",
        "%00",
        "'",
        "ws_" + "9" * 300,
        show_key(customer.key.record.key_id),
    ):
        for what, body in WRITES.items():
            sight = await look(
                customer, "PUT", f"/api/operator/workspaces/{workspace}/{what}", body=body, headers=bearer
            )
            assert sight.status == 404, (workspace, sight.text)
    for key in (show_key(other.key.record.key_id), "key_0", mine, "'", "%00"):
        for what, body in WRITES.items():
            path = f"/api/operator/workspaces/{mine}/{what}?key={key}"
            sight = await look(customer, "PUT", path, body=body, headers=bearer)
            assert sight.status in (400, 404), (key, sight.text)
    await _unchanged(customer)
    await _unchanged(other)


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"[" * 50_000, b'{"day":' * 20_000, b"7" * 20_000_000])
async def test_a_body_that_cannot_be_meant_is_refused(fort: Fort, customer: Customer, body: bytes) -> None:
    for place in _places(customer)[1:]:
        sight = await _large(customer, place, body)
        assert sight.status in (400, 413), sight.text[:500]
    await _unchanged(customer)


async def _large(customer: Customer, place: str, body: bytes) -> Sight:
    async def pieces() -> Any:
        for start in range(0, len(body), 500_000):
            yield body[start : start + 500_000]

    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    url = customer.gateway.url + place
    async with customer.gateway.session.put(url, data=pieces(), headers=headers) as response:
        text = await response.text()
        return Sight(response.status, response.headers, text.encode(), text)


async def test_no_page_of_another_origin_may_send_or_read(fort: Fort, customer: Customer) -> None:
    asks = {"origin": "https://other.example", "access-control-request-method": "PUT"}
    for place in (*_places(customer), "/api/policy", "/v1/chat/completions"):
        sight = await look(customer, "OPTIONS", place, headers={**asks, "authorization": ""})
        assert not any(name.lower().startswith("access-control-") for name in sight.headers), sight.text


async def test_where_there_is_no_token_there_is_nothing(cluster: TestCluster) -> None:
    async with serve_gateway(cluster) as gateway:
        customer = await gateway.new_customer()
        for place in _places(customer):
            for value in ("", "Bearer ", "Bearer None", f"Bearer {TOKEN}", f"Bearer {customer.key.secret}"):
                for method in ("GET", "PUT"):
                    if method == "PUT" and "workspaces" not in place:
                        continue
                    body = _body_of(place) if method == "PUT" else None
                    sight = await look(customer, method, place, body=body, headers={"authorization": value})
                    assert (sight.status, sight.error["code"]) == (404, "not_found"), (method, place, sight.text)
        await _unchanged(customer)
