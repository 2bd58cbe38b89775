"""What the sandbox tells tests, and faults that are set ahead of requests."""

import asyncio
from typing import Any

from .conftest import Upstream


async def statuses(upstream: Upstream, model: str, count: int) -> list[int]:
    answers = []
    for _ in range(count):
        async with upstream.chat(model=model) as response:
            answers.append(response.status)
    return answers


async def test_faults_of_one_model_leave_the_others_alone(upstream: Upstream) -> None:
    await upstream.control("PUT", "faults?model=broken", {"status": 503})
    assert await statuses(upstream, "broken", 2) + await statuses(upstream, "well", 1) == [503, 503, 200]
    await upstream.control("DELETE", "faults?model=broken")
    assert await statuses(upstream, "broken", 1) == [200]


async def test_faults_can_end_after_a_number_of_requests(upstream: Upstream) -> None:
    await upstream.control("PUT", "faults?times=2", {"status": 500})
    assert await statuses(upstream, "m", 3) == [500, 500, 200]
    assert (await upstream.control("GET", "faults"))["faults"] == []


async def test_nearer_faults_win_field_by_field(upstream: Upstream) -> None:
    await upstream.control("PUT", "faults", {"status": 500, "error_code": "far"})
    await upstream.control("PUT", "faults?model=m", {"status": 501})
    async with upstream.chat(sandbox={"error_message": "near"}) as response:
        error = (await response.json())["error"]
    assert (response.status, error["code"], error["message"]) == (501, "far", "near")


async def test_a_call_is_told_with_its_limits_and_never_its_contents(upstream: Upstream) -> None:
    options = {"include_usage": True}
    await upstream.stream_lines("my secret", model="m2", max_tokens=9, n=2, stream_options=options)
    await statuses(upstream, "m2", 1)
    told = await upstream.calls("m2")
    first = told[0]
    assert (first["model"], first["max_tokens"], first["n"], first["stream"]) == ("m2", 9, 2, True)
    assert first["stream_options"] == options
    assert (first["status"], first["completed"], first["client_disconnected"]) == (200, True, False)
    assert (first["completion_tokens"], first["chunks_sent"]) == (18, 18)
    assert "authorization" in first["header_names"]
    assert [call["attempt"] for call in told] == [1, 2]
    assert told[1]["stream_options"] is None
    assert "secret" not in str(told)
    assert "sandbox-key" not in str(told)


async def test_a_client_that_leaves_is_noticed_at_once(upstream: Upstream) -> None:
    slow: list[dict[str, Any]] = [
        {"stream": True, "sandbox": {"words": 100, "chunk_delay_seconds": 0.01}},
        {"stream": True, "sandbox": {"words": 9, "idle_seconds": 60}},
        {"stream": True, "sandbox": {"first_byte_delay_seconds": 60}},
        {"stream": False, "sandbox": {"first_byte_delay_seconds": 60}},
    ]
    for fields in slow:
        await upstream.control("DELETE", "calls")
        async with upstream.chat(**fields) as response:
            assert (await upstream.control("GET", "open"))["open_streams"] == int(fields["stream"])
            response.close()
        await asyncio.sleep(0.05)
        call = (await upstream.calls())[0]
        assert (call["client_disconnected"], call["completed"], call["open"]) == (True, False, False)
        assert await upstream.control("GET", "open") == {"open_streams": 0, "open_requests": 0}


async def test_the_most_at_once_is_counted_by_account_and_by_model(upstream: Upstream) -> None:
    await upstream.control("PUT", "accounts", {"other": "other-key"})
    await upstream.control("DELETE", "load")
    other = {"authorization": "Bearer other-key"}
    body = {"model": "b", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    slow = {"chunk_delay_seconds": 60}
    async with upstream.chat(model="a", stream=True, sandbox=slow), upstream.chat(model="b", stream=True, sandbox=slow):
        url = f"{upstream.sandbox.base_url}/chat/completions"
        async with upstream.session.post(url, json={**body, "sandbox": slow}, headers=other):
            told = await upstream.control("GET", "load")
    assert told == {
        "accounts": {
            "default": {"open": 2, "most": 2, "calls": 2},
            "other": {"open": 1, "most": 1, "calls": 1},
        },
        "models": {"a": {"open": 1, "most": 1, "calls": 1}, "b": {"open": 2, "most": 2, "calls": 2}},
    }
    assert {call["account"] for call in await upstream.calls("b")} == {"default", "other"}
    async with asyncio.timeout(10):
        while any(gauge["open"] for gauge in (await upstream.control("GET", "load"))["accounts"].values()):
            await asyncio.sleep(0.01)
    assert (await upstream.control("GET", "load"))["models"]["b"] == {"open": 0, "most": 2, "calls": 2}
    assert await upstream.control("DELETE", "load") == {"accounts": {}, "models": {}}


async def test_accounts_have_keys_of_their_own_and_faults_of_their_own(upstream: Upstream) -> None:
    told = await upstream.control("PUT", "accounts", {"one": "key-one", "two": "key-two"})
    assert told == {"accounts": ["default", "one", "two"]}
    await upstream.control("PUT", "faults?account=one", {"status": 429, "error_code": "far"})
    await upstream.control("PUT", "faults?account=one&model=near", {"error_code": "near"})
    seen = {}
    for key, model in (("key-one", "m"), ("key-one", "near"), ("key-two", "m"), ("key-two", "near"), ("none", "m")):
        body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
        async with upstream.post("/v1/chat/completions", body, authorization=f"Bearer {key}") as response:
            code = (await response.json()).get("error", {}).get("code")
            seen[key, model] = (response.status, code if response.status == 429 else None)
    assert seen == {
        ("key-one", "m"): (429, "far"),
        ("key-one", "near"): (429, "near"),
        ("key-two", "m"): (200, None),
        ("key-two", "near"): (200, None),
        ("none", "m"): (401, None),
    }
    await upstream.control("DELETE", "faults?account=one")
    assert [fault["model"] for fault in (await upstream.control("GET", "faults"))["faults"]] == ["near"]


async def test_two_accounts_never_have_the_same_key(upstream: Upstream) -> None:
    same = {"one": "key", "two": "key"}
    for accounts in (same, {"one": upstream.sandbox.api_key}, {"one": ""}, {str(n): f"k{n}" for n in range(101)}):
        await upstream.control("PUT", "accounts", accounts, status=400)
    await upstream.control("PUT", "accounts", {})
    assert await upstream.control("GET", "accounts") == {"accounts": ["default"]}


async def test_health_needs_no_key_and_an_unknown_route_is_404(upstream: Upstream) -> None:
    for method, path, status in (("GET", "/healthz", 200), ("HEAD", "/", 200), ("GET", "/v1/nothing", 404)):
        async with upstream.session.request(method, upstream.sandbox.url + path) as response:
            assert response.status == status


async def test_the_log_is_bounded(upstream: Upstream) -> None:
    for _ in range(21):
        await asyncio.gather(*(statuses(upstream, "m", 1) for _ in range(50)))
    assert len(await upstream.calls()) == 1000
