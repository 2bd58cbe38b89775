"""The key API in two processes at once: what one is told holds in the other within a second."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.database import TestCluster
from tests.gateway import Customer, RunningGateway, serve_gateway

PATIENCE_SECONDS = 20.0
CHAT = {"model": "plain", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 20}


@pytest.fixture(scope="module")
async def gateway(cluster: TestCluster) -> AsyncIterator[RunningGateway]:
    async with serve_gateway(cluster, workers=2) as running:
        yield running


@pytest.fixture
async def customer(gateway: RunningGateway) -> Customer:
    return await gateway.new_customer()


async def _ask(gateway: RunningGateway, worker: int, secret: str, *, method: str, path: str, body: Any = None) -> Any:
    url = gateway.workers[worker].url + path
    headers = {"authorization": f"Bearer {secret}"}
    async with gateway.session.request(method, url, json=body, headers=headers) as response:
        return response.status, await response.json()


async def _until(gateway: RunningGateway, secret: str, *wanted: object) -> None:
    """Until each worker answers a call with that status, and that code of an error if there is one."""
    for worker in range(len(gateway.workers)):
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                status, body = await _ask(
                    gateway, worker, secret, method="POST", path="/v1/chat/completions", body=CHAT
                )
                if (status, body.get("error", {}).get("code"))[: len(wanted)] == wanted:
                    break
                await asyncio.sleep(0.02)


async def test_a_key_made_here_is_used_changed_rolled_and_revoked_everywhere(
    gateway: RunningGateway, customer: Customer
) -> None:
    manager = customer.key.secret
    status, made = await _ask(
        gateway, 0, manager, method="POST", path="/api/keys", body={"name": "bot", "limits": {"day": {"requests": 90}}}
    )
    assert status == 201
    path = f"/api/keys/{made['key']['key_id']}"
    await _until(gateway, made["secret"], 200)
    for change, code in (
        ({"scopes": ["messages"]}, "insufficient_scope"),
        ({"scopes": ["chat.completions"], "ip_allow": ["192.0.2.0/24"]}, "address_not_allowed"),
    ):
        status, _ = await _ask(gateway, 1, manager, method="PATCH", path=path, body=change)
        assert status == 200
        await _until(gateway, made["secret"], 403, code)
    await _ask(gateway, 0, manager, method="PATCH", path=path, body={"ip_allow": ["127.0.0.0/8", "::1"]})
    await _until(gateway, made["secret"], 200)
    status, rolled = await _ask(gateway, 1, manager, method="POST", path=f"{path}/roll", body={"overlap_seconds": 600})
    assert status == 201
    for secret in (made["secret"], rolled["secret"]):
        await _until(gateway, secret, 200)
    status, _ = await _ask(gateway, 0, manager, method="DELETE", path=path)
    assert status == 200
    await _until(gateway, made["secret"], 401)
    await _until(gateway, rolled["secret"], 200)


async def test_both_keys_of_a_line_use_one_limit(gateway: RunningGateway, customer: Customer) -> None:
    manager = customer.key.secret
    body = {"name": "bot", "limits": {"lifetime": {"requests": 3}}}
    _, made = await _ask(gateway, 0, manager, method="POST", path="/api/keys", body=body)
    await _until(gateway, made["secret"], 200)
    path = f"/api/keys/{made['key']['key_id']}/roll"
    _, rolled = await _ask(gateway, 0, manager, method="POST", path=path, body={})
    status, _ = await _ask(gateway, 0, rolled["secret"], method="POST", path="/v1/chat/completions", body=CHAT)
    assert status == 200
    for secret in (made["secret"], rolled["secret"]):
        status, told = await _ask(gateway, 1, secret, method="POST", path="/v1/chat/completions", body=CHAT)
        assert (status, told["error"]["code"]) == (429, "quota_exhausted")
    _, used = await _ask(gateway, 0, manager, method="GET", path="/api/keys/usage")
    requests = {row["key_id"]: row["all_time_requests"] for row in used["data"]}
    assert requests == {made["key"]["key_id"]: 2, rolled["key"]["key_id"]: 1}
