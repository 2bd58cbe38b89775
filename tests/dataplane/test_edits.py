"""What goes up and what comes back: three edits of the body, none of the client's headers, none of the provider's."""

import msgspec
import pytest

from tests.dataplane.outcomes import see
from tests.dataplane.recorder import Recorder
from tests.gateway import Customer, RunningGateway

ODD = b'"seed":1.50e3,"messages":[ {"role":"user","content":"\\u0041b"} ],"x-unknown":{"b":1,"a":[1.0]}'


async def send(customer: Customer, recorder: Recorder, body: bytes) -> bytes:
    """What the recorder got for it."""
    recorder.requests.clear()
    seen = await see(customer.post("/v1/chat/completions", body))
    assert seen.status == 200, seen.body
    [recorded] = recorder.requests
    assert recorded.line == b"POST /v1/chat/completions HTTP/1.1"
    return recorded.body


async def test_with_a_limit_and_no_stream_only_the_model_id_changes(customer: Customer, recorder: Recorder) -> None:
    body = b'{"model":"records","max_tokens":7,%s}' % ODD
    assert await send(customer, recorder, body) == body.replace(b'"records"', b'"records-upstream"')


@pytest.mark.parametrize(("model", "field"), [("records", "max_tokens"), ("records-new", "max_completion_tokens")])
async def test_a_missing_output_limit_is_sent_under_the_providers_name(
    customer: Customer, recorder: Recorder, model: str, field: str
) -> None:
    body = b'{"model":"%s",%s}' % (model.encode(), ODD)
    sent = await send(customer, recorder, body)
    expected = body.replace(b'"%s"' % model.encode(), b'"%s-upstream"' % model.encode())
    assert sent == expected[:-1] + b',"%s":1000}' % field.encode()


async def test_in_a_stream_the_usage_is_asked_for(customer: Customer, recorder: Recorder) -> None:
    body = b'{"model":"records","max_tokens":7,"stream":true,%s}' % ODD
    sent = await send(customer, recorder, body)
    changed = body.replace(b'"records"', b'"records-upstream"')
    assert sent == changed[:-1] + b',"stream_options":{"include_usage":true}}'
    asked = b'{"model":"records","max_tokens":7,"stream":true,"stream_options":{"include_usage" : true},%s}' % ODD
    assert await send(customer, recorder, asked) == asked.replace(b'"records"', b'"records-upstream"')


async def test_none_of_the_clients_headers_goes_up(customer: Customer, recorder: Recorder) -> None:
    recorder.requests.clear()
    headers = {"x-secret": "s", "cookie": "c=1", "openai-organization": "o", "x-forwarded-for": "1.2.3.4"}
    headers |= {"user-agent": "client/1", "idempotency-key": "k", "x-stainless-retry-count": "0"}
    assert (await see(customer.chat(model="records", headers=headers))).status == 200
    [recorded] = recorder.requests
    allowed = {b"host", b"content-type", b"content-length", b"accept", b"accept-encoding", b"user-agent"}
    assert set(recorded.headers) == allowed, "this provider has no key, so there is no authorization either"
    assert recorded.headers[b"user-agent"] == b"farebox"
    assert recorded.headers[b"accept-encoding"] == b"identity"


async def test_the_providers_key_is_the_operators(gateway: RunningGateway, customer: Customer) -> None:
    assert (await see(customer.chat())).status == 200
    call = (await gateway.upstream_calls("plain-upstream"))[-1]
    assert "authorization" in call["header_names"]  # the sandbox refuses any other key than its own


@pytest.mark.parametrize("stream", [False, True])
async def test_none_of_the_providers_headers_comes_back(
    gateway: RunningGateway, customer: Customer, stream: bool
) -> None:
    seen = await see(customer.chat(model="records", stream=stream))
    ours = {"x-request-id", "request-id", "x-farebox-call-id", "content-type", "date"}
    if stream:
        ours |= {"x-farebox-held-usd", "cache-control", "x-accel-buffering", "transfer-encoding"}
    else:
        money = {"cost-usd", "balance-after-usd", "low-balance", "recommended-action"}
        ours |= {"content-length", *(f"x-farebox-{name}" for name in money)}
    assert set(seen.headers) == ours
    assert seen.headers["x-request-id"] == seen.call_id != "upstream-1"
    rejected = await see(customer.chat(sandbox={"status": 400, "extra_headers": {"x-leak": "1", "set-cookie": "a=b"}}))
    assert rejected.status == 400 and not {"x-leak", "set-cookie"} & set(rejected.headers)


async def test_a_stream_is_not_to_be_buffered_or_cached(customer: Customer) -> None:
    seen = await see(customer.chat(stream=True))
    assert seen.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (seen.headers["cache-control"], seen.headers["x-accel-buffering"]) == ("no-cache", "no")


async def test_choices_multiply_the_hold(customer: Customer) -> None:
    held = []
    for choices in (1, 4):
        seen = await see(customer.chat(n=choices, max_tokens=100))
        assert len(seen.document["choices"]) == choices
        held.append((await customer.receipt(seen.call_id)).call.held_nanos)
    assert held[1] - held[0] == 3 * 100 * 5_000


async def test_two_choices_are_whole_only_with_both_reasons(customer: Customer) -> None:
    seen = await see(customer.chat(n=2, stream=True, sandbox={"no_done": True}))
    assert seen.whole and (await customer.receipt(seen.call_id)).rule == "provider_usage"


def test_the_odd_body_is_json() -> None:
    assert msgspec.json.decode(b"{%s}" % ODD)
