"""The connection to the provider, cut at every byte of a short stream and of a JSON answer."""

from typing import Any

import aiohttp
import msgspec

from farebox_sandbox.process import RunningSandbox
from tests.dataplane.outcomes import price, see, together
from tests.gateway import Customer, RunningGateway

ESTIMATE = price(6, 1)  # "user", "Reply exactly: hi" and "hi", four bytes to a token
REPORTED = price(14, 1)


async def upstream_bytes(gateway: RunningGateway, sandbox: RunningSandbox, *, stream: bool) -> bytes:
    """What the sandbox answers to the very request that the gateway sends it."""
    body: dict[str, Any] = {"model": "plain-upstream", "messages": [{"role": "user", "content": "Reply exactly: hi"}]}
    if stream:
        body = {**body, "stream": True, "stream_options": {"include_usage": True}}
    headers = {"authorization": f"Bearer {sandbox.api_key}"}
    async with gateway.session.post(f"{sandbox.base_url}/chat/completions", json=body, headers=headers) as response:
        return await response.read()


async def cut_at(customer: Customer, place: int, *, stream: bool) -> tuple[str, int, bool]:
    """The rule, the charge, and whether the client was told that the answer is whole."""
    seen = await see(customer.chat(stream=stream, sandbox={"cut_at_byte": place}))
    receipt = await customer.receipt(seen.call_id)
    assert receipt.rule is not None
    told_whole = seen.whole if stream else seen.status == 200
    if not told_whole:
        assert seen.error["code"] == "upstream_exception", (place, seen)
    return receipt.rule, receipt.call.charge_nanos, told_whole


async def test_a_stream_cut_at_any_byte_is_charged_exactly_when_it_was_whole(
    gateway: RunningGateway, sandbox: RunningSandbox
) -> None:
    data = await upstream_bytes(gateway, sandbox, stream=True)
    ends = [index + 2 for index in range(len(data)) if data.startswith(b"\n\n", index)]
    first, finish, usage = ends[0], ends[2], ends[3]
    assert b'"finish_reason":"stop"' in data[ends[1] : finish] and len(ends) == 5
    customer = await gateway.new_customer()
    found = await together(cut_at(customer, place, stream=True) for place in range(len(data) + 1))
    for place, (rule, charge_nanos, told_whole) in enumerate(found):
        if place < first:
            expected = ("upstream_failed", 0, False)
        elif place < finish:
            expected = ("upstream_cut", 0, False)
        elif place < usage:
            expected = ("usage_missing_estimated", ESTIMATE, True)
        else:
            expected = ("provider_usage", REPORTED, True)
        assert (rule, charge_nanos, told_whole) == expected, (place, data[:place][-80:])
    charged = sum(charge_nanos for _, charge_nanos, _ in found)
    assert await customer.balance_nanos() == 10 * 10**9 - charged and await customer.held_nanos() == 0


async def test_a_json_answer_cut_at_any_byte_is_never_charged(gateway: RunningGateway, sandbox: RunningSandbox) -> None:
    size = len(await upstream_bytes(gateway, sandbox, stream=False))
    customer = await gateway.new_customer()
    found = await together(cut_at(customer, place, stream=False) for place in range(0, size, 4))
    assert set(found) == {("upstream_failed", 0, False)}
    assert await cut_at(customer, size, stream=False) == ("provider_usage", REPORTED, True)
    assert await customer.balance_nanos() == 10 * 10**9 - REPORTED


async def test_bytes_pass_untouched_but_for_what_is_withheld(gateway: RunningGateway, recorder_bytes: bytes) -> None:
    customer = await gateway.new_customer()
    seen = await see(customer.chat(model="records", stream=True))
    events = recorder_bytes.split(b"\n\n")
    kept = [event for event in events if b'"choices":[]' not in event]
    assert seen.body == b"\n\n".join(kept)
    asked = await see(customer.chat(model="records", stream=True, stream_options={"include_usage": True}))
    assert asked.body.split(b"\n\n")[:2] == events[:2]
    usage = msgspec.json.decode(asked.body.split(b"\n\n")[2].removeprefix(b"data: "))["usage"]
    assert usage == {"prompt_tokens": 7, "completion_tokens": 1, "total_tokens": 8} | {
        "cost_usd": "0.000012",
        "balance_after_usd": "9.999976",
    }


async def test_an_answer_read_byte_by_byte_by_the_client_is_the_same(gateway: RunningGateway) -> None:
    customer = await gateway.new_customer()
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(timeout=timeout, read_bufsize=1) as session:
        body = {"model": "plain", "stream": True, "messages": [{"role": "user", "content": "Reply exactly: slow"}]}
        url = f"{gateway.base_url}/chat/completions"
        async with session.post(url, json=body, headers=customer.headers) as response:
            received = b"".join([byte async for byte in response.content.iter_chunked(1)])
    assert received.endswith(b"data: [DONE]\n\n")
