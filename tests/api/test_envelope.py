import dataclasses
from typing import Any

import pytest

from farebox.api.app import build_api
from farebox.base.site import read_site
from farebox.identity.model import KeyRecord
from tests.api.shop import Shop

PATHS = ["/api/balance", "/api/usage", "/api/setup", "/healthz", "/readyz", "/api/nothing", "/api/openapi.json"]


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_has_an_id_and_the_security_headers(shop: Shop, path: str) -> None:
    async with shop.client() as client:
        headers = (await client.get(path, headers={"x-request-id": "mine", "origin": "https://evil"})).headers
    assert headers.get_list("x-request-id") == [headers["request-id"]]
    assert headers["x-request-id"].startswith("req_")
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "authorization" in headers["vary"] and "x-api-key" in headers["vary"]
    assert (headers["x-frame-options"], headers["referrer-policy"]) == ("DENY", "no-referrer")
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert all(f"{denied}=()" in headers["permissions-policy"] for denied in ("camera", "geolocation", "microphone"))
    assert not [name for name in headers if name.startswith("access-control")]


async def test_a_request_without_a_key_says_which_header_to_send(shop: Shop) -> None:
    async with shop.client() as client:
        response = await client.get("/api/balance")
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["fault"]) == (401, "missing_api_key", "caller")
    assert (error["type"], error["retryable"]) == ("authentication_error", False)
    assert error["request_id"] == response.headers["x-request-id"]
    assert error["docs"].endswith("#missing-api-key")
    assert response.headers["x-should-retry"] == "false"
    assert response.headers["www-authenticate"] == "Bearer"


async def test_a_key_works_in_either_header_and_a_wrong_one_in_none(shop: Shop) -> None:
    customer = await shop.customer()
    secret = customer.headers["authorization"].removeprefix("Bearer ")
    async with shop.client() as client:
        assert (await client.get("/api/balance", headers={"x-api-key": secret})).status_code == 200
        response = await client.get("/api/balance", headers={"x-api-key": "sk-ant-123"})
    assert (response.status_code, response.json()["error"]["reason"]) == (401, "malformed")


async def test_unknown_addresses_and_methods_are_errors_of_the_catalogue(shop: Shop) -> None:
    async with shop.client() as client:
        missing = await client.get("/api/none")
        wrong = await client.post("/api/balance", json={})
        deleted = await client.delete("/api/usage/call_1")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    for response in (wrong, deleted):
        assert (response.status_code, response.json()["error"]["code"]) == (405, "method_not_allowed")
        assert "GET" in response.headers["allow"]


async def test_head_answers_like_get_without_a_body(shop: Shop) -> None:
    customer = await shop.customer()
    for path in ("/api/balance", "/api/setup", "/healthz"):
        response = await customer.raw("HEAD", path)
        assert (response.status_code, response.content) == (200, b"")
    export = await customer.raw("HEAD", "/api/usage", format="csv")
    assert (export.status_code, export.content) == (200, b"")
    assert export.headers["content-type"].startswith("text/csv")


async def test_a_body_of_a_get_is_ignored(shop: Shop) -> None:
    customer = await shop.customer()
    async with shop.client(headers=customer.headers) as client:
        response = await client.request("GET", "/api/balance", content=b"{broken")
    assert response.status_code == 200


async def test_a_database_that_is_away_is_503_with_a_time_to_come_back(shop: Shop) -> None:
    customer = await shop.customer()
    await customer.get("/api/balance")
    await shop.pool.close()
    response = await customer.raw("GET", "/api/balance")
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["retryable"]) == (503, "database_unavailable", True)
    assert response.headers["retry-after"] == "1"
    assert "x-should-retry" not in response.headers
    async with shop.client() as client:
        ready = await client.get("/readyz")
        assert (await client.get("/healthz")).status_code == 200
    assert ready.status_code == 503
    assert ready.json()["checks"][0] == {
        "name": "database",
        "ok": False,
        "reason": "the database does not answer",
    }


async def test_a_fault_of_ours_tells_no_more_than_its_id(shop: Shop) -> None:
    async def broken(headers: object, peer: object) -> KeyRecord:
        raise RuntimeError("secret internals")

    access = dataclasses.replace(shop._access(), authenticate=broken)
    shop.app = build_api(dataclasses.replace(shop._parts(), access=access))
    async with shop.client() as client:
        response = await client.get("/api/balance")
    assert (response.status_code, response.json()["error"]["code"]) == (500, "internal_error")
    assert "secret" not in response.text


@pytest.mark.parametrize("path", ["/api/keys", "/api/auth/email"])
async def test_who_leaves_before_the_request_is_whole_leaves_no_error_in_the_log(
    shop: Shop, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    customer = await shop.customer(scopes=frozenset({"keys.manage"}))
    begun: dict[str, Any] = {"type": "http.request", "body": b'{"na', "more_body": True}
    received = iter([begun, {"type": "http.disconnect"}])
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return next(received)

    async def send(message: Any) -> None:
        sent.append(dict(message))

    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
        "client": ("127.0.0.1", 5),
        "server": ("127.0.0.1", 80),
        "scheme": "http",
        "http_version": "1.1",
    }
    if path == "/api/keys":
        scope["headers"].append((b"authorization", customer.headers["authorization"].encode()))
    await shop.app(scope, receive, send)
    assert sent[0]["status"] == 400
    assert "request failed" not in capsys.readouterr().out


@pytest.mark.parametrize(("address", "insists"), [("https://ai.example.com", True), ("http://localhost:8080", False)])
async def test_browsers_are_told_to_come_by_https_where_that_is_the_address(
    shop: Shop, address: str, insists: bool
) -> None:
    access = dataclasses.replace(shop._access(), site=read_site(address))
    shop.app = build_api(dataclasses.replace(shop._parts(), access=access))
    async with shop.client() as client:
        headers = (await client.get("/api/setup")).headers
    assert ("strict-transport-security" in headers) is insists
