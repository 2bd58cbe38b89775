import asyncio
import socket
from contextlib import suppress

import aiohttp
import pytest
import uvicorn

from farebox.api.parts import HealthCheck
from farebox.catalog.model import EMPTY_CATALOG
from farebox.storage.pool import connected
from tests.api.shop import Shop


async def test_a_process_with_all_it_needs_is_ready(shop: Shop) -> None:
    async with shop.client() as client:
        response = await client.get("/readyz")
    assert response.status_code == 200
    checks = response.json()["checks"]
    assert [check["name"] for check in checks] == ["database", "schema", "catalog", "change_feed"]
    assert all(check["ok"] for check in checks)


async def test_whatever_is_missing_is_named(shop: Shop) -> None:
    shop.current = EMPTY_CATALOG
    shop.checks = [HealthCheck("change_feed", False, "changes are not heard of")]
    async with connected(shop.pool) as connection:
        await connection.execute("DELETE FROM farebox_schema WHERE version = (SELECT max(version) FROM farebox_schema)")
    async with shop.client() as client:
        response = await client.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (503, "not_ready")
    missing = {check["name"]: check["reason"] for check in response.json()["checks"] if not check["ok"]}
    assert missing.keys() == {"schema", "catalog", "change_feed"}
    assert all(missing.values())


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("::ffff:127.0.0.1", {}, 200),
        ("127.0.0.1", {"x-forwarded-for": "203.0.113.5"}, 404),
        ("127.0.0.1", {"forwarded": "for=203.0.113.5"}, 404),
        ("203.0.113.5", {}, 404),
        ("203.0.113.5", {"x-forwarded-for": "127.0.0.1"}, 404),
        ("203.0.113.5", {"authorization": "Bearer wrong"}, 404),
        ("203.0.113.5", {"authorization": "Bearer ü"}, 404),
        ("203.0.113.5", {"authorization": "Bearer metrics-secret"}, 200),
        ("testclient", {}, 404),
    ],
)
async def test_metrics_are_for_this_machine_or_for_the_token(
    shop: Shop, peer: str, headers: dict[str, str], status: int
) -> None:
    async with shop.client(peer=(peer, 5)) as client:
        response = await client.get(
            "/metrics", headers={name.encode(): value.encode() for name, value in headers.items()}
        )
    assert response.status_code == status
    assert ("farebox_test_total" in response.text) is (status == 200)


async def test_a_real_server_answers_get_head_and_exports_on_one_connection(shop: Shop) -> None:
    customer = await shop.customer()
    for _ in range(3):
        await customer.call()
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(shop.app, log_config=None, lifespan="off", http="httptools"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        connector = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(
            f"http://127.0.0.1:{port}", headers=customer.headers, connector=connector
        ) as web:
            async with web.head("/api/usage?format=csv") as response:
                assert (response.status, await response.read()) == (200, b"")
            async with web.get("/api/usage?format=csv") as response:
                assert (await response.text()).count("\r\n") == 4
            async with web.get("/api/balance", data=b"ignored") as response:
                assert (await response.json())["available_usd"] == "9.907"
            async with web.get("/metrics") as response:
                assert response.status == 200
            async with web.get("/healthz") as response:
                assert await response.json() == {"status": "ok"}
    finally:
        server.should_exit = True
        with suppress(asyncio.CancelledError):
            await serving
